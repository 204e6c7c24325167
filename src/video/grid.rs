//! A frame reduced to 128x128 mean samples: all that the fingerprint of a film looks at.
//!
//! The mean over the cell of a pixel stands in for PDQ's box filter: one pass over the bytes instead of four over
//! floats. The hash of the 64x64 samples made from it lies a few bits from that of the full frame (the tests hold it to
//! ten), and crops, rotations and means over time are taken on the grid at no cost.

use std::ops::Range;

use crate::hash::{Format, Pixels, pdq};
use crate::image::canvas::Area;
use crate::image::content_box;
use crate::simd::{self, Level};

/// Samples along each side.
pub(crate) const SIDE: usize = 128;
const CELLS: usize = SIDE * SIDE;
/// So many bytes add up within 16 bits.
const MOST_ROWS: usize = 257;
/// Rows of cells that are summed side by side: alone, a row waits for each of its additions.
const TOGETHER: usize = 4;

/// How a decoder's luma becomes the upright luma of a full-range picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shape {
    /// Luma is 0..=255 rather than 16..=235.
    pub(crate) full_range: bool,
    /// The turn that makes the picture upright.
    pub(crate) turn: Turn,
}

impl Default for Shape {
    fn default() -> Self {
        Self { full_range: true, turn: Turn::default() }
    }
}

impl Shape {
    /// Width and height when the picture is upright.
    pub(crate) fn upright(self, width: usize, height: usize) -> (usize, usize) {
        if self.turn.transpose { (height, width) } else { (width, height) }
    }

    /// Scales and turns square samples, `side` a row.
    pub(crate) fn apply(self, samples: &mut [f32], side: usize) {
        if !self.full_range {
            for value in samples.iter_mut() {
                *value = ((*value - 16.0) * (255.0 / 219.0)).clamp(0.0, 255.0);
            }
        }
        if self.turn != Turn::default() {
            let source = samples.to_vec();
            for (y, row) in samples.chunks_exact_mut(side).enumerate() {
                for (x, value) in row.iter_mut().enumerate() {
                    let (x, y) = self.turn.source(x, y, side, side);
                    *value = source[y * side + x];
                }
            }
        }
    }
}

/// One of the eight ways to turn a picture: transposed first, then each axis reversed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Turn {
    pub(crate) transpose: bool,
    pub(crate) reverse_x: bool,
    pub(crate) reverse_y: bool,
}

impl Turn {
    /// The turn nearest to a display matrix, whose first four used numbers are `[a, b, c, d]`: (x, y) goes to (ax+cy, bx+dy).
    #[cfg(any(feature = "video", test))]
    pub(crate) fn of_matrix([a, b, c, d]: [i32; 4]) -> Self {
        let size = |u: i32, v: i32| i64::from(u).abs() + i64::from(v).abs();
        if size(b, c) > size(a, d) {
            Self { transpose: true, reverse_x: c < 0, reverse_y: b < 0 }
        } else {
            Self { transpose: false, reverse_x: a < 0, reverse_y: d < 0 }
        }
    }

    /// Where the pixel of the upright picture, `width` by `height`, lies in the picture as it is.
    pub(crate) fn source(self, x: usize, y: usize, width: usize, height: usize) -> (usize, usize) {
        let x = if self.reverse_x { width - 1 - x } else { x };
        let y = if self.reverse_y { height - 1 - y } else { y };
        if self.transpose { (y, x) } else { (x, y) }
    }
}

/// 128x128 mean samples of an upright picture, 0.0..=255.0 each.
#[derive(Clone)]
pub struct Grid(Box<[f32; CELLS]>);

impl Default for Grid {
    fn default() -> Self {
        Self(Box::new([0.0; CELLS]))
    }
}

impl std::fmt::Debug for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Grid(mean {})", self.0.iter().sum::<f32>() / CELLS as f32)
    }
}

impl Grid {
    /// The grid of an upright picture; `None` if a side is below [`pdq::MIN_SIDE`].
    pub fn of_pixels(pixels: &Pixels<'_>) -> Option<Self> {
        let mut grid = Self::default();
        grid.fill(pixels, Shape::default()).then_some(grid)
    }

