//! The filter passes whose sums must keep their order. Sixteen rows go side by side: a block of them is transposed, so
//! that a lane is a row and each running sum advances one column a step.

use super::{BATCH, KEPT, Vector, reciprocal};

/// How many values the box holds at each place, and the two parts of the [`reciprocal`] of that.
#[derive(Clone, Copy)]
pub(crate) struct Counts<'a> {
    pub(crate) counts: &'a [f32],
    pub(crate) inverses: &'a [f32],
    pub(crate) rests: &'a [f32],
}

/// The places for columns in a delay line for boxes of that width: those that have yet to leave the box and two blocks of
/// new ones, up to a power of two, or some more than that. Column x lies at `x` modulo that, and the first sixteen lie
/// behind the last once more, so that a block can be read in one piece.
pub(crate) const fn places(window: usize) -> usize {
    let places = (window + 32).next_power_of_two();
    if places < 128 { 128 } else { places }
}

/// The floats in such a delay line.
pub(crate) const fn delay(window: usize) -> usize {
    (places(window) + BATCH) * BATCH
}

/// The first pass along [`BATCH`] rows of luma in floats.
pub(crate) struct Rows<'a> {
    /// The rows, `padded` apart, zero from the picture's width on.
    pub(crate) input: &'a [f32],
    /// Columns to go through: a multiple of 16 that covers the width and half a box more.
    pub(crate) padded: usize,
    /// The width of the box.
    pub(crate) window: usize,
    /// Of each of the `padded` steps.
    pub(crate) counts: Counts<'a>,
    /// As in [`Columns`].
    pub(crate) delay: &'a mut [f32],
    /// Where the averages go: the one of step `x` of row `k` to `out[at[k] + x]`.
    pub(crate) out: &'a mut [f32],
    pub(crate) at: [usize; BATCH],
}

#[inline(always)]
pub(crate) unsafe fn rows<V: Vector<N>, const N: usize>(work: &mut Rows<'_>) {
    let (padded, window, places) = (work.padded, work.window, places(work.window));
    let Counts { counts, inverses, rests } = work.counts;
    assert!(padded % 16 == 0 && counts.len() >= padded && inverses.len() >= padded && rests.len() >= padded);
    assert!(work.input.len() >= BATCH * padded && work.delay.len() >= delay(window));
    assert!(work.at.iter().all(|at| at.checked_add(padded).is_some_and(|end| end <= work.out.len())));
    work.delay[(places - window) * BATCH..places * BATCH].fill(0.0);
    let (input, out, delay, mask) = (work.input.as_ptr(), work.out.as_mut_ptr(), work.delay.as_mut_ptr(), places - 1);
    // SAFETY: the assertions above bound every access: `x + N <= padded` in rows and counts; in the delay line a block
    // begins at a column modulo `places`, and `N` more fit. The caller enables the instructions.
    unsafe {
        let mut sums = [V::splat(0.0); BATCH];
        for x in (0..padded).step_by(N) {
            let fresh = delay.add((x & mask) * BATCH);
            let gone = delay.add((x.wrapping_sub(window) & mask) * BATCH);
            for (group, sum) in sums.iter_mut().take(BATCH / N).enumerate() {
                let mut block = [V::splat(0.0); N];
                for (k, row) in block.iter_mut().enumerate() {
                    *row = V::load(input.add((group * N + k) * padded + x));
                }
                let block = V::transpose(block);
                for (k, column) in block.iter().enumerate() {
                    column.store(fresh.add(k * BATCH + group * N));
                }
                if x & mask < BATCH {
                    // At once, since a narrow box ends within the block.
                    for (k, column) in block.iter().enumerate() {
                        column.store(fresh.add((places + k) * BATCH + group * N));
                    }
                }
                let mut averages = block;
                for (k, average) in averages.iter_mut().enumerate() {
                    let leaving = V::load(gone.add(k * BATCH + group * N));
                    *sum = sum.add(block[k]).sub(leaving);
                    let count = V::splat(*counts.get_unchecked(x + k));
                    let (inverse, rest) = (*inverses.get_unchecked(x + k), *rests.get_unchecked(x + k));
                    *average = sum.over(count, V::splat(inverse), V::splat(rest));
                }
                for (k, row) in V::transpose(averages).iter().enumerate() {
                    row.store(out.add(work.at[group * N + k] + x));
                }
            }
        }
    }
}

