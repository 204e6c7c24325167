//! A picture as views are taken from it: luma reduced to a working size, with sums that make the mean of any rectangle
//! cost the same. One pass over the pixels serves every view.

use crate::hash::pdq::SIDE;
use crate::hash::{Format, Pixels};

/// The longest side of the working size.
const LONG_SIDE: usize = 768;

/// A rectangle in fractions of a picture, `0.0..=1.0` from its left and upper edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Area {
    pub(crate) const FULL: Self = Self { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

    /// The area that `inner` is when `self` is taken as the whole picture.
    pub(crate) fn within(self, inner: Self) -> Self {
        let (w, h) = (self.right - self.left, self.bottom - self.top);
        Self {
            left: self.left + w * inner.left,
            top: self.top + h * inner.top,
            right: self.left + w * inner.right,
            bottom: self.top + h * inner.bottom,
        }
    }
}

/// Luma at the working size and its summed-area table.
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    /// `(width + 1) * (height + 1)` sums of everything above and to the left.
    sums: Vec<f64>,
}

/// A canvas that is being filled, row by row from the top.
pub(crate) struct Filling {
    canvas: Canvas,
    format: Format,
    full_height: usize,
    /// Pixels of a side that become one.
    factor: usize,
    pushed: usize,
    luma: Vec<f32>,
    row_means: Vec<f32>,
}

