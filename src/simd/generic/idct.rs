//! The inverse 8x8 DCT of JPEG in single precision, scaled as Arai, Agui and Nakajima do it ("A fast DCT-SQ scheme for
//! images", 1988): five multiplications a line, the rest of the scale lies in the quantisation table. No fused
//! multiply-add, so that all levels give the same pixels.
//!
//! A block comes column after column, so that the rows can be transformed first with a lane for each, and one transposition
//! is enough.

use super::Vector;

/// A table of quantisation steps with the scale of the transform in it.
pub(crate) fn scaled(steps: &[u16; 64]) -> [f32; 64] {
    // sqrt(2) * cos(k * pi / 16), but 1 for k = 0.
    let factor = |k: usize| match k {
        0 => 1.0,
        k => std::f64::consts::SQRT_2 * (k as f64 * std::f64::consts::PI / 16.0).cos(),
    };
    std::array::from_fn(|i| (f64::from(steps[i]) * factor(i / 8) * factor(i % 8) / 8.0) as f32)
}

/// One transform along eight vectors, each lane for itself.
#[inline(always)]
unsafe fn line<V: Vector<N>, const N: usize>(v: [V; 8]) -> [V; 8] {
    // SAFETY: the caller enables the instructions.
    unsafe {
        // Even part.
        let (sum, difference) = (v[0].add(v[4]), v[0].sub(v[4]));
        let inner = v[2].add(v[6]);
        let outer = v[2].sub(v[6]).mul(V::splat(std::f32::consts::SQRT_2)).sub(inner);
        let even = [sum.add(inner), difference.add(outer), difference.sub(outer), sum.sub(inner)];
        // Odd part. The constants are 2 cos(pi/8), 2 (cos(pi/8) - cos(3 pi/8)) and 2 (cos(pi/8) + cos(3 pi/8)).
        let (far, near) = (v[1].add(v[7]), v[5].add(v[3]));
        let (far_turned, near_turned) = (v[1].sub(v[7]), v[5].sub(v[3]));
        let first = far.add(near);
        let turned = near_turned.add(far_turned).mul(V::splat(1.847_759_1));
        let second = turned.sub(near_turned.mul(V::splat(2.613_126))).sub(first);
        let third = far.sub(near).mul(V::splat(std::f32::consts::SQRT_2)).sub(second);
        let fourth = turned.sub(far_turned.mul(V::splat(1.082_392_2))).sub(third);
        let odd = [first, second, third, fourth];
        [
            even[0].add(odd[0]),
            even[1].add(odd[1]),
            even[2].add(odd[2]),
            even[3].add(odd[3]),
            even[3].sub(odd[3]),
            even[2].sub(odd[2]),
            even[1].sub(odd[1]),
            even[0].sub(odd[0]),
        ]
    }
}

/// Rows to columns of an 8x8 block of which each row is `H` vectors.
#[inline(always)]
unsafe fn turn<V: Vector<N>, const N: usize, const H: usize>(block: [[V; 8]; H]) -> [[V; 8]; H] {
    let mut out = block;
    for (i, half) in block.iter().enumerate() {
        for j in 0..H {
            let mut rows = [half[0]; N];
            rows.copy_from_slice(&half[j * N..(j + 1) * N]);
            // SAFETY: the caller enables the instructions.
            let columns = unsafe { V::transpose(rows) };
            for (k, column) in columns.into_iter().enumerate() {
                out[j][i * N + k] = column;
            }
        }
    }
    out
}

/// Eight rows of eight pixels, `stride` apart, of the quantised coefficients of a block and its [`scaled`] steps, both
/// column after column; `H * N` is 8.
#[inline(always)]
pub(crate) unsafe fn idct<V: Vector<N>, const N: usize, const H: usize>(
    coefficients: &[i16; 64],
    steps: &[f32; 64],
    out: &mut [u8],
    stride: usize,
) {
    const { assert!(N * H == 8) };
    assert!(stride >= 8 && out.len() >= 7 * stride + 8);
    let mut pixels = [0.0f32; 64];
    // SAFETY: `column * 8 + half * N + N` is at most 64, the length of the three arrays; the caller enables the
    // instructions.
    unsafe {
        // Loops and no closures: those would not be compiled with the level's instructions.
        let mut block = [[V::splat(0.0); 8]; H];
        for (half, rows) in block.iter_mut().enumerate() {
            for (column, values) in rows.iter_mut().enumerate() {
                let at = column * 8 + half * N;
                *values = V::load_i16(coefficients.as_ptr().add(at)).mul(V::load(steps.as_ptr().add(at)));
            }
        }
        for half in &mut block {
            *half = line(*half);
        }
        let mut block = turn::<V, N, H>(block);
        for half in &mut block {
            *half = line(*half);
        }
        // Half a grey level more, since the conversion below cuts off.
        let level = V::splat(128.5);
        for (half, rows) in block.iter().enumerate() {
            for (row, values) in rows.iter().enumerate() {
                values.add(level).store(pixels.as_mut_ptr().add(row * 8 + half * N));
            }
        }
    }
    let mut bytes = [0u8; 64];
    for (byte, pixel) in bytes.iter_mut().zip(pixels) {
        // SAFETY: between 0 and 255.
        *byte = unsafe { pixel.clamp(0.0, 255.0).to_int_unchecked::<i32>() } as u8;
    }
    for (row, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        out[row * stride..row * stride + 8].copy_from_slice(eight);
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;
    use crate::simd::{Level, tests::idct};

    /// The transform as ISO/IEC 10918-1, A.3.3 writes it.
    fn naive(coefficients: &[i16; 64], steps: &[u16; 64]) -> [f64; 64] {
        let cosine = |x: usize, u: usize| ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos();
        let scale = |u: usize| if u == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        std::array::from_fn(|i| {
            let (y, x) = (i / 8, i % 8);
            let terms = (0..64).map(|k| {
                let (u, v) = (k / 8, k % 8);
                let value = f64::from(coefficients[k]) * f64::from(steps[k]);
                scale(u) * scale(v) * value * cosine(x, u) * cosine(y, v)
            });
            (terms.sum::<f64>() / 4.0 + 128.0).clamp(0.0, 255.0)
        })
    }

    #[test]
    fn every_level_gives_the_pixels_of_the_definition() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..300 {
            let steps: [u16; 64] = std::array::from_fn(|_| 1 + random(60) as u16);
            let mut coefficients = [0i16; 64];
            // From the constant alone to all of them, and values past all that a picture can hold.
            for _ in 0..round % 65 {
                coefficients[random(64) as usize] = random(200) as i16 - 100;
            }
            if round % 50 == 0 {
                coefficients = std::array::from_fn(|_| if random(2) == 0 { i16::MIN } else { i16::MAX });
            }
            let (expected, table) = (naive(&coefficients, &steps), scaled(&steps));
            let mut first = None;
            for level in Level::available() {
                let mut out = [9u8; 7 * 11 + 8];
                idct(level, &coefficients, &table, &mut out, 11);
                for (i, want) in expected.iter().enumerate() {
                    let got = f64::from(out[i / 8 * 11 + i % 8]);
                    assert!((got - want).abs() <= 0.51, "{level} round {round} at {i}: {got}, not {want}");
                }
                assert!(
                    (0..7).all(|row| out[row * 11 + 8..row * 11 + 11] == [9; 3]),
                    "{level}: wrote between the rows"
                );
                assert_eq!(*first.get_or_insert(out), out, "{level}");
            }
        }
    }
}
