//! Which stretches and frames of a film are hashed with [`Sampling::Mixed`](crate::fingerprint::Sampling::Mixed).

use std::collections::VecDeque;

use super::builder::Recipe;
use super::cover::{Chosen, Cover};
use super::grid::{Grid, Shape};
use super::held::{Held, Past};
use super::inner::Inner;
use super::shown::{Boxes, SAME_FOR, Shown, upright};
use crate::fingerprint::{FrameHash, Role, View, ViewHash, ViewSet, Window, is_plain};
use crate::hash::Pixels;
use crate::image::canvas::Area;

/// A mean or a frame of a cheap look that differs from the last one by fewer bits shows the same picture.
const SAME: u32 = 3;
/// A frame by the clock that differs from the last one by fewer bits is left out: it would find what that one finds.
const CHANGED: u32 = 14;
/// The shortest time between two covering frames whose content boxes are hashed.
const CONTENT_HOP: f64 = 0.4;
/// Seconds of one picture after which nothing is new any more: what parts it has was seen, and what was before is forgotten.
const STANDS: f64 = 60.0;
/// Most hops of a window.
const MOST_HOPS: usize = 64;
/// Every which window of time is hashed in the windows of the picture that references are stored with.
const WINDOWS_EVERY: usize = 4;
/// A mean is plain if this share of the frames by the clock in it is: of two plain pictures it is blurred, and of a plain one
/// and what follows it shows something of both.
const PLAIN: f64 = 1.0 / 3.0;

/// What is known of a film so far, as far as its next hashes depend on it.
#[derive(Debug, Clone)]
pub(super) struct Mixed {
    pub(super) recipe: Recipe,
    views: ViewSet,
    /// Most hashes that may be held.
    most: usize,
    film_windows: Vec<Window>,
    /// The parts of the last window's picture.
    boxes: Boxes,
    inner: Inner,
    held: Held,
    /// When the last frame was that was looked at in passing.
    looked: Option<f64>,
    upright: Option<Area>,
    /// The frame before, which is shown until the next one comes.
    shown: Option<(f64, Grid)>,
    /// Sums over the last hops, the newest one unfinished.
    hops: VecDeque<(Grid, f64)>,
    /// The end of the unfinished hop.
    hop_end: f64,
    windows: usize,
    last_window: Option<FrameHash>,
    last_frame: Option<FrameHash>,
    /// Of the frames by the clock in the hops that are held: when they are, and whether they are plain.
    ticks: VecDeque<(f64, bool)>,
    pub(super) cover: Cover,
    next_frame: f64,
    next_content: f64,
    spare: Vec<Grid>,
}

impl Mixed {
    pub(super) fn new(recipe: Recipe, views: ViewSet, most: u64) -> Self {
        let hop = recipe.hop.max(0.04);
        Self {
            views,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            film_windows: views.film_windows(),
            boxes: Boxes::default(),
            inner: Inner::default(),
            held: Held::default(),
            looked: None,
            upright: None,
            recipe: Recipe { hop, window: recipe.window.clamp(1, MOST_HOPS), ..recipe },
            shown: None,
            hops: VecDeque::from([(Grid::default(), 0.0)]),
            hop_end: hop,
            windows: 0,
            last_window: None,
            last_frame: None,
            ticks: VecDeque::new(),
            cover: Cover::default(),
            next_frame: 0.0,
            next_content: 0.0,
            spare: Vec::new(),
        }
    }

    /// Puts the clocks where they are in a film that was seen up to this time.
    #[cfg(feature = "video")]
    pub(super) fn begin(&mut self, time: f64) {
        let hops = (time / self.recipe.hop).floor().max(0.0);
        self.hop_end = (hops + 1.0) * self.recipe.hop;
        self.windows = hops as usize;
        if self.recipe.frame > 0.0 {
            self.next_frame = (time / self.recipe.frame).ceil() * self.recipe.frame;
        }
    }

    pub(super) fn push(&mut self, time: f64, pixels: &Pixels<'_>, shape: Shape, hashes: &mut Vec<FrameHash>) {
        let mut grid = self.spare.pop().unwrap_or_default();
        if !grid.fill(pixels, shape) {
            return;
        }
        self.upright = upright(shape.upright(pixels.width(), pixels.height()));
        self.cover(time, &grid, hashes);
        if self.recipe.frame > 0.0 && time + 1e-6 >= self.next_frame {
            // By a clock of its own, so that the time between two frames that are looked at adds nothing to it.
            self.next_frame = f64::max(self.next_frame, time - self.recipe.frame) + self.recipe.frame;
            let plain = is_plain(&grid.shrink(Area::FULL));
            self.ticks.push_back((time, plain));
            let shown = Shown { time, role: Role::Frame, grid: &grid, boxes: self.boxes, windows: &[], plain };
            shown.emit(&mut self.last_frame, CHANGED, hashes);
        }
        if let Some((since, before)) = self.shown.take() {
            self.show(since, time, &before, hashes);
            self.spare.push(before);
        } else if self.windows == 0 {
            // Nothing was shown before.
            self.hop_end = f64::max(self.hop_end, ((time / self.recipe.hop).floor() + 1.0) * self.recipe.hop);
        }
        self.shown = Some((time, grid));
    }

