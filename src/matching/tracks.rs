//! What two films show, moment by moment, ready to be laid side by side: the query in the orientation of one segment.

use super::shots::Shots;
use super::turn::laid;
use super::{Segment, inverse};
use crate::fingerprint::{FrameHash, Role, VideoFingerprint, View, ViewSet};
use crate::hash::Hash;
use crate::hash::pdq::MIN_QUALITY;

/// A detail hash at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) time: f64,
    pub(super) hash: Hash,
    /// Which part of the picture, and whether it is a mean over time: a place in [`Tracks::kinds`].
    pub(super) kind: usize,
}

/// Both films, each in order of time.
#[derive(Debug)]
pub(super) struct Tracks {
    pub(super) asked: Vec<Mark>,
    pub(super) known: Vec<Mark>,
    /// The kinds of marks: the part of the picture, and whether they are means over time.
    pub(super) kinds: Vec<(View, bool)>,
    /// Those of the query.
    pub(super) shots: Shots,
}

impl Tracks {
    /// The marks with enough detail, of the query only those of views that are asked.
    pub(super) fn new(segment: &Segment, query: &VideoFingerprint, reference: &VideoFingerprint) -> Self {
        let turn = inverse(segment.transform);
        let mut kinds = Vec::new();
        let mut mark = |frame: &FrameHash, hash: Hash| {
            let kind = (frame.view, frame.role == Role::Window);
            let kind = kinds.iter().position(|had| *had == kind).unwrap_or_else(|| {
                kinds.push(kind);
                kinds.len() - 1
            });
            Mark { time: frame.time, hash, kind }
        };
        let clear = |frame: &&FrameHash| frame.quality >= MIN_QUALITY && frame.time.is_finite();
        let asked = query.frames.iter().filter(clear).filter(|frame| ViewSet::Standard.asks_of_film(frame.view));
        let asked = asked.filter_map(|frame| {
            let detail = frame.detail.as_ref()?;
            let hash = match &detail.orientations {
                Some(known) => known.get(turn),
                // Of an upload from before, orientations are only nearly known.
                None => laid(&detail.hash, turn),
            };
            Some(mark(frame, if segment.inverted { hash.complement() } else { hash }))
        });
        let asked = asked.collect();
        // What references are stored with: few views, whatever is listed.
        let known = reference.frames.iter().filter(clear).filter(|frame| ViewSet::Thorough.stores_of_film(frame.view));
        let known = known.filter_map(|frame| Some(mark(frame, frame.detail.as_ref()?.hash))).collect();
        Self { asked, known, kinds, shots: Shots::of(query) }
    }
}
