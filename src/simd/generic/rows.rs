//! The filter passes whose sums must keep their order. Sixteen rows go side by side: a block of them is transposed, so
//! that a lane is a row and each running sum advances one column a step.

use super::{BATCH, CHUNK, KEPT, Vector, mean};

/// The first pass along [`BATCH`] rows of luma in floats.
pub(crate) struct Rows<'a> {
    /// The rows, `stride` apart, zero from the picture's width to `padded`.
    pub(crate) input: &'a [f32],
    pub(crate) stride: usize,
    /// Columns to go through: a multiple of 16 that covers the width and half a box more.
    pub(crate) padded: usize,
    /// The width of the box.
    pub(crate) window: usize,
    /// How many values the box holds at each of the `padded` steps.
    pub(crate) counts: &'a [f32],
    /// As in [`Columns`].
    pub(crate) delay: &'a mut [f32],
    /// Where the averages go: the one of step `x` of row `k` to `out[at[k] + x]`.
    pub(crate) out: &'a mut [f32],
    pub(crate) at: [usize; BATCH],
}

#[inline(always)]
pub(crate) unsafe fn rows<V: Vector<N>, const N: usize>(work: &mut Rows<'_>) {
    let (padded, history) = (work.padded, work.window * BATCH);
    assert!(padded % 16 == 0 && work.counts.len() >= padded && work.delay.len() >= history + CHUNK * BATCH);
    assert!(work.input.len() >= (BATCH - 1) * work.stride + padded);
    assert!(work.at.iter().all(|at| at.checked_add(padded).is_some_and(|end| end <= work.out.len())));
    work.delay[..history].fill(0.0);
    let (input, out, delay) = (work.input.as_ptr(), work.out.as_mut_ptr(), work.delay.as_mut_ptr());
    // SAFETY: the three assertions above bound every access: `x + N <= padded` in rows and counts, and in the delay line
    // `at + N <= CHUNK` columns after `history`. The caller enables the instructions.
    unsafe {
        let mut sums = [V::splat(0.0); BATCH];
        for start in (0..padded).step_by(CHUNK) {
            let end = padded.min(start + CHUNK);
            for x in (start..end).step_by(N) {
                let fresh = delay.add(history + (x - start) * BATCH);
                for (group, sum) in sums.iter_mut().take(BATCH / N).enumerate() {
                    let mut block = [V::splat(0.0); N];
                    for (k, row) in block.iter_mut().enumerate() {
                        *row = V::load(input.add((group * N + k) * work.stride + x));
                    }
                    let block = V::transpose(block);
                    for (k, column) in block.iter().enumerate() {
                        column.store(fresh.add(k * BATCH + group * N));
                    }
                    let mut averages = block;
                    for (k, average) in averages.iter_mut().enumerate() {
                        let leaving = V::load(fresh.add(k * BATCH + group * N).sub(history));
                        *sum = sum.add(block[k]).sub(leaving);
                        let count = *work.counts.get_unchecked(x + k);
                        *average = sum.over(V::splat(count), V::splat(1.0 / count));
                    }
                    for (k, row) in V::transpose(averages).iter().enumerate() {
                        row.store(out.add(work.at[group * N + k] + x));
                    }
                }
            }
            delay.copy_from(delay.add((end - start) * BATCH), history);
        }
    }
}

/// The second pass, down the columns, and the third, along the rows, for [`BATCH`] consecutive steps of the former.
pub(crate) struct Columns<'a> {
    /// Rows after the first pass, zero from the picture's width to `padded`.
    pub(crate) ring: &'a [f32],
    /// Where in `ring` the row lies that enters the box at each step, and the one that leaves it.
    pub(crate) enter: [usize; BATCH],
    pub(crate) leave: [usize; BATCH],
    /// How many rows the box holds after each step.
    pub(crate) counts: [f32; BATCH],
    /// The running sums of the columns, `padded` of them.
    pub(crate) sums: &'a mut [f32],
    /// As in [`Rows`].
    pub(crate) padded: usize,
    /// The width of the box along the rows.
    pub(crate) window: usize,
    /// `window + CHUNK` columns of [`BATCH`] lanes: the newest chunk after those that have yet to leave the box.
    pub(crate) delay: &'a mut [f32],
    /// The steps of the third pass whose averages are kept, ascending, and how many values the box holds there.
    pub(crate) kept: &'a [u32; KEPT],
    pub(crate) kept_counts: &'a [f32; KEPT],
    /// The averages kept, row after row.
    pub(crate) out: &'a mut [f32; BATCH * KEPT],
}

