//! Encoded still image in, upright pixels out, under fixed decoding rules.
//!
//! The rules, since published hashers disagree with one another: the content decides what a file is, not its name; EXIF
//! orientation is applied to the pixels; grey stays grey; palettes are expanded; inks become RGB; alpha is composited
//! over white; sixteen bits are scaled; of several pages or sizes the first is taken; colour profiles and gamma chunks
//! are not applied; animations are short films. `docs/decoding.md` says why.
//!
//! Input comes from attackers: sizes are checked against [`Limits`] before a decoder allocates, and a decoder that panics
//! is an [`Error::Decode`].

mod animation;
pub(crate) mod canvas;
pub mod content_box;
pub(crate) mod flatten;
mod gif;
mod heif;
mod jpeg;
pub(crate) mod kind;
mod orient;
mod rows;

use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use ::image::error::{ImageError, LimitErrorKind};
use ::image::metadata::Orientation;
use ::image::{AnimationDecoder, ImageDecoder};

use self::animation::Opened;
pub use self::animation::{Animation, Played};
pub use self::content_box::{Rect, content_box};
use self::kind::Kind;
pub use self::rows::hash;
pub(crate) use self::rows::{Sink, Streamed, stream};
use crate::error::{Error, Result};
use crate::hash::PixelBuf;
use crate::limits::Limits;
use crate::video;

/// A decoded picture.
#[derive(Debug)]
#[non_exhaustive]
pub enum Decoded<'a> {
    /// One picture, upright: grey in 8 or 16 bits (JPEG always in 8-bit grey unless it is stored as RGB or inks), or RGB.
    Still(PixelBuf),
    /// A GIF, WebP or PNG of several frames.
    Animation(Animation<'a>),
}

/// Decodes a still picture or opens an animation.
///
/// # Errors
/// [`Error::Decode`] for what is broken, cut off or no picture at all; [`Error::Limit`] for what would cost too much, told
/// from the header; [`Error::Unsupported`] for a kind of picture that this build has no decoder for.
pub fn decode<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Decoded<'a>> {
    if bytes.is_empty() {
        return Err(Error::decode("the file is empty"));
    }
    if bytes.len() as u64 > limits.bytes {
        return Err(Error::limit("bytes", limits.bytes, bytes.len() as u64));
    }
    let kind = kind::of(bytes);
    match of_kind(kind, bytes, limits) {
        // A variant that `image` does not read, such as a TIFF with an uncommon compression, may be one that FFmpeg does.
        Err(Error::Unsupported { path, detail }) if matches!(kind, Kind::Tiff | Kind::Bmp | Kind::WebP) => {
            // FFmpeg hands pictures over as they lie.
            let turn = if kind == Kind::Tiff { orient::of_exif(Some(bytes)) } else { Orientation::NoTransforms };
            let picture = first_picture(bytes, "", limits).map_err(|error| match error {
                limit @ Error::Limit { .. } => limit,
                _ => Error::Unsupported { path, detail },
            })?;
            orient::upright(picture, turn).map(Decoded::Still)
        }
        other => other,
    }
}

fn of_kind<'a>(kind: Kind, bytes: &'a [u8], limits: &Limits) -> Result<Decoded<'a>> {
    match kind {
        Kind::Jpeg => fence("JPEG", || {
            let (picture, orientation) = jpeg::decode(bytes, limits)?;
            orient::upright(picture, orientation).map(Decoded::Still)
        }),
        Kind::Png => fence("PNG", || png(bytes, limits)),
        Kind::Gif => fence("GIF", || gif(bytes, limits)),
        Kind::WebP => fence("WebP", || webp(bytes, limits)),
        Kind::Tiff => fence("TIFF", || {
            let decoder = TiffDecoder::new(Cursor::new(bytes)).map_err(|error| from_image("TIFF", error, limits))?;
            still(decoder, "TIFF", bytes, limits)
        }),
        Kind::Bmp => fence("BMP", || {
            let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|error| from_image("BMP", error, limits))?;
            still(decoder, "BMP", bytes, limits)
        }),
        Kind::Heif(name) => fence(name, || heif::decode(bytes, name, limits).map(Decoded::Still)),
        Kind::OtherStill(name) => first_picture(bytes, name, limits).map(Decoded::Still),
        Kind::Refused(name) => {
            Err(Error::unsupported(format!("{name} is no picture and no film; nothing in it is followed")))
        }
        Kind::Film => Err(Error::decode("no picture of a known kind")),
    }
}

