//! The first filter pass over eight-bit luma. Its sums are whole numbers below 2^16, so their order is free: they are
//! built by doubling (pairs, fours, eights) across the whole row instead of one after the other.

use super::{Vector, mean};

/// One row of eight-bit luma and where its box averages go.
pub(crate) struct RowSums<'a> {
    /// The row.
    pub(crate) row: &'a [u8],
    /// The width of the box, 1..=257.
    pub(crate) window: usize,
    /// Three buffers, each of at least `row.len()` rounded up to 16, plus `window` and 32.
    pub(crate) scratch: [&'a mut [u16]; 3],
    /// The averages: at least `row.len()` rounded up to 16; what is past the row's length is left at zero.
    pub(crate) out: &'a mut [f32],
}

#[inline(always)]
pub(crate) unsafe fn row_sums<V: Vector<N>, const N: usize>(work: &mut RowSums<'_>) {
    let (length, window) = (work.row.len(), work.window);
    let half = (window + 2) / 2;
    let rounded = length.next_multiple_of(16);
    assert!((1..=257).contains(&window) && work.out.len() >= rounded);
    let mut reach = rounded + window + 32;
    let [mut sums, mut next, total] = work.scratch.each_mut().map(|buffer| &mut buffer[..reach]);
    // The row between zeros, on a whole vector; the box of output x starts at `first + x`.
    let left = window - half;
    let base = left.next_multiple_of(32);
    let first = base - left;
    sums[..base].fill(0);
    sums[base..base + length].iter_mut().zip(work.row).for_each(|(sum, &value)| *sum = u16::from(value));
    sums[base + length..].fill(0);
    // `sums[p]` adds the `span` values from p on, for p below `reach`; `total[x]` the first `done` values of box x.
    let (mut span, mut done) = (1, 0);
    while span * 2 <= window {
        if window & span != 0 {
            match done {
                0 => total[..rounded].copy_from_slice(&sums[first..first + rounded]),
                _ => total[..rounded].iter_mut().zip(&sums[first + done..]).for_each(|(total, sum)| *total += sum),
            }
            done += span;
        }
        // Two doublings at once where the box has no part between them.
        if window & (span * 2) == 0 && span * 4 <= window {
            reach -= 3 * span;
            let (b, c, d) = (&sums[span..], &sums[span * 2..], &sums[span * 3..]);
            for ((((next, a), b), c), d) in next[..reach].iter_mut().zip(&*sums).zip(b).zip(c).zip(d) {
                *next = (a + b) + (c + d);
            }
            span *= 4;
        } else {
            reach -= span;
            for ((next, a), b) in next[..reach].iter_mut().zip(&*sums).zip(&sums[span..]) {
                *next = a + b;
            }
            span *= 2;
        }
        std::mem::swap(&mut sums, &mut next);
    }
    if done > 0 {
        for ((next, a), b) in next[..rounded].iter_mut().zip(&total[..rounded]).zip(&sums[first + done..]) {
            *next = a + b;
        }
        std::mem::swap(&mut sums, &mut next);
    }
    let from = if done > 0 { &sums[..rounded] } else { &sums[first..first + rounded] };
    let (count, inverse) = (window as f32, 1.0 / window as f32);
    // SAFETY: `from` and `out` hold `rounded` numbers, a multiple of `N`; the caller enables the instructions.
    unsafe {
        let (count, inverse) = (V::splat(count), V::splat(inverse));
        if window.is_power_of_two() {
            for x in (0..rounded).step_by(N) {
                mean::<V, N, true>(V::load_u16(from.as_ptr().add(x)), count, inverse)
                    .store(work.out.as_mut_ptr().add(x));
            }
        } else {
            for x in (0..rounded).step_by(N) {
                mean::<V, N, false>(V::load_u16(from.as_ptr().add(x)), count, inverse)
                    .store(work.out.as_mut_ptr().add(x));
            }
        }
    }
    // Near the ends the box holds fewer values.
    for x in (0..left.min(length)).chain(length.saturating_sub(half - 1).max(left)..length) {
        let inside = (x + half).min(length) - x.saturating_sub(left);
        work.out[x] = f32::from(from[x]) / inside as f32;
    }
    work.out[length..rounded].fill(0.0);
}
