//! From the colour types that decoders hand out to those that are hashed: opaque, grey kept grey, colour in eight bits.
//!
//! Alpha is composited over white, in the encoded (gamma) values, as a browser shows a transparent picture on a white
//! page. Sixteen-bit grey stays sixteen-bit; sixteen-bit colour is scaled to eight bits and rounded.

use ::image::ColorType;

use crate::error::{Error, Result};
use crate::hash::{Format, PixelBuf};

/// `samples` of a decoder's `color` (native endianness) as a picture that can be hashed.
pub(super) fn flatten(mut samples: Vec<u8>, width: u32, height: u32, color: ColorType) -> Result<PixelBuf> {
    let format = match color {
        ColorType::L8 => Format::Luma8,
        ColorType::Rgb8 => Format::Rgb8,
        ColorType::L16 => {
            for sample in samples.as_chunks_mut::<2>().0 {
                *sample = u16::from_ne_bytes(*sample).to_le_bytes();
            }
            Format::Luma16
        }
        ColorType::La8 => {
            shrink::<2, 1>(&mut samples, |[v, a]| [over_white(v, a)]);
            Format::Luma8
        }
        ColorType::Rgba8 => {
            shrink::<4, 3>(&mut samples, |[r, g, b, a]| [r, g, b].map(|v| over_white(v, a)));
            Format::Rgb8
        }
        ColorType::La16 => {
            shrink::<4, 2>(&mut samples, |s| {
                let [v, a] = wide(s);
                over_white16(v, a).to_le_bytes()
            });
            Format::Luma16
        }
        ColorType::Rgb16 => {
            shrink::<6, 3>(&mut samples, |s| wide::<6, 3>(s).map(narrow));
            Format::Rgb8
        }
        ColorType::Rgba16 => {
            shrink::<8, 3>(&mut samples, |s| {
                let [r, g, b, a] = wide(s);
                [r, g, b].map(|v| narrow(over_white16(v, a)))
            });
            Format::Rgb8
        }
        ColorType::Rgb32F => {
            shrink::<12, 3>(&mut samples, |s| floats::<12, 3>(s).map(|v| unit(v, 1.0)));
            Format::Rgb8
        }
        ColorType::Rgba32F => {
            shrink::<16, 3>(&mut samples, |s| {
                let [r, g, b, a] = floats(s);
                [r, g, b].map(|v| unit(v, a))
            });
            Format::Rgb8
        }
        _ => return Err(Error::unsupported(format!("pixels of type {color:?}"))),
    };
    PixelBuf::new(samples, width as usize, height as usize, format)
        .map_err(|error| Error::decode(format!("the decoder delivered another size than it promised: {error}")))
}

/// One eight-bit sample composited over white.
pub(crate) fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn over_white16(value: u16, alpha: u16) -> u16 {
    let (value, alpha) = (u64::from(value), u64::from(alpha));
    ((value * alpha + 65_535 * (65_535 - alpha) + 32_767) / 65_535) as u16
}

/// Sixteen bits to eight, rounded: 257 steps each.
fn narrow(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// A sample of 0.0..=1.0 over white; what is outside, or not a number, is clamped.
fn unit(value: f32, alpha: f32) -> u8 {
    let alpha = alpha.clamp(0.0, 1.0);
    let value = value.clamp(0.0, 1.0) * alpha + (1.0 - alpha);
    (value * 255.0).round() as u8
}

fn wide<const N: usize, const M: usize>(samples: [u8; N]) -> [u16; M] {
    std::array::from_fn(|i| u16::from_ne_bytes([samples[2 * i], samples[2 * i + 1]]))
}

fn floats<const N: usize, const M: usize>(samples: [u8; N]) -> [f32; M] {
    std::array::from_fn(|i| f32::from_ne_bytes(std::array::from_fn(|k| samples[4 * i + k])))
}

/// Replaces every `N` bytes by `M <= N` others, in place.
fn shrink<const N: usize, const M: usize>(samples: &mut Vec<u8>, with: impl Fn([u8; N]) -> [u8; M]) {
    let count = samples.len() / N;
    for i in 0..count {
        let pixel: [u8; N] = std::array::from_fn(|k| samples[i * N + k]);
        samples[i * M..i * M + M].copy_from_slice(&with(pixel));
    }
    samples.truncate(count * M);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<T: Copy>(values: &[T], to: impl Fn(T) -> Vec<u8>) -> Vec<u8> {
        values.iter().flat_map(|&v| to(v)).collect()
    }

    #[test]
    fn every_type_flattens_as_documented() {
        let wide = |values: &[u16]| bytes(values, |v| v.to_ne_bytes().to_vec());
        let real = |values: &[f32]| bytes(values, |v| v.to_ne_bytes().to_vec());
        let cases = [
            (ColorType::L8, vec![7], Format::Luma8, vec![7]),
            (ColorType::La8, vec![10, 0], Format::Luma8, vec![255]),
            (ColorType::La8, vec![10, 255], Format::Luma8, vec![10]),
            (ColorType::Rgb8, vec![1, 2, 3], Format::Rgb8, vec![1, 2, 3]),
            (ColorType::Rgba8, vec![0, 100, 200, 128], Format::Rgb8, vec![127, 177, 227]),
            (ColorType::L16, wide(&[0x1234]), Format::Luma16, vec![0x34, 0x12]),
            (ColorType::La16, wide(&[0, 0x8000]), Format::Luma16, vec![0xFF, 0x7F]),
            (ColorType::Rgb16, wide(&[0, 65_535, 128]), Format::Rgb8, vec![0, 255, 0]),
            (ColorType::Rgb16, wide(&[129, 257, 257 * 9 + 200]), Format::Rgb8, vec![1, 1, 10]),
            (ColorType::Rgba16, wide(&[0, 65_535, 0, 0]), Format::Rgb8, vec![255, 255, 255]),
            (ColorType::Rgb32F, real(&[-1.0, 0.5, f32::NAN]), Format::Rgb8, vec![0, 128, 0]),
            (ColorType::Rgba32F, real(&[0.0, 1.0, 9.0, 0.5]), Format::Rgb8, vec![128, 255, 255]),
        ];
        for (color, samples, format, expected) in cases {
            let got = flatten(samples, 1, 1, color).unwrap();
            assert_eq!(got.format(), format, "{color:?}");
            assert_eq!(got.into_data(), expected, "{color:?}");
        }
        assert!(flatten(vec![0; 5], 2, 1, ColorType::Rgb8).is_err());
    }

    #[test]
    fn compositing_keeps_opaque_pixels() {
        for value in 0..=255 {
            assert_eq!(over_white(value, 255), value);
            assert_eq!(over_white(value, 0), 255);
        }
    }
}
