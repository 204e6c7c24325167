//! JPEG, straight to luma: the hash needs no colour, and the decoder can leave the colour planes alone.
//!
//! Pictures stored as red, green and blue, or in inks (CMYK, YCCK), are decoded to RGB: their first plane is no luma.

use ::image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{check, orient};
use crate::error::{Error, Result};
use crate::hash::{Format, PixelBuf};
use crate::limits::Limits;

/// Decodes a JPEG as it is stored, and tells how it must be turned.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(PixelBuf, Orientation)> {
    let layout = Layout::of(bytes);
    let side = limits.side as usize;
    let options = DecoderOptions::default()
        .set_max_width(side)
        .set_max_height(side)
        // What breaks off is refused unless the whole picture is there: strict decoding tells.
        .set_strict_mode(!layout.ends);
    if let Some((width, height)) = layout.size {
        check(limits, width, height, layout.bytes_a_pixel() + 3, bytes.len())?;
    }
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| broken(error, limits))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Error::decode("JPEG without a size"))?;
    check(limits, width as u32, height as u32, layout.bytes_a_pixel() + 3, bytes.len())?;

    let (space, format) = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr) if layout.first_plane_is_full => (ColorSpace::Luma, Format::Luma8),
        Some(ColorSpace::Luma) => (ColorSpace::Luma, Format::Luma8),
        _ => (ColorSpace::RGB, Format::Rgb8),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let mut data = vec![0; width * height * format.bytes()];
    decoder.decode_into(&mut data).map_err(|error| broken(error, limits))?;
    let orientation = orient::of_exif(decoder.exif().map(Vec::as_slice));
    Ok((PixelBuf::new(data, width, height, format)?, orientation))
}

fn broken(error: DecodeErrors, limits: &Limits) -> Error {
    match error {
        DecodeErrors::LargeDimensions(got) => Error::limit("side", limits.side.into(), got as u64),
        DecodeErrors::Unsupported(scheme) => Error::unsupported(format!("JPEG of this kind: {scheme:?}")),
        error => Error::decode(format!("JPEG: {error}")),
    }
}

/// What the markers of a JPEG say, read before any decoder allocates.
#[derive(Debug, Default)]
struct Layout {
    size: Option<(u32, u32)>,
    components: u8,
    progressive: bool,
    /// The first component is sampled as finely as any other, so it is a picture of its own.
    first_plane_is_full: bool,
    /// There is an end-of-image marker after the first scan.
    ends: bool,
}

impl Layout {
    fn of(bytes: &[u8]) -> Self {
        let mut layout = Self { first_plane_is_full: true, ..Self::default() };
        let mut at = 2;
        while let Some(&[marker, code, high, low]) = bytes.get(at..at + 4).and_then(|m| m.first_chunk()) {
            if marker != 0xFF || matches!(code, 0 | 0xFF | 0xD0..=0xD8) {
                at += 1;
                continue;
            }
            let length = usize::from(u16::from_be_bytes([high, low]));
            match code {
                0xC0..=0xCF if !matches!(code, 0xC4 | 0xC8 | 0xCC) => {
                    layout.frame(bytes.get(at + 4..).unwrap_or_default(), code);
                }
                0xD9 => break,
                0xDA => {
                    // From the end, where it nearly always stands.
                    layout.ends = bytes[at..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9]);
                    break;
                }
                _ => {}
            }
            at += 2 + length.max(2);
        }
        layout
    }

    fn frame(&mut self, frame: &[u8], code: u8) {
        let Some(&[_, h1, h0, w1, w0, components]) = frame.first_chunk() else { return };
        self.size = Some((u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into()));
        self.components = components;
        self.progressive = code != 0xC0 && code != 0xC1;
        let mut factors = frame[6..].chunks_exact(3).take(components.into()).map(|c| (c[1] >> 4, c[1] & 15));
        if let Some((width, height)) = factors.next() {
            self.first_plane_is_full = factors.all(|(w, h)| w <= width && h <= height);
        }
    }

    /// Memory that decoding takes beside the result: progressive pictures are held as coefficients until they are whole.
    fn bytes_a_pixel(&self) -> u64 {
        if self.progressive { 2 * u64::from(self.components.max(1)) } else { 0 }
    }
}
