//! Pixels as the hashes take them: borrowed, with a stride, in the layouts that decoders and graphics libraries hand out.

use crate::error::{Error, Result};

/// How one pixel is laid out. Sixteen-bit samples are little-endian pairs of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One byte of luma: a grey picture, or the first plane of NV12 and planar YUV as it is.
    Luma8,
    /// Sixteen bits of luma.
    Luma16,
    /// Three bytes: red, green, blue.
    Rgb8,
    /// Three bytes: blue, green, red.
    Bgr8,
    /// Four bytes: red, green, blue, and one that is ignored.
    Rgba8,
    /// Four bytes: blue, green, red, and one that is ignored.
    Bgra8,
}

impl Format {
    /// Bytes from one pixel to the next.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Luma8 => 1,
            Self::Luma16 => 2,
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Rgba8 | Self::Bgra8 => 4,
        }
    }
}

/// A borrowed picture: `height` rows of `width` pixels, the first bytes of consecutive rows `stride` bytes apart.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    stride: usize,
    format: Format,
}

impl<'a> Pixels<'a> {
    /// A view of `data`.
    ///
    /// # Errors
    /// [`Error::Option`] if a row is longer than `stride`, or if `data` ends before the last pixel.
    pub fn new(data: &'a [u8], width: usize, height: usize, stride: usize, format: Format) -> Result<Self> {
        let row = width.checked_mul(format.bytes()).filter(|&row| row <= stride || height <= 1);
        let needed = row.and_then(|row| match height {
            0 => Some(0),
            _ => stride.checked_mul(height - 1)?.checked_add(row),
        });
        match needed {
            Some(needed) if needed <= data.len() => Ok(Self { data, width, height, stride, format }),
            Some(needed) => Err(Error::option(
                "pixels",
                format!("{width}x{height} {format:?} with stride {stride} needs {needed} bytes, got {}", data.len()),
            )),
            None => {
                Err(Error::option("stride", format!("{stride} bytes do not hold a row of {width} {format:?} pixels")))
            }
        }
    }

    /// A grey picture of one byte a pixel.
    ///
    /// # Errors
    /// As [`Pixels::new`].
    pub fn luma(data: &'a [u8], width: usize, height: usize, stride: usize) -> Result<Self> {
        Self::new(data, width, height, stride, Format::Luma8)
    }

    /// The part of the picture that starts at (`x`, `y`), without copying.
    ///
    /// # Errors
    /// [`Error::Option`] if it reaches past the right or lower edge.
    pub fn rect(&self, x: usize, y: usize, width: usize, height: usize) -> Result<Self> {
        let inside = x.checked_add(width).is_some_and(|right| right <= self.width)
            && y.checked_add(height).is_some_and(|bottom| bottom <= self.height);
        if !inside {
            return Err(Error::option(
                "rect",
                format!("{width}x{height} at {x},{y} is not inside {}x{}", self.width, self.height),
            ));
        }
        let start = if width == 0 || height == 0 { 0 } else { y * self.stride + x * self.format.bytes() };
        Self::new(&self.data[start..], width, height, self.stride, self.format)
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The layout of a pixel.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The bytes of row `y`, without padding. Panics if `y >= height`.
    pub fn row(&self, y: usize) -> &'a [u8] {
        assert!(y < self.height, "row {y} of {}", self.height);
        &self.data[y * self.stride..][..self.width * self.format.bytes()]
    }
}

impl std::fmt::Debug for Pixels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pixels({}x{} {:?}, stride {})", self.width, self.height, self.format, self.stride)
    }
}

/// An owned picture without padding between rows.
#[derive(Clone, PartialEq, Eq)]
pub struct PixelBuf {
    data: Vec<u8>,
    width: usize,
    height: usize,
    format: Format,
}

impl PixelBuf {
    /// Takes `data` as `height` rows of `width` pixels.
    ///
    /// # Errors
    /// [`Error::Option`] if the length is not exactly that of the picture.
    pub fn new(data: Vec<u8>, width: usize, height: usize, format: Format) -> Result<Self> {
        if width.checked_mul(height).and_then(|n| n.checked_mul(format.bytes())) != Some(data.len()) {
            return Err(Error::option("pixels", format!("{} bytes are not {width}x{height} {format:?}", data.len())));
        }
        Ok(Self { data, width, height, format })
    }

    /// The picture as the hashes take it.
    pub fn as_pixels(&self) -> Pixels<'_> {
        Pixels {
            data: &self.data,
            width: self.width,
            height: self.height,
            stride: self.width * self.format.bytes(),
            format: self.format,
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The layout of a pixel.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The bytes, row after row.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }
}

impl std::fmt::Debug for PixelBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PixelBuf({}x{} {:?})", self.width, self.height, self.format)
    }
}
