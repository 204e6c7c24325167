//! Hashing a still while it is decoded, row by row, where its decoder can deliver rows: a PNG or JPEG of any height then
//! takes a few rows of memory. The hash is exactly that of the decoded picture.

use std::io::Cursor;

use png::{BitDepth, Transformations};

use super::{check, flatten, jpeg, kind, orient};
use crate::error::{Error, Result};
use crate::hash::pdq::{Dihedral, Stream};
use crate::hash::{Format, pdq};
use crate::limits::Limits;

/// The PDQ hashes of a still, upright, without more of it in memory than its decoder needs: PNGs that are not
/// interlaced and sequential JPEGs go row by row if they are not turned, all else is decoded first. `None` if a side is below [`pdq::MIN_SIDE`].
///
/// # Errors
/// As [`decode`](super::decode), and [`Error::Unsupported`] for animations.
pub fn hash(bytes: &[u8], limits: &Limits) -> Result<Option<Dihedral>> {
    if bytes.len() as u64 > limits.bytes {
        return Err(Error::limit("bytes", limits.bytes, bytes.len() as u64));
    }
    let hashed = match kind::sniff(&bytes[..bytes.len().min(kind::HEAD)]) {
        kind::Kind::Png => super::fence("PNG", || png(bytes, limits))?,
        kind::Kind::Jpeg => super::fence("JPEG", || jpeg::hash(bytes, limits))?,
        _ => None,
    };
    if let Some(hashed) = hashed {
        return Ok(hashed);
    }
    match super::decode(bytes, limits)? {
        super::Decoded::Still(picture) => Ok(pdq::dihedral(&picture.as_pixels())),
        super::Decoded::Animation(_) => Err(Error::unsupported("an animation has more than one hash")),
    }
}

/// `Some` if the rows of this PNG could be hashed as they came.
fn png(bytes: &[u8], limits: &Limits) -> Result<Option<Option<Dihedral>>> {
    let broken = |error: png::DecodingError| match error {
        png::DecodingError::LimitsExceeded => Error::limit("memory", limits.memory, limits.memory.saturating_add(1)),
        error => Error::decode(format!("PNG: {error}")),
    };
    let memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: memory });
    let (width, height) = decoder.read_header_info().map_err(broken)?.size();
    // The pixels are never held, so only the encoded bytes count here and the rows below.
    check(limits, width, height, 0, bytes.len())?;
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(broken)?;
    let info = reader.info();
    let upright = orient::of_exif(info.exif_metadata.as_deref()) == ::image::metadata::Orientation::NoTransforms;
    if info.interlaced || info.animation_control.is_some() || !upright {
        return Ok(None);
    }
    let (color, depth) = reader.output_color_type();
    let Some(color) = color_type(color, depth) else { return Ok(None) };
    let row_bytes = u64::from(width) * u64::from(color.bytes_per_pixel());
    if row_bytes.saturating_mul(8) > limits.memory {
        return Err(Error::limit("memory", limits.memory, row_bytes.saturating_mul(8)));
    }
    let format = match color {
        ::image::ColorType::L8 | ::image::ColorType::La8 => Format::Luma8,
        ::image::ColorType::L16 | ::image::ColorType::La16 => Format::Luma16,
        _ => Format::Rgb8,
    };
    let Some(mut stream) = Stream::new(width as usize, height as usize, format) else { return Ok(Some(None)) };
    for _ in 0..height {
        let row = reader.next_row().map_err(broken)?.ok_or_else(|| Error::decode("PNG: ends before its last row"))?;
        let row = row.data();
        if matches!(color, ::image::ColorType::L8 | ::image::ColorType::Rgb8) {
            stream.push_row(row)?;
            continue;
        }
        let mut samples = row.to_vec();
        if depth == BitDepth::Sixteen {
            for sample in samples.as_chunks_mut::<2>().0 {
                *sample = u16::from_be_bytes(*sample).to_ne_bytes();
            }
        }
        let row = flatten::flatten(samples, width, 1, color)?;
        stream.push_row(row.as_pixels().row(0))?;
    }
    stream.finish_dihedral().map(|hashed| Some(Some(hashed)))
}

fn color_type(color: png::ColorType, depth: BitDepth) -> Option<::image::ColorType> {
    use ::image::ColorType as To;
    use png::ColorType as From;
    Some(match (color, depth) {
        (From::Grayscale, BitDepth::Eight) => To::L8,
        (From::Grayscale, BitDepth::Sixteen) => To::L16,
        (From::GrayscaleAlpha, BitDepth::Eight) => To::La8,
        (From::GrayscaleAlpha, BitDepth::Sixteen) => To::La16,
        (From::Rgb, BitDepth::Eight) => To::Rgb8,
        (From::Rgb, BitDepth::Sixteen) => To::Rgb16,
        (From::Rgba, BitDepth::Eight) => To::Rgba8,
        (From::Rgba, BitDepth::Sixteen) => To::Rgba16,
        _ => return None,
    })
}