/// Repeats the body with the name standing for 0, 1, 2 and so on below the number of at most 16, so that what is indexed
/// with it stays in registers; the compiler leaves a loop of that size as it is.
macro_rules! unrolled {
    ($number:expr, $k:ident => $body:block) => {
        unrolled!($number, $k => $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($number:expr, $k:ident => $body:block, $($at:literal)*) => {
        $({
            let $k: usize = $at;
            if $k < $number $body
        })*
    };
}

/// The second pass, down the columns, and the third, along the rows, for [`BATCH`] consecutive steps of the former.
pub(crate) struct Columns<'a> {
    /// Rows after the first pass, zero from the picture's width to `padded`.
    pub(crate) ring: &'a mut [f32],
    /// Where in `ring` the row lies that leaves the box at each step, and the one that enters it.
    pub(crate) leave: [usize; BATCH],
    pub(crate) enter: [usize; BATCH],
    /// Where the first pass left sums: their averages enter the box instead, and take the place of what leaves.
    pub(crate) entering: Option<Entering<'a>>,
    /// How many rows the box holds after each step.
    pub(crate) counts: [f32; BATCH],
    /// The running sums of the columns, `padded` of them.
    pub(crate) sums: &'a mut [f32],
    /// As in [`Rows`].
    pub(crate) padded: usize,
    /// The width of the box along the rows.
    pub(crate) window: usize,
    /// [`delay`] floats: columns of [`BATCH`] lanes.
    pub(crate) delay: &'a mut [f32],
    /// The steps of the third pass whose averages are kept, ascending, each once, and behind them `usize::MAX`.
    pub(crate) kept: &'a [usize; KEPT + 1],
    /// For each average the place of its step in `kept`.
    pub(crate) places: &'a [u8; KEPT],
    /// How many values the box holds there, and the parts of the reciprocal, as in [`Counts`].
    pub(crate) kept_counts: [&'a [f32; KEPT]; 3],
    /// For the sums of the steps kept, [`BATCH`] each.
    pub(crate) kept_sums: &'a mut [f32; KEPT * BATCH],
    /// The averages kept, row after row.
    pub(crate) out: &'a mut [f32; BATCH * KEPT],
}

/// [`BATCH`] rows of the sums of [`RowSums`](super::RowSums).
#[derive(Clone, Copy)]
pub(crate) struct Entering<'a> {
    /// The rows, `stride` apart, zero from the picture's width to `padded`.
    pub(crate) sums: &'a [u16],
    pub(crate) stride: usize,
    /// Of each of the `padded` columns.
    pub(crate) counts: Counts<'a>,
}

#[inline(always)]
pub(crate) unsafe fn columns<V: Vector<N>, const N: usize>(work: &mut Columns<'_>) {
    // All but the first and the last steps have the same count.
    let even = work.counts.iter().all(|&count| count == work.counts[0]);
    // SAFETY: as this function's.
    unsafe {
        match (work.entering, even) {
            (Some(entering), true) => columns_of::<V, N, true, true>(work, entering),
            (Some(entering), false) => columns_of::<V, N, true, false>(work, entering),
            (None, true) => columns_of::<V, N, false, true>(work, Entering::NONE),
            (None, false) => columns_of::<V, N, false, false>(work, Entering::NONE),
        }
    }
}

impl Entering<'_> {
    const NONE: Self = Self { sums: &[], stride: 0, counts: Counts { counts: &[], inverses: &[], rests: &[] } };
}

