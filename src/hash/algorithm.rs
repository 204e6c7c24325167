//! Which hash a store is built on: PDQ, or one of the classic hashes, for comparison, from the `img_hash` crate.
//!
//! The classic hashes are described by N. Krawetz on hackerfactor.com and, for the block hash, in "Block Mean Value
//! Based Image Perceptual Hashing" (Yang, Gu, Niu 2006). All of them are laid out to give 256 bits, so that they live in
//! the same index; their distances are not comparable with those of another algorithm.

use std::fmt;
use std::str::FromStr;

use image::{DynamicImage, GrayImage, ImageBuffer, RgbImage};
use img_hash::{HashAlg, HasherConfig};

use super::{Format, Hash, Pixels, pdq};
use crate::error::{Error, Result};

/// A way to turn a picture into 256 bits.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Algorithm {
    /// PDQ: see [`pdq`].
    #[default]
    Pdq,
    /// 16x16 samples against their mean.
    Mean,
    /// Each of 17x16 samples against its right-hand neighbour (the "difference hash").
    Gradient,
    /// 14x10 samples against their neighbours to the right and below: 13 * 10 + 14 * 9 = 256 comparisons.
    DoubleGradient,
    /// Each of 16x17 samples against the one below it.
    VerticalGradient,
    /// 16x16 samples against their median.
    Median,
    /// The sums of 16x16 blocks against the median of their band of four rows.
    Blockhash,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pdq,
        Self::Mean,
        Self::Gradient,
        Self::DoubleGradient,
        Self::VerticalGradient,
        Self::Median,
        Self::Blockhash,
    ];

    /// The word used in JSON and in stores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pdq => "pdq",
            Self::Mean => "mean",
            Self::Gradient => "gradient",
            Self::DoubleGradient => "double_gradient",
            Self::VerticalGradient => "vertical_gradient",
            Self::Median => "median",
            Self::Blockhash => "blockhash",
        }
    }

    /// The number that stands for it in stores: its place in [`Algorithm::ALL`].
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The algorithm of this [`code`](Algorithm::code).
    pub fn of_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| u64::from(algorithm.code()) == code)
    }

    /// The hash of a picture, or `None` if a side is below [`pdq::MIN_SIDE`].
    ///
    /// Sixteen-bit luma is rounded to eight bits for the classic hashes, and the fourth byte of a pixel is ignored.
    pub fn hash(self, pixels: &Pixels<'_>) -> Option<Hash> {
        let (alg, width, height) = match self {
            Self::Pdq => return pdq::hash(pixels).map(|hashed| hashed.hash),
            Self::Mean => (HashAlg::Mean, 16, 16),
            Self::Gradient => (HashAlg::Gradient, 16, 16),
            // The crate samples (width / 2 + 1) x (height / 2 + 1); at 16x16 that would be only 144 comparisons.
            Self::DoubleGradient => (HashAlg::DoubleGradient, 26, 18),
            Self::VerticalGradient => (HashAlg::VertGradient, 16, 16),
            Self::Median => (HashAlg::Median, 16, 16),
            Self::Blockhash => (HashAlg::Blockhash, 16, 16),
        };
        if pixels.width() < pdq::MIN_SIDE || pixels.height() < pdq::MIN_SIDE {
            return None;
        }
        let picture = to_image(pixels)?;
        let made = HasherConfig::new().hash_size(width, height).hash_alg(alg).to_hasher().hash_image(&picture);
        Some(Hash(made.as_bytes().try_into().ok()?))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    /// The algorithm of this [`name`](Algorithm::name).
    ///
    /// # Errors
    /// [`Error::Option`] that lists the names.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|algorithm| algorithm.name()).collect();
            Error::option("algorithm", format!("`{name}` is not one of {}", known.join(", ")))
        })
    }
}

