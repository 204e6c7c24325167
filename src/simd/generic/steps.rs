//! The last filter pass, down the 64 columns that are left, and the steps between neighbouring samples that PDQ's quality
//! counts. The latter is a plain loop: the compiler vectorises it for the level that it is stamped out in.

use super::{KEPT, Vector, reciprocal};

/// The last box filter, down the columns that are kept, for consecutive rows.
pub(crate) struct Down<'a> {
    /// The running sums.
    pub(crate) sums: &'a mut [f32; KEPT],
    /// The rows in the box, of which the one in `slot` leaves it first; those that enter take their places.
    pub(crate) ring: &'a mut [[f32; KEPT]],
    pub(crate) slot: usize,
    pub(crate) rows: &'a [[f32; KEPT]],
    /// Where the averages after the last of the rows go, of so many values each, if asked for.
    pub(crate) averages: Option<(f32, &'a mut [f32; KEPT])>,
}

#[inline(always)]
pub(crate) unsafe fn down<V: Vector<N>, const N: usize>(work: &mut Down<'_>) {
    for from in (0..KEPT).step_by(N) {
        // SAFETY: `from + N` is at most `KEPT`; the caller enables the instructions.
        unsafe {
            let sums = work.sums.as_mut_ptr().add(from);
            let (mut sum, mut slot) = (V::load(sums), work.slot);
            for row in work.rows {
                let entering = V::load(row.as_ptr().add(from));
                let place = work.ring[slot].as_mut_ptr().add(from);
                sum = sum.add(entering).sub(V::load(place));
                entering.store(place);
                slot = if slot + 1 == work.ring.len() { 0 } else { slot + 1 };
            }
            sum.store(sums);
            if let Some((count, averages)) = &mut work.averages {
                let [inverse, rest] = reciprocal(*count);
                let average = sum.over(V::splat(*count), V::splat(inverse), V::splat(rest));
                average.store(averages.as_mut_ptr().add(from));
            }
        }
    }
}

/// The sum over all neighbours, along and down, of the step between them in whole per cent of the grey range, cut off
/// towards zero, without its sign. The division is the reference's own, so it is not replaced by a multiplication.
#[inline(always)]
#[allow(clippy::manual_clamp)] // which would let a NaN through
pub(crate) fn steps(samples: &[f32; 4096]) -> i32 {
    // SAFETY: samples lie between 0.0 and 255.0 or a little outside, so the step is a small number and no NaN; should a
    // caller have put others in, the bounds make them one.
    let step =
        |u: f32, v: f32| unsafe { (((u - v) * 100.0) / 255.0).max(-1e5).min(1e5).to_int_unchecked::<i32>().abs() };
    let rows = samples.as_chunks::<64>().0;
    let mut sums = [0i32; 64];
    for (row, next) in rows.iter().zip(&rows[1..]) {
        for ((sum, &u), &v) in sums.iter_mut().zip(row).zip(next) {
            *sum += step(u, v);
        }
    }
    for row in rows {
        for ((sum, &u), &v) in sums.iter_mut().zip(row).zip(&row[1..]) {
            *sum += step(u, v);
        }
    }
    sums.iter().sum()
}
