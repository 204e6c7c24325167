//! The first filter pass over eight-bit luma. Its sums are whole numbers below 2^16, so their order is free: they are
//! built in registers, of sums of 4, 8, 16 and 32 values that each come from two of half the length, one of them shifted.

use super::Words;

/// One row of eight-bit luma and where the sums of its boxes go.
pub(crate) struct RowSums<'a> {
    /// The row.
    pub(crate) row: &'a [u8],
    /// The width of the box, 1..=257.
    pub(crate) window: usize,
    /// [`RowSums::room`] bytes for the ends of the row between zeros, or for all of it: zeros, or what the last row of that
    /// length left in them.
    pub(crate) padded: &'a mut [u8],
    /// The sum of the box around each pixel: at least `row.len()` rounded up to 32; what is past the row's length is
    /// zero.
    pub(crate) out: &'a mut [u16],
}

/// Numbers that are worked on at a time.
const BLOCK: usize = 32;
/// Blocks that the longest box reaches over beside its last one.
const LONGEST: usize = 8;

impl RowSums<'_> {
    /// What the buffer has to hold for a row of that length.
    pub(crate) const fn room(length: usize, window: usize) -> usize {
        length.next_multiple_of(BLOCK) + window + 5 * BLOCK
    }
}

#[inline(always)]
pub(crate) unsafe fn row_sums<W: Words>(work: &mut RowSums<'_>) {
    let (length, window) = (work.row.len(), work.window);
    let rounded = length.next_multiple_of(BLOCK);
    assert!((1..=BLOCK * LONGEST + 1).contains(&window) && work.out.len() >= rounded);
    assert!(work.padded.len() >= RowSums::room(length, window));
    // The box of output x starts at `x` of the padded row, of which only the ends are read.
    let left = window - (window + 2) / 2;
    match (work.row.first_chunk::<64>(), work.row.last_chunk::<64>()) {
        (Some(first), Some(last)) => {
            work.padded[left..left + 64].copy_from_slice(first);
            work.padded[left + length - 64..left + length].copy_from_slice(last);
        }
        _ => work.padded[left..left + length].copy_from_slice(work.row),
    }
    let (row, padded, out, blocks) = (work.row, work.padded.as_ptr(), work.out.as_mut_ptr(), rounded / BLOCK);
    // SAFETY: `blocks` blocks of `out` are written. The bytes of `padded` that are read are at most those of
    // `blocks + 3 + (window - 1) / 32` blocks and 3 more, which is within `room`. The caller enables the instructions.
    unsafe {
        match window {
            4 => sums_of::<W, 0, true, false>(row, padded, window, out, blocks),
            8 => sums_of::<W, 1, true, false>(row, padded, window, out, blocks),
            16 => sums_of::<W, 2, true, false>(row, padded, window, out, blocks),
            32 => sums_of::<W, 3, true, false>(row, padded, window, out, blocks),
            0..4 => sums_of::<W, 0, false, false>(row, padded, window, out, blocks),
            5..8 => sums_of::<W, 1, false, false>(row, padded, window, out, blocks),
            9..16 => sums_of::<W, 2, false, false>(row, padded, window, out, blocks),
            17..32 => sums_of::<W, 3, false, false>(row, padded, window, out, blocks),
            33.. if window.is_multiple_of(BLOCK) => sums_of::<W, 3, true, true>(row, padded, window, out, blocks),
            33.. => sums_of::<W, 3, false, true>(row, padded, window, out, blocks),
        }
    }
    work.out[length..rounded].fill(0);
}

/// Columns that plain code takes at a time, so that what lies between its passes stays in the first cache.
const CHUNK: usize = 512;

/// The same in plain code: of the loop over blocks the compiler would make single numbers, but of these passes vectors.
#[inline(always)]
pub(crate) fn plain_row_sums(work: &mut RowSums<'_>) {
    let (length, window) = (work.row.len(), work.window);
    assert!((1..=BLOCK * LONGEST + 1).contains(&window));
    let left = window - (window + 2) / 2;
    work.padded[left..left + length].copy_from_slice(work.row);
    let (out, past) = work.out[..length.next_multiple_of(BLOCK)].split_at_mut(length);
    let mut scratch = [[0u16; CHUNK + BLOCK * LONGEST]; 2];
    for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
        let mut reach = out.len() + window - 1;
        let bytes = &work.padded[chunk * CHUNK..][..reach];
        let [mut sums, mut next] = scratch.each_mut().map(|scratch| &mut scratch[..reach]);
        sums.iter_mut().zip(bytes).for_each(|(sum, &value)| *sum = value.into());
        // `sums[x]` adds the `span` values from x on, for x below `reach`; `out[x]` the first `done` values of box x.
        let (mut span, mut done) = (1, 0);
        loop {
            if window & span != 0 {
                match done {
                    0 => out.copy_from_slice(&sums[..out.len()]),
                    _ => out.iter_mut().zip(&sums[done..]).for_each(|(out, sum)| *out = out.wrapping_add(*sum)),
                }
                done += span;
            }
            if span * 2 > window {
                break;
            }
            // Two doublings at once where the box has no part between them.
            if window & (span * 2) == 0 && span * 4 <= window {
                reach -= 3 * span;
                let (b, c, d) = (&sums[span..], &sums[span * 2..], &sums[span * 3..]);
                for ((((next, a), b), c), d) in next[..reach].iter_mut().zip(&*sums).zip(b).zip(c).zip(d) {
                    *next = a.wrapping_add(*b).wrapping_add(c.wrapping_add(*d));
                }
                span *= 4;
            } else {
                reach -= span;
                for ((next, a), b) in next[..reach].iter_mut().zip(&*sums).zip(&sums[span..]) {
                    *next = a.wrapping_add(*b);
                }
                span *= 2;
            }
            std::mem::swap(&mut sums, &mut next);
        }
    }
    past.fill(0);
}

