//! The content box: the rectangle that is left when uniform borders, letterbox and pillarbox bars and flat caption strips
//! (with text on them) are taken off.
//!
//! A strip is a run of lines from an edge, each of which mostly shows one slowly changing level, that ends in a straight
//! step across the picture; text on it covers only a part of a line. Skies are flat too, but do not end in a step. A
//! strip of nearly one level over its whole length needs no step. Strips are taken off side by side until none is left.
//! Bars made of the picture itself, enlarged and blurred, come in pairs: nothing in them is sharp up to a straight step.

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

/// The content box of a picture, or `None` if nothing can be taken off. A strip that would leave too little (a side below a
/// quarter, or less than an eighth of the area) stays on.
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
/// How much of a line leaves the strip's level at once where a strip ends.
const STEP: f64 = 0.45;
/// Levels around the strip's own that count as the strip, and the share of a line that may still show it past the step.
const LOOSE: (f32, f64) = (12.0, 0.3);
/// The same for strips that were drawn and not photographed: their ground hardly varies, so that a step shows although
/// much of the picture beside it has nearly the same level.
const TIGHT: (f32, f64) = (4.0, 0.5);
/// The same for a strip without a step at its end.
const STRICT_TOLERANCE: f32 = 5.0;
const BLOCKS: usize = 8;
/// The share of a line along which the level must jump where a soft bar ends.
const SOFT_STEP: f64 = 0.5;
/// By so many levels, past the slope that is there anyway.
const SOFT_JUMP: f32 = 6.0;
/// Levels by which neighbours on a line depart from a straight slope where something is sharp.
const SOFT_BEND: f32 = 4.0;

pub(crate) fn of_canvas(canvas: &Canvas) -> Option<Area> {
    let scale = (LONG_SIDE as f64 / canvas.width().max(canvas.height()) as f64).min(1.0);
    let side = |n: usize| ((n as f64 * scale).round() as usize).max(1);
    let (width, height) = (side(canvas.width()), side(canvas.height()));
    if width < 16 || height < 16 {
        return None;
    }
    let mut plane = vec![0.0; width * height];
    canvas.means(Area::FULL, width, height, &mut plane);
    of_plane(&plane, width, height)
}

