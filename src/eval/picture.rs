//! Pictures that attacks work on: 8-bit RGB in memory, and the handful of operations that attacks are made of.

use std::io::Cursor;

use crate::error::{Error, Result};
use crate::hash::{Format, PixelBuf, Pixels};

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Black.
pub const BLACK: Colour = [0; 3];
/// White.
pub const WHITE: Colour = [255; 3];

/// An RGB picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Picture {
    /// A picture of one colour; sides of 0 become 1.
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, data: colour.repeat(width * height) }
    }

    /// A picture from a function of the position.
    pub fn from_fn(width: usize, height: usize, mut at: impl FnMut(usize, usize) -> Colour) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let mut data = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                data.extend_from_slice(&at(x, y));
            }
        }
        Self { width, height, data }
    }

    /// A copy of pixels in any layout.
    pub fn of_pixels(pixels: &Pixels<'_>) -> Self {
        let mut data = Vec::with_capacity(pixels.width() * pixels.height() * 3);
        for y in 0..pixels.height() {
            let row = pixels.row(y);
            match pixels.format() {
                Format::Luma8 => data.extend(row.iter().flat_map(|&v| [v; 3])),
                Format::Luma16 => data.extend(row.chunks_exact(2).flat_map(|v| [v[1]; 3])),
                Format::Rgb8 => data.extend_from_slice(row),
                Format::Bgr8 => data.extend(row.chunks_exact(3).flat_map(|v| [v[2], v[1], v[0]])),
                Format::Rgba8 => data.extend(row.chunks_exact(4).flat_map(|v| [v[0], v[1], v[2]])),
                Format::Bgra8 => data.extend(row.chunks_exact(4).flat_map(|v| [v[2], v[1], v[0]])),
            }
        }
        Self { width: pixels.width(), height: pixels.height(), data }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes: red, green, blue, row after row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The picture as the hashes take it.
    pub fn to_pixels(&self) -> Result<PixelBuf> {
        PixelBuf::new(self.data.clone(), self.width, self.height, Format::Rgb8)
    }

    /// The colour at a position inside the picture.
    pub fn at(&self, x: usize, y: usize) -> Colour {
        let i = (y * self.width + x) * 3;
        [self.data[i], self.data[i + 1], self.data[i + 2]]
    }

    /// Paints one pixel; outside nothing happens.
    pub fn set(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.width && y < self.height {
            let i = (y * self.width + x) * 3;
            self.data[i..i + 3].copy_from_slice(&colour);
        }
    }

    /// Mixes a colour into one pixel; outside nothing happens.
    pub fn blend(&mut self, x: usize, y: usize, colour: Colour, opacity: f64) {
        if x < self.width && y < self.height {
            let old = self.at(x, y);
            self.set(x, y, std::array::from_fn(|i| mix(old[i], colour[i], opacity)));
        }
    }

    /// Every channel of every pixel through a function.
    #[must_use]
    pub fn map(mut self, f: impl Fn(f64) -> f64) -> Self {
        let table: [u8; 256] = std::array::from_fn(|v| clamp(f(v as f64)));
        self.data.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
        self
    }

    /// Every pixel through a function.
    #[must_use]
    pub fn map_colour(mut self, f: impl Fn([f64; 3]) -> [f64; 3]) -> Self {
        for pixel in self.data.chunks_exact_mut(3) {
            let out = f([f64::from(pixel[0]), f64::from(pixel[1]), f64::from(pixel[2])]);
            pixel.iter_mut().zip(out).for_each(|(p, v)| *p = clamp(v));
        }
        self
    }

    /// A part of the picture, cut to what is inside it and at least one pixel.
    #[must_use]
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
        let (width, height) = (width.clamp(1, self.width - x), height.clamp(1, self.height - y));
        let mut data = Vec::with_capacity(width * height * 3);
        for row in y..y + height {
            data.extend_from_slice(&self.data[(row * self.width + x) * 3..][..width * 3]);
        }
        Self { width, height, data }
    }

    /// Without these shares of the width and height at the left, top, right and bottom.
    #[must_use]
    pub fn cut(&self, left: f64, top: f64, right: f64, bottom: f64) -> Self {
        let part = |share: f64, side: usize| (share * side as f64).round() as usize;
        let (x, y) = (part(left, self.width), part(top, self.height));
        let width = self.width.saturating_sub(x + part(right, self.width));
        let height = self.height.saturating_sub(y + part(bottom, self.height));
        self.crop(x, y, width, height)
    }

    /// Another picture laid over this one, its upper left corner at (`x`, `y`), which may lie outside.
    pub fn paste(&mut self, other: &Self, x: isize, y: isize) {
        for v in 0..other.height {
            let Some(row) = y.checked_add_unsigned(v).and_then(|r| usize::try_from(r).ok()) else { continue };
            if row >= self.height {
                break;
            }
            let skip = x.min(0).unsigned_abs();
            let start = x.max(0).unsigned_abs();
            if skip >= other.width || start >= self.width {
                continue;
            }
            let count = (other.width - skip).min(self.width - start);
            let from = (v * other.width + skip) * 3;
            let to = (row * self.width + start) * 3;
            self.data[to..to + count * 3].copy_from_slice(&other.data[from..from + count * 3]);
        }
    }

    /// A filled rectangle; what lies outside is left out.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Colour) {
        let (right, bottom) = ((x + width).min(self.width), (y + height).min(self.height));
        for row in y..bottom {
            if let Some(pixels) = self.data.get_mut((row * self.width + x) * 3..(row * self.width + right) * 3) {
                pixels.as_chunks_mut::<3>().0.fill(colour);
            }
        }
    }

    /// A filled disc.
    pub fn disc(&mut self, x: f64, y: f64, radius: f64, colour: Colour, opacity: f64) {
        let from = |c: f64| (c - radius).floor().max(0.0) as usize;
        for row in from(y)..((y + radius).ceil().max(0.0) as usize).min(self.height) {
            for column in from(x)..((x + radius).ceil().max(0.0) as usize).min(self.width) {
                let distance = (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y);
                let cover = (radius - distance + 0.5).clamp(0.0, 1.0);
                if cover > 0.0 {
                    self.blend(column, row, colour, cover * opacity);
                }
            }
        }
    }

    /// A line of the given thickness.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), thickness: f64, colour: Colour) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let steps = (length * 1.5).ceil().max(1.0) as usize;
        for i in 0..=steps {
            let t = i as f64 / steps as f64;
            let (x, y) = (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t);
            if thickness <= 1.5 {
                if x >= 0.0 && y >= 0.0 {
                    self.set(x as usize, y as usize, colour);
                }
            } else {
                self.disc(x, y, thickness / 2.0, colour, 1.0);
            }
        }
    }

    /// Scaled to another size: the mean of what each pixel covers when it shrinks, between neighbours when it grows.
    #[must_use]
    pub fn resize(&self, width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let taps = |from: usize, to: usize| -> Vec<Vec<(usize, f32)>> {
            let scale = from as f64 / to as f64;
            let reach = scale.max(1.0);
            (0..to)
                .map(|i| {
                    let centre = (i as f64 + 0.5) * scale - 0.5;
                    let first = (centre - reach).ceil().max(0.0) as usize;
                    let last = ((centre + reach).floor().max(0.0) as usize).min(from - 1);
                    let mut taps: Vec<(usize, f32)> = (first..=last)
                        .map(|at| (at, (1.0 - (at as f64 - centre).abs() / reach).max(0.0) as f32))
                        .filter(|tap| tap.1 > 0.0)
                        .collect();
                    let sum: f32 = taps.iter().map(|tap| tap.1).sum();
                    if sum > 0.0 {
                        taps.iter_mut().for_each(|tap| tap.1 /= sum);
                    } else {
                        taps = vec![(centre.round().clamp(0.0, (from - 1) as f64) as usize, 1.0)];
                    }
                    taps
                })
                .collect()
        };
        let columns = taps(self.width, width);
        let mut narrow = vec![0.0f32; width * self.height * 3];
        for y in 0..self.height {
            let row = &self.data[y * self.width * 3..][..self.width * 3];
            for (x, taps) in columns.iter().enumerate() {
                let out = &mut narrow[(y * width + x) * 3..][..3];
                for &(at, weight) in taps {
                    for c in 0..3 {
                        out[c] += weight * f32::from(row[at * 3 + c]);
                    }
                }
            }
        }
        let mut out = Self::new(width, height, BLACK);
        let mut sums = vec![0.0f32; width * 3];
        for (y, taps) in taps(self.height, height).iter().enumerate() {
            sums.fill(0.0);
            for &(at, weight) in taps {
                let row = &narrow[at * width * 3..][..width * 3];
                sums.iter_mut().zip(row).for_each(|(s, v)| *s += weight * v);
            }
            let row = &mut out.data[y * width * 3..][..width * 3];
            row.iter_mut().zip(&sums).for_each(|(o, s)| *o = (s + 0.5) as u8);
        }
        out
    }

    /// Scaled by one factor for both sides.
    #[must_use]
    pub fn scale(&self, factor: f64) -> Self {
        self.resize((self.width as f64 * factor).round() as usize, (self.height as f64 * factor).round() as usize)
    }

    /// Scaled and cut in the middle so that it fills a size.
    #[must_use]
    pub fn cover(&self, width: usize, height: usize) -> Self {
        let factor = (width as f64 / self.width as f64).max(height as f64 / self.height as f64);
        let (w, h) = ((self.width as f64 * factor).ceil() as usize, (self.height as f64 * factor).ceil() as usize);
        let scaled = self.resize(w.max(width), h.max(height));
        scaled.crop((scaled.width - width) / 2, (scaled.height - height) / 2, width, height)
    }

    /// Scaled so that it just fits into a size.
    #[must_use]
    pub fn fit(&self, width: usize, height: usize) -> Self {
        self.scale((width as f64 / self.width as f64).min(height as f64 / self.height as f64))
    }

    /// Left and right swapped.
    #[must_use]
    pub fn mirror(&self) -> Self {
        Self::from_fn(self.width, self.height, |x, y| self.at(self.width - 1 - x, y))
    }

    /// Top and bottom swapped.
    #[must_use]
    pub fn flip(&self) -> Self {
        Self::from_fn(self.width, self.height, |x, y| self.at(x, self.height - 1 - y))
    }

    /// A quarter turn clockwise.
    #[must_use]
    pub fn quarter(&self) -> Self {
        Self::from_fn(self.height, self.width, |x, y| self.at(y, self.height - 1 - x))
    }

    /// The colour between pixels, `None` outside.
    pub fn between(&self, x: f64, y: f64) -> Option<Colour> {
        if !(x > -0.5 && y > -0.5 && x < self.width as f64 - 0.5 && y < self.height as f64 - 0.5) {
            return None;
        }
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f64), y.clamp(0.0, (self.height - 1) as f64));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f64, y - y0 as f64);
        let [a, b, c, d] = [self.at(x0, y0), self.at(x1, y0), self.at(x0, y1), self.at(x1, y1)];
        Some(std::array::from_fn(|i| {
            let [a, b, c, d] = [a[i], b[i], c[i], d[i]].map(f64::from);
            clamp((a + (b - a) * fx) * (1.0 - fy) + (c + (d - c) * fx) * fy)
        }))
    }

    /// A Gaussian blur, made of three box blurs.
    #[must_use]
    pub fn blur(&self, sigma: f64) -> Self {
        let radius = (((sigma * sigma * 4.0 + 1.0).sqrt() - 1.0) / 2.0).round() as usize;
        if radius == 0 {
            return self.clone();
        }
        let mut out = self.clone();
        for _ in 0..3 {
            out = out.box_blur(radius);
        }
        out
    }

    fn box_blur(&self, radius: usize) -> Self {
        let mut across = self.clone();
        let count = (2 * radius + 1) as u32;
        for y in 0..self.height {
            for c in 0..3 {
                let start = y * self.width * 3 + c;
                let at = |i: isize| u32::from(self.data[start + i.clamp(0, self.width as isize - 1) as usize * 3]);
                let mut sum: u32 = (-(radius as isize)..=radius as isize).map(at).sum();
                for i in 0..self.width as isize {
                    across.data[start + i as usize * 3] = ((sum + count / 2) / count) as u8;
                    sum = sum + at(i + radius as isize + 1) - at(i - radius as isize);
                }
            }
        }
        // Down the picture all columns at once, row by row as they lie in memory.
        let mut out = across.clone();
        let stride = self.width * 3;
        let row = |y: isize| &across.data[y.clamp(0, self.height as isize - 1) as usize * stride..][..stride];
        let mut sums = vec![0u32; stride];
        for y in -(radius as isize)..=radius as isize {
            sums.iter_mut().zip(row(y)).for_each(|(sum, &v)| *sum += u32::from(v));
        }
        for (y, line) in (0..).zip(out.data.chunks_exact_mut(stride)) {
            let (enters, leaves) = (row(y + radius as isize + 1), row(y - radius as isize));
            for (((out, sum), &more), &less) in line.iter_mut().zip(&mut sums).zip(enters).zip(leaves) {
                *out = ((*sum + count / 2) / count) as u8;
                *sum = *sum + u32::from(more) - u32::from(less);
            }
        }
        out
    }

    /// Encoded as JPEG.
    ///
    /// # Errors
    /// [`Error::Option`] if a side is past what JPEG can hold.
    pub fn to_jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode(&self.data, self.width as u32, self.height as u32, image::ExtendedColorType::Rgb8)
            .map_err(|error| Error::option("picture", format!("cannot be written as JPEG: {error}")))?;
        Ok(bytes)
    }

    /// What is left after JPEG at a quality; the picture itself if it cannot be written.
    #[must_use]
    pub fn through_jpeg(&self, quality: u8) -> Self {
        let decoded = self.to_jpeg(quality).ok().and_then(|bytes| {
            image::ImageReader::with_format(Cursor::new(bytes), image::ImageFormat::Jpeg).decode().ok()
        });
        match decoded {
            Some(decoded) => {
                let rgb = decoded.into_rgb8();
                Self { width: rgb.width() as usize, height: rgb.height() as usize, data: rgb.into_raw() }
            }
            None => self.clone(),
        }
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// The nearest byte.
pub fn clamp(v: f64) -> u8 {
    // The cast cuts off what follows the point, and what is out of bounds.
    (v + 0.5) as u8
}

fn mix(a: u8, b: u8, opacity: f64) -> u8 {
    clamp(f64::from(a) + (f64::from(b) - f64::from(a)) * opacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_four_times_and_cropping() {
        let picture = Picture::from_fn(7, 5, |x, y| [x as u8 * 10, y as u8 * 20, 3]);
        assert_eq!(picture.quarter().quarter().quarter().quarter(), picture);
        assert_eq!(picture.quarter().at(0, 0), picture.at(0, 4));
        assert_eq!(picture.mirror().mirror(), picture);
        assert_eq!(picture.cut(0.3, 0.0, 0.0, 0.0).width(), 5);
        assert_eq!(picture.crop(100, 100, 0, 0).width(), 1);
    }

    #[test]
    fn sizes_keep_the_mean() {
        let picture = Picture::from_fn(64, 48, |x, y| [(x * 4) as u8, (y * 5) as u8, 77]);
        let mean = |p: &Picture| p.data().iter().map(|&v| f64::from(v)).sum::<f64>() / p.data().len() as f64;
        for (w, h) in [(32, 24), (13, 7), (100, 90), (1, 1)] {
            assert!((mean(&picture.resize(w, h)) - mean(&picture)).abs() < 2.0, "{w}x{h}");
        }
        assert!((mean(&picture.blur(3.0)) - mean(&picture)).abs() < 1.0);
        assert_eq!((picture.cover(30, 30).width(), picture.cover(30, 30).height()), (30, 30));
    }

    #[test]
    fn pasting_outside_is_cut() {
        let mut picture = Picture::new(4, 4, BLACK);
        picture.paste(&Picture::new(3, 3, WHITE), -2, 3);
        assert_eq!((0..16).filter(|i| picture.at(i % 4, i / 4) == WHITE).count(), 1);
    }

    #[test]
    fn jpeg_comes_back() {
        let picture = Picture::from_fn(40, 30, |x, y| [(x * 5) as u8, (y * 8) as u8, 100]);
        let back = picture.through_jpeg(90);
        assert_eq!((back.width(), back.height()), (40, 30));
        assert!(back.data().iter().zip(picture.data()).all(|(a, b)| a.abs_diff(*b) < 40));
    }
}
