//! The picture within the picture of a film: the part that moves while captions, bars, graphics and screens around it
//! stand still; or, where everything moves, what straight edges mark off that stay where they are (a film over another
//! film, bars made of the film itself).

use super::grid::{Grid, SIDE};
use crate::image::canvas::Area;

/// A cell that changes by less, in grey levels between means over a hop, stands still. The noise of a coarse codec stays
/// below, since means over half a second take it out.
const STILL: f32 = 1.6;
/// The mean change over the picture, in grey levels, from which it can be told what stands still.
const ENOUGH: f32 = 2.5;
/// What is left of a change after one more hop: after some ten hops it is forgotten.
const DECAY: f32 = 0.88;
/// Hops after which nothing is left.
const FORGOTTEN: u32 = 40;
/// Half a cell, as a share of the picture.
const HALF: f64 = 0.5 / SIDE as f64;
/// The share of a line that may move in what stands still: a ticker's figures, a clock.
const STRAY: f32 = 0.04;
/// A side of the inner picture is at least this many cells.
const LEAST_SIDE: usize = SIDE / 4;
/// Cells along both sides together that are too few to be worth a view of its own.
const NOTHING: usize = 3;
/// An edge is so many times as steep as what is beside it, and so many grey levels more.
const STEEP: f32 = 1.8;
const STEP: f32 = 1.0;
/// The share of an edge's cells that are steep.
const DENSE: f32 = 0.85;
/// Cells by which the ends of two edges of one picture may differ.
const ENDS: usize = 3;
/// Hops before edges are sought, and from one search to the next.
const SEARCH: u32 = 4;

/// Follows which cells change, and where edges stay.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inner {
    last: Option<Grid>,
    /// The largest change of each cell within the last hops, older ones faded.
    change: Grid,
    /// The step across each cell to the right and downwards, a mean over hops, older ones faded.
    steps: [Grid; 2],
    hops: u32,
    marked: Option<Area>,
}

impl Inner {
    /// Takes the mean picture of one more hop.
    pub(crate) fn hop(&mut self, mean: Grid) {
        self.after(1, mean);
    }

    /// Takes a picture that is shown so many hops after the last one: what was before is forgotten as if there had been one for each.
    pub(crate) fn after(&mut self, hops: u32, picture: Grid) {
        let fade = DECAY.powi(hops.clamp(1, FORGOTTEN) as i32);
        let before = self.hops;
        if let Some(last) = &self.last {
            self.change.fade_to_change(fade, &picture, last);
            self.hops += hops.clamp(1, FORGOTTEN);
        } else {
            self.hops += 1;
        }
        self.steps[0].blend_steps(fade, &picture, 1);
        self.steps[1].blend_steps(fade, &picture, SIDE);
        if before / SEARCH < self.hops / SEARCH {
            self.marked = marked(&self.steps);
        }
        self.last = Some(picture);
    }

    /// The inner picture; `None` if there is none to be seen, or if it would be too small.
    pub(crate) fn area(&self) -> Option<Area> {
        self.moving().or(self.marked)
    }

    /// The part that moves.
    fn moving(&self) -> Option<Area> {
        let change = self.change.samples();
        if self.hops < 3 || change.iter().sum::<f32>() / ((SIDE * SIDE) as f32) < ENOUGH {
            return None;
        }
        let (mut left, mut top, mut right, mut bottom) = (0, 0, SIDE, SIDE);
        let still = |moving: usize, of: usize| moving as f32 <= STRAY * of as f32;
        let row = |y: usize, left: usize, right: usize| {
            still(change[y * SIDE + left..y * SIDE + right].iter().filter(|&&v| v > STILL).count(), right - left)
        };
        let column = |x: usize, top: usize, bottom: usize| {
            still((top..bottom).filter(|y| change[y * SIDE + x] > STILL).count(), bottom - top)
        };
        loop {
            let before = (left, top, right, bottom);
            while bottom - top > LEAST_SIDE && row(top, left, right) {
                top += 1;
            }
            while bottom - top > LEAST_SIDE && row(bottom - 1, left, right) {
                bottom -= 1;
            }
            while right - left > LEAST_SIDE && column(left, top, bottom) {
                left += 1;
            }
            while right - left > LEAST_SIDE && column(right - 1, top, bottom) {
                right -= 1;
            }
            if (left, top, right, bottom) == before {
                break;
            }
        }
        // A cell at the border moves wherever any part of it is of the picture, half of it in the mean.
        area([left, top, right, bottom]).map(|area| Area {
            left: area.left + if left > 0 { HALF } else { 0.0 },
            top: area.top + if top > 0 { HALF } else { 0.0 },
            right: area.right - if right < SIDE { HALF } else { 0.0 },
            bottom: area.bottom - if bottom < SIDE { HALF } else { 0.0 },
        })
    }
}