impl Filling {
    /// For a picture of that size; `None` if it has no pixels.
    pub(crate) fn new(width: usize, height: usize, format: Format) -> Option<Self> {
        if width == 0 || height == 0 {
            return None;
        }
        let factor = width.max(height).div_ceil(LONG_SIDE);
        let (luma, full_height) = (vec![0.0; width], height);
        let (width, height) = (width.div_ceil(factor), height.div_ceil(factor));
        let canvas = Canvas { width, height, sums: vec![0.0; (width + 1) * (height + 1)] };
        Some(Self { canvas, format, full_height, factor, pushed: 0, luma, row_means: vec![0.0; width] })
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn memory(width: usize, height: usize) -> u64 {
        let factor = width.max(height).div_ceil(LONG_SIDE).max(1);
        let (columns, rows) = (width.div_ceil(factor) as u64, height.div_ceil(factor) as u64);
        8 * (columns + 1) * (rows + 1) + 4 * (width as u64 + columns)
    }

    /// Takes the next row; rows after the last one are left out.
    pub(crate) fn push(&mut self, row: &[u8]) {
        if self.pushed == self.full_height {
            return;
        }
        luma_row(self.format, row, &mut self.luma);
        if self.factor == 1 {
            self.row_means.copy_from_slice(&self.luma);
        } else {
            for (mean, cell) in self.row_means.iter_mut().zip(self.luma.chunks(self.factor)) {
                *mean += cell.iter().sum::<f32>() / cell.len() as f32;
            }
        }
        let (y, within) = (self.pushed / self.factor, self.pushed % self.factor + 1);
        self.pushed += 1;
        if within < self.factor && self.pushed < self.full_height {
            return;
        }
        let (scale, stride) = (1.0 / within as f64, self.canvas.width + 1);
        let (above, below) = self.canvas.sums.split_at_mut((y + 1) * stride);
        let mut run = 0.0f64;
        for ((sum, &above), mean) in below[1..stride].iter_mut().zip(&above[y * stride + 1..]).zip(&mut self.row_means)
        {
            run += f64::from(*mean) * scale;
            *sum = above + run;
            *mean = 0.0;
        }
    }

    /// The canvas, once all rows have come.
    pub(crate) fn finish(self) -> Canvas {
        self.canvas
    }
}

impl Canvas {
    /// Reduces a picture; `None` if it has no pixels.
    pub(crate) fn new(pixels: &Pixels<'_>) -> Option<Self> {
        let mut filling = Filling::new(pixels.width(), pixels.height(), pixels.format())?;
        for y in 0..pixels.height() {
            filling.push(pixels.row(y));
        }
        Some(filling.finish())
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// The 64x64 means that PDQ's filter comes close to, of a part of the picture.
    pub(crate) fn samples(&self, area: Area) -> Box<[f32; SIDE * SIDE]> {
        let mut out = Box::new([0.0f32; SIDE * SIDE]);
        self.means(area, SIDE, SIDE, &mut out[..]);
        out
    }

    /// The means of `columns * rows` equal cells of a part of the picture, row after row.
    pub(crate) fn means(&self, area: Area, columns: usize, rows: usize, out: &mut [f32]) {
        let edges = |from: f64, to: f64, count: usize, side: usize| -> Vec<(usize, f64)> {
            (0..=count)
                .map(|i| {
                    let at = (from + (to - from) * i as f64 / count as f64) * side as f64;
                    let at = at.clamp(0.0, side as f64);
                    let whole = (at as usize).min(side - 1);
                    (whole, at - whole as f64)
                })
                .collect()
        };
        let xs = edges(area.left, area.right, columns, self.width);
        let ys = edges(area.top, area.bottom, rows, self.height);
        let stride = self.width + 1;
        let line = |(y, fraction): (usize, f64)| -> Vec<f64> {
            let (upper, lower) = (&self.sums[y * stride..][..stride], &self.sums[(y + 1) * stride..][..stride]);
            xs.iter()
                .map(|&(x, fx)| {
                    let at = |row: &[f64]| row[x] + (row[x + 1] - row[x]) * fx;
                    let (u, l) = (at(upper), at(lower));
                    u + (l - u) * fraction
                })
                .collect()
        };
        let area_of_cell = (area.right - area.left) * self.width as f64 / columns as f64
            * ((area.bottom - area.top) * self.height as f64 / rows as f64);
        let scale = if area_of_cell > 0.0 { 1.0 / area_of_cell } else { 0.0 };
        let mut upper = line(ys[0]);
        for (row, &y) in out.chunks_exact_mut(columns).zip(&ys[1..]) {
            let lower = line(y);
            for (x, value) in row.iter_mut().enumerate() {
                *value = ((lower[x + 1] - lower[x] - upper[x + 1] + upper[x]) * scale) as f32;
            }
            upper = lower;
        }
    }
}

fn luma_row(format: Format, row: &[u8], out: &mut [f32]) {
    let weigh = |r: u8, g: u8, b: u8| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
    match format {
        Format::Luma8 => out.iter_mut().zip(row).for_each(|(o, &v)| *o = f32::from(v)),
        Format::Luma16 => out
            .iter_mut()
            .zip(row.chunks_exact(2))
            .for_each(|(o, v)| *o = f32::from(u16::from_le_bytes([v[0], v[1]])) / 257.0),
        Format::Rgb8 => out.iter_mut().zip(row.chunks_exact(3)).for_each(|(o, v)| *o = weigh(v[0], v[1], v[2])),
        Format::Bgr8 => out.iter_mut().zip(row.chunks_exact(3)).for_each(|(o, v)| *o = weigh(v[2], v[1], v[0])),
        Format::Rgba8 => out.iter_mut().zip(row.chunks_exact(4)).for_each(|(o, v)| *o = weigh(v[0], v[1], v[2])),
        Format::Bgra8 => out.iter_mut().zip(row.chunks_exact(4)).for_each(|(o, v)| *o = weigh(v[2], v[1], v[0])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{PixelBuf, pdq};

    fn scene(width: usize, height: usize) -> PixelBuf {
        let data = (0..width * height)
            .map(|i| {
                let (x, y) = ((i % width) as f64 / width as f64, (i / width) as f64 / height as f64);
                let v =
                    (9.0 * x + 4.0 * y * y).sin() + (7.0 * y - 13.0 * x * y).cos() + (40.0 * x * x + 31.0 * y).sin();
                (127.0 + 40.0 * v) as u8
            })
            .collect();
        PixelBuf::new(data, width, height, Format::Luma8).unwrap()
    }

    #[test]
    fn means_are_exact() {
        let picture = PixelBuf::new(vec![0, 10, 20, 30, 40, 50, 60, 70], 4, 2, Format::Luma8).unwrap();
        let canvas = Canvas::new(&picture.as_pixels()).unwrap();
        let mut out = [0.0; 2];
        canvas.means(Area::FULL, 2, 1, &mut out);
        assert_eq!(out, [25.0, 45.0]);
        let mut one = [0.0; 1];
        canvas.means(Area { left: 0.375, top: 0.0, right: 0.625, bottom: 0.5 }, 1, 1, &mut one);
        assert_eq!(one, [15.0]);
    }

    #[test]
    fn samples_hash_like_pdq() {
        for (width, height) in [(640, 480), (333, 517), (2000, 900), (801, 600)] {
            let picture = scene(width, height);
            let exact = pdq::dihedral(&picture.as_pixels()).unwrap().hashes[0];
            let canvas = Canvas::new(&picture.as_pixels()).unwrap();
            let ours = pdq::dihedral_of_samples(&canvas.samples(Area::FULL)).hashes[0];
            assert!(exact.distance(&ours) <= 10, "{width}x{height}: {}", exact.distance(&ours));
        }
    }
}
