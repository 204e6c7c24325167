//! PDQ, bit for bit as the reference implementation computes it (Meta, ThreatExchange, `pdq/`, and its paper "PDQ and
//! TMK + PDQF", 2019): luma, a box filter twice over, 64x64 samples, a 16x16 DCT without its constant row, the median.
//!
//! All sums are single precision in the reference's order. Neither fused multiply-add nor reassociation is allowed: on
//! symmetric or nearly flat pictures either of them turns dozens of bits.

use std::sync::LazyLock;

use super::{Format, Hash, Pixels};

/// The side of the picture that the DCT sees.
pub const SIDE: usize = 64;
/// The smallest side that can be hashed; below it there is no hash.
pub const MIN_SIDE: usize = 5;

/// A hash and the figures that say how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hashed {
    /// The hash.
    pub hash: Hash,
    /// 0..=100: how much gradient the hash rests on.
    pub quality: u8,
    /// 0.0..=1.0: the share of the 256 bits whose coefficient is not close to the median.
    pub stability: f32,
}

/// The eight orientations of a picture, all from one DCT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dihedral {
    /// In the order of [`Transform::ALL`].
    pub hashes: [Hash; 8],
    /// As in [`Hashed`].
    pub quality: u8,
    /// As in [`Hashed`].
    pub stability: f32,
}

/// One of the eight ways to lay a picture down. Names and order are the reference implementation's.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Transform {
    /// As it is.
    Original,
    /// A quarter turn counter-clockwise.
    Rotate90,
    /// Half a turn.
    Rotate180,
    /// A quarter turn clockwise.
    Rotate270,
    /// Top and bottom swapped.
    FlipX,
    /// Left and right swapped: the mirror image.
    FlipY,
    /// Mirrored at the main diagonal (transposed).
    FlipPlus1,
    /// Mirrored at the other diagonal.
    FlipMinus1,
}

impl Transform {
    /// All eight, in the reference's order.
    pub const ALL: [Self; 8] = [
        Self::Original,
        Self::Rotate90,
        Self::Rotate180,
        Self::Rotate270,
        Self::FlipX,
        Self::FlipY,
        Self::FlipPlus1,
        Self::FlipMinus1,
    ];

    /// The word used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Rotate90 => "rotate90",
            Self::Rotate180 => "rotate180",
            Self::Rotate270 => "rotate270",
            Self::FlipX => "flip_x",
            Self::FlipY => "flip_y",
            Self::FlipPlus1 => "flip_plus1",
            Self::FlipMinus1 => "flip_minus1",
        }
    }
}

/// The hash of a picture, or `None` if a side is below [`MIN_SIDE`].
pub fn hash(pixels: &Pixels<'_>) -> Option<Hashed> {
    dihedral(pixels).map(|all| Hashed { hash: all.hashes[0], quality: all.quality, stability: all.stability })
}

/// All eight orientations, or `None` if a side is below [`MIN_SIDE`].
///
/// `hashes[i]` is the hash that the picture would have, up to a few bits of rounding, after [`Transform::ALL`]`[i]`.
pub fn dihedral(pixels: &Pixels<'_>) -> Option<Dihedral> {
    samples(pixels).map(|samples| dihedral_of_samples(&samples))
}

/// The 64x64 samples that the DCT sees, row after row, each 0.0..=255.0; `None` if a side is below [`MIN_SIDE`].
pub fn samples(pixels: &Pixels<'_>) -> Option<Box<[f32; SIDE * SIDE]>> {
    let (width, height) = (pixels.width(), pixels.height());
    if width < MIN_SIDE || height < MIN_SIDE {
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

/// The hash of 64x64 samples, as [`samples`] gives them or as the mean of several pictures' samples.
pub fn hash_of_samples(samples: &[f32; SIDE * SIDE]) -> Hashed {
    let all = dihedral_of_samples(samples);
    Hashed { hash: all.hashes[0], quality: all.quality, stability: all.stability }
}

/// All eight orientations of 64x64 samples.
pub fn dihedral_of_samples(samples: &[f32; SIDE * SIDE]) -> Dihedral {
    let b = dct(samples);
    let median = median(&b);
    let hashes = Transform::ALL.map(|transform| {
        let turned = oriented(&b, transform);
        bits(&turned, if transform == Transform::Original { median } else { self::median(&turned) })
    });
    Dihedral { hashes, quality: quality(samples), stability: stability(&b, median) }
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
    let mut out = [0.0; 256];
    for i in 0..16 {
        for j in 0..16 {
            let v = b[i * 16 + j];
            // Row 0 holds the frequency 1, so an even index is an odd frequency: those change their sign under a flip.
            let (row, column) = (if i % 2 == 0 { -v } else { v }, if j % 2 == 0 { -v } else { v });
            let both = if (i + j) % 2 == 0 { v } else { -v };
            let (at, value) = match transform {
                Transform::Original => (i * 16 + j, v),
                Transform::Rotate90 => (j * 16 + i, column),
                Transform::Rotate180 => (i * 16 + j, both),
                Transform::Rotate270 => (j * 16 + i, row),
                Transform::FlipX => (i * 16 + j, row),
                Transform::FlipY => (i * 16 + j, column),
                Transform::FlipPlus1 => (j * 16 + i, v),
                Transform::FlipMinus1 => (j * 16 + i, both),
            };
            out[at] = value;
        }
    }
    out
}

fn median(b: &[f32; 256]) -> f32 {
    let mut sorted = *b;
    *sorted.select_nth_unstable_by(127, f32::total_cmp).1
}

fn bits(b: &[f32; 256], median: f32) -> Hash {
    let mut hash = Hash::default();
    for (k, &value) in b.iter().enumerate() {
        if value > median {
            hash.0[k / 8] |= 1 << (k % 8);
        }
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

fn stability(b: &[f32; 256], median: f32) -> f32 {
    let mut magnitudes = b.map(f32::abs);
    let typical = *magnitudes.select_nth_unstable_by(127, f32::total_cmp).1;
    let margin = typical * 0.05;
    b.iter().filter(|&&value| (value - median).abs() > margin).count() as f32 / 256.0
}