/// A copy in the layout that the `image` crate knows.
fn to_image(pixels: &Pixels<'_>) -> Option<DynamicImage> {
    let (width, height) = (u32::try_from(pixels.width()).ok()?, u32::try_from(pixels.height()).ok()?);
    let rows = || (0..pixels.height()).map(|y| pixels.row(y));
    let rgb = |bytes: usize, [r, g, b]: [usize; 3]| {
        let data = rows().flat_map(|row| row.chunks_exact(bytes).flat_map(|v| [v[r], v[g], v[b]])).collect();
        RgbImage::from_raw(width, height, data).map(DynamicImage::ImageRgb8)
    };
    match pixels.format() {
        Format::Luma8 => {
            GrayImage::from_raw(width, height, rows().flatten().copied().collect()).map(DynamicImage::ImageLuma8)
        }
        Format::Luma16 => {
            let data = rows().flat_map(|row| row.chunks_exact(2).map(|v| u16::from_le_bytes([v[0], v[1]]))).collect();
            ImageBuffer::from_raw(width, height, data).map(DynamicImage::ImageLuma16)
        }
        Format::Rgb8 => rgb(3, [0, 1, 2]),
        Format::Bgr8 => rgb(3, [2, 1, 0]),
        Format::Rgba8 => rgb(4, [0, 1, 2]),
        Format::Bgra8 => rgb(4, [2, 1, 0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(width: usize, height: usize, bytes: usize) -> Vec<u8> {
        let mut state = 7u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 27) as u8
        };
        (0..width * height * bytes).map(|i| ((i / bytes % width * 5 + i / bytes / width * 3) as u8) ^ noise()).collect()
    }

    #[test]
    fn every_algorithm_uses_all_256_bits() {
        for algorithm in Algorithm::ALL {
            let mut seen = [Hash::default(); 2];
            for shift in 0..40u8 {
                let data: Vec<u8> =
                    busy(97, 61, 1).iter().map(|v| v.rotate_left(u32::from(shift % 8)) ^ shift).collect();
                let hash = algorithm.hash(&Pixels::luma(&data, 97, 61, 97).unwrap()).unwrap();
                for (set, word) in seen.iter_mut().zip([hash, hash.complement()]) {
                    set.0.iter_mut().zip(word.0).for_each(|(all, byte)| *all |= byte);
                }
            }
            // The first row of the four-row bands and the like may hold a bit still, but whole bytes may not.
            assert!(seen.iter().all(|set| set.0.iter().all(|&byte| byte != 0)), "{algorithm} {seen:?}");
        }
    }

    #[test]
    fn small_pictures_have_a_hash_from_five_pixels_a_side() {
        for algorithm in Algorithm::ALL {
            for (width, height, some) in [(5, 5, true), (4, 200, false), (200, 4, false), (5, 40, true), (0, 0, false)]
            {
                let data = busy(width, height, 1);
                let got = algorithm.hash(&Pixels::luma(&data, width, height, width).unwrap());
                assert_eq!(got.is_some(), some, "{algorithm} {width}x{height}");
            }
        }
    }

    #[test]
    fn layouts_of_one_picture_agree() {
        let rgb = busy(40, 33, 3);
        let of = |f: fn(&[u8]) -> Vec<u8>| rgb.chunks_exact(3).flat_map(f).collect::<Vec<u8>>();
        let forms = [
            (Format::Bgr8, of(|v| vec![v[2], v[1], v[0]])),
            (Format::Rgba8, of(|v| vec![v[0], v[1], v[2], 9])),
            (Format::Bgra8, of(|v| vec![v[2], v[1], v[0], 9])),
        ];
        for algorithm in Algorithm::ALL {
            let want = algorithm.hash(&Pixels::new(&rgb, 40, 33, 120, Format::Rgb8).unwrap());
            for (format, data) in &forms {
                let got = algorithm.hash(&Pixels::new(data, 40, 33, 40 * format.bytes(), *format).unwrap());
                assert_eq!(got, want, "{algorithm} {format:?}");
            }
        }
    }

    #[test]
    fn names_go_round() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse::<Algorithm>().unwrap(), algorithm);
            assert_eq!(serde_json::to_string(&algorithm).unwrap(), format!("\"{}\"", algorithm.name()));
        }
        assert!(matches!("phash".parse::<Algorithm>(), Err(Error::Option { .. })));
    }
}
