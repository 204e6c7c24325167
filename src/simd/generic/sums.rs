//! The first filter pass over eight-bit luma. Its sums are whole numbers below 2^16, so their order is free: they are
//! built of sums of four, sixteen and sixty-four values across the whole row instead of one after the other.

use super::Words;

/// One row of eight-bit luma and where the sums of its boxes go.
pub(crate) struct RowSums<'a> {
    /// The row.
    pub(crate) row: &'a [u8],
    /// The width of the box, 1..=257.
    pub(crate) window: usize,
    /// At least [`RowSums::room`] bytes, which become the row between zeros.
    pub(crate) padded: &'a mut [u8],
    /// For sums of 4, 16 and 64 values: at least [`RowSums::room`] each.
    pub(crate) parts: [&'a mut [u16]; 3],
    /// The sum of the box around each pixel: at least `row.len()` rounded up to 64; what is past the row's length is
    /// zero.
    pub(crate) out: &'a mut [u16],
}

impl RowSums<'_> {
    /// What the buffers have to hold for a row of that length.
    pub(crate) const fn room(length: usize, window: usize) -> usize {
        length.next_multiple_of(64) + window + 128
    }
}

#[inline(always)]
pub(crate) unsafe fn row_sums<W: Words>(work: &mut RowSums<'_>) {
    let (length, window) = (work.row.len(), work.window);
    let (rounded, room) = (length.next_multiple_of(64), RowSums::room(length, window));
    assert!((1..=257).contains(&window) && work.out.len() >= rounded && work.padded.len() >= room);
    assert!(work.parts.iter().all(|part| part.len() >= room));
    // The box of output x starts at `x` of the padded row.
    let left = window - (window + 2) / 2;
    work.padded[..left].fill(0);
    work.padded[left..left + length].copy_from_slice(work.row);
    work.padded[left + length..room].fill(0);

    // How many sums of each length make up the box; a few short ones are not worth a pass over the row.
    let mut rest = window;
    let [sixty_fours, sixteens, fours] = [(64, 80), (16, 20), (4, 8)].map(|(span, least)| {
        let count = if rest >= least { rest / span } else { 0 };
        rest -= count * span;
        count
    });
    let [four, sixteen, sixty_four] = work.parts.each_mut().map(|part| part.as_mut_ptr());
    let (bytes, out) = (work.padded.as_ptr(), work.out.as_mut_ptr());
    // SAFETY: sums are made for the columns below `reach` and what is left of a vector, at most 31 more; those of 64 read
    // 48 further, and so all stay within `room`. So do the boxes, which end before `reach`. `rounded` is a multiple of
    // two vectors. The caller enables the instructions.
    unsafe {
        let reach = rounded + window;
        if window >= 8 {
            for x in (0..reach).step_by(W::LANES) {
                let at = bytes.add(x);
                let (left, right) = (W::load_u8(at).add(W::load_u8(at.add(1))), W::load_u8(at.add(2)));
                left.add(right.add(W::load_u8(at.add(3)))).store(four.add(x));
            }
        }
        for (from, to, span, wanted) in [(four, sixteen, 4, window >= 20), (sixteen, sixty_four, 16, window >= 80)] {
            for x in (0..if wanted { reach } else { 0 }).step_by(W::LANES) {
                let at = from.add(x);
                let (left, right) = (W::load(at).add(W::load(at.add(span))), W::load(at.add(2 * span)));
                left.add(right.add(W::load(at.add(3 * span)))).store(to.add(x));
            }
        }
        // At most four of each length, or one of them fewer than make up the next.
        let (mut parts, mut count, mut at) = ([four.cast_const(); 16], 0, 0);
        for (sums, times, span) in [(sixty_four, sixty_fours, 64), (sixteen, sixteens, 16), (four, fours, 4)] {
            for _ in 0..times {
                parts[count] = sums.add(at);
                (count, at) = (count + 1, at + span);
            }
        }
        let (parts, bytes) = (&parts[..count], bytes.add(at));
        match rest {
            0 => together::<W, 0>(parts, bytes, out, rounded),
            1 => together::<W, 1>(parts, bytes, out, rounded),
            2 => together::<W, 2>(parts, bytes, out, rounded),
            3 => together::<W, 3>(parts, bytes, out, rounded),
            4 => together::<W, 4>(parts, bytes, out, rounded),
            5 => together::<W, 5>(parts, bytes, out, rounded),
            6 => together::<W, 6>(parts, bytes, out, rounded),
            _ => together::<W, 7>(parts, bytes, out, rounded),
        }
    }
    work.out[length..rounded].fill(0);
}

/// Adds up all `parts` and `BYTES` neighbouring values, one of the two at least, for `rounded` columns.
#[inline(always)]
unsafe fn together<W: Words, const BYTES: usize>(
    parts: &[*const u16],
    bytes: *const u8,
    out: *mut u16,
    rounded: usize,
) {
    // SAFETY: as `row_sums` says.
    unsafe {
        for x in (0..rounded).step_by(2 * W::LANES) {
            let (first, second) = (x, x + W::LANES);
            let (mut sums, parts) = match parts.split_first() {
                Some((part, parts)) if BYTES == 0 => ([W::load(part.add(first)), W::load(part.add(second))], parts),
                _ => ([W::load_u8(bytes.add(first)), W::load_u8(bytes.add(second))], parts),
            };
            for k in 1..BYTES {
                sums = [sums[0].add(W::load_u8(bytes.add(first + k))), sums[1].add(W::load_u8(bytes.add(second + k)))];
            }
            for part in parts {
                sums = [sums[0].add(W::load(part.add(first))), sums[1].add(W::load(part.add(second)))];
            }
            sums[0].store(out.add(first));
            sums[1].store(out.add(second));
        }
    }
}
