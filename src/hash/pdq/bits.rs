//! From coefficients to bits: the median, the eight orientations, and the two figures of trust.

use crate::hash::Hash;
use crate::simd::Kernels;

/// The bits of the coefficients above the median.
pub(super) fn hash(kernels: &Kernels, b: &[f32; 256]) -> Hash {
    above(b, (kernels.median)(b))
}

/// The bits of all eight orientations, in their order: a flip changes the sign of the odd frequencies (the even indices)
/// of its axis, a transposition swaps the axes.
pub(super) fn dihedral(kernels: &Kernels, b: &[f32; 256]) -> [Hash; 8] {
    let signs = |rows: bool, columns: bool| -> [f32; 256] {
        std::array::from_fn(|at| {
            let negative = (rows && at / 16 % 2 == 0) != (columns && at % 2 == 0);
            if negative { -b[at] } else { b[at] }
        })
    };
    let [plain, rows, columns, both] =
        [(false, false), (true, false), (false, true), (true, true)].map(|(r, c)| hash(kernels, &signs(r, c)));
    [plain, transposed(columns), both, transposed(rows), rows, columns, transposed(plain), transposed(both)]
}

fn above(b: &[f32; 256], median: f32) -> Hash {
    let mut hash = Hash::default();
    for (byte, values) in hash.0.iter_mut().zip(b.as_chunks::<8>().0) {
        *byte = values.iter().enumerate().fold(0, |byte, (k, &value)| byte | u8::from(value > median) << k);
    }
    hash
}

/// The bits with rows and columns swapped: of squares of 2, 4, 8 and 16 bits a side, each the quarters beside the diagonal.
/// A word has four rows.
pub(super) fn transposed(hash: Hash) -> Hash {
    let within = |word: u64, by: u32, quarter: u64| {
        let swapped = (word ^ word >> by) & quarter;
        word ^ swapped ^ swapped << by
    };
    let mut words = hash.words().map(|word| within(within(word, 15, 0x0000_aaaa_0000_aaaa), 30, 0xcccc_cccc));
    for (a, b, by, quarter) in [
        (0, 1, 4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 3, 4, 0x0f0f_0f0f_0f0f_0f0f),
        (0, 2, 8, 0x00ff_00ff_00ff_00ff),
        (1, 3, 8, 0x00ff_00ff_00ff_00ff),
    ] {
        let swapped = (words[a] >> by ^ words[b]) & quarter;
        words[a] ^= swapped << by;
        words[b] ^= swapped;
    }
    Hash::from_words(words)
}

/// The reference's quality, of the sum of the steps between neighbours.
pub(super) fn quality(steps: i32) -> u8 {
    (steps / 90).clamp(0, 100) as u8
}

/// The share of bits that no disturbance of up to [`FRACTION`] of the median magnitude, or [`LEAST`], can turn over.
pub(super) fn stability(kernels: &Kernels, b: &[f32; 256]) -> f32 {
    let (middle, typical) = ((kernels.median)(b), (kernels.median)(&b.map(f32::abs)));
    let disturbance = (typical * FRACTION).max(LEAST);
    b.iter().filter(|&&value| (value - middle).abs() > disturbance).count() as f32 / 256.0
}

/// The share of coefficients that the magnitude would be spread over if all of those had the same.
pub(super) fn spread(b: &[f32; 256]) -> f32 {
    let (sum, squares) = b.iter().fold((0.0f32, 0.0f32), |(sum, squares), c| (sum + c.abs(), squares + c * c));
    if squares > 0.0 { sum * sum / (256.0 * squares) } else { 0.0 }
}

/// The disturbance, as a fraction of the coefficients' median magnitude.
const FRACTION: f32 = 0.02;

/// The least disturbance: what noise of one grey level in the samples does to a coefficient, the DCT being orthonormal.
/// Without it the figure says nothing (docs/benchmarks/stability.md): flat parts have small coefficients close together,
/// but not closer in proportion.
const LEAST: f32 = 1.0;

#[cfg(test)]
mod tests {
    use super::transposed;
    use crate::hash::Hash;
    use crate::simd::{Level, kernels};

    #[test]
    fn rows_and_columns_are_swapped_bit_by_bit() {
        for k in 0..256 {
            let mut one = Hash::default();
            one.0[k / 8] = 1 << (k % 8);
            let swapped = transposed(one);
            let set: Vec<usize> = (0..256).filter(|&k| swapped.bit(k)).collect();
            assert_eq!(set, [k % 16 * 16 + k / 16]);
        }
        let mixed = Hash(std::array::from_fn(|k| (k * k * 37 + 11) as u8));
        assert_eq!(transposed(transposed(mixed)), mixed);
        (0..256).for_each(|k| assert_eq!(transposed(mixed).bit(k), mixed.bit(k % 16 * 16 + k / 16)));
    }

    #[test]
    fn spread_counts_the_coefficients_that_matter() {
        let of = |count: usize| {
            super::spread(&std::array::from_fn(|at| if at < count { 3.0 - 6.0 * (at % 2) as f32 } else { 0.0 }))
        };
        assert_eq!([0, 1, 64, 256].map(of), [0.0, 1.0 / 256.0, 0.25, 1.0]);
    }

    #[test]
    fn median_is_the_128th_smallest() {
        let mut state = 1u32;
        for round in 0..200 {
            let values: [f32; 256] = std::array::from_fn(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match round % 4 {
                    0 => f32::from_bits(state), // everything that is a number, and what is not
                    1 => (state >> 24) as f32 - 128.0,
                    2 => [0.0, -0.0, 1.0][at % 3],
                    _ => (state >> 8) as f32 / 65536.0 - 128.0,
                }
            });
            let mut sorted = values;
            sorted.sort_by(f32::total_cmp);
            for level in Level::available() {
                let found = (kernels(level).median)(&values);
                assert_eq!(found.to_bits(), sorted[127].to_bits(), "{level}, round {round}");
            }
        }
    }
}
