//! Two films at hand, hash by hash.

use super::align::{Agreement, FrameHit, Gathered, Side};
use super::runs::runs;
use super::settle::settle;
use super::{PDQ_LIMIT, Segment, film_slack, inverse};
use crate::fingerprint::{FrameHash, VideoFingerprint, ViewSet};
use crate::hash::Hash;
use crate::hash::pdq::{Orientations, Transform};

/// Compares two films hash by hash: what a store of the views [`ViewSet::Standard`] does by its index, for two films at
/// hand. Films that share a lower third alone are for the store to refuse.
pub fn compare(query: &VideoFingerprint, reference: &VideoFingerprint, agreement: &Agreement) -> Vec<Segment> {
    let (query_runs, reference_runs) = (runs(&query.frames), runs(&reference.frames));
    let mut gathered = Gathered::new(*agreement);
    let clear = |frame: &FrameHash| frame.quality >= agreement.min_quality;
    let asked = |frame: &FrameHash| ViewSet::Standard.asks_of_film(frame.view);
    let stored = |frame: &FrameHash| ViewSet::Standard.stores_of_film(frame.view);
    for (q, &query_run) in query.frames.iter().zip(&query_runs).filter(|(frame, _)| clear(frame) && asked(frame)) {
        let all = |known: &Option<Box<Orientations>>, one: Hash| known.as_ref().map_or([one; 8], |known| known.all());
        let pdq = q.hash.map(|hash| all(&q.orientations, hash));
        let details = q.detail.as_ref().map(|detail| all(&detail.orientations, detail.hash));
        let turns = if q.orientations.is_some() { Transform::ALL.len() } else { 1 };
        for (r, reference_run) in
            reference.frames.iter().zip(&reference_runs).filter(|(frame, _)| clear(frame) && stored(frame))
        {
            for turn in 0..turns {
                for inverted in [false, true] {
                    let laid = |distance: u32| if inverted { 256 - distance } else { distance };
                    let distance = pdq.as_ref().zip(r.hash).map(|(q, r)| laid(q[turn].distance(&r)));
                    if distance.is_some_and(|distance| distance > PDQ_LIMIT.max(agreement.max_distance)) {
                        continue;
                    }
                    let apart = film_slack(q.view, r.view);
                    let detail = details.as_ref().zip(r.detail.as_ref());
                    let detail = detail.map(|(q, r)| apart + laid(q[turn].distance(&r.hash)));
                    gathered.push(FrameHit {
                        query_time: q.time,
                        reference_time: r.time,
                        query_run,
                        reference_run: *reference_run,
                        distance,
                        detail,
                        transform: inverse(Transform::ALL[turn]),
                        inverted,
                        sparse: r.view.is_window(),
                    });
                }
            }
        }
    }
    let sides = [Side::new(query.duration, &query_runs), Side::new(reference.duration, &reference_runs)];
    settle(gathered.segments(sides), query, reference)
}
