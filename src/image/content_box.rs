//! The content box: the rectangle that is left when uniform borders, letterbox and pillarbox bars and flat caption strips
//! (with text on them) are taken off.
//!
//! A strip is a run of lines from an edge, each of which mostly shows one slowly changing level, that ends in a straight
//! step across the picture; text on it covers only a part of a line. Skies are flat too, but do not end in a step. A
//! strip of nearly one level over its whole length needs no step. Strips are taken off side by side until none is left.

use super::canvas::{Area, Canvas};
use crate::hash::Pixels;

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Pixels left of it.
    pub x: usize,
    /// Pixels above it.
    pub y: usize,
    /// Its width in pixels.
    pub width: usize,
    /// Its height in pixels.
    pub height: usize,
}

/// The content box of a picture, or `None` if nothing can be taken off, or too little would be left (a side below a
/// quarter, or less than an eighth of the area).
pub fn content_box(pixels: &Pixels<'_>) -> Option<Rect> {
    let area = of_canvas(&Canvas::new(pixels)?)?;
    let span = |from: f64, to: f64, side: usize| {
        let from = ((from * side as f64).round() as usize).min(side - 1);
        (from, ((to * side as f64).round() as usize).clamp(from + 1, side) - from)
    };
    let (x, width) = span(area.left, area.right, pixels.width());
    let (y, height) = span(area.top, area.bottom, pixels.height());
    Some(Rect { x, y, width, height })
}

const LONG_SIDE: usize = 320;
const MIN_SHARE_OF_SIDE: f64 = 0.25;
const MIN_SHARE_OF_AREA: f64 = 0.125;
/// Levels around the strip's own that count as the strip.
const TOLERANCE: f32 = 12.0;
/// The same for a strip without a step at its end.
const STRICT_TOLERANCE: f32 = 5.0;
const BLOCKS: usize = 8;

