//! Small grey pictures for a report, as data addresses, so that the report is one file: of a still itself, of a film some
//! frames, with the content box that is drawn on them.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ExtendedColorType, GrayImage};
use serde::Serialize;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::fingerprint::{Media, Options};
use crate::hash::{Format, PixelBuf, Pixels};
use crate::image::{self as decoding, Decoded};
use crate::limits::Limits;
use crate::video;

/// The longer side of a still in pixels.
const SIDE: u32 = 192;
/// The same of a film's frames.
const FRAME_SIDE: u32 = 112;
/// Frames of a film, spread over its length.
const FRAMES: usize = 8;
const QUALITY: u8 = 50;

/// What the page shows of a file.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Shown {
    width: u32,
    height: u32,
    /// A still.
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<String>,
    /// The frames of a film with their times in seconds.
    frames: Vec<(f64, String)>,
    /// The content box: left, top, right and lower edge in fractions.
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    content: Option<[f64; 4]>,
}

impl Shown {
    /// How much of the page it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.src.as_ref().map_or(0, String::len) + self.frames.iter().map(|frame| frame.1.len()).sum::<usize>()
    }

    /// What there is to see of a file; `None` if it cannot be decoded.
    pub(crate) fn of_file(path: &Path, limits: &Limits, cancel: &Cancel) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let options = Options { limits: limits.clone(), cancel: cancel.clone(), ..Options::default() };
        if meta.len() <= limits.bytes.min(256 << 20)
            && let Some(shown) = Self::of_still(path, limits)
        {
            return Some(shown);
        }
        Self::of_film(path, &options)
    }

    /// A still, or an animation's first frame.
    fn of_still(path: &Path, limits: &Limits) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        match decoding::decode(&bytes, limits).ok()? {
            Decoded::Still(picture) => Self::of_pixels(&picture.as_pixels()),
            Decoded::Animation(animation) => {
                let mut first = None;
                let _ = animation.frames(|_, _, picture| {
                    first = Self::of_pixels(picture);
                    Err(Error::Cancelled) // one frame is enough
                });
                first
            }
        }
    }

    fn of_pixels(pixels: &Pixels<'_>) -> Option<Self> {
        let grey = grey(pixels)?;
        let content = decoding::content_box(pixels).map(|rect| {
            let (width, height) = (pixels.width() as f64, pixels.height() as f64);
            let (x, y) = (rect.x as f64, rect.y as f64);
            [x / width, y / height, (x + rect.width as f64) / width, (y + rect.height as f64) / height]
        });
        let (width, height) = (grey.width() as u32, grey.height() as u32);
        let buffer = GrayImage::from_raw(width, height, grey.into_data())?;
        let src = Some(address(&buffer, fit(width, height, SIDE))?);
        Some(Self { width, height, src, frames: Vec::new(), content })
    }

    fn of_film(path: &Path, options: &Options) -> Option<Self> {
        let strip = video::strip(&Media::file(path), options, FRAMES).ok()?;
        let (width, height) = strip.size;
        let size = fit(width, height, FRAME_SIDE);
        let frames = strip.frames.iter().filter_map(|(time, grid)| {
            let side = video::GRID_SIDE as u32;
            let grey = grid.samples().iter().map(|&value| value.clamp(0.0, 255.0) as u8).collect();
            let square = GrayImage::from_raw(side, side, grey)?;
            Some(((time * 1000.0).round() / 1000.0, address(&square, size)?))
        });
        let frames: Vec<_> = frames.collect();
        let content = strip.content.map(|area| [area.left, area.top, area.right, area.bottom]);
        (!frames.is_empty()).then_some(Self { width, height, src: None, frames, content })
    }
}

/// The size of a picture whose longer side is at most `side`.
fn fit(width: u32, height: u32, side: u32) -> (u32, u32) {
    let scale = (f64::from(side) / f64::from(width.max(height).max(1))).min(1.0);
    let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).clamp(1, side);
    (scaled(width), scaled(height))
}

fn address(picture: &GrayImage, (width, height): (u32, u32)) -> Option<String> {
    let small = ::image::imageops::resize(picture, width, height, FilterType::Triangle);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode(&small, width, height, ExtendedColorType::L8).ok()?;
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

    fn size_of(address: &str) -> (u32, u32) {
        let jpeg = STANDARD.decode(address.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
        let small = ::image::load_from_memory(&jpeg).unwrap();
        (small.width(), small.height())
    }

    #[test]
    fn large_pictures_become_small_and_sixteen_bits_become_eight() {
        let data = vec![200; 600 * 300 * 2];
        let pixels = Pixels::new(&data, 600, 300, 1200, Format::Luma16).unwrap();
        let shown = Shown::of_pixels(&pixels).unwrap();
        assert_eq!(size_of(shown.src.as_ref().unwrap()), (192, 96));
        assert_eq!((shown.width, shown.height, shown.weight() > 300), (600, 300, true));
        assert!(Shown::of_file(Path::new("/nowhere"), &Limits::default(), &Cancel::new()).is_none());
    }

    #[test]
    fn bars_are_known_by_their_box() {
        let side = 200;
        let at = |i: usize| {
            let (x, y) = (i % side, i / side);
            if (50..150).contains(&y) {
                (128.0 + 60.0 * (x as f64 * 0.21).sin() + 50.0 * (y as f64 * 0.33 + x as f64 * 0.1).cos()) as u8
            } else {
                0
            }
        };
        let picture = PixelBuf::new((0..side * side).map(at).collect(), side, side, Format::Luma8).unwrap();
        let [left, top, right, bottom] = Shown::of_pixels(&picture.as_pixels()).unwrap().content.unwrap();
        assert_eq!((left, right), (0.0, 1.0));
        assert!((top - 0.25).abs() < 0.02 && (bottom - 0.75).abs() < 0.02, "{top} {bottom}");
    }

    #[cfg(feature = "video")]
    #[test]
    fn films_show_frames_over_their_length() {
        let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/removed/workshop.mp4");
        let shown = Shown::of_file(&film, &Limits::default(), &Cancel::new()).unwrap();
        assert_eq!(shown.frames.len(), FRAMES);
        assert!(shown.frames.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 != two[1].1), "{:?}", shown.frames);
        assert!(shown.width > 0 && shown.src.is_none());
    }
}