/// The same for a picture that is small already: whole levels, row after row, both sides between 16 and [`LONG_SIDE`].
pub(crate) fn of_plane(plane: &[f32], width: usize, height: usize) -> Option<Area> {
    let mut region = Region { plane, stride: width, left: 0, top: 0, right: width, bottom: height };
    if let Some((sides, depth)) = region.soft_bars() {
        region = sides.into_iter().fold(region, |region, side| region.without(side, depth));
    }
    let mut cut = [false; 4];
    for _ in 0..8 {
        let mut changed = false;
        for (side, cut) in [Side::Top, Side::Bottom, Side::Left, Side::Right].into_iter().zip(&mut cut) {
            // What follows a strip is taken off only if it was drawn: a sky below a bar belongs to the picture.
            let depth = region.strip(side, !*cut);
            if depth > 0 {
                *cut = true;
                let left = region.without(side, depth);
                let (w, h) = ((left.right - left.left) as f64, (left.bottom - left.top) as f64);
                if w < MIN_SHARE_OF_SIDE * width as f64
                    || h < MIN_SHARE_OF_SIDE * height as f64
                    || w * h < MIN_SHARE_OF_AREA * (width * height) as f64
                {
                    continue;
                }
                region = left;
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

    /// How many lines there are, counted from a side.
    fn lines(&self, side: Side) -> usize {
        match side {
            Side::Top | Side::Bottom => self.bottom - self.top,
            Side::Left | Side::Right => self.right - self.left,
        }
    }

    /// How many lines of a side are a strip; 0 if none. Only drawn ones count unless `loose`.
    fn strip(&self, side: Side, loose: bool) -> usize {
        let lines = self.lines(side);
        let most = (lines as f64 * (1.0 - MIN_SHARE_OF_SIDE)) as usize;
        let look_ahead = (lines / 24).max(2);
        let mut line = Vec::new();
        self.line(side, 0, &mut line);
        if line.len() < BLOCKS {
            return 0;
        }
        let levels = medians(&line);
        if levels.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 2.0 * LOOSE.0) {
            return 0;
        }
        let strict = self.strict_strip(side, most, &mut line);
        let tight = self.stepped_strip(side, most, look_ahead, levels, TIGHT, &mut line);
        if tight > 0 || !loose {
            return tight.max(strict);
        }
        self.stepped_strip(side, most, look_ahead, levels, LOOSE, &mut line).max(strict)
    }

    /// Lines that mostly show slowly changing levels, up to a step.
    fn stepped_strip(
        &self,
        side: Side,
        most: usize,
        look_ahead: usize,
        mut levels: Levels,
        (tolerance, left): (f32, f64),
        line: &mut Vec<f32>,
    ) -> usize {
        let (mut depth, mut clean, mut at) = (0, 0, 0);
        let mut shares = Vec::new();
        while at < most {
            self.line(side, at, line);
            let share = share_near(line, &levels, tolerance);
            shares.push(share);
            if share >= 0.55 {
                clean += usize::from(share >= 0.93);
                follow(&mut levels, &medians(line), tolerance);
                depth = at + 1;
            } else if at >= depth + look_ahead {
                break;
            }
            at += 1;
        }
        // The step: the strip's level is gone from most of the line within three lines, and not bit by bit.
        let before = shares[depth.saturating_sub(3)..depth].iter().copied().fold(0.0, f64::max);
        let after = (depth..(depth + 3).min(self.lines(side))).map(|at| {
            self.line(side, at, line);
            share_near(line, &levels, tolerance)
        });
        let after = after.fold(1.0, f64::min);
        if depth > 0 && after <= left && before - after >= STEP && clean * 10 >= depth * 3 { depth } else { 0 }
    }

    /// Two bars of one width that players make of the picture itself, enlarged and blurred: opposite sides where nothing is
    /// sharp up to a straight step along most of the line, on both at the same depth.
    fn soft_bars(&self) -> Option<([Side; 2], usize)> {
        let pairs = [[Side::Left, Side::Right], [Side::Top, Side::Bottom]];
        let found = pairs.into_iter().filter_map(|sides| {
            let lines = self.lines(sides[0]);
            let (least, most) = ((lines / 24).max(4), (lines as f64 * (1.0 - MIN_SHARE_OF_SIDE) / 2.0) as usize);
            let [a, b] = sides.map(|side| self.soft(side, most));
            let last = a.len().min(b.len()).checked_sub(2)?;
            // A step shows from the last line before it and from the one before that.
            let step = |of: &[f64], depth: usize| of[depth].max(of[depth + 1]);
            let weight = |depth: usize| a[depth] + a[depth + 1] + b[depth] + b[depth + 1];
            let steps = (least..=last).rev().filter(|&depth| step(&a, depth).min(step(&b, depth)) >= SOFT_STEP);
            let best = steps.max_by(|&x, &y| weight(x).total_cmp(&weight(y)))?;
            Some((sides, best, weight(best)))
        });
        found.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(sides, depth, _)| (sides, depth))
    }

    /// For each depth from a side, as long as nothing before it is sharp, the share of the line where the level jumps.
    fn soft(&self, side: Side, most: usize) -> Vec<f64> {
        let mut lines = Vec::new();
        let mut steps = vec![0.0; 3.min(most)];
        let mut sharp = 0;
        for at in 0..(most + 2).min(self.lines(side)) {
            let mut line = Vec::new();
            self.line(side, at, &mut line);
            lines.push(line);
            let Some([before, previous, _, next]) = lines.last_chunk::<4>() else { continue };
            // The step lies between `previous` and `next`; a slope that was there before is none.
            let jumps = before
                .iter()
                .zip(previous)
                .zip(next)
                .filter(|((b, p), n)| (*n - *p).abs() > 2.0 * (*p - *b).abs() + SOFT_JUMP);
            steps.push(jumps.count() as f64 / before.len() as f64);
            let bends = previous.windows(3).filter(|v| (v[0] - 2.0 * v[1] + v[2]).abs() > SOFT_BEND);
            sharp += usize::from(bends.count() as f64 > 0.04 * previous.len() as f64);
            if sharp > 1 {
                break;
            }
        }
        steps
    }

    /// The same for lines that show one level nearly everywhere.
    fn strict_strip(&self, side: Side, most: usize, line: &mut Vec<f32>) -> usize {
        self.line(side, 0, line);
        let level = median(&mut line.clone());
        let depth = (0..most)
            .take_while(|&at| {
                self.line(side, at, line);
                let near = line.iter().filter(|&&v| (v - level).abs() <= STRICT_TOLERANCE).count();
                near as f64 >= 0.97 * line.len() as f64
            })
            .count();
        // Without an end it is no strip: the whole picture is like that.
        if depth < most { depth } else { 0 }
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
    let mut values = [0.0; LONG_SIDE.div_ceil(BLOCKS)];
    std::array::from_fn(|i| {
        let part = &line[block(line.len(), i)];
        let values = &mut values[..part.len()];
        values.copy_from_slice(part);
        median(values)
    })
}

fn share_near(line: &[f32], levels: &Levels, tolerance: f32) -> f64 {
    let near: usize = (0..BLOCKS)
        .map(|i| line[block(line.len(), i)].iter().filter(|&&v| (v - levels[i]).abs() <= tolerance).count())
        .sum();
    near as f64 / line.len() as f64
}

fn follow(levels: &mut Levels, seen: &Levels, tolerance: f32) {
    for (level, &seen) in levels.iter_mut().zip(seen) {
        if (seen - *level).abs() <= tolerance {
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
    fn bars_of_the_picture_itself_enlarged_and_blurred() {
        let soft = |x: usize, y: usize| (110.0 + 60.0 * (x as f64 / 90.0).sin() * (y as f64 / 70.0).cos()) as u8;
        assert_box(&framed(720, 360, 120, 0, soft), 120, 0);
        assert_box(&framed(480, 560, 0, 100, soft), 0, 100);
    }

    #[test]
    fn a_drawn_strip_beside_a_picture_of_nearly_its_level() {
        // The upper third of the picture is as bright as the strip, but for its texture and some dark parts.
        let mut picture = framed(480, 430, 0, 70, |_, _| 250).into_data();
        for y in 70..190 {
            for x in 0..200 {
                let value = &mut picture[y * 480 + x];
                *value = 238 + *value / 16;
            }
        }
        assert_box(&PixelBuf::new(picture, 480, 430, Format::Luma8).unwrap(), 0, 70);
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