pub(crate) fn of_canvas(canvas: &Canvas) -> Option<Area> {
    let scale = (LONG_SIDE as f64 / canvas.width().max(canvas.height()) as f64).min(1.0);
    let side = |n: usize| ((n as f64 * scale).round() as usize).max(1);
    let (width, height) = (side(canvas.width()), side(canvas.height()));
    if width < 16 || height < 16 {
        return None;
    }
    let mut plane = vec![0.0; width * height];
    canvas.means(Area::FULL, width, height, &mut plane);
    let mut region = Region { plane: &plane, stride: width, left: 0, top: 0, right: width, bottom: height };
    for _ in 0..8 {
        let mut changed = false;
        for side in [Side::Top, Side::Bottom, Side::Left, Side::Right] {
            let depth = region.strip(side);
            if depth > 0 {
                region = region.without(side, depth);
                let (w, h) = ((region.right - region.left) as f64, (region.bottom - region.top) as f64);
                if w < MIN_SHARE_OF_SIDE * width as f64
                    || h < MIN_SHARE_OF_SIDE * height as f64
                    || w * h < MIN_SHARE_OF_AREA * (width * height) as f64
                {
                    return None;
                }
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    if (region.left, region.top, region.right, region.bottom) == (0, 0, width, height) {
        return None;
    }
    Some(Area {
        left: region.left as f64 / width as f64,
        top: region.top as f64 / height as f64,
        right: region.right as f64 / width as f64,
        bottom: region.bottom as f64 / height as f64,
    })
}

#[derive(Clone, Copy)]
enum Side {
    Top,
    Bottom,
    Left,
    Right,
}

#[derive(Clone, Copy)]
struct Region<'a> {
    plane: &'a [f32],
    stride: usize,
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

/// The slowly changing level of a strip along its length.
type Levels = [f32; BLOCKS];

impl Region<'_> {
    fn without(mut self, side: Side, depth: usize) -> Self {
        match side {
            Side::Top => self.top += depth,
            Side::Bottom => self.bottom -= depth,
            Side::Left => self.left += depth,
            Side::Right => self.right -= depth,
        }
        self
    }

    /// Line `depth` counted from a side, 0 the outermost, into `line`.
    fn line(&self, side: Side, depth: usize, line: &mut Vec<f32>) {
        line.clear();
        let row = |y: usize| &self.plane[y * self.stride + self.left..y * self.stride + self.right];
        let column = |x: usize| (self.top..self.bottom).map(move |y| self.plane[y * self.stride + x]);
        match side {
            Side::Top => line.extend_from_slice(row(self.top + depth)),
            Side::Bottom => line.extend_from_slice(row(self.bottom - 1 - depth)),
            Side::Left => line.extend(column(self.left + depth)),
            Side::Right => line.extend(column(self.right - 1 - depth)),
        }
    }

    /// How many lines of a side are a strip; 0 if none.
    fn strip(&self, side: Side) -> usize {
        let lines = match side {
            Side::Top | Side::Bottom => self.bottom - self.top,
            Side::Left | Side::Right => self.right - self.left,
        };
        let most = (lines as f64 * (1.0 - MIN_SHARE_OF_SIDE)) as usize;
        let look_ahead = (lines / 24).max(2);
        let mut line = Vec::new();
        self.line(side, 0, &mut line);
        if line.len() < BLOCKS {
            return 0;
        }
        let mut levels = medians(&line);
        if levels.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 2.0 * TOLERANCE) {
            return 0;
        }
        let strict = self.strict_strip(side, most, &mut line);
        let (mut depth, mut clean, mut at) = (0, 0, 0);
        while at < most {
            self.line(side, at, &mut line);
            let share = share_near(&line, &levels, TOLERANCE);
            if share >= 0.55 {
                clean += usize::from(share >= 0.93);
                follow(&mut levels, &medians(&line));
                depth = at + 1;
            } else if at >= depth + look_ahead {
                break;
            }
            at += 1;
        }
        // The step: the strip's level is gone from nearly the whole line within three lines.
        let stepped = depth > 0
            && (depth..(depth + 3).min(lines)).any(|at| {
                self.line(side, at, &mut line);
                share_near(&line, &levels, TOLERANCE) <= 0.3
            });
        if stepped && clean * 10 >= depth * 3 { depth.max(strict) } else { strict }
    }

    /// The same for lines that show one level nearly everywhere.
    fn strict_strip(&self, side: Side, most: usize, line: &mut Vec<f32>) -> usize {
        self.line(side, 0, line);
        let level = median(&mut line.clone());
        (0..most)
            .take_while(|&at| {
                self.line(side, at, line);
                let near = line.iter().filter(|&&v| (v - level).abs() <= STRICT_TOLERANCE).count();
                near as f64 >= 0.97 * line.len() as f64
            })
            .count()
    }
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn block(length: usize, index: usize) -> std::ops::Range<usize> {
    index * length / BLOCKS..(index + 1) * length / BLOCKS
}

fn medians(line: &[f32]) -> Levels {
    std::array::from_fn(|i| median(&mut line[block(line.len(), i)].to_vec()))
}

fn share_near(line: &[f32], levels: &Levels, tolerance: f32) -> f64 {
    let near: usize = (0..BLOCKS)
        .map(|i| line[block(line.len(), i)].iter().filter(|&&v| (v - levels[i]).abs() <= tolerance).count())
        .sum();
    near as f64 / line.len() as f64
}

fn follow(levels: &mut Levels, seen: &Levels) {
    for (level, &seen) in levels.iter_mut().zip(seen) {
        if (seen - *level).abs() <= TOLERANCE {
            *level += (seen - *level).clamp(-2.0, 2.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Format, PixelBuf};

    /// A textured picture of 480x360 at (`x`, `y`) of a larger one that `fill` paints.
    fn framed(width: usize, height: usize, x: usize, y: usize, fill: impl Fn(usize, usize) -> u8) -> PixelBuf {
        let mut data: Vec<u8> = (0..width * height).map(|i| fill(i % width, i / width)).collect();
        for v in 0..360 {
            for u in 0..480 {
                let (a, b) = (u as f64 / 480.0, v as f64 / 360.0);
                let value = 127.0
                    + 45.0 * (31.0 * a + 9.0 * b).sin()
                    + 45.0 * (23.0 * b - 17.0 * a * b).cos()
                    + 20.0 * (71.0 * a * b).sin();
                let hash = (u * 7919 + v * 104_729) % 23;
                data[(y + v) * width + x + u] = (value + hash as f64 - 11.0).clamp(0.0, 255.0) as u8;
            }
        }
        PixelBuf::new(data, width, height, Format::Luma8).unwrap()
    }

    fn assert_box(picture: &PixelBuf, x: usize, y: usize) {
        let found = content_box(&picture.as_pixels()).expect("a box");
        let near = |a: usize, b: usize| a.abs_diff(b) <= 3;
        assert!(
            near(found.x, x)
                && near(found.y, y)
                && near(found.x + found.width, x + 480)
                && near(found.y + found.height, y + 360),
            "{found:?}, expected {x},{y}"
        );
    }

    #[test]
    fn bars_and_frames() {
        assert_box(&framed(480, 460, 0, 50, |_, _| 0), 0, 50);
        assert_box(&framed(640, 360, 80, 0, |_, _| 16), 80, 0);
        assert_box(&framed(540, 420, 30, 30, |_, _| 255), 30, 30);
    }

    #[test]
    fn noise_and_gradients_in_the_bars() {
        assert_box(&framed(480, 460, 0, 50, |x, y| 20 + ((x * 31 + y * 17) % 9) as u8), 0, 50);
        assert_box(&framed(480, 500, 0, 70, |_, y| (250 - y / 4) as u8), 0, 70);
        assert_box(&framed(640, 360, 80, 0, |_, y| (20 + y / 4) as u8), 80, 0);
    }

    #[test]
    fn captions_with_text() {
        let text = |x: usize, y: usize| {
            let inside = (20..60).contains(&y) && (40..440).contains(&x);
            if inside && (x % 18 >= 6) && (y % 20 < 10) { 10 } else { 245 }
        };
        assert_box(&framed(480, 440, 0, 80, text), 0, 80);
    }

    #[test]
    fn frame_within_bars() {
        let fill = |x: usize, y: usize| if (60..580).contains(&x) && (10..410).contains(&y) { 255 } else { 0 };
        assert_box(&framed(640, 420, 80, 30, fill), 80, 30);
    }

    #[test]
    fn nothing_to_take_off() {
        assert_eq!(content_box(&framed(480, 360, 0, 0, |_, _| 0).as_pixels()), None);
        let flat = PixelBuf::new(vec![77; 300 * 200], 300, 200, Format::Luma8).unwrap();
        assert_eq!(content_box(&flat.as_pixels()), None);
        let tiny = PixelBuf::new(vec![77; 9], 3, 3, Format::Luma8).unwrap();
        assert_eq!(content_box(&tiny.as_pixels()), None);
        let empty = PixelBuf::new(vec![], 0, 3, Format::Luma8).unwrap();
        assert_eq!(content_box(&empty.as_pixels()), None);
    }
}