    /// Takes a frame between two that are due, which is only looked at for what a still of it would be found by.
    pub(super) fn push_between(&mut self, time: f64, pixels: &Pixels<'_>, shape: Shape, hashes: &mut Vec<FrameHash>) {
        let mut grid = self.spare.pop().unwrap_or_default();
        if grid.fill(pixels, shape) {
            self.cover(time, &grid, hashes);
        }
        self.spare.push(grid);
    }

    fn cover(&mut self, time: f64, grid: &Grid, hashes: &mut Vec<FrameHash>) {
        if self.recipe.cover
            && let Some(chosen) = self.cover.push(time, grid, self.boxes.content)
        {
            self.emit_cover(chosen, hashes);
        }
    }

    /// Hashes a frame that stands for others, and now and then its content box.
    fn emit_cover(&mut self, chosen: Chosen, hashes: &mut Vec<FrameHash>) {
        let Chosen { time, full, content, plain } = chosen;
        hashes.push(FrameHash::of_view(time, Role::Cover, full, plain));
        if let Some((area, grid)) = content.filter(|_| time >= self.next_content) {
            self.next_content = time + CONTENT_HOP;
            let content = ViewHash::of_samples(View::Content, &grid.shrink(area));
            hashes.push(FrameHash::of_view(time, Role::Cover, content, plain));
        }
    }

    /// Hashes a frame and the parts that a query asks for; the content box is that of the mean of it and the two looked at
    /// before, since bars and captions stand still. What shows nothing new is dropped.
    pub(super) fn look(
        &mut self,
        time: f64,
        role: Role,
        pixels: &Pixels<'_>,
        shape: Shape,
        hashes: &mut Vec<FrameHash>,
    ) {
        let reused =
            if self.hops.len() >= 3 { self.hops.pop_front() } else { self.spare.pop().map(|grid| (grid, 1.0)) };
        let mut grid = reused.map_or_else(Grid::default, |(grid, _)| grid);
        if !grid.fill(pixels, shape) {
            return;
        }
        self.hops.retain(|(_, weight)| *weight > 0.0);
        self.hops.push_back((grid, 1.0));
        if self.views.cuts_films() {
            let mut mean = Grid::default();
            for (grid, _) in &self.hops {
                mean.add(grid, 1.0 / self.hops.len() as f32);
            }
            if let Some((grid, _)) = self.hops.back() {
                let hops = self.looked.map_or(1.0, |last| ((time - last) / self.recipe.hop).round());
                self.inner.after(hops as u32, grid.clone());
            }
            self.looked = Some(time);
            self.boxes = self.parts(time, [mean.content(), self.inner.area()], hashes);
        }
        if let Some((grid, _)) = self.hops.back() {
            let windows = self.views.film_query_windows();
            let plain = is_plain(&grid.shrink(Area::FULL));
            let shown = Shown { time, role, grid, boxes: self.boxes, windows, plain };
            if shown.emit(&mut self.last_frame, SAME, hashes) && self.views.cuts_films() {
                self.held.hold(Past::new(time, role, grid.clone(), plain, self.boxes.found()));
            }
        }
    }

    /// The parts to hash of what is shown now, of which the content box and the inner picture were found in it. One that was found often
    /// enough at last is hashed in what was shown before, too.
    fn parts(&mut self, now: f64, found: [Option<Area>; 2], hashes: &mut Vec<FrameHash>) -> Boxes {
        if let Some(area) = self.held.see(now, found) {
            for past in self.held.without(area) {
                let part = ViewHash::of_samples(View::Inner, &past.grid.shrink(area));
                hashes.push(FrameHash::of_view(past.time, past.role, part, past.plain));
            }
        }
        let [content, inner] = found;
        Boxes { content, inner, usual: self.held.usual(found), upright: None }
    }

    /// Adds a picture to the windows for as long as it is shown.
    fn show(&mut self, mut from: f64, to: f64, grid: &Grid, hashes: &mut Vec<FrameHash>) {
        let stood = from + STANDS;
        while from < to {
            let until = to.min(self.hop_end);
            if let Some((sum, weight)) = self.hops.back_mut() {
                sum.add(grid, (until - from).max(0.0) as f32);
                *weight += until - from;
            }
            from = until.max(from);
            if to >= self.hop_end {
                self.end_hop(hashes);
                if from >= stood {
                    from = self.pass_over(from, to, hashes);
                }
            }
        }
    }