/// Sums of `window` neighbours for `blocks` blocks. What is above whole blocks of them (`LONG`) is a sum of `4 << DOUBLED`
/// (`POWER`) or fewer.
///
/// For each bit of that rest, from the lowest, a sum of as many values goes before what is summed up for the bits below. A
/// sum shifted by one block or less needs the block behind, so each doubling lags one block behind the last.
#[inline(always)]
unsafe fn sums_of<W: Words, const DOUBLED: usize, const POWER: bool, const LONG: bool>(
    row: &[u8],
    padded: *const u8,
    window: usize,
    out: *mut u16,
    blocks: usize,
) {
    let whole = if LONG { (window - 1) / BLOCK } else { 0 };
    let rest = window - whole * BLOCK;
    let left = window - (window + 2) / 2;
    // SAFETY: as `row_sums` says.
    unsafe {
        let nothing = W::nothing();
        // What the doublings had of the block before: the sums, and those of the rest.
        let (mut sums, mut rests) = ([nothing; 3], [nothing; 3]);
        // The last blocks of sums of 32, and the sum of them.
        let (mut long, mut oldest, mut all) = ([nothing; LONGEST], 0, nothing);
        for block in 0..blocks + DOUBLED + whole {
            // From the row itself where all that is read lies inside it.
            let at = match (block * BLOCK).checked_sub(left) {
                Some(at) if at + BLOCK + 3 <= row.len() => row.as_ptr().add(at),
                _ => padded.add(block * BLOCK),
            };
            let one = W::load_u8(at);
            let two = one.add(W::load_u8(at.add(1)));
            let three = two.add(W::load_u8(at.add(2)));
            let mut sum = three.add(W::load_u8(at.add(3)));
            let mut of_rest = match rest % 4 {
                0 => nothing,
                1 => one,
                2 => two,
                _ => three,
            };
            macro_rules! double {
                ($at:literal, $shifted:ident) => {
                    if DOUBLED > $at {
                        let (last, last_rest) = (sums[$at], rests[$at]);
                        (sums[$at], rests[$at]) = (sum, of_rest);
                        of_rest = if rest & 4 << $at == 0 { last_rest } else { last.add(last_rest.$shifted(of_rest)) };
                        sum = last.add(last.$shifted(sum));
                    }
                };
            }
            double!(0, shifted_4);
            double!(1, shifted_8);
            double!(2, shifted_16);
            if POWER {
                of_rest = sum;
            }
            if LONG {
                of_rest = all.add(of_rest);
                all = all.add(sum).sub(long[oldest]);
                long[oldest] = sum;
                oldest = (oldest + 1) % whole;
            }
            if let Some(block) = block.checked_sub(DOUBLED + whole) {
                of_rest.store(out.add(block * BLOCK));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, kernels};

    #[test]
    fn every_level_sums_every_box() {
        let bytes: Vec<u8> = (0..1500u32)
            .map(|x| (x.wrapping_mul(2_654_435_761) >> 24) as u8 | ((x / 700) as u8).wrapping_mul(255))
            .collect();
        let mut rows = 0;
        for level in Level::available() {
            for window in 1..=BLOCK * LONGEST + 1 {
                // The boxes of a picture are narrower than it, but nothing here needs that.
                for length in [1, 31, 32, 33, 63, 64, 65, 66, 97, window, 2 * window + 5, 512, 600] {
                    let mut padded = vec![0; RowSums::room(length, window)];
                    // The second row finds what the first one left, and none of it may come back.
                    for row in [&bytes[..length], &bytes[1500 - length..]] {
                        let mut out = vec![7; length.next_multiple_of(BLOCK)];
                        (kernels(level).row_sums)(&mut RowSums { row, window, padded: &mut padded, out: &mut out });
                        let after = (window + 2) / 2;
                        let expected = (0..out.len()).map(|x| match x < length {
                            true => row[(x + after).saturating_sub(window)..(x + after).min(length)]
                                .iter()
                                .map(|&value| u16::from(value))
                                .sum(),
                            false => 0,
                        });
                        assert!(out.iter().copied().eq(expected), "{level}, {window} of {length}");
                        rows += 1;
                    }
                }
            }
        }
        println!("{rows} rows at {:?}", Level::available());
    }
}
