//! From coefficients to bits: the median, the eight orientations, and the two figures of trust.

use crate::hash::Hash;

/// The bits of the coefficients above the median.
pub(super) fn hash(b: &[f32; 256]) -> Hash {
    above(b, median(b))
}

/// The bits of all eight orientations, in their order: a flip changes the sign of the odd frequencies (the even indices)
/// of its axis, a transposition swaps the axes.
pub(super) fn dihedral(b: &[f32; 256]) -> [Hash; 8] {
    let signs = |rows: bool, columns: bool| -> [f32; 256] {
        std::array::from_fn(|at| {
            let negative = (rows && at / 16 % 2 == 0) != (columns && at % 2 == 0);
            if negative { -b[at] } else { b[at] }
        })
    };
    let [plain, rows, columns, both] =
        [(false, false), (true, false), (false, true), (true, true)].map(|(r, c)| hash(&signs(r, c)));
    [plain, transposed(columns), both, transposed(rows), rows, columns, transposed(plain), transposed(both)]
}

/// The 128th smallest.
fn median(b: &[f32; 256]) -> f32 {
    let mut sorted = *b;
    *sorted.select_nth_unstable_by(127, f32::total_cmp).1
}

fn above(b: &[f32; 256], median: f32) -> Hash {
    let mut hash = Hash::default();
    for (byte, values) in hash.0.iter_mut().zip(b.as_chunks::<8>().0) {
        *byte = values.iter().enumerate().fold(0, |byte, (k, &value)| byte | u8::from(value > median) << k);
    }
    hash
}

/// The bits with rows and columns swapped.
fn transposed(hash: Hash) -> Hash {
    let rows: [u16; 16] = std::array::from_fn(|i| u16::from_le_bytes([hash.0[2 * i], hash.0[2 * i + 1]]));
    let mut out = Hash::default();
    for j in 0..16 {
        let column = rows.iter().enumerate().fold(0u16, |bits, (i, row)| bits | (row >> j & 1) << i);
        out.0[2 * j..2 * j + 2].copy_from_slice(&column.to_le_bytes());
    }
    out
}

/// The reference's quality, of the sum of the steps between neighbours.
pub(super) fn quality(steps: i32) -> u8 {
    (steps / 90).clamp(0, 100) as u8
}

/// The share of bits that no disturbance of up to [`FRACTION`] of the median magnitude, or [`LEAST`], can turn over.
pub(super) fn stability(b: &[f32; 256]) -> f32 {
    let median = median(b);
    let mut magnitudes = b.map(f32::abs);
    let typical = *magnitudes.select_nth_unstable_by(127, f32::total_cmp).1;
    let disturbance = (typical * FRACTION).max(LEAST);
    b.iter().filter(|&&value| (value - median).abs() > disturbance).count() as f32 / 256.0
}

/// The disturbance, as a fraction of the coefficients' median magnitude.
const FRACTION: f32 = 0.02;

/// The least disturbance: what noise of one grey level in the samples does to a coefficient, the DCT being orthonormal.
/// Without it the figure says nothing (docs/benchmarks/stability.md): flat parts have small coefficients close together,
/// but not closer in proportion.
const LEAST: f32 = 1.0;