    /// Passes over hops of a picture that has stood for long and does until `to`, but for the last: they bring again what those before
    /// them did. Returns the begin of the hop that is next.
    fn pass_over(&mut self, from: f64, to: f64, hashes: &mut Vec<FrameHash>) -> f64 {
        let turn = WINDOWS_EVERY * (SAME_FOR / self.recipe.hop).ceil() as usize;
        let seconds = turn as f64 * self.recipe.hop;
        let middle = from - self.recipe.window as f64 * self.recipe.hop / 2.0;
        let new = |hash: &&FrameHash| hash.role == Role::Window && hash.time > middle - seconds + 1e-6;
        let last: Vec<FrameHash> = hashes.iter().filter(new).cloned().collect();
        let turns = ((to - STANDS - from) / seconds).floor().max(0.0) as usize;
        for number in 1..=turns {
            // More than may be held ends the film anyway.
            if hashes.len() > self.most {
                break;
            }
            let later = number as f64 * seconds;
            hashes.extend(last.iter().map(|hash| FrameHash { time: hash.time + later, ..hash.clone() }));
        }
        let later = turns as f64 * seconds;
        self.windows += turns * turn;
        self.hop_end += later;
        self.last_window.iter_mut().for_each(|last| last.time += later);
        self.held.stand(later);
        from + later
    }

    fn end_hop(&mut self, hashes: &mut Vec<FrameHash>) {
        if let Some((sum, weight)) = self.hops.back().filter(|(_, weight)| *weight > 0.0) {
            let mut mean = sum.clone();
            mean.scale((1.0 / weight) as f32);
            self.inner.hop(mean);
        }
        if self.hops.len() == self.recipe.window {
            self.window(self.hop_end, hashes);
        }
        let reused = if self.hops.len() == self.recipe.window { self.hops.pop_front() } else { None };
        let mut next = reused.map_or_else(Grid::default, |(grid, _)| grid);
        next.clear();
        self.hops.push_back((next, 0.0));
        self.hop_end += self.recipe.hop;
    }

    /// Hashes the mean over all hops held, which end at `end`.
    fn window(&mut self, end: f64, hashes: &mut Vec<FrameHash>) {
        let weight: f64 = self.hops.iter().map(|(_, weight)| weight).sum();
        if weight <= 0.0 {
            return;
        }
        let mut mean = Grid::default();
        for (sum, _) in &self.hops {
            mean.add(sum, 1.0);
        }
        mean.scale((1.0 / weight) as f32);
        self.windows += 1;
        // A mean over time shows bars and captions as they are and blurs what is between them.
        if self.views.cuts_films() {
            // Of two means that overlap by two thirds one is enough to see the bars on: that which references keep.
            let content = if self.windows % 2 == 1 { mean.content() } else { self.boxes.content };
            self.boxes = self.parts(end, [content, self.inner.area()], hashes);
        }
        let time = (end - weight / 2.0).max(0.0);
        // Few: they would cost more entries than all else. A query asks for its own as often as it can.
        let rare = self.windows % WINDOWS_EVERY == 1 % WINDOWS_EVERY;
        let windows = if rare { &self.film_windows[..] } else { self.views.film_query_windows() };
        let upright = self.upright.filter(|_| rare && self.views.cuts_films());
        let boxes = Boxes { upright, ..self.boxes };
        self.ticks.retain(|(tick, _)| *tick >= end - weight);
        let ticks = self.ticks.iter().filter(|(tick, _)| *tick < end);
        let plain = ticks.clone().filter(|(_, plain)| *plain).count() as f64;
        let plain = plain > 0.0 && plain >= PLAIN * ticks.count() as f64 || is_plain(&mean.shrink(Area::FULL));
        let shown = Shown { time, role: Role::Window, grid: &mean, boxes, windows, plain };
        if shown.emit(&mut self.last_window, SAME, hashes) && self.views.cuts_films() {
            self.held.hold(Past::new(time, Role::Window, mean, plain, boxes.found()));
        }
    }

    pub(super) fn finish(&mut self, end: f64, hashes: &mut Vec<FrameHash>) {
        if let Some((since, grid)) = self.shown.take() {
            self.show(since, end.max(since), &grid, hashes);
            if self.windows == 0 {
                if self.hops.iter().all(|(_, weight)| *weight <= 0.0)
                    && let Some((sum, weight)) = self.hops.back_mut()
                {
                    // A single frame without a duration.
                    sum.add(&grid, 1.0);
                    *weight = 1.0;
                }
                self.window(end, hashes);
            }
        }
        if let Some(chosen) = self.cover.finish() {
            self.emit_cover(chosen, hashes);
        }
    }
}