/// With `SUMS` what enters are those of `entering`; with `EVEN` all steps have the same count.
#[inline(always)]
unsafe fn columns_of<V: Vector<N>, const N: usize, const SUMS: bool, const EVEN: bool>(
    work: &mut Columns<'_>,
    entering: Entering<'_>,
) {
    let (padded, window, places) = (work.padded, work.window, places(work.window));
    assert!(padded % 16 == 0 && work.sums.len() >= padded && work.delay.len() >= delay(window));
    let inside = |at: &usize| at.checked_add(padded).is_some_and(|end| end <= work.ring.len());
    assert!(work.enter.iter().chain(&work.leave).all(inside));
    let Counts { counts, inverses, rests } = entering.counts;
    assert!(work.kept[KEPT] == usize::MAX);
    if SUMS {
        assert!(entering.sums.len() >= (BATCH - 1) * entering.stride + padded);
        assert!(counts.len() >= padded && inverses.len() >= padded && rests.len() >= padded);
    }
    // What lies before the first column, and the block that the third pass takes before it.
    work.delay[(places - window - N) * BATCH..places * BATCH].fill(0.0);
    let (ring, columns) = (work.ring.as_mut_ptr(), work.sums.as_mut_ptr());
    let parts = if EVEN { [reciprocal(work.counts[0]); BATCH] } else { work.counts.map(reciprocal) };
    let (kept, mut next, mut wanted) = (work.kept_sums.as_mut_ptr(), 0, work.kept[0]);
    let (delay, mask, groups) = (work.delay.as_mut_ptr(), places - 1, BATCH / N);
    // SAFETY: the assertions above bound every access: `x + N <= padded` in the ring, the sums and the counts; in the delay
    // line a block begins at a column modulo `places`, `N` more fit, and it overlaps none that is in use, since `places` is
    // at least `window + 2 * N`; `next` goes up where a column is the one wanted, which the one behind the last
    // never is. The caller enables the instructions.
    unsafe {
        let mut sums = [V::splat(0.0); 4];
        // Macros, since a closure is not compiled for the level.
        macro_rules! count {
            ($k:expr) => {
                (V::splat(work.counts[$k]), V::splat(parts[$k][0]), V::splat(parts[$k][1]))
            };
        }
        let all = count!(0);
        // The third pass is a block behind the second and takes its steps in between: alone, each would wait for its sums.
        for x in (0..padded + N).step_by(N) {
            let before = x.wrapping_sub(N);
            let (fresh, ready) = (delay.add((x & mask) * BATCH), delay.add((before & mask) * BATCH));
            let gone = delay.add((before.wrapping_sub(window) & mask) * BATCH);
            let mut ahead = wanted.wrapping_sub(before);
            macro_rules! along {
                ($c:expr, $group:expr) => {{
                    let (c, group) = ($c, $group);
                    let at = c * BATCH + group * N;
                    let sum = sums[group].add(V::load(ready.add(at))).sub(V::load(gone.add(at)));
                    sums[group] = sum;
                    if ahead == c {
                        sum.store(kept.add(next * BATCH + group * N));
                        if group == groups - 1 {
                            next += 1;
                            wanted = *work.kept.get_unchecked(next);
                            ahead = wanted.wrapping_sub(before);
                        }
                    }
                }};
            }
            if x == padded {
                unrolled!(BATCH, k => { along!(k / groups, k % groups) });
                let _ = (sums, wanted, ahead);
                break;
            }
            let mut column = V::load(columns.add(x));
            let across = if SUMS {
                (V::load(counts.as_ptr().add(x)), V::load(inverses.as_ptr().add(x)), V::load(rests.as_ptr().add(x)))
            } else {
                all
            };
            for group in 0..groups {
                let mut block = [V::splat(0.0); N];
                unrolled!(N, k => {
                    let row = group * N + k;
                    let leaves = ring.add(work.leave[row] + x);
                    let leaving = V::load(leaves);
                    let value = if SUMS {
                        let sum = V::load_u16(entering.sums.as_ptr().add(row * entering.stride + x));
                        let value = sum.over(across.0, across.1, across.2);
                        value.store(leaves);
                        value
                    } else {
                        V::load(ring.add(work.enter[row] + x))
                    };
                    column = column.add(value).sub(leaving);
                    let (count, inverse, rest) = if EVEN { all } else { count!(row) };
                    block[k] = column.over(count, inverse, rest);
                    along!(group * (N / groups) + k / groups, k % groups);
                });
                for (k, column) in V::transpose(block).iter().enumerate() {
                    column.store(fresh.add(k * BATCH + group * N));
                }
            }
            column.store(columns.add(x));
            if x & mask < BATCH {
                fresh.add(places * BATCH).copy_from(fresh, N * BATCH);
            }
        }
        for j in (0..KEPT).step_by(N) {
            for group in 0..groups {
                let mut block = [V::splat(0.0); N];
                for (k, column) in block.iter_mut().enumerate() {
                    let [count, inverse, rest] = work.kept_counts.map(|of| of[j + k]);
                    let place = usize::from(work.places[j + k]).min(KEPT - 1);
                    let sum = V::load(kept.add(place * BATCH + group * N));
                    *column = sum.over(V::splat(count), V::splat(inverse), V::splat(rest));
                }
                for (k, row) in V::transpose(block).iter().enumerate() {
                    row.store(work.out.as_mut_ptr().add((group * N + k) * KEPT + j));
                }
            }
        }
    }
}
