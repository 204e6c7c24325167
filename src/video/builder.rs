//! Frames in, fingerprint out: which stretches and frames of a film are hashed.
//!
//! A copy seldom has the frames that a reference was sampled at. *Windows* are means over a stretch of time at a short
//! hop, so that a shift of the times moves them slowly; *covering* frames stand for all others, so that any still of the
//! film is near one of them. Frames by the clock are what a query is asked by beside these.

use std::collections::VecDeque;

use super::cover::{Chosen, Cover};
use super::grid::{Grid, Shape};
use super::held::{Held, Past};
use super::inner::Inner;
use super::shown::{Boxes, SAME_FOR, Shown, upright};
use crate::error::{Error, Result};
use crate::fingerprint::{
    FrameHash, Options, Role, Sampling, VideoFingerprint, View, ViewHash, ViewSet, Window, is_plain,
};
use crate::hash::{Pixels, pdq};
use crate::image::canvas::Area;

/// How [`Sampling::Mixed`] samples a film; times are in seconds. The defaults are the measured best.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Recipe {
    /// From one window to the next; less than 0.04 is taken as that.
    pub hop: f64,
    /// The length of a window in hops, 1..=64; what lies outside is taken as the nearest of these.
    pub window: usize,
    /// From one look to the next at whether the picture has changed so much that its frame is asked for; 0 for no such
    /// frames.
    pub frame: f64,
    /// Whether frames are taken that stand for all others: what a single still finds, and what references keep.
    pub cover: bool,
    /// The shortest time between two frames that are looked at, but for those that come between them in fast motion as covering
    /// frames.
    pub step: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { hop: 0.5, window: 3, frame: 0.25, cover: true, step: 0.058 }
    }
}

/// A mean or a frame of a cheap look that differs from the last one by fewer bits shows the same picture.
const SAME: u32 = 3;
/// A frame by the clock that differs from the last one by fewer bits is left out: it would find what that one finds.
const CHANGED: u32 = 14;
/// The shortest time between two covering frames whose content boxes are hashed.
const CONTENT_HOP: f64 = 0.4;
/// A time later than this, in seconds, is none: beyond, time would not pass any more.
const LATEST: f64 = 1e9;
/// Seconds of one picture after which nothing is new any more: what parts it has was seen, and what was before is forgotten.
const STANDS: f64 = 60.0;
/// What a hash takes in memory, at most.
const HASH_BYTES: u64 = (size_of::<FrameHash>() + 2 * size_of::<pdq::Orientations>()) as u64;
/// Most hops of a window.
const MOST_HOPS: usize = 64;
/// Every which window of time is hashed in the windows of the picture that references are stored with.
const WINDOWS_EVERY: usize = 4;
/// A mean is plain if this share of the frames by the clock in it is: of two plain pictures it is blurred, and of a plain one
/// and what follows it shows something of both.
const PLAIN: f64 = 1.0 / 3.0;

/// Builds the fingerprint of a film, an animation or a stream from its frames in order.
///
/// Memory stays at a few megabytes plus the hashes themselves, whatever the length.
#[derive(Debug)]
pub struct Builder {
    sampling: Sampling,
    memory: u64,
    size: Option<(u32, u32)>,
    end: f64,
    last: Option<f64>,
    next: f64,
    mixed: Mixed,
    hashes: Vec<FrameHash>,
}

impl Builder {
    /// A builder that samples as the options say.
    pub fn new(options: &Options) -> Self {
        Self::with_recipe(options, Recipe::default())
    }

    /// A builder for what begins at this time of a longer film, whose hashes are those that they would be in the whole. `None` where
    /// the whole, of which a frame is shown for `nominal` seconds, would pass this frame over.
    #[cfg(feature = "video")]
    pub(crate) fn beginning(options: &Options, time: f64, nominal: f64) -> Option<Self> {
        let mut builder = Self::new(options);
        let every = (builder.mixed.recipe.step / nominal - 1e-6).ceil().max(1.0);
        builder.mixed.begin(time);
        ((time / nominal).round() % every == 0.0).then_some(builder)
    }