#[inline(always)]
pub(crate) unsafe fn columns<V: Vector<N>, const N: usize>(work: &mut Columns<'_>) {
    // All but the first and the last steps have the same count, so sides of 2^n * 128 pixels nearly always go this way.
    let exact = work.counts.iter().all(|&count| (count as u32).is_power_of_two());
    // SAFETY: as this function's.
    unsafe { if exact { columns_of::<V, N, true>(work) } else { columns_of::<V, N, false>(work) } }
}

/// With `EXACT` all counts are powers of two.
#[inline(always)]
unsafe fn columns_of<V: Vector<N>, const N: usize, const EXACT: bool>(work: &mut Columns<'_>) {
    let (padded, history) = (work.padded, work.window * BATCH);
    assert!(padded % 16 == 0 && work.sums.len() >= padded && work.delay.len() >= history + CHUNK * BATCH);
    let inside = |at: &usize| at.checked_add(padded).is_some_and(|end| end <= work.ring.len());
    assert!(work.enter.iter().chain(&work.leave).all(inside));
    work.delay[..history].fill(0.0);
    let (ring, columns, delay) = (work.ring.as_ptr(), work.sums.as_mut_ptr(), work.delay.as_mut_ptr());
    let inverses = work.counts.map(|count| 1.0 / count);
    let mut kept = [0.0f32; KEPT * BATCH];
    let mut waiting = work.kept.iter().enumerate().peekable();
    let mut steps = [0.0f32; BATCH * 16];
    // SAFETY: the assertions above bound every access: `x + N <= padded` in the ring and the sums, and in the delay line
    // `x - start + N <= CHUNK` columns after `history`; `steps` holds `N <= 16` columns. The caller enables the
    // instructions.
    unsafe {
        let mut sums = [V::splat(0.0); BATCH];
        for start in (0..padded).step_by(CHUNK) {
            let end = padded.min(start + CHUNK);
            for x in (start..end).step_by(N) {
                let fresh = delay.add(history + (x - start) * BATCH);
                let mut column = V::load(columns.add(x));
                for group in 0..BATCH / N {
                    let mut block = [V::splat(0.0); N];
                    for (k, average) in block.iter_mut().enumerate() {
                        let k = group * N + k;
                        column = column.add(V::load(ring.add(work.enter[k] + x)));
                        column = column.sub(V::load(ring.add(work.leave[k] + x)));
                        *average = mean::<V, N, EXACT>(column, V::splat(work.counts[k]), V::splat(inverses[k]));
                    }
                    for (k, column) in V::transpose(block).iter().enumerate() {
                        column.store(fresh.add(k * BATCH + group * N));
                    }
                }
                column.store(columns.add(x));
                for k in 0..N {
                    for (group, sum) in sums.iter_mut().take(BATCH / N).enumerate() {
                        let at = fresh.add(k * BATCH + group * N);
                        *sum = sum.add(V::load(at)).sub(V::load(at.sub(history)));
                        sum.store(steps.as_mut_ptr().add(k * BATCH + group * N));
                    }
                }
                while let Some((j, &step)) = waiting.next_if(|(_, step)| (**step as usize) < x + N) {
                    let from = (step as usize - x) * BATCH;
                    kept[j * BATCH..(j + 1) * BATCH].copy_from_slice(&steps[from..from + BATCH]);
                }
            }
            delay.copy_from(delay.add((end - start) * BATCH), history);
        }
        for j in (0..KEPT).step_by(N) {
            for group in 0..BATCH / N {
                let mut block = [V::splat(0.0); N];
                for (k, column) in block.iter_mut().enumerate() {
                    let sum = V::load(kept.as_ptr().add((j + k) * BATCH + group * N));
                    *column = sum.div(V::splat(work.kept_counts[j + k]));
                }
                for (k, row) in V::transpose(block).iter().enumerate() {
                    row.store(work.out.as_mut_ptr().add((group * N + k) * KEPT + j));
                }
            }
        }
    }
}