/// A part of the picture by its cells, if it is neither too small nor nearly all.
fn area([left, top, right, bottom]: [usize; 4]) -> Option<Area> {
    let (width, height) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
    if width <= LEAST_SIDE || height <= LEAST_SIDE || 2 * SIDE - width - height < NOTHING {
        return None;
    }
    let share = |cell: usize| cell as f64 / SIDE as f64;
    Some(Area { left: share(left), top: share(top), right: share(right), bottom: share(bottom) })
}

/// A straight edge: which column (or row) begins behind it, and from which to which row (or column) it goes.
#[derive(Debug, Clone, Copy)]
struct Edge {
    at: usize,
    from: usize,
    to: usize,
}

/// The largest picture between two edges of the same length, or between one that goes all through and the border.
fn marked(steps: &[Grid; 2]) -> Option<Area> {
    let mut best: Option<[usize; 4]> = None;
    let size = |[left, top, right, bottom]: [usize; 4]| (right - left) * (bottom - top);
    for (axis, steps) in steps.iter().enumerate() {
        let edges = edges(steps, axis == 1);
        let mut consider = |from: usize, to: usize, start: usize, end: usize| {
            if to < from + LEAST_SIDE || end < start + LEAST_SIDE {
                return;
            }
            let found = if axis == 0 { [from, start, to, end] } else { [start, from, end, to] };
            if best.is_none_or(|best| size(found) > size(best)) {
                best = Some(found);
            }
        };
        for (i, a) in edges.iter().enumerate() {
            for b in &edges[i + 1..] {
                if a.from.abs_diff(b.from) <= ENDS && a.to.abs_diff(b.to) <= ENDS {
                    consider(a.at, b.at, a.from.min(b.from), a.to.max(b.to));
                }
            }
            if a.from <= ENDS && a.to + ENDS >= SIDE {
                // One side of it is the picture: the larger one.
                if a.at < SIDE / 2 { consider(a.at, SIDE, 0, SIDE) } else { consider(0, a.at, 0, SIDE) }
            }
        }
    }
    area(best?)
}

/// The edges across rows, or across columns if `turned`: of neighbouring ones the longest.
fn edges(steps: &Grid, turned: bool) -> Vec<Edge> {
    // The places of one line lie side by side.
    let lines: Vec<f32> = match (steps.samples(), turned) {
        (steps, true) => steps.to_vec(),
        (steps, false) => (0..SIDE * SIDE).map(|at| steps[at % SIDE * SIDE + at / SIDE]).collect(),
    };
    let (lines, _) = lines.as_chunks::<SIDE>();
    let mut found: Vec<Edge> = Vec::new();
    for line in 2..SIDE - 2 {
        let (mut sums, mut count) = ([0.0f32; SIDE], 0.0f32);
        for beside in (4..=8).flat_map(|by| [line.checked_sub(by), Some(line + by)]).flatten() {
            let Some(beside) = lines.get(beside) else { continue };
            sums.iter_mut().zip(beside).for_each(|(sum, step)| *sum += step);
            count += 1.0;
        }
        let steep: [bool; SIDE] =
            std::array::from_fn(|place| lines[line][place] > STEEP * sums[place] / count.max(1.0) + STEP);
        let Some((from, to)) = longest(&steep) else { continue };
        // The step is taken over two cells, so an edge is seen from both of its sides.
        let edge = Edge { at: line + 1, from, to };
        match found.last_mut() {
            Some(last) if edge.at - last.at <= 2 => {
                if to - from > last.to - last.from {
                    *last = edge;
                }
            }
            _ => found.push(edge),
        }
    }
    found
}

