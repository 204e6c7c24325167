//! Frames in, fingerprint out: which stretches and frames of a film are hashed.
//!
//! A copy seldom has the frames that a reference was sampled at. *Windows* are means over a stretch of time at a short
//! hop, so that a shift of the times moves them slowly; *covering* frames stand for all others, so that any still of the
//! film is near one of them. Frames by the clock are what a query is asked by beside these.

use super::grid::Shape;
use super::mixed::Mixed;
use crate::error::{Error, Result};
use crate::fingerprint::{FrameHash, Options, Role, Sampling, VideoFingerprint, View};
use crate::hash::{Pixels, pdq};

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

/// A time later than this, in seconds, is none: beyond, time would not pass any more.
const LATEST: f64 = 1e9;
/// What a hash takes in memory, at most.
const HASH_BYTES: u64 = (size_of::<FrameHash>() + 2 * size_of::<pdq::Orientations>()) as u64;
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

    /// Seconds from the first frame to the end of the last one so far.
    pub fn seconds(&self) -> f64 {
        self.end
    }

    /// Forgets the hashes of what was shown before this time, in seconds from the first frame: what is known so far, and the fingerprint
    /// in the end, are without them. A stream without an end is held in bounded memory so; times go on as they were.
    pub fn forget(&mut self, before: f64) {
        self.hashes.retain(|hash| hash.time >= before);
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
