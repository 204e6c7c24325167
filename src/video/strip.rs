//! A few frames spread over a film, for people to look at.
#![cfg_attr(not(feature = "video"), allow(dead_code))]

use super::Grid;
use crate::error::{Error, Result};
use crate::fingerprint::{Media, Options};
use crate::image::canvas::Area;

/// Frames over the length of a film.
#[derive(Debug)]
pub(crate) struct Strip {
    /// With their times in seconds, in order.
    pub(crate) frames: Vec<(f64, Grid)>,
    /// The film's size, upright, pixel aspect applied.
    pub(crate) size: (u32, u32),
    /// Where the picture is when bars are taken off, by the frame in the middle.
    pub(crate) content: Option<Area>,
}

/// Takes up to `count` frames. Keyframes will do if there are enough of them; otherwise every frame is decoded.
///
/// # Errors
/// Those of [`fingerprint`](super::fingerprint).
pub(crate) fn strip(media: &Media<'_>, options: &Options, count: usize) -> Result<Strip> {
    let mut spread = Spread::new(count);
    let mut size = frames(media, options, true, &mut spread)?;
    if spread.kept.len() < count {
        spread = Spread::new(count);
        size = frames(media, options, false, &mut spread)?;
    }
    let frames = spread.finish();
    let content = frames.get(frames.len() / 2).and_then(|(_, grid)| grid.content());
    if frames.is_empty() { Err(Error::decode("no picture to show")) } else { Ok(Strip { frames, size, content }) }
}

#[cfg(feature = "video")]
fn frames(media: &Media<'_>, options: &Options, keyframes: bool, spread: &mut Spread) -> Result<(u32, u32)> {
    super::pass::frames(media.reader(&options.limits)?, options, keyframes, |time, pixels, shape| {
        if time >= spread.next {
            let mut grid = Grid::default();
            if grid.fill(pixels, shape) {
                spread.push(time, grid);
            }
        }
    })
}

#[cfg(not(feature = "video"))]
fn frames(media: &Media<'_>, _: &Options, _: bool, _: &mut Spread) -> Result<(u32, u32)> {
    Err(Error::unsupported("films: this build has no FFmpeg (feature `video`)").at(media.name()))
}

/// Keeps frames evenly spread over a film whose length is not known: whenever too many are held, every other one goes
/// and the distance is doubled.
struct Spread {
    count: usize,
    distance: f64,
    next: f64,
    kept: Vec<(f64, Grid)>,
}

impl Spread {
    fn new(count: usize) -> Self {
        Self { count: count.max(1), distance: 0.04, next: 0.0, kept: Vec::new() }
    }

    fn push(&mut self, time: f64, grid: Grid) {
        self.kept.push((time, grid));
        if self.kept.len() == 4 * self.count {
            let mut even = false;
            self.kept.retain(|_| {
                even = !even;
                even
            });
            self.distance *= 2.0;
        }
        self.next = self.kept.last().map_or(0.0, |(time, _)| time + self.distance);
    }

    fn finish(self) -> Vec<(f64, Grid)> {
        let count = self.count.min(self.kept.len());
        let end = self.kept.last().map_or(0.0, |(time, _)| time + self.distance);
        let mut kept = self.kept.into_iter().peekable();
        let mut frames: Vec<(f64, Grid)> = Vec::new();
        for left in (1..=count).rev() {
            let wanted = end * ((count - left) as f64 + 0.5) / count as f64;
            // the last one before the wanted time, but never so late that too few are left
            while let Some(frame) = kept.next() {
                let enough = kept.len() < left;
                if enough || kept.peek().is_none_or(|next| (next.0 - wanted).abs() >= (frame.0 - wanted).abs()) {
                    frames.push(frame);
                    break;
                }
            }
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spread_over_the_whole_length() {
        for seconds in [1.0, 22.4, 3000.0] {
            let mut spread = Spread::new(8);
            let frames = (seconds * 25.0) as usize;
            for time in (0..frames).map(|at| at as f64 / 25.0) {
                if time >= spread.next {
                    spread.push(time, Grid::default());
                }
                assert!(spread.kept.len() <= 32);
            }
            let times: Vec<f64> = spread.finish().iter().map(|frame| frame.0 / seconds).collect();
            assert_eq!(times.len(), 8);
            for (at, time) in times.iter().enumerate() {
                assert!((time - (at as f64 + 0.5) / 8.0).abs() < 0.09, "{seconds} s: {times:?}");
            }
        }
        let mut few = Spread::new(8);
        (0..3).for_each(|at| few.push(f64::from(at), Grid::default()));
        assert_eq!(few.finish().len(), 3);
        assert!(Spread::new(8).finish().is_empty());
    }
}
