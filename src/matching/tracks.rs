//! What two films show, moment by moment, ready to be laid side by side: the query in the orientation of one segment.

use std::ops::Range;

use super::shots::Shots;
use super::turn::laid;
use super::{Segment, inverse};
use crate::fingerprint::{FrameHash, Role, VideoFingerprint, View, ViewSet};
use crate::hash::Hash;
use crate::hash::pdq::MIN_QUALITY;
use crate::simd::distance::{Kernels, scan};

/// Within so many places it is faster to go there step by step.
const CLOSE: usize = 8;

/// The detail hashes of one kind that a film has, in order of time.
#[derive(Debug, Default)]
pub(super) struct Track {
    times: Vec<f64>,
    hashes: Vec<Hash>,
}

impl Track {
    fn push(&mut self, time: f64, hash: Hash) {
        self.times.push(time);
        self.hashes.push(hash);
    }

    pub(super) fn marks(&self) -> impl ExactSizeIterator<Item = (f64, &Hash)> {
        self.times.iter().copied().zip(&self.hashes)
    }

    /// The time and the hash at a place.
    pub(super) fn get(&self, place: usize) -> Option<(f64, &Hash)> {
        Some((*self.times.get(place)?, self.hashes.get(place)?))
    }

    /// What lies between two times, of which those are left out that come sooner than `apart` after the last one.
    pub(super) fn thinned(&self, between: [f64; 2], apart: f64) -> Self {
        let mut kept = Self::default();
        for (time, hash) in self.between(between).filter_map(|place| self.get(place)) {
            if kept.times.last().is_none_or(|last| time - last >= apart) {
                kept.push(time, *hash);
            }
        }
        kept
    }

    /// The first place that does not come before `time`, sought around `place` first.
    pub(super) fn seek(&self, time: f64, place: usize) -> usize {
        let before = |place: usize| self.times.get(place).is_some_and(|&at| at < time);
        let is_first = |&place: &usize| !before(place) && place.checked_sub(1).is_none_or(before);
        let close = place.saturating_sub(CLOSE)..=(place + CLOSE).min(self.times.len());
        (place..=*close.end())
            .chain((*close.start()..place).rev())
            .find(is_first)
            .unwrap_or_else(|| self.times.partition_point(|&at| at < time))
    }

    /// The places of what lies between two times, inclusive.
    pub(super) fn between(&self, [from, to]: [f64; 2]) -> Range<usize> {
        let first = self.times.partition_point(|&time| time < from);
        first..first + self.times[first..].partition_point(|&time| time <= to)
    }
}

/// How far hashes of a track are from some other one.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// The place of the first of them.
    pub(super) first: usize,
    /// Numbers from there on, and distances.
    found: Vec<(u32, u32)>,
    timed: Vec<(f64, u32)>,
}

impl Near {
    /// Measures how far a hash is from those of a track between two times.
    pub(super) fn measure(&mut self, track: &Track, between: [f64; 2], hash: &Hash) {
        let places = track.between(between);
        self.first = places.start;
        self.found.clear();
        scan(Kernels::current(), &track.hashes[places], hash, 256, &mut self.found);
    }

    pub(super) fn distances(&self) -> impl ExactSizeIterator<Item = u32> {
        self.found.iter().map(|&(_, distance)| distance)
    }

    pub(super) fn least(&self) -> Option<u32> {
        self.distances().min()
    }

    /// The times and the distances of what was measured last, of that track.
    pub(super) fn timed(&mut self, track: &Track) -> &[(f64, u32)] {
        self.timed.clear();
        let times = track.times[self.first.min(track.times.len())..].iter().copied();
        self.timed.extend(times.zip(self.found.iter().map(|&(_, distance)| distance)));
        &self.timed
    }
}

/// A part of the picture, and whether it is shown as it is or as a mean over time.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) view: View,
    pub(super) mean: bool,
    pub(super) asked: Track,
    pub(super) known: Track,
}

/// Both films, by kind.
#[derive(Debug)]
pub(super) struct Tracks {
    pub(super) kinds: Vec<Kind>,
    /// Those of the query.
    pub(super) shots: Shots,
}

impl Tracks {
    /// The hashes with enough detail, of the query only those of views that are asked.
    pub(super) fn new(segment: &Segment, query: &VideoFingerprint, reference: &VideoFingerprint) -> Self {
        let turn = inverse(segment.transform);
        let mut kinds: Vec<Kind> = Vec::new();
        let clear = |frame: &&FrameHash| frame.quality >= MIN_QUALITY && frame.time.is_finite();
        let asked = query.frames.iter().filter(clear).filter(|frame| ViewSet::Standard.asks_of_film(frame.view));
        for (frame, detail) in asked.filter_map(|frame| Some((frame, frame.detail.as_ref()?))) {
            let hash = match &detail.orientations {
                Some(known) => known.get(turn),
                // Of an upload from before, orientations are only nearly known.
                None => laid(&detail.hash, turn),
            };
            kind(&mut kinds, frame).asked.push(frame.time, if segment.inverted { hash.complement() } else { hash });
        }
        // What references are stored with: few views, whatever is listed.
        let known = reference.frames.iter().filter(clear).filter(|frame| ViewSet::Thorough.stores_of_film(frame.view));
        for (frame, detail) in known.filter_map(|frame| Some((frame, frame.detail.as_ref()?))) {
            kind(&mut kinds, frame).known.push(frame.time, detail.hash);
        }
        Self { kinds, shots: Shots::of(query) }
    }
}

fn kind<'k>(kinds: &'k mut Vec<Kind>, frame: &FrameHash) -> &'k mut Kind {
    let (view, mean) = (frame.view, frame.role == Role::Window);
    let place = kinds.iter().position(|kind| (kind.view, kind.mean) == (view, mean)).unwrap_or_else(|| {
        kinds.push(Kind { view, mean, asked: Track::default(), known: Track::default() });
        kinds.len() - 1
    });
    &mut kinds[place]
}