    /// Fills the grid anew; false, and nothing is done, if a side is below [`pdq::MIN_SIDE`].
    pub(crate) fn fill(&mut self, pixels: &Pixels<'_>, shape: Shape) -> bool {
        let (width, height) = (pixels.width(), pixels.height());
        if width < pdq::MIN_SIDE || height < pdq::MIN_SIDE {
            return false;
        }
        let add_bytes = simd::kernels(Level::current()).add_bytes;
        let columns: [Range<usize>; SIDE] = std::array::from_fn(|cell| span(cell, width));
        let widths: [f32; SIDE] = std::array::from_fn(|cell| columns[cell].len() as f32);
        let mut sums = vec![0u16; TOGETHER * width];
        let mut luma = vec![0u8; if pixels.format() == Format::Luma8 { 0 } else { width }];
        for (group, out) in self.0.chunks_exact_mut(TOGETHER * SIDE).enumerate() {
            let rows: [Range<usize>; TOGETHER] = std::array::from_fn(|k| span(group * TOGETHER + k, height));
            let mut cells = [[0u32; TOGETHER]; SIDE];
            let most = rows.iter().map(Range::len).max().unwrap_or_default();
            for skip in (0..most).step_by(MOST_ROWS) {
                sums.fill(0);
                for (rows, sums) in rows.iter().zip(sums.chunks_exact_mut(width)) {
                    for y in rows.clone().skip(skip).take(MOST_ROWS) {
                        let row = pixels.row(y);
                        let row = if pixels.format() == Format::Luma8 {
                            row
                        } else {
                            to_luma(row, pixels.format(), &mut luma);
                            &luma
                        };
                        add_bytes(sums, row);
                    }
                }
                add_columns(&mut cells, &columns, &sums, width);
            }
            for (k, (out, rows)) in out.chunks_exact_mut(SIDE).zip(&rows).enumerate() {
                for ((out, cell), width) in out.iter_mut().zip(&cells).zip(widths) {
                    *out = cell[k] as f32 / (width * rows.len() as f32);
                }
            }
        }
        shape.apply(&mut self.0[..], SIDE);
        true
    }

    /// The samples, row after row.
    pub fn samples(&self) -> &[f32] {
        &self.0[..]
    }

    /// Sets every sample to 0.
    pub(crate) fn clear(&mut self) {
        self.0.fill(0.0);
    }

    /// Becomes the other grid, in the memory that is there.
    pub(crate) fn copy(&mut self, other: &Self) {
        self.0.copy_from_slice(&other.0[..]);
    }

    /// Adds `weight` times the other grid.
    pub(crate) fn add(&mut self, other: &Self, weight: f32) {
        for (sum, value) in self.0.iter_mut().zip(other.0.iter()) {
            *sum += value * weight;
        }
    }

    /// Each sample becomes the larger of itself, faded, and the change between two pictures.
    pub(crate) fn fade_to_change(&mut self, fade: f32, now: &Self, before: &Self) {
        for ((most, now), before) in self.0.iter_mut().zip(now.0.iter()).zip(before.0.iter()) {
            *most = (*most * fade).max((now - before).abs());
        }
    }

    /// Blends the steps over two cells of a picture, `stride` samples from one cell to the next, into a running mean.
    /// The last cells of lines that run on are of no meaning.
    pub(crate) fn blend_steps(&mut self, fade: f32, of: &Self, stride: usize) {
        for ((sum, a), b) in self.0.iter_mut().zip(of.0.iter()).zip(&of.0[2 * stride..]) {
            *sum = *sum * fade + (a - b).abs() * (1.0 - fade);
        }
    }

    /// Multiplies every sample.
    pub(crate) fn scale(&mut self, factor: f32) {
        for value in self.0.iter_mut() {
            *value *= factor;
        }
    }

    /// The content box of the picture, if there are bars to take off.
    pub(crate) fn content(&self) -> Option<Area> {
        let plane: Vec<f32> = self.0.iter().map(|value| value.round().clamp(0.0, 255.0)).collect();
        content_box::of_plane(&plane, SIDE, SIDE)
    }

