//! The last filter pass, down the 64 columns that are left, and the steps between neighbouring samples that PDQ's quality
//! counts. Plain loops: the compiler vectorises them for the level that they are stamped out in.

/// Lets a row of samples into the box of each column and the row out that lies in `leaving`, and puts the former there.
/// Then writes the averages of so many values each, if asked for.
#[inline(always)]
pub(crate) fn down(
    sums: &mut [f32; 64],
    leaving: &mut [f32; 64],
    entering: &[f32; 64],
    averages: crate::simd::Averages<'_>,
) {
    for ((sum, leaving), &entering) in sums.iter_mut().zip(leaving).zip(entering) {
        *sum += entering;
        *sum -= std::mem::replace(leaving, entering);
    }
    if let Some((count, averages)) = averages {
        averages.iter_mut().zip(sums).for_each(|(average, sum)| *average = *sum / count);
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
