//! Hashing a still while it is decoded, row by row, where its decoder can deliver rows: a PNG or JPEG of any height then
//! takes a few rows of memory. The hash is exactly that of the decoded picture.

use std::io::Cursor;

use png::{BitDepth, Transformations};

use super::{check, flatten, jpeg, kind, orient};
use crate::error::{Error, Result};
use crate::hash::pdq::{Dihedral, Stream};
use crate::hash::{Format, pdq};
use crate::limits::Limits;

/// What is made of the rows of a picture as they come.
pub(crate) trait Sink: Sized {
    /// What is wanted of the picture.
    type Want: Copy;
    /// Memory that it takes, in bytes.
    fn memory(want: Self::Want, width: usize, height: usize) -> u64;
    /// Before the first row, all checks passed; `None` if nothing can be made of a picture of that size.
    fn start(want: Self::Want, width: usize, height: usize, format: Format) -> Option<Self>;
    /// Takes the next row, from the top.
    fn row(&mut self, row: &[u8]) -> Result<()>;
}

impl Sink for Stream {
    type Want = ();

    fn memory((): (), width: usize, height: usize) -> u64 {
        // The rows of the filter: see `pdq::hash`.
        4 * width as u64 * (height as u64 / 128 + 20)
    }

    fn start((): (), width: usize, height: usize, format: Format) -> Option<Self> {
        Self::new(width, height, format)
    }

    fn row(&mut self, row: &[u8]) -> Result<()> {
        self.push_row(row)
    }
}

/// What became of a picture that was to be taken row by row.
pub(crate) enum Streamed<S> {
    /// All rows have come.
    Whole(S),
    /// The picture has a size of which [`Sink::start`] makes nothing.
    Nothing,
    /// It has to be decoded as a whole first.
    Declined,
}

/// The PDQ hashes of a still, upright, without more of it in memory than its decoder needs: PNGs that are not
/// interlaced and sequential JPEGs go row by row if they are not turned, all else is decoded first. `None` if a side is
/// below [`pdq::MIN_SIDE`].
///
/// # Errors
/// As [`decode`](super::decode), and [`Error::Unsupported`] for animations.
pub fn hash(bytes: &[u8], limits: &Limits) -> Result<Option<Dihedral>> {
    match stream::<Stream>(bytes, limits, ())? {
        Streamed::Whole(stream) => return stream.finish_dihedral().map(Some),
        Streamed::Nothing => return Ok(None),
        Streamed::Declined => {}
    }
    match super::decode(bytes, limits)? {
        super::Decoded::Still(picture) => Ok(pdq::dihedral(&picture.as_pixels())),
        super::Decoded::Animation(_) => Err(Error::unsupported("an animation has more than one hash")),
    }
}

/// Hands over a still picture row by row, upright, if its decoder can deliver it so.
///
/// # Errors
/// As [`decode`](super::decode).
pub(crate) fn stream<S: Sink>(bytes: &[u8], limits: &Limits, want: S::Want) -> Result<Streamed<S>> {
    if bytes.len() as u64 > limits.bytes {
        return Err(Error::limit("bytes", limits.bytes, bytes.len() as u64));
    }
    match kind::sniff(&bytes[..bytes.len().min(kind::HEAD)]) {
        kind::Kind::Png => super::fence("PNG", || png(bytes, limits, want)),
        kind::Kind::Jpeg => super::fence("JPEG", || jpeg::stream(bytes, limits, want)),
        _ => Ok(Streamed::Declined),
    }
}

/// Starts a sink within the memory that the encoded bytes leave.
pub(super) fn begin<S: Sink>(
    want: S::Want,
    width: u32,
    height: u32,
    format: Format,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Option<S>> {
    let (width, height) = (width as usize, height as usize);
    let memory = S::memory(want, width, height).saturating_add(bytes.len() as u64);
    if memory > limits.memory {
        return Err(Error::limit("memory", limits.memory, memory));
    }
    Ok(S::start(want, width, height, format))
}

fn png<S: Sink>(bytes: &[u8], limits: &Limits, want: S::Want) -> Result<Streamed<S>> {
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
        return Ok(Streamed::Declined);
    }
    let (color, depth) = reader.output_color_type();
    let Some(color) = color_type(color, depth) else { return Ok(Streamed::Declined) };
    let row_bytes = u64::from(width) * u64::from(color.bytes_per_pixel());
    if row_bytes.saturating_mul(8) > limits.memory {
        return Err(Error::limit("memory", limits.memory, row_bytes.saturating_mul(8)));
    }
    let format = match color {
        ::image::ColorType::L8 | ::image::ColorType::La8 => Format::Luma8,
        ::image::ColorType::L16 | ::image::ColorType::La16 => Format::Luma16,
        _ => Format::Rgb8,
    };
    let Some(mut sink) = begin::<S>(want, width, height, format, bytes, limits)? else { return Ok(Streamed::Nothing) };
    for _ in 0..height {
        let row = reader.next_row().map_err(broken)?.ok_or_else(|| Error::decode("PNG: ends before its last row"))?;
        let row = row.data();
        if matches!(color, ::image::ColorType::L8 | ::image::ColorType::Rgb8) {
            sink.row(row)?;
            continue;
        }
        let mut samples = row.to_vec();
        if depth == BitDepth::Sixteen {
            for sample in samples.as_chunks_mut::<2>().0 {
                *sample = u16::from_be_bytes(*sample).to_ne_bytes();
            }
        }
        let row = flatten::flatten(samples, width, 1, color)?;
        sink.row(row.as_pixels().row(0))?;
    }
    Ok(Streamed::Whole(sink))
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
