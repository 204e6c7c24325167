//! The 16x16 lowest coefficients of 64x64 samples (without the constant row and column): `D A D^T`, each entry a sum in
//! the order of the inner index, the lanes being neighbouring columns.

use super::Vector;
use crate::simd::DctMatrix;

#[inline(always)]
pub(crate) unsafe fn dct<V: Vector<N>, const N: usize>(samples: &[f32; 4096], d: &DctMatrix, out: &mut [f32; 256]) {
    let mut half = [0.0f32; 16 * 64];
    // SAFETY: `j + 2 * N <= 64` in the first loop and `j + N <= 16` in the second, for `N` of 4, 8 and 16, and the arrays
    // have 64 and 16 columns. The caller enables the instructions.
    unsafe {
        for j in (0..64).step_by(2 * N) {
            for i in (0..16).step_by(4) {
                let mut sums = [[V::splat(0.0); 2]; 4];
                for k in 0..64 {
                    let a = samples.as_ptr().add(k * 64 + j);
                    let a = [V::load(a), V::load(a.add(N))];
                    for (r, sum) in sums.iter_mut().enumerate() {
                        let cosine = V::splat(d.rows[i + r][k]);
                        *sum = [sum[0].add(cosine.mul(a[0])), sum[1].add(cosine.mul(a[1]))];
                    }
                }
                for (r, sum) in sums.iter().enumerate() {
                    sum[0].store(half.as_mut_ptr().add((i + r) * 64 + j));
                    sum[1].store(half.as_mut_ptr().add((i + r) * 64 + j + N));
                }
            }
        }
        for j in (0..16).step_by(N) {
            for i in (0..16).step_by(8) {
                let mut sums = [V::splat(0.0); 8];
                for k in 0..64 {
                    let cosines = V::load(d.columns[k].as_ptr().add(j));
                    for (r, sum) in sums.iter_mut().enumerate() {
                        *sum = sum.add(V::splat(half[(i + r) * 64 + k]).mul(cosines));
                    }
                }
                for (r, sum) in sums.iter().enumerate() {
                    sum.store(out.as_mut_ptr().add((i + r) * 16 + j));
                }
            }
        }
    }
}