    /// The 64x64 samples of a part, as PDQ's DCT takes them: the mean over the area that each covers.
    pub(crate) fn shrink(&self, area: Area) -> Box<[f32; pdq::SIDE * pdq::SIDE]> {
        let mut out = Box::new([0.0; pdq::SIDE * pdq::SIDE]);
        if area == Area::FULL {
            for (i, row) in out.chunks_exact_mut(pdq::SIDE).enumerate() {
                let (upper, lower) = self.0[2 * i * SIDE..][..2 * SIDE].split_at(SIDE);
                for (j, out) in row.iter_mut().enumerate() {
                    *out = (upper[2 * j] + upper[2 * j + 1] + lower[2 * j] + lower[2 * j + 1]) / 4.0;
                }
            }
            return out;
        }
        let columns = weights(area.left, area.right);
        let rows = weights(area.top, area.bottom);
        let mut half = vec![0.0f32; SIDE * pdq::SIDE];
        for (row, half) in self.0.chunks_exact(SIDE).zip(half.chunks_exact_mut(pdq::SIDE)) {
            for (out, (first, parts)) in half.iter_mut().zip(&columns) {
                *out = parts.iter().zip(&row[*first..]).map(|(weight, value)| weight * value).sum();
            }
        }
        for (row, (first, parts)) in out.chunks_exact_mut(pdq::SIDE).zip(&rows) {
            for (k, weight) in parts.iter().enumerate() {
                for (out, value) in row.iter_mut().zip(&half[(first + k) * pdq::SIDE..]) {
                    *out += weight * value;
                }
            }
        }
        out
    }
}

/// The pixels under cell `cell` of [`SIDE`]; at least one.
fn span(cell: usize, length: usize) -> Range<usize> {
    let start = cell * length / SIDE;
    start..((cell + 1) * length / SIDE).max(start + 1)
}

/// Adds the sums of the columns under each cell, for several rows of cells side by side.
fn add_columns(cells: &mut [[u32; TOGETHER]; SIDE], columns: &[Range<usize>; SIDE], sums: &[u16], width: usize) {
    let (upper, lower) = sums.split_at(2 * width);
    let ((a, b), (c, d)) = (upper.split_at(width), lower.split_at(width));
    for (cell, columns) in cells.iter_mut().zip(columns) {
        let [a, b, c, d] = [a, b, c, d].map(|row| &row[columns.clone()]);
        for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
            for (sum, value) in cell.iter_mut().zip([a, b, c, d]) {
                *sum += u32::from(*value);
            }
        }
    }
}

/// For each of 64 samples the first of the cells under it, and the share that each of them has.
fn weights(from: f64, to: f64) -> Vec<(usize, Vec<f32>)> {
    let (start, end) = (from * SIDE as f64, to * SIDE as f64);
    let step = ((end - start) / pdq::SIDE as f64).max(1e-6);
    (0..pdq::SIDE)
        .map(|i| {
            let from = (start + i as f64 * step).clamp(0.0, SIDE as f64 - 0.01);
            let to = (from + step).min(SIDE as f64);
            let first = from as usize;
            let last = (to.ceil() as usize).clamp(first + 1, SIDE);
            let parts: Vec<f64> =
                (first..last).map(|k| ((k as f64 + 1.0).min(to) - (k as f64).max(from)).max(0.0)).collect();
            let total: f64 = parts.iter().sum();
            (first, parts.into_iter().map(|part| (part / total.max(1e-9)) as f32).collect())
        })
        .collect()
}

