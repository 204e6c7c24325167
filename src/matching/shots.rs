//! Where the query cuts: a shot is of one film, and a segment that ends before the query does ends with a shot.

use crate::fingerprint::{Role, VideoFingerprint, View};
use crate::hash::Hash;

/// Detail hashes of successive frames so many bits apart are of two shots, unless things move fast; unrelated pictures hardly come
/// within 100, but on a screen within the picture only a part of it changes.
const CUT: u32 = 80;
/// What turns into something this far away within a second may be another shot as well.
const FADED: u32 = 100;
const FADE: f64 = 1.0;
/// Seconds by which what is laid beside a frame may come before it.
const EARLY: f64 = 0.05;

/// Where a film cuts to another picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// When the other picture is there.
    pub(super) time: f64,
    /// The last frame of what is followed and the first one of what is left, outwards from a segment.
    pub(super) frames: [f64; 2],
    /// How many bits of the detail hash change.
    pub(super) bits: u32,
}

impl Cut {
    /// The same with time running backwards.
    pub(super) fn mirrored(&self) -> Self {
        Self { time: -self.time, frames: [-self.frames[1], -self.frames[0]], bits: self.bits }
    }
}

/// The shots of a film, by its whole frames.
#[derive(Debug)]
pub(super) struct Shots {
    pub(super) cuts: Vec<Cut>,
    /// Where a shot may begin, at once or by a fade.
    begins: Vec<f64>,
}

impl Shots {
    pub(super) fn of(film: &VideoFingerprint) -> Self {
        let whole = film.frames.iter().filter(|frame| frame.view == View::Full && frame.role != Role::Window);
        let detail = whole
            .filter(|frame| frame.time.is_finite())
            .filter_map(|frame| Some((frame.time, frame.detail.as_ref()?.hash)));
        let frames: Vec<(f64, Hash)> = detail.collect();
        let mut shots = Self { cuts: Vec::new(), begins: Vec::new() };
        let mut from = 0;
        for (at, pair) in frames.windows(2).enumerate() {
            let [(last, before), (time, hash)] = [pair[0], pair[1]];
            while from < at && frames[from + 1].0 < time - FADE {
                from += 1;
            }
            let bits = before.distance(&hash);
            if bits >= CUT {
                shots.cuts.push(Cut { time, frames: [last, time], bits });
            }
            if bits >= CUT || frames[from].1.distance(&hash) >= FADED {
                shots.begins.push(time);
            }
        }
        shots
    }

    pub(super) fn count(&self) -> usize {
        self.begins.len() + 1
    }

    /// Which shot is shown at a time, by number.
    pub(super) fn at(&self, time: f64) -> usize {
        self.begins.partition_point(|&begin| begin <= time + EARLY)
    }
}
