//! PDQ written straight from the specification, one value after the other: what the kernels are tested against.

use std::sync::LazyLock;

use super::{Dihedral, SIDE, Transform};
use crate::hash::{Format, Hash, Pixels};

/// As [`super::samples`].
pub(crate) fn samples(pixels: &Pixels<'_>) -> Option<Box<[f32; SIDE * SIDE]>> {
    let (width, height) = (pixels.width(), pixels.height());
    if width < super::MIN_SIDE || height < super::MIN_SIDE {
        return None;
    }
    let mut luma = to_luma(pixels);
    if (width, height) != (SIDE, SIDE) {
        let mut other = vec![0.0; luma.len()];
        let (along_row, along_column) = (window(width), window(height));
        for _ in 0..2 {
            for y in 0..height {
                box_filter(&luma[y * width..], &mut other[y * width..], width, 1, along_row);
            }
            for x in 0..width {
                box_filter(&other[x..], &mut luma[x..], height, width, along_column);
            }
        }
    }
    let mut samples = Box::new([0.0; SIDE * SIDE]);
    for (i, row) in samples.chunks_exact_mut(SIDE).enumerate() {
        let y = (2 * i + 1) * height / (2 * SIDE);
        for (j, out) in row.iter_mut().enumerate() {
            *out = luma[y * width + (2 * j + 1) * width / (2 * SIDE)];
        }
    }
    Some(samples)
}

/// As [`super::dihedral_of_samples`].
pub(crate) fn dihedral(samples: &[f32; SIDE * SIDE]) -> Dihedral {
    let b = dct(samples);
    let hashes = Transform::ALL.map(|transform| bits(&oriented(&b, transform)));
    Dihedral {
        hashes,
        quality: quality(samples),
        stability: super::bits::stability(crate::simd::kernels(crate::simd::Level::Scalar), &b),
        spread: super::bits::spread(&b),
    }
}

fn to_luma(pixels: &Pixels<'_>) -> Vec<f32> {
    let mut luma = Vec::with_capacity(pixels.width() * pixels.height());
    let weigh = |r: u8, g: u8, b: u8| 0.299f32 * f32::from(r) + 0.587f32 * f32::from(g) + 0.114f32 * f32::from(b);
    for y in 0..pixels.height() {
        let row = pixels.row(y);
        match pixels.format() {
            Format::Luma8 => luma.extend(row.iter().map(|&v| f32::from(v))),
            Format::Luma16 => {
                luma.extend(row.chunks_exact(2).map(|v| f32::from(u16::from_le_bytes([v[0], v[1]])) / 257.0));
            }
            Format::Rgb8 => luma.extend(row.chunks_exact(3).map(|v| weigh(v[0], v[1], v[2]))),
            Format::Bgr8 => luma.extend(row.chunks_exact(3).map(|v| weigh(v[2], v[1], v[0]))),
            Format::Rgba8 => luma.extend(row.chunks_exact(4).map(|v| weigh(v[0], v[1], v[2]))),
            Format::Bgra8 => luma.extend(row.chunks_exact(4).map(|v| weigh(v[2], v[1], v[0]))),
        }
    }
    luma
}

fn window(dimension: usize) -> usize {
    dimension.div_ceil(2 * SIDE)
}

fn box_filter(input: &[f32], output: &mut [f32], length: usize, step: usize, window: usize) {
    let half = (window + 2) / 2;
    let (mut sum, mut count) = (0.0f32, 0.0f32);
    let (mut left, mut right, mut out) = (0, 0, 0);
    for i in 0..length + half - 1 {
        if i < length {
            sum += input[right * step];
            right += 1;
            count += 1.0;
        }
        if i >= window {
            sum -= input[left * step];
            left += 1;
            count -= 1.0;
        }
        if i >= half - 1 {
            output[out * step] = sum / count;
            out += 1;
        }
    }
}

static MATRIX: LazyLock<[[f32; SIDE]; 16]> = LazyLock::new(|| {
    let scale = f64::from((2.0f64 / SIDE as f64).sqrt() as f32);
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let angle = (std::f64::consts::PI / 2.0 / SIDE as f64) * (i + 1) as f64 * (2 * j + 1) as f64;
            (scale * angle.cos()) as f32
        })
    })
});

fn dct(a: &[f32; SIDE * SIDE]) -> [f32; 256] {
    let d = &*MATRIX;
    let mut t = [[0.0f32; SIDE]; 16];
    for i in 0..16 {
        for j in 0..SIDE {
            t[i][j] = (0..SIDE).fold(0.0, |sum, k| sum + d[i][k] * a[k * SIDE + j]);
        }
    }
    std::array::from_fn(|at| {
        let (i, j) = (at / 16, at % 16);
        (0..SIDE).fold(0.0, |sum, k| sum + t[i][k] * d[j][k])
    })
}

fn oriented(b: &[f32; 256], transform: Transform) -> [f32; 256] {
    std::array::from_fn(|at| {
        let (i, j) = (at / 16, at % 16);
        // Index 0 is the frequency 1: an even index is an odd frequency, which changes its sign under a flip.
        let flip = |index: usize, v: f32| if index.is_multiple_of(2) { -v } else { v };
        let (straight, turned) = (b[i * 16 + j], b[j * 16 + i]);
        match transform {
            Transform::Original => straight,
            Transform::FlipX => flip(i, straight),
            Transform::FlipY => flip(j, straight),
            Transform::Rotate180 => flip(i, flip(j, straight)),
            Transform::FlipPlus1 => turned,
            Transform::Rotate90 => flip(i, turned),
            Transform::Rotate270 => flip(j, turned),
            Transform::FlipMinus1 => flip(i, flip(j, turned)),
        }
    })
}

fn bits(b: &[f32; 256]) -> Hash {
    let mut sorted = *b;
    sorted.sort_by(f32::total_cmp);
    let mut hash = Hash::default();
    for k in (0..256).filter(|&k| b[k] > sorted[127]) {
        hash.0[k / 8] |= 1 << (k % 8);
    }
    hash
}

fn quality(a: &[f32; SIDE * SIDE]) -> u8 {
    let step = |u: f32, v: f32| (((u - v) * 100.0) / 255.0) as i32;
    let mut sum = 0;
    for i in 0..SIDE {
        for j in 0..SIDE {
            let at = i * SIDE + j;
            if i + 1 < SIDE {
                sum += step(a[at], a[at + SIDE]).abs();
            }
            if j + 1 < SIDE {
                sum += step(a[at], a[at + 1]).abs();
            }
        }
    }
    (sum / 90).min(100) as u8
}