/// The first picture that FFmpeg finds in a file of a kind that `image` does not read.
fn first_picture(bytes: &[u8], name: &str, limits: &Limits) -> Result<PixelBuf> {
    // FFmpeg reads from a copy, which is itself made of one.
    within(limits, (bytes.len() as u64).saturating_mul(3))?;
    let mut first = None;
    video::pictures(bytes.to_vec(), limits, |picture| {
        first = Some(picture);
        Ok(false)
    })
    .map_err(|error| match error {
        Error::Unsupported { detail, .. } => Error::unsupported(format!("{name}: {detail}")),
        Error::Decode { detail, .. } => Error::decode(format!("{name}: {detail}")),
        other => other,
    })?;
    first.ok_or_else(|| Error::decode(format!("{name}: no picture in it")))
}

fn png<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Decoded<'a>> {
    let open = || PngDecoder::with_limits(Cursor::new(bytes), foreign(limits));
    // The claimed size first: a typed limit, before the decoder is asked.
    if let Some(&[_, _, _, _, _, _, _, _, _, _, _, _, b'I', b'H', b'D', b'R', w3, w2, w1, w0, h3, h2, h1, h0]) =
        bytes.first_chunk()
    {
        check(limits, u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]), 1, bytes.len())?;
    }
    let decoder = open().map_err(|error| from_image("PNG", error, limits))?;
    if decoder.is_apng().unwrap_or(false) {
        let (width, height) = decoder.dimensions();
        // The first frame, the canvas and the one before, and the list of pixels that are taken off it.
        check(limits, width, height, 24, bytes.len())?;
        let moving = decoder.apng().map_err(|error| from_image("PNG", error, limits));
        let moves = moves(bytes, limits);
        let why = match moving.and_then(|moving| Animation::open(moving.into_frames(), moves, "PNG", limits)) {
            Ok(Opened::Moving(animation)) => return Ok(Decoded::Animation(animation)),
            Err(Error::Decode { detail, .. } | Error::Unsupported { detail, .. }) if moves => Some(detail),
            Err(limit @ Error::Limit { .. }) => return Err(limit),
            Ok(Opened::Still(_)) | Err(_) => None,
        };
        // Frames that cannot be composited leave the default picture, which every viewer can show.
        let picture = still(open().map_err(|error| from_image("PNG", error, limits))?, "PNG", bytes, limits)?;
        return Ok(match (picture, why) {
            (Decoded::Still(picture), Some(why)) => {
                Decoded::Animation(Animation::stand_in(&picture, why, "PNG", limits))
            }
            (picture, _) => picture,
        });
    }
    still(decoder, "PNG", bytes, limits)
}

/// Whether a PNG that is an animation claims more than one frame.
fn moves(bytes: &[u8], limits: &Limits) -> bool {
    let room = png::Limits { bytes: usize::try_from(limits.memory).unwrap_or(usize::MAX) };
    let reader = png::Decoder::new_with_limits(Cursor::new(bytes), room).read_info();
    reader
        .ok()
        .and_then(|reader| reader.info().animation_control().copied())
        .is_none_or(|claimed| claimed.num_frames > 1)
}

fn gif<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Decoded<'a>> {
    let open = |bytes| GifDecoder::new(Cursor::new(bytes)).map_err(|error| from_image("GIF", error, limits));
    let (width, height) = open(Cow::Borrowed(bytes))?.dimensions();
    // The first frame, the canvas, the next frame as it is coded and as it is shown.
    check(limits, width, height, 16, bytes.len())?;
    let taken = 16 * u64::from(width) * u64::from(height) + bytes.len() as u64;
    let blocks = gif::blocks(bytes, limits.memory.saturating_sub(taken));
    let mut decoder = open(blocks.bytes)?;
    decoder.set_limits(foreign(limits)).map_err(|error| from_image("GIF", error, limits))?;
    moving(decoder.into_frames(), blocks.moves, "GIF", limits)
}

