//! Small grey pictures for a report, as data addresses, so that the report is one file.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;

use crate::error::Error;
use crate::hash::{Format, PixelBuf, Pixels};
use crate::image::{self as decoding, Decoded};
use crate::limits::Limits;

/// The longer side in pixels.
const SIDE: u32 = 200;

/// The thumbnail of a still or an animation's first frame; `None` for films and whatever cannot be decoded.
pub(crate) fn of_file(path: &Path, limits: &Limits) -> Option<String> {
    let meta = std::fs::metadata(path).ok().filter(|meta| meta.is_file())?;
    if meta.len() > limits.bytes.min(256 << 20) {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    match decoding::decode(&bytes, limits).ok()? {
        Decoded::Still(picture) => of_pixels(&picture.as_pixels()),
        Decoded::Animation(animation) => {
            let mut first = None;
            let _ = animation.frames(|_, _, picture| {
                first = of_pixels(picture);
                Err(Error::Cancelled) // one frame is enough
            });
            first
        }
    }
}

fn of_pixels(pixels: &Pixels<'_>) -> Option<String> {
    let grey = grey(pixels)?;
    let (width, height) = (grey.width() as u32, grey.height() as u32);
    let buffer = ::image::GrayImage::from_raw(width, height, grey.into_data())?;
    let scale = f64::from(SIDE) / f64::from(width.max(height).max(1));
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).clamp(1, SIDE);
    let small = if scale < 1.0 {
        ::image::imageops::resize(&buffer, side(width), side(height), FilterType::Triangle)
    } else {
        buffer
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 70)
        .encode(&small, small.width(), small.height(), ExtendedColorType::L8)
        .ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}

fn grey(pixels: &Pixels<'_>) -> Option<PixelBuf> {
    let (width, height, format) = (pixels.width(), pixels.height(), pixels.format());
    let luma = |r: u8, g: u8, b: u8| ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000) as u8;
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = pixels.row(y).chunks_exact(format.bytes()).take(width);
        match format {
            Format::Luma8 => data.extend(row.map(|sample| sample[0])),
            Format::Luma16 => data.extend(row.map(|sample| sample[1])),
            Format::Rgb8 | Format::Rgba8 => data.extend(row.map(|sample| luma(sample[0], sample[1], sample[2]))),
            Format::Bgr8 | Format::Bgra8 => data.extend(row.map(|sample| luma(sample[2], sample[1], sample[0]))),
        }
    }
    PixelBuf::new(data, width, height, Format::Luma8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_become_small_and_sixteen_bits_become_eight() {
        let data = vec![200; 600 * 300 * 2];
        let pixels = Pixels::new(&data, 600, 300, 1200, Format::Luma16).unwrap();
        let address = of_pixels(&pixels).unwrap();
        let jpeg = STANDARD.decode(address.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
        let small = ::image::load_from_memory(&jpeg).unwrap();
        assert_eq!((small.width(), small.height()), (200, 100));
        assert!(of_file(Path::new("/nowhere"), &Limits::default()).is_none());
    }
}
