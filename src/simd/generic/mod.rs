//! The kernels of the PDQ filter and DCT, written once over [`Vector`].
//!
//! Bit for bit the reference: every running sum adds the entering value and then subtracts the leaving one, in single
//! precision, in the order of the row or column. A missing value (before the first or after the last) is a zero, which
//! leaves a sum as it is. The quotient `sum / count` is rounded once, as IEEE 754 says, by multiplications with the two
//! halves of the [`reciprocal`]: their sum is wrong by 2^-48 of itself at most before the one rounding that counts, and
//! no quotient of a 24-bit number by one of 10 bits lies closer than 2^-35 to where that rounding turns over. The test
//! `division_is_exact` tries every significand for every count in use.

mod dct;
mod even;
mod huffman;
mod idct;
mod luma;
mod rows;
mod steps;
mod sums;
mod vector;

pub(crate) use dct::dct;
pub(crate) use even::{REACH, Smoothing, add_bytes, even, median};
pub(crate) use huffman::{Bits, Block, CodeLengths, Pairs, Rest, Table, Units, ZIGZAG, units};
pub(crate) use idct::{idct, scaled};
pub(crate) use luma::luma;
pub(crate) use rows::{Columns, Counts, Entering, Rows, columns, delay, rows};
pub(crate) use steps::{Down, down, steps};
pub(crate) use sums::{RowSums, plain_row_sums, row_sums};
pub(crate) use vector::{Vector, Words};

/// Rows that are filtered together: one lane each.
pub(crate) const BATCH: usize = 16;
/// Samples that are kept of each row and of each column.
pub(crate) const KEPT: usize = 64;
/// The widest window for which the division is proven; above it the scalar level divides plainly.
pub(crate) const MAX_WINDOW: usize = 1024;

/// `1 / count` to single precision, and what that lacks.
pub(crate) fn reciprocal(count: f32) -> [f32; 2] {
    let exact = 1.0 / f64::from(count);
    let near = exact as f32;
    [near, (exact - f64::from(near)) as f32]
}