/// The longest stretch, of at least [`LEAST_SIDE`] cells, of which [`DENSE`] are steep.
fn longest(steep: &[bool; SIDE]) -> Option<(usize, usize)> {
    let mut sums = [0u32; SIDE + 1];
    for (at, &steep) in steep.iter().enumerate() {
        sums[at + 1] = sums[at] + u32::from(steep);
    }
    if sums[SIDE] < (DENSE * LEAST_SIDE as f32) as u32 {
        return None;
    }
    let mut best: Option<(usize, usize)> = None;
    for from in (0..SIDE).filter(|&from| steep[from]) {
        let least = best.map_or(LEAST_SIDE, |(a, b)| b - a + 1);
        let to = (from + least..=SIDE)
            .rev()
            .find(|&to| steep[to - 1] && (sums[to] - sums[from]) as f32 >= DENSE * (to - from) as f32);
        if let Some(to) = to {
            best = Some((from, to));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Format, PixelBuf};

    fn grid(cell: impl Fn(usize, usize) -> u8) -> Grid {
        let data = (0..SIDE * SIDE).map(|at| cell(at % SIDE, at / SIDE)).collect();
        Grid::of_pixels(&PixelBuf::new(data, SIDE, SIDE, Format::Luma8).unwrap().as_pixels()).unwrap()
    }

    /// Soft blobs that are others in every hop.
    fn blobs(x: usize, y: usize, hop: usize, film: usize) -> u8 {
        let wave = |k: usize| {
            let (a, b) =
                (0.03 + 0.02 * ((hop * 7 + k * 5 + film * 3) % 5) as f64, (hop * 13 + k * 31 + film * 57) as f64);
            (a * x as f64 + b).sin() * (a * 0.8 * y as f64 + 0.7 * b).cos()
        };
        (128.0 + 55.0 * (wave(0) + wave(1))).clamp(0.0, 255.0) as u8
    }

    fn cells(area: Area) -> [usize; 4] {
        [area.left, area.top, area.right, area.bottom].map(|share| (share * SIDE as f64).round() as usize)
    }

    #[test]
    fn what_stands_still_is_taken_off() {
        let mut inner = Inner::default();
        for hop in 0..8usize {
            // A picture that moves from (20, 0) to (120, 96), beside and above a striped ground with a small clock on it.
            inner.hop(grid(|x, y| match (x, y) {
                (20..120, 0..96) => ((x * 7 + y * 3 + hop * 40) % 256) as u8,
                (4..6, 110..112) => (hop * 30) as u8,
                _ => ((x / 5 + y / 7) % 2 * 120 + 60) as u8,
            }));
        }
        let area = inner.area().unwrap();
        let found = [area.left, area.top, area.right, area.bottom].map(|share| share * SIDE as f64);
        assert_eq!(found, [20.5, 0.0, 119.5, 95.5], "half a cell within what moves");
    }

    #[test]
    fn a_film_over_another_film_is_marked_off_by_its_edges() {
        let mut inner = Inner::default();
        for hop in 0..12usize {
            inner.hop(grid(|x, y| match (x, y) {
                (40..120, 30..100) => blobs(x, y, hop, 1),
                _ => blobs(x, y, hop, 2).saturating_add(30),
            }));
        }
        assert!(inner.moving().is_none());
        let found = cells(inner.area().unwrap());
        for (found, expected) in found.into_iter().zip([40, 30, 120, 100]) {
            assert!(found.abs_diff(expected) <= 2, "{found} for {expected}");
        }
    }

    #[test]
    fn pictures_far_apart_are_followed_as_if_they_had_stood_in_between() {
        let (mut seldom, mut held) = (Inner::default(), Inner::default());
        for hop in 0..8usize {
            let before = grid(|x, y| blobs(x, y, hop, 1));
            seldom.hop(before.clone());
            held.hop(before);
        }
        assert!(seldom.area().is_none());
        for at in 0..5usize {
            let picture = grid(|x, y| match (x, y) {
                (40..120, 30..100) => blobs(x, y, at, 1) / 4 + 150,
                _ => blobs(x, y, at, 2) / 4 + 20,
            });
            seldom.after(4, picture.clone());
            (0..4).for_each(|_| held.hop(picture.clone()));
            let found = cells(seldom.area().unwrap());
            assert_eq!(found, cells(held.area().unwrap()), "{at}");
            for (found, expected) in found.into_iter().zip([40, 30, 120, 100]) {
                assert!(found.abs_diff(expected) <= 2, "{at}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn a_film_that_moves_all_over_or_not_at_all_has_no_such_part() {
        let (mut all, mut none) = (Inner::default(), Inner::default());
        for hop in 0..8usize {
            all.hop(grid(|x, y| blobs(x, y, hop, 1)));
            none.hop(grid(|x, y| blobs(x, y, 0, 1)));
        }
        assert!(all.area().is_none() && none.area().is_none());
    }
}