    /// A builder with its own recipe for [`Sampling::Mixed`].
    pub fn with_recipe(options: &Options, recipe: Recipe) -> Self {
        Self {
            sampling: options.sampling,
            memory: options.limits.memory,
            size: None,
            end: 0.0,
            last: None,
            next: 0.0,
            mixed: Mixed::new(recipe, options.views, options.limits.memory / HASH_BYTES),
            hashes: Vec::new(),
        }
    }

    /// Adds an upright frame that is shown at `time` for `duration` seconds. Times count from the first frame and rise; one that is no
    /// number, or above 1e9, is taken as the end of what came before.
    ///
    /// # Errors
    /// [`Error::Limit`] if the hashes so far take more than [`Limits::memory`](crate::Limits::memory).
    pub fn push(&mut self, time: f64, duration: f64, pixels: &Pixels<'_>) -> Result<()> {
        // Outside a codec there are no keyframes: one frame a second stands for them.
        let key = self.hashes.last().is_none_or(|last| time >= last.time + 1.0);
        self.size.get_or_insert((pixels.width() as u32, pixels.height() as u32));
        self.push_frame(time, duration, key, pixels, Shape::default())
    }

    /// As [`Self::push`], for a frame as a decoder gives it.
    pub(crate) fn push_frame(
        &mut self,
        time: f64,
        duration: f64,
        key: bool,
        pixels: &Pixels<'_>,
        shape: Shape,
    ) -> Result<()> {
        let time = if time <= LATEST { time.max(0.0) } else { self.end };
        let duration = if duration <= LATEST { duration.max(0.0) } else { 0.0 };
        self.end = self.end.max(time + duration);
        match self.sampling {
            Sampling::Mixed => {
                if self.last.is_none_or(|last| time >= last + self.mixed.recipe.step) {
                    self.last = Some(time);
                    self.mixed.push(time, pixels, shape, &mut self.hashes);
                } else if self.mixed.cover.is_moving() {
                    self.mixed.push_between(time, pixels, shape, &mut self.hashes);
                }
            }
            Sampling::EveryFrame => self.single(time, Role::Frame, pixels, shape),
            Sampling::Keyframes if key => self.mixed.look(time, Role::Keyframe, pixels, shape, &mut self.hashes),
            Sampling::Keyframes => {}
            Sampling::Fps(rate) => {
                if time + 1e-3 >= self.next {
                    let step = if rate > 0.0 { (1.0 / rate).max(1e-6) } else { f64::INFINITY };
                    self.next = ((time + 1e-3) / step).floor() * step + step;
                    self.single(time, Role::Frame, pixels, shape);
                }
            }
        }
        self.within_memory()
    }

    /// Hashes one frame of a cheap look, whatever the sampling is.
    #[cfg(feature = "video")]
    pub(crate) fn look(
        &mut self,
        time: f64,
        duration: f64,
        role: Role,
        pixels: &Pixels<'_>,
        shape: Shape,
    ) -> Result<()> {
        self.end = self.end.max(time + duration);
        self.mixed.look(time, role, pixels, shape, &mut self.hashes);
        self.within_memory()
    }

    fn within_memory(&self) -> Result<()> {
        let taken = self.hashes.len() as u64 * HASH_BYTES;
        if taken > self.memory {
            return Err(Error::limit("memory", self.memory, taken));
        }
        Ok(())
    }

    fn single(&mut self, time: f64, role: Role, pixels: &Pixels<'_>, shape: Shape) {
        if let Some(mut samples) = pdq::samples(pixels) {
            shape.apply(&mut samples[..], pdq::SIDE);
            self.hashes.push(FrameHash::of_samples(time, role, View::Full, &samples));
        }
    }

    /// What is known of the film so far, as if it ended here: a stream can be asked about before it ends. Of the last twenty seconds
    /// more may be known later: a screen within the picture, say, once it is told from the rest.
    pub fn so_far(&self) -> VideoFingerprint {
        let (mut mixed, mut hashes) = (self.mixed.clone(), self.hashes.clone());
        if self.sampling == Sampling::Mixed {
            mixed.finish(self.end, &mut hashes);
        }
        hashes.sort_by(|a, b| a.time.total_cmp(&b.time));
        let (width, height) = self.size.unwrap_or_default();
        VideoFingerprint { width, height, duration: self.end, frames: hashes, warnings: Vec::new() }
    }