/// The table of a level and its functions: each one enables the level's instructions and runs the generic kernel. The
/// second vector of floats is for blocks of eight columns: the same, or the widest that fits them.
macro_rules! stamp {
    ($level:expr, $row_sums:expr, $vector:ty, $lanes:literal, $eight:ty, $eight_lanes:literal, $(#[$features:meta])?) => {
        pub(crate) static KERNELS: crate::simd::Kernels = crate::simd::Kernels {
            level: $level,
            // SAFETY: here and below, `simd::kernels` hands this table out only where the level's instructions run.
            luma: |format, row, out| unsafe { luma(format, row, out) },
            // SAFETY: as above.
            row_sums: |work| unsafe { row_sums(work) },
            // SAFETY: as above.
            rows: |work| unsafe { rows(work) },
            // SAFETY: as above.
            columns: |work| unsafe { columns(work) },
            // SAFETY: as above.
            down: |work| unsafe { down(work) },
            // SAFETY: as above.
            dct: |samples, matrix, out| unsafe { dct(samples, matrix, out) },
            // SAFETY: as above.
            units: |work| unsafe { units(work) },
            // SAFETY: as above.
            steps: |samples| unsafe { steps(samples) },
            // SAFETY: as above.
            even: |samples, smoothing, out| unsafe { even(samples, smoothing, out) },
            // SAFETY: as above.
            median: |values| unsafe { median(values) },
            // SAFETY: as above.
            add_bytes: |sums, row| unsafe { add_bytes(sums, row) },
        };

        $(#[$features])?
        unsafe fn luma(format: crate::hash::Format, row: &[u8], out: &mut [f32]) {
            generic::luma(format, row, out);
        }

        #[allow(unused_unsafe)] // for the plain code
        $(#[$features])?
        unsafe fn row_sums(work: &mut generic::RowSums<'_>) {
            // SAFETY: the instructions of the level are enabled here.
            unsafe { $row_sums(work) }
        }

        $(#[$features])?
        unsafe fn rows(work: &mut generic::Rows<'_>) {
            // SAFETY: the instructions of `$vector` are enabled here.
            unsafe { generic::rows::<$vector, $lanes>(work) }
        }

        $(#[$features])?
        unsafe fn columns(work: &mut generic::Columns<'_>) {
            // SAFETY: the instructions of `$vector` are enabled here.
            unsafe { generic::columns::<$vector, $lanes>(work) }
        }

        $(#[$features])?
        unsafe fn down(work: &mut generic::Down<'_>) {
            // SAFETY: the instructions of `$vector` are enabled here.
            unsafe { generic::down::<$vector, $lanes>(work) }
        }

        $(#[$features])?
        unsafe fn dct(samples: &[f32; 4096], matrix: &crate::simd::DctMatrix, out: &mut [f32; 256]) {
            // SAFETY: the instructions of `$vector` are enabled here.
            unsafe { generic::dct::<$vector, $lanes>(samples, matrix, out) }
        }

        $(#[$features])?
        unsafe fn steps(samples: &[f32; 4096]) -> i32 {
            generic::steps(samples)
        }

        $(#[$features])?
        unsafe fn even(samples: &[f32; 4096], smoothing: &generic::Smoothing, out: &mut [f32; 4096]) {
            generic::even(samples, smoothing, out);
        }

        $(#[$features])?
        unsafe fn median(values: &[f32; 256]) -> f32 {
            generic::median(values)
        }

        $(#[$features])?
        unsafe fn add_bytes(sums: &mut [u16], row: &[u8]) {
            generic::add_bytes(sums, row);
        }

        $(#[$features])?
        unsafe fn units(work: &mut generic::Units<'_, '_>) -> bool {
            // SAFETY: the instructions of `$eight` are enabled here.
            unsafe { generic::units::<$eight, $eight_lanes, { 8 / $eight_lanes }>(work) }
        }

        /// One block.
        #[cfg(test)]
        $(#[$features])?
        pub(crate) unsafe fn idct(block: &[i16; 64], steps: &[f32; 64], out: &mut [u8], stride: usize) {
            // SAFETY: the instructions of `$eight` are enabled here.
            unsafe { generic::idct::<$eight, $eight_lanes, { 8 / $eight_lanes }>(block, steps, out, stride) }
        }

        /// Whether `sum.over(count)` is the quotient for every significand and each of these counts.
        #[cfg(test)]
        $(#[$features])?
        pub(crate) unsafe fn division_is_exact(counts: std::ops::Range<u32>, step: usize) -> bool {
            // SAFETY: the instructions of `$vector` are enabled here.
            unsafe { generic::division_is_exact::<$vector, $lanes>(counts, step) }
        }
    };
}
pub(crate) use stamp;

/// Tries `sum / count` for every `step`-th significand; one exponent stands for all, since nothing here over- or
/// underflows (sums are multiples of 2^-93 at least and below 2^40).
#[cfg(test)]
#[inline(always)]
pub(crate) unsafe fn division_is_exact<V: Vector<N>, const N: usize>(
    counts: std::ops::Range<u32>,
    step: usize,
) -> bool {
    let (mut sums, mut quotients) = ([0.0f32; 16], [0.0f32; 16]);
    let mut exact = true;
    for count in counts {
        let count = count as f32;
        let [inverse, rest] = reciprocal(count);
        for low in (0..1u32 << 23).step_by(N * step) {
            for (k, sum) in sums.iter_mut().take(N).enumerate() {
                *sum = f32::from_bits(0x4300_0000 | (low + (k * step) as u32) & 0x7f_ffff);
            }
            // SAFETY: both arrays hold 16 floats and `N` is at most 16; the caller enables the instructions.
            unsafe {
                let sums = V::load(sums.as_ptr());
                sums.over(V::splat(count), V::splat(inverse), V::splat(rest)).store(quotients.as_mut_ptr());
            }
            exact &= sums[..N].iter().zip(&quotients).all(|(sum, quotient)| sum / count == *quotient);
        }
    }
    exact
}
