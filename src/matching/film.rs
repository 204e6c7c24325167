//! What the hits on one film amount to when the query is a film: stretches of both that show the same.

use super::align::{Agreement, FrameHit, Run, Side, align_each, runs};
use super::settle::settle;
use super::{Look, PDQ_LIMIT, Pair, Segment, film_slack, inverse};
use crate::fingerprint::{ABOVE_LOWER_THIRD, Fingerprint, VideoFingerprint, View};
use crate::hash::Hash;
use crate::hash::pdq::Transform;

/// Seconds that two hashes of one moment may be apart on the line of a segment.
const MOMENT: f64 = 0.4;
/// Detail hashes within this many bits agree.
const AGREES: u32 = 50;
/// The same part of the picture at the same moment is another one if most detail hashes are further apart.
const DISAGREES: u32 = 72;

/// Which side of a question is the upload, that may be altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Altered {
    /// What asks.
    #[default]
    Asking,
    /// What is stored: a reference asks for uploads from before.
    Stored,
}

impl Altered {
    /// What belongs to the upload, then what belongs to the reference; of what asks, then of what is stored.
    pub(crate) fn first<T>(self, [asks, stored]: [T; 2]) -> [T; 2] {
        match self {
            Self::Asking => [asks, stored],
            Self::Stored => [stored, asks],
        }
    }

    /// How the upload is laid down, seen from the reference.
    pub(crate) fn laid(self, look: &Look) -> Transform {
        match self {
            Self::Asking => look.transform,
            Self::Stored => inverse(look.transform),
        }
    }

    /// When a pair is in the upload and when in the reference.
    fn times(self, pair: &Pair) -> [f64; 2] {
        self.first([pair.look.time, pair.time])
    }
}

/// The stretches of two films that show the same, the best first; none unless enough agrees in time. What asks comes first,
/// and what is stored second; segments have the upload as the query.
pub(crate) fn films(pairs: &[Pair], prints: [&Fingerprint; 2], altered: Altered, max_distance: u32) -> Vec<Segment> {
    let [Fingerprint::Video(query), Fingerprint::Video(reference)] = altered.first(prints) else { return Vec::new() };
    let (query_runs, reference_runs) = (runs(&query.frames), runs(&reference.frames));
    let run = |runs: &[Run], at: u32| runs.get(at as usize).copied().unwrap_or_default();
    let hits = pairs.iter().map(|pair| {
        let [query_time, reference_time] = altered.times(pair);
        let [query_item, reference_item] = altered.first([pair.look.item, pair.ordinal]);
        let [_, reference_view] = altered.first([pair.look.view, pair.view]);
        FrameHit {
            query_time,
            reference_time,
            query_run: run(&query_runs, query_item),
            reference_run: run(&reference_runs, reference_item),
            distance: pair.distance,
            detail: pair.detail.map(|detail| detail + film_slack(pair.look.view, pair.view)),
            transform: altered.laid(&pair.look),
            inverted: pair.look.inverted,
            sparse: reference_view.is_window(),
        }
    });
    let usual = Agreement::default();
    // A pair that only the detail hash found is judged by that, whatever the radius for PDQ is.
    let agreement = Agreement { max_distance: usual.max_distance.max(max_distance), ..usual };
    let sides = [Side::new(query.duration, &query_runs), Side::new(reference.duration, &reference_runs)];
    let mut segments = align_each(hits, sides, &agreement);
    segments.retain(|segment| !is_template(segment, pairs, altered, query, reference));
    settle(segments, query, reference)
}

/// Whether a segment rests on what two unrelated films of one channel have in common: their whole pictures agree, but
/// above the lower third they do not, time for time, and no part of either film speaks for it.
fn is_template(
    segment: &Segment,
    pairs: &[Pair],
    altered: Altered,
    query: &VideoFingerprint,
    reference: &VideoFingerprint,
) -> bool {
    if (segment.transform, segment.inverted) != (Transform::Original, false) || segment.speed <= 0.0 {
        return false;
    }
    let line = |time: f64| segment.reference[0] + (time - segment.query[0]) * segment.speed;
    let on_line = |pair: &&Pair| {
        let [asked, known] = altered.times(pair);
        let within = (segment.query[0]..=segment.query[1]).contains(&asked);
        within
            && !pair.look.inverted
            && altered.laid(&pair.look) == segment.transform
            && (line(asked) - known).abs() <= MOMENT
    };
    let agreeing = pairs.iter().filter(on_line).filter(|pair| pair.detail.is_some_and(|d| d <= AGREES));
    if agreeing.clone().any(|pair| (pair.look.view, pair.view) != (View::Full, View::Full)) {
        return false;
    }
    let parts = |film: &VideoFingerprint| -> Vec<(f64, Hash)> {
        let parts = film.frames.iter().filter(|frame| frame.view == View::Window(ABOVE_LOWER_THIRD));
        parts.filter_map(|frame| Some((frame.time, frame.detail.as_ref()?.hash))).collect()
    };
    let (mut asked, known) = (parts(query), parts(reference));
    asked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let nearest = |at: f64| {
        let after = asked.partition_point(|(time, _)| *time < at);
        let beside = asked.iter().skip(after.saturating_sub(1)).take(2);
        beside.min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()))
    };
    let mut distances: Vec<u32> = known
        .iter()
        .filter(|(time, _)| (segment.reference[0]..=segment.reference[1]).contains(time))
        .filter_map(|(time, hash)| {
            let (at, nearest) = nearest(segment.query[0] + (time - segment.reference[0]) / segment.speed)?;
            ((line(*at) - time).abs() <= MOMENT).then(|| hash.distance(nearest))
        })
        .collect();
    distances.sort_unstable();
    distances.len() >= 2 && distances[distances.len() / 2] > DISAGREES
}

/// So many bits further away a pair still hints at a segment: the frames that would be closer may not have been looked at.
pub(crate) const LEEWAY: u32 = 10;
/// The same for a reference of which something else is near: unrelated pictures hardly come within 80 bits.
pub(crate) const MORE_LEEWAY: u32 = 24;

/// Whether a pair of frames by itself hints at a segment that [`films`] would find if it saw all frames.
pub(crate) fn hint_of_a_segment(pair: &Pair, max_distance: u32, leeway: u32) -> bool {
    let usual = Agreement::default();
    let widest = usual.max_distance.max(max_distance);
    match pair.detail {
        Some(distance) => {
            pair.distance.is_none_or(|bits| bits <= PDQ_LIMIT.max(widest) + leeway)
                && distance + film_slack(pair.look.view, pair.view) <= usual.max_detail + leeway
        }
        None => pair.distance.is_some_and(|bits| bits <= widest),
    }
}