    /// The fingerprint; without hashes if no frame came that was large enough to have one.
    pub fn finish(mut self) -> VideoFingerprint {
        if self.sampling == Sampling::Mixed {
            self.mixed.finish(self.end, &mut self.hashes);
        }
        self.hashes.sort_by(|a, b| a.time.total_cmp(&b.time));
        let (width, height) = self.size.unwrap_or_default();
        VideoFingerprint { width, height, duration: self.end, frames: self.hashes, warnings: Vec::new() }
    }
}

/// The state of [`Sampling::Mixed`].
#[derive(Debug, Clone)]
struct Mixed {
    recipe: Recipe,
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
    cover: Cover,
    next_frame: f64,
    next_content: f64,
    spare: Vec<Grid>,
}

impl Mixed {
    fn new(recipe: Recipe, views: ViewSet, most: u64) -> Self {
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
    fn begin(&mut self, time: f64) {
        let hops = (time / self.recipe.hop).floor().max(0.0);
        self.hop_end = (hops + 1.0) * self.recipe.hop;
        self.windows = hops as usize;
        if self.recipe.frame > 0.0 {
            self.next_frame = (time / self.recipe.frame).ceil() * self.recipe.frame;
        }
    }

    fn push(&mut self, time: f64, pixels: &Pixels<'_>, shape: Shape, hashes: &mut Vec<FrameHash>) {
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
    fn push_between(&mut self, time: f64, pixels: &Pixels<'_>, shape: Shape, hashes: &mut Vec<FrameHash>) {
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
    fn look(&mut self, time: f64, role: Role, pixels: &Pixels<'_>, shape: Shape, hashes: &mut Vec<FrameHash>) {
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

    fn finish(&mut self, end: f64, hashes: &mut Vec<FrameHash>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Format, PixelBuf};

    /// A picture that drifts with `t` seconds; every `shot` another one.
    fn frame(t: f64, shot: u32) -> PixelBuf {
        let (width, height) = (64, 48);
        let wave = |k: u32| f64::from((shot * 97 + k).wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24);
        let data = (0..width * height).map(|at| {
            let (x, y) = ((at % width) as f64 / width as f64 + 0.02 * t, (at / width) as f64 / height as f64);
            let sum: f64 = (0..8)
                .map(|k| {
                    let (u, v) = (wave(3 * k) * 12.0 - 6.0, wave(3 * k + 1) * 12.0 - 6.0);
                    ((u * x + v * y + wave(3 * k + 2)) * std::f64::consts::TAU).sin() / (1.0 + u.hypot(v))
                })
                .sum();
            (128.0 + 60.0 * sum).clamp(0.0, 255.0) as u8
        });
        PixelBuf::new(data.collect(), width, height, Format::Luma8).unwrap()
    }

    fn film(sampling: Sampling, seconds: f64, fps: f64, still: bool) -> VideoFingerprint {
        let mut builder = Builder::new(&Options { sampling, ..Options::default() });
        for i in 0..(seconds * fps).round() as u32 {
            let t = f64::from(i) / fps;
            let picture = frame(if still { 0.0 } else { t }, if still { 0 } else { (t / 3.0) as u32 });
            builder.push(t, 1.0 / fps, &picture.as_pixels()).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn windows_and_frames_cover_the_film() {
        let film = film(Sampling::Mixed, 12.0, 25.0, false);
        assert!((film.duration - 12.0).abs() < 1e-6 && film.width == 64 && film.height == 48);
        let times = |role| {
            film.frames.iter().filter(|f| f.role == role && f.view == View::Full).map(|f| f.time).collect::<Vec<_>>()
        };
        let (windows, frames) = (times(Role::Window), times(Role::Cover));
        assert!((18..=23).contains(&windows.len()), "{windows:?}");
        assert!((windows[0] - 0.75).abs() < 0.01, "{windows:?}");
        for cut in [0.0, 3.0, 6.0, 9.0] {
            let shot = |t: &f64| (cut..cut + 3.0).contains(t);
            assert!(frames.iter().any(shot), "no frame of the shot from {cut}: {frames:?}");
        }
        assert!(film.frames.is_sorted_by(|a, b| a.time <= b.time));
    }

    #[test]
    fn a_static_film_has_few_hashes_and_a_short_one_has_some() {
        let still = film(Sampling::Mixed, 30.0, 25.0, true);
        assert!((8..=120).contains(&still.frames.len()), "{}", still.frames.len());
        assert!(!film(Sampling::Mixed, 0.2, 25.0, false).frames.is_empty());
        assert!(!film(Sampling::Mixed, 0.04, 25.0, false).frames.is_empty());
        assert!(film(Sampling::Mixed, 0.0, 25.0, false).frames.is_empty());
    }

    #[test]
    fn a_screen_is_asked_for_before_it_was_found_and_while_it_is_not() {
        let ground = |at: usize| ((at % 160 / 7 + at / 160 / 5) % 2 * 90 + 80) as u8;
        let mut builder = Builder::new(&Options::default());
        for i in 0..(30 * 25) {
            let t = f64::from(i) / 25.0;
            // From 12 s on the screen is dark for ten seconds, and from 8 s on everything moves.
            let (picture, dark) = (frame(t, (t / 3.0) as u32), (12.0..22.0).contains(&t));
            let shift = if t < 8.0 { 0 } else { i as usize * 3 };
            let mut pixels: Vec<u8> = (0..160 * 120).map(|at| ground(at + shift)).collect();
            for y in 0..48 {
                let place = (y + 40) * 160 + 60;
                pixels[place..place + 64].copy_from_slice(if dark { &[16; 64] } else { picture.as_pixels().row(y) });
            }
            let pixels = Pixels::new(&pixels, 160, 120, 160, Format::Luma8).unwrap();
            builder.push(t, 0.04, &pixels).unwrap();
        }
        let (asked, screen) = (builder.finish(), film(Sampling::Mixed, 30.0, 25.0, false));
        let windows = |film: &VideoFingerprint, view: View, [from, to]: [f64; 2]| {
            let within = |f: &&FrameHash| f.role == Role::Window && f.view == view && f.time > from && f.time < to;
            film.frames.iter().filter(within).cloned().collect::<Vec<_>>()
        };
        // Before three hops there was nothing to tell the screen by.
        for known in windows(&screen, View::Full, [0.0, 1.4]) {
            let same = |f: &FrameHash| (f.time - known.time).abs() < 0.01;
            let parts = windows(&asked, View::Inner, [0.0, 1.4]);
            let off = parts.iter().filter(|f| same(f)).map(|f| f.hash.unwrap().distance(&known.hash.unwrap())).min();
            assert!(off.is_some_and(|off| off < 64), "{off:?} at {}", known.time);
        }
        // Dark, it is asked for, with what else was taken for one.
        let dark = windows(&asked, View::Inner, [12.5, 21.5]).len();
        assert!((9..=72).contains(&dark), "{dark}");
    }

    #[test]
    fn other_samplings_take_the_frames_they_name() {
        assert_eq!(film(Sampling::EveryFrame, 2.0, 25.0, false).frames.len(), 50);
        let times: Vec<f64> = film(Sampling::Fps(1.0), 4.0, 30.0, false).frames.iter().map(|f| f.time).collect();
        assert_eq!(times, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(film(Sampling::Fps(4.0), 2.0, 25.0, false).frames.len(), 8);
        let keyframes = film(Sampling::Keyframes, 4.0, 30.0, false).frames;
        assert_eq!(keyframes.iter().filter(|frame| frame.view == View::Full).count(), 4);
    }

    #[test]
    fn a_stream_can_be_asked_about_before_it_ends() {
        let push = |builder: &mut Builder, frames: std::ops::Range<u32>| {
            for t in frames.map(|at| f64::from(at) / 25.0) {
                builder.push(t, 0.04, &frame(t, 0).as_pixels()).unwrap();
            }
        };
        for sampling in [Sampling::Mixed, Sampling::Fps(2.0)] {
            let options = Options { sampling, ..Options::default() };
            let (mut stream, mut undisturbed) = (Builder::new(&options), Builder::new(&options));
            push(&mut stream, 0..100);
            let early = stream.so_far();
            assert!((early.duration - 4.0).abs() < 1e-6 && early.frames.len() >= 4);
            let mut ended = Builder::new(&options);
            push(&mut ended, 0..100);
            assert_eq!(early, ended.finish(), "as if it had ended here");
            // It was only looked at: it goes on as one that nobody asked about.
            push(&mut stream, 100..163);
            _ = stream.so_far();
            push(&mut stream, 163..300);
            push(&mut undisturbed, 0..300);
            assert_eq!(stream.finish(), undisturbed.finish());
        }
    }

    #[test]
    fn odd_times_do_no_harm() {
        let mut builder = Builder::new(&Options::default());
        for (t, d) in [(0.0, 0.1), (5.0, f64::NAN), (4.0, -1.0), (f64::INFINITY, 0.1), (-3.0, 0.1), (9.0, 0.0)] {
            builder.push(t, d, &frame(1.0, 1).as_pixels()).unwrap();
        }
        assert!(!builder.finish().frames.is_empty());
        let pushed = |times: &[f64]| {
            let mut builder = Builder::new(&Options::default());
            for (at, &time) in times.iter().enumerate() {
                builder.push(time, 0.04, &frame(0.5 * at as f64, 1).as_pixels()).unwrap();
            }
            builder.finish()
        };
        let late: Vec<f64> = (0..100).map(|at| 1.7e8 + f64::from(at) * 0.04).collect();
        let late = pushed(&late);
        let window = |frame: &&FrameHash| frame.role == Role::Window;
        let first = late.frames.iter().find(window).unwrap().time;
        assert!((1.7e8..1.7e8 + 2.0).contains(&first), "a clock that did not begin at nought: {first}");
        assert!(pushed(&[0.0, 1e16, 1e16 + 4.0, f64::MAX]).duration < 1.0, "times that are none");
    }

    /// A container may claim that its second picture comes hours after its first.
    #[test]
    fn a_picture_that_stands_for_hours_costs_little() {
        let end = 403.0;
        let windows = |step: f64| {
            let mut builder = Builder::new(&Options::default());
            let times = (0..).map(|at| f64::from(at) * step).take_while(|time| *time < end);
            times.for_each(|time| builder.push(time, 0.04, &frame(0.0, 1).as_pixels()).unwrap());
            (0..50).map(|at| f64::from(at) * 0.1).for_each(|t| {
                builder.push(end + t, 0.04, &frame(t, 2).as_pixels()).unwrap();
            });
            let mut frames = builder.finish().frames;
            frames.retain(|frame| frame.role == Role::Window);
            frames
        };
        let (at_once, bit_by_bit) = (windows(end), windows(50.0));
        assert!(at_once.len() > 200 && at_once == bit_by_bit, "{} {}", at_once.len(), bit_by_bit.len());
        let memory = 1 << 20;
        let mut options = Options::default();
        options.limits.memory = memory;
        let mut builder = Builder::new(&options);
        builder.push(0.0, 0.04, &frame(0.0, 1).as_pixels()).unwrap();
        // Thirty years.
        let refused = builder.push(9e8, 0.04, &frame(0.0, 2).as_pixels()).unwrap_err();
        assert!(matches!(refused, Error::Limit { limit: "memory", .. }), "{refused}");
        assert!(builder.hashes.len() as u64 * HASH_BYTES < 2 * memory);
    }

    #[test]
    fn any_rate_above_nought_is_one() {
        for (rate, count) in [(f64::INFINITY, 50), (1e9, 50), (25.0, 50), (5.0, 10), (1e-9, 1)] {
            assert_eq!(film(Sampling::Fps(rate), 2.0, 25.0, false).frames.len(), count, "{rate}");
        }
    }
}