fn webp<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Decoded<'a>> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| from_image("WebP", error, limits))?;
    if !decoder.has_animation() {
        return still(decoder, "WebP", bytes, limits);
    }
    let (width, height) = decoder.dimensions();
    // The first frame, the canvas, the next frame as it is coded and as it is shown, and its alpha.
    check(limits, width, height, 24, bytes.len())?;
    decoder
        .set_background_color(::image::Rgba([255, 255, 255, 0]))
        .map_err(|error| from_image("WebP", error, limits))?;
    moving(decoder.into_frames(), true, "WebP", limits)
}

fn moving<'a>(frames: ::image::Frames<'a>, moves: bool, format: &'static str, limits: &Limits) -> Result<Decoded<'a>> {
    Ok(match Animation::open(frames, moves, format, limits)? {
        Opened::Still(picture) => Decoded::Still(picture),
        Opened::Moving(animation) => Decoded::Animation(animation),
    })
}

fn still<'a>(
    mut decoder: impl ImageDecoder,
    format: &'static str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Decoded<'a>> {
    let failed = |error| from_image(format, error, limits);
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    check(limits, width, height, 2 * u64::from(color.bytes_per_pixel()), bytes.len())?;
    decoder.set_limits(foreign(limits)).map_err(failed)?;
    // TIFF holds the orientation in a tag of its own; the others in an EXIF block.
    let orientation = match format {
        "TIFF" => decoder.orientation().unwrap_or(Orientation::NoTransforms),
        _ => orient::of_exif(decoder.exif_metadata().unwrap_or_default().as_deref()),
    };
    let mut samples = vec![0; usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX)];
    decoder.read_image(&mut samples).map_err(failed)?;
    let picture = flatten::flatten(samples, width, height, color)?;
    orient::upright(picture, orientation).map(Decoded::Still)
}

/// Compares a claimed size with the limits; decoding is taken to need `bytes_a_pixel` beside the `encoded` bytes.
pub(crate) fn check(limits: &Limits, width: u32, height: u32, bytes_a_pixel: u64, encoded: usize) -> Result<()> {
    let side = width.max(height);
    if side > limits.side {
        return Err(Error::limit("side", limits.side.into(), side.into()));
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        return Err(Error::limit("pixels", limits.pixels, pixels));
    }
    within(limits, pixels.saturating_mul(bytes_a_pixel).saturating_add(encoded as u64))?;
    if pixels == 0 {
        return Err(Error::decode(format!("a picture of {width}x{height} pixels")));
    }
    Ok(())
}

/// Compares what is about to be held in memory with the limit.
fn within(limits: &Limits, memory: u64) -> Result<()> {
    if memory > limits.memory { Err(Error::limit("memory", limits.memory, memory)) } else { Ok(()) }
}

/// Our limits in the words of `image`.
fn foreign(limits: &Limits) -> ::image::Limits {
    let mut foreign = ::image::Limits::no_limits();
    foreign.max_image_width = Some(limits.side);
    foreign.max_image_height = Some(limits.side);
    foreign.max_alloc = Some(limits.memory);
    foreign
}

fn from_image(format: &str, error: ImageError, limits: &Limits) -> Error {
    match error {
        ImageError::Limits(error) => match error.kind() {
            LimitErrorKind::DimensionError => Error::limit("side", limits.side.into(), u64::from(limits.side) + 1),
            _ => Error::limit("memory", limits.memory, limits.memory.saturating_add(1)),
        },
        ImageError::Unsupported(error) => Error::unsupported(format!("{format}: {error}")),
        error => Error::decode(format!("{format}: {error}")),
    }
}

/// Runs a decoder so that its panic is an error of the file.
pub(crate) fn fence<T>(format: &str, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Error::decode(format!("{format}: the decoder gave up on a state it did not expect"))))
}
