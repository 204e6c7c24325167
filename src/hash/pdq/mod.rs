//! PDQ, bit for bit as the reference implementation computes it (Meta, ThreatExchange, `pdq/`, and its paper "PDQ and
//! TMK + PDQF", 2019): luma, a box filter twice over, 64x64 samples, a 16x16 DCT without its constant row, the median.
//!
//! All sums are single precision in the reference's order. Neither fused multiply-add nor reassociation is allowed in
//! them: on symmetric or nearly flat pictures either of them turns dozens of bits. The work is vectorised across rows and
//! columns instead (`simd`), rows are streamed, and the last passes compute only the 64 rows and columns that are kept.
//!
//! The same bits come out on every processor. A picture of 64x64 pixels is its own samples, as in the reference's
//! single-hash entry point.

mod bits;
mod filter;
#[cfg(test)]
pub(crate) mod oracle;
mod orientations;
mod stream;
#[cfg(test)]
mod tests;
mod transform;

pub use orientations::Orientations;
pub use stream::{Hasher, Stream};
pub use transform::Transform;

use std::sync::LazyLock;

use rayon::prelude::*;

use super::{Hash, Pixels};
use crate::simd::{self, DctMatrix, Kernels, Level};

/// The side of the picture that the DCT sees.
pub const SIDE: usize = 64;
/// The smallest side that can be hashed; below it there is no hash.
pub const MIN_SIDE: usize = 5;

/// The least quality of a hash to rely on, inclusive: the reference implementation's own bound.
pub const MIN_QUALITY: u8 = 50;
/// The least stability of a hash to rely on, inclusive. Below it, JPEG at quality 50 moves the hash by more than 31 bits
/// more often than not; no whole photograph of the recall set lies there (docs/benchmarks/stability.md).
pub const MIN_STABILITY: f32 = 0.85;

/// A hash and the figures that say how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hashed {
    /// The hash.
    pub hash: Hash,
    /// 0..=100: how much gradient the hash rests on.
    pub quality: u8,
    /// 0.0..=1.0: the share of the 256 bits that stay as they are when each DCT coefficient is moved either way by 2 % of
    /// the coefficients' median magnitude, or by 1.0 (noise of one grey level in the samples) if that is more.
    pub stability: f32,
}

impl Hashed {
    /// Whether [`MIN_QUALITY`] and [`MIN_STABILITY`] are both reached. A hash below says "too little detail", not "no match".
    pub fn has_enough_detail(&self) -> bool {
        self.quality >= MIN_QUALITY && self.stability >= MIN_STABILITY
    }
}

/// The eight orientations of a picture, all from one DCT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dihedral {
    /// In the order of [`Transform::ALL`]. The negative picture of each has its [complement](Hash::complement).
    pub hashes: [Hash; 8],
    /// As in [`Hashed`].
    pub quality: u8,
    /// As in [`Hashed`].
    pub stability: f32,
    /// 0.0..=1.0: over how many of the 256 coefficients the picture is spread, `(sum |c|)^2 / (256 sum c^2)`. 2/pi for noise;
    /// stripes and grids have few frequencies, and others of their kind have the same.
    pub spread: f32,
}

/// The hash of a picture, or `None` if a side is below [`MIN_SIDE`].
///
/// Takes scratch memory of about `4 * width * (height / 128 + 20)` bytes; a [`Hasher`] keeps it from one picture to the
/// next.
pub fn hash(pixels: &Pixels<'_>) -> Option<Hashed> {
    Hasher::new().hash(pixels)
}

/// The hashes of many pictures, in their order, on all cores (rayon's current pool).
pub fn hash_all(pictures: &[Pixels<'_>]) -> Vec<Option<Hashed>> {
    let level = Level::current();
    pictures.par_iter().map_init(|| Hasher::at(level), |hasher, pixels| hasher.hash(pixels)).collect()
}

/// All eight orientations, or `None` if a side is below [`MIN_SIDE`].
///
/// `hashes[i]` is the hash that the picture would have, up to a few bits of rounding, after [`Transform::ALL`]`[i]`.
pub fn dihedral(pixels: &Pixels<'_>) -> Option<Dihedral> {
    Hasher::new().dihedral(pixels)
}

/// The 64x64 samples that the DCT sees, row after row, each 0.0..=255.0; `None` if a side is below [`MIN_SIDE`].
pub fn samples(pixels: &Pixels<'_>) -> Option<Box<[f32; SIDE * SIDE]>> {
    Hasher::new().samples(pixels).map(|samples| Box::new(*samples))
}

/// The hash of 64x64 samples, as [`samples`] gives them or as the mean of several pictures' samples.
pub fn hash_of_samples(samples: &[f32; SIDE * SIDE]) -> Hashed {
    hash_with(simd::kernels(Level::current()), samples)
}

/// All eight orientations of 64x64 samples.
pub fn dihedral_of_samples(samples: &[f32; SIDE * SIDE]) -> Dihedral {
    dihedral_with(simd::kernels(Level::current()), samples)
}

/// The 16x16 coefficients of the samples' DCT, row after row: what the bits are taken from.
pub fn coefficients(samples: &[f32; SIDE * SIDE]) -> [f32; 256] {
    coefficients_with(simd::kernels(Level::current()), samples)
}

fn hash_with(kernels: &Kernels, samples: &[f32; SIDE * SIDE]) -> Hashed {
    let b = coefficients_with(kernels, samples);
    Hashed {
        hash: bits::hash(kernels, &b),
        quality: bits::quality((kernels.steps)(samples)),
        stability: bits::stability(kernels, &b),
    }
}

fn dihedral_with(kernels: &Kernels, samples: &[f32; SIDE * SIDE]) -> Dihedral {
    let b = coefficients_with(kernels, samples);
    Dihedral {
        hashes: bits::dihedral(kernels, &b),
        quality: bits::quality((kernels.steps)(samples)),
        stability: bits::stability(kernels, &b),
        spread: bits::spread(&b),
    }
}

fn coefficients_with(kernels: &Kernels, samples: &[f32; SIDE * SIDE]) -> [f32; 256] {
    static MATRIX: LazyLock<DctMatrix> = LazyLock::new(|| {
        // The reference rounds the scale to single precision, multiplies in double precision, and rounds again.
        let scale = f64::from((2.0f64 / SIDE as f64).sqrt() as f32);
        let cosine = |i: usize, j: usize| {
            let angle = (std::f64::consts::PI / 2.0 / SIDE as f64) * (i + 1) as f64 * (2 * j + 1) as f64;
            (scale * angle.cos()) as f32
        };
        DctMatrix {
            rows: std::array::from_fn(|i| std::array::from_fn(|j| cosine(i, j))),
            columns: std::array::from_fn(|j| std::array::from_fn(|i| cosine(i, j))),
        }
    });
    let mut b = [0.0; 256];
    (kernels.dct)(samples, &MATRIX, &mut b);
    b
}
