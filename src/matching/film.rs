//! What the hits on one film amount to when the query is a film: stretches of both that show the same.

use super::align::{Agreement, FrameHit, Run, Side, align_each, runs};
use super::borders::settle;
use super::{Pair, Segment, film_slack};
use crate::fingerprint::{ABOVE_LOWER_THIRD, Fingerprint, VideoFingerprint, View};
use crate::hash::Hash;
use crate::hash::pdq::Transform;

/// Seconds that two hashes of one moment may be apart on the line of a segment.
const MOMENT: f64 = 0.4;
/// Detail hashes within this many bits agree.
const AGREES: u32 = 50;
/// The same part of the picture at the same moment is another one if most detail hashes are further apart.
const DISAGREES: u32 = 72;

/// The stretches of two films that show the same, the best first; none unless enough agrees in time.
pub(crate) fn films(pairs: &[Pair], query: &Fingerprint, reference: &Fingerprint, max_distance: u32) -> Vec<Segment> {
    let (Fingerprint::Video(query), Fingerprint::Video(reference)) = (query, reference) else { return Vec::new() };
    let (query_runs, reference_runs) = (runs(&query.frames), runs(&reference.frames));
    let run = |runs: &[Run], at: u32| runs.get(at as usize).copied().unwrap_or_default();
    let hits = pairs.iter().map(|pair| FrameHit {
        query_time: pair.look.time,
        reference_time: pair.time,
        query_run: run(&query_runs, pair.look.item),
        reference_run: run(&reference_runs, pair.ordinal),
        distance: pair.distance,
        detail: pair.detail.map(|detail| detail + film_slack(pair.look.view, pair.view)),
        transform: pair.look.transform,
        inverted: pair.look.inverted,
        sparse: pair.view.is_window(),
    });
    let usual = Agreement::default();
    // A pair that only the detail hash found is judged by that, whatever the radius for PDQ is.
    let agreement = Agreement { max_distance: usual.max_distance.max(max_distance), ..usual };
    let sides = [Side::new(query.duration, &query_runs), Side::new(reference.duration, &reference_runs)];
    let mut segments = align_each(hits, sides, &agreement);
    segments.retain(|segment| !is_template(segment, pairs, query, reference));
    settle(segments, query, reference)
}

/// Whether a segment rests on what two unrelated films of one channel have in common: their whole pictures agree, but
/// above the lower third they do not, time for time, and no part of either film speaks for it.
fn is_template(segment: &Segment, pairs: &[Pair], query: &VideoFingerprint, reference: &VideoFingerprint) -> bool {
    if (segment.transform, segment.inverted) != (Transform::Original, false) || segment.speed <= 0.0 {
        return false;
    }
    let line = |time: f64| segment.reference[0] + (time - segment.query[0]) * segment.speed;
    let on_line = |pair: &&Pair| {
        let within = (segment.query[0]..=segment.query[1]).contains(&pair.look.time);
        within && !pair.look.inverted && (line(pair.look.time) - pair.time).abs() <= MOMENT
    };
    let agreeing = pairs.iter().filter(on_line).filter(|pair| pair.detail.is_some_and(|d| d <= AGREES));
    if agreeing.clone().any(|pair| (pair.look.view, pair.view) != (View::Full, View::Full)) {
        return false;
    }
    let parts = |film: &VideoFingerprint| -> Vec<(f64, Hash)> {
        let parts = film.frames.iter().filter(|frame| frame.view == View::Window(ABOVE_LOWER_THIRD));
        parts.filter_map(|frame| Some((frame.time, frame.detail.as_ref()?.hash))).collect()
    };
    let (asked, known) = (parts(query), parts(reference));
    let mut distances: Vec<u32> = known
        .iter()
        .filter(|(time, _)| (segment.reference[0]..=segment.reference[1]).contains(time))
        .filter_map(|(time, hash)| {
            let apart = |at: f64| (line(at) - time).abs();
            let (at, nearest) = asked.iter().min_by(|a, b| apart(a.0).total_cmp(&apart(b.0)))?;
            (apart(*at) <= MOMENT).then(|| hash.distance(nearest))
        })
        .collect();
    distances.sort_unstable();
    distances.len() >= 2 && distances[distances.len() / 2] > DISAGREES
}

/// So many bits further away a pair still hints at a segment: the frames that would be closer may not have been looked at.
pub(crate) const LEEWAY: u32 = 10;

/// Whether a pair of frames by itself hints at a segment that [`films`] would find if it saw all frames.
pub(crate) fn hint_of_a_segment(pair: &Pair, max_distance: u32) -> bool {
    let usual = Agreement::default();
    let (pdq, detail) = (usual.max_distance.max(max_distance) + LEEWAY, usual.max_detail + LEEWAY);
    match pair.detail {
        Some(distance) => {
            pair.distance.is_none_or(|bits| bits <= pdq) && distance + film_slack(pair.look.view, pair.view) <= detail
        }
        None => pair.distance.is_some_and(|bits| bits <= usual.max_distance.max(max_distance)),
    }
}
