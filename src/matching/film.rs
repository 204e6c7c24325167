//! What the hits on one film amount to when the query is a film: stretches of both that show the same.

use super::align::{Agreement, FrameHit, align, runs};
use super::{Pair, Segment};
use crate::fingerprint::Fingerprint;

/// The stretches of two films that show the same, the best first; none unless enough agrees in time.
pub(crate) fn films(
    pairs: &[Pair<'_>],
    query: &Fingerprint,
    reference: &Fingerprint,
    max_distance: u32,
) -> Vec<Segment> {
    let (Fingerprint::Video(query), Fingerprint::Video(reference)) = (query, reference) else { return Vec::new() };
    let (query_runs, reference_runs) = (runs(&query.frames), runs(&reference.frames));
    let run = |runs: &[u32], at: u32| runs.get(at as usize).copied().unwrap_or(u32::MAX);
    let hits: Vec<FrameHit> = pairs
        .iter()
        .map(|pair| FrameHit {
            query_time: pair.look.time,
            reference_time: pair.time,
            query_run: run(&query_runs, pair.look.item),
            reference_run: run(&reference_runs, pair.ordinal),
            distance: pair.distance,
            detail: pair.detail,
            transform: pair.look.transform,
            inverted: pair.look.inverted,
        })
        .collect();
    let usual = Agreement::default();
    // A pair that only the detail hash found is judged by that, whatever the radius for PDQ is.
    let agreement = Agreement { max_distance: usual.max_distance.max(max_distance), ..usual };
    align(&hits, [query.duration, reference.duration], &agreement)
}