/// One row as 8-bit luma, in integers: an eighth of a level off at most, far below what a hash sees.
fn to_luma(row: &[u8], format: Format, luma: &mut [u8]) {
    let weigh = |r: u8, g: u8, b: u8| ((u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29) >> 8) as u8;
    for (out, pixel) in luma.iter_mut().zip(row.chunks_exact(format.bytes())) {
        *out = match (format, pixel) {
            (Format::Luma16, [_, high]) => *high,
            (Format::Rgb8 | Format::Rgba8, [r, g, b, ..]) | (Format::Bgr8 | Format::Bgra8, [b, g, r, ..]) => {
                weigh(*r, *g, *b)
            }
            (_, [luma, ..]) => *luma,
            (_, []) => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::PixelBuf;

    /// Smooth blobs of all sizes, as photographs have.
    pub(crate) fn picture(width: usize, height: usize, seed: u32) -> PixelBuf {
        let wave = |k: u32| {
            let h = (seed.wrapping_mul(2_654_435_761) ^ k.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
            f64::from(h >> 8) / f64::from(1u32 << 24)
        };
        let data = (0..width * height).map(|at| {
            let (x, y) = ((at % width) as f64 / width as f64, (at / width) as f64 / height as f64);
            let sum: f64 = (0..24)
                .map(|k| {
                    let (u, v) = (wave(3 * k) * 14.0 - 7.0, wave(3 * k + 1) * 14.0 - 7.0);
                    ((u * x + v * y + wave(3 * k + 2)) * std::f64::consts::TAU).sin() / (1.0 + u.hypot(v))
                })
                .sum();
            (128.0 + 60.0 * sum).clamp(0.0, 255.0) as u8
        });
        PixelBuf::new(data.collect(), width, height, Format::Luma8).unwrap()
    }

    #[test]
    fn hash_of_the_grid_is_close_to_that_of_the_frame() {
        for (seed, (width, height)) in [(640, 360), (64, 64), (100, 300), (779, 517)].into_iter().enumerate() {
            let picture = picture(width, height, seed as u32);
            let exact = pdq::hash(&picture.as_pixels()).unwrap();
            let grid = Grid::of_pixels(&picture.as_pixels()).unwrap();
            let hashed = pdq::hash_of_samples(&grid.shrink(Area::FULL));
            let distance = hashed.hash.distance(&exact.hash);
            assert!(distance <= 10, "{width}x{height}: {distance}");
        }
        assert!(Grid::of_pixels(&picture(4, 100, 1).as_pixels()).is_none());
    }

    #[test]
    fn turns_are_those_of_display_matrices() {
        let one = 1 << 16;
        let upright = [0.0, 1.0, 2.0, 3.0]; // upper left, upper right, lower left, lower right
        for (matrix, expected) in [
            ([one, 0, 0, one], [0.0, 1.0, 2.0, 3.0]),
            ([0, one, -one, 0], [2.0, 0.0, 3.0, 1.0]),
            ([-one, 0, 0, -one], [3.0, 2.0, 1.0, 0.0]),
            ([0, -one, one, 0], [1.0, 3.0, 0.0, 2.0]),
            ([-one, 0, 0, one], [1.0, 0.0, 3.0, 2.0]),
            ([one, 0, 0, -one], [2.0, 3.0, 0.0, 1.0]),
        ] {
            let mut samples = upright;
            Shape { full_range: true, turn: Turn::of_matrix(matrix) }.apply(&mut samples, 2);
            assert_eq!(samples, expected, "{matrix:?}");
        }
    }

    #[test]
    fn limited_range_is_stretched() {
        let mut samples = [16.0, 235.0, 0.0, 255.0];
        Shape { full_range: false, turn: Turn::default() }.apply(&mut samples, 2);
        assert_eq!(samples, [0.0, 255.0, 0.0, 255.0]);
    }

    #[test]
    fn a_part_is_shrunk_to_its_own_mean() {
        let mut grid = Grid::default();
        for (at, value) in grid.0.iter_mut().enumerate() {
            *value = (at % SIDE) as f32;
        }
        let (left, right) = (10.0 / 128.0, 87.0 / 128.0);
        let shrunk = grid.shrink(Area { left, top: 3.0 / 128.0, right, bottom: 1.0 });
        assert!((shrunk[0] - (10.0 + 77.0 / 128.0 - 0.5)).abs() < 0.15, "{}", shrunk[0]);
        let mean: f32 = shrunk.iter().sum::<f32>() / 4096.0;
        assert!((mean - (10.0 + 38.0)).abs() < 0.1, "{mean}");
    }
}
