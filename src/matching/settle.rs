//! Segments as they are reported: lines laid anew, parts told apart, borders put, and what was found twice dropped.

use super::Segment;
use super::align::{Line, covered, shadowed};
use super::course::course;
use super::moments::Moments;
use super::parts::{Part, parts};
use super::shots::Cut;
use super::tracks::Tracks;
use crate::fingerprint::VideoFingerprint;

/// Parts of a segment change where the query cuts, if it does within so many seconds of where they seem to.
const CUT_NEAR: f64 = 0.75;
/// Segments no further apart in the query than this, in seconds, are looked at together.
const MEETS: f64 = 1.0;
/// A part of a segment scores no less than this, as what makes a segment by itself.
const LEAST_SCORE: f64 = 3.0;
/// Lines of parts that are no further apart than this, in seconds, are one.
const SAME_LINE: f64 = 0.6;
/// A part that comes this near to the next one goes on to it, in seconds; a shorter one than [`SHORTEST`] is none.
const PART_CLOSE: f64 = 1.0;
const SHORTEST: f64 = 0.5;

/// Lays the lines of the segments that [`align`](super::align::align) found anew, by all that both films' fingerprints hold, puts their borders
/// where the films part, and drops those that turn out to be others again: the strongest come first, and hide later ones. Segments that meet
/// may come back as other ones, a part of the reference each, between which hits and scores are shared out by what speaks for them. What is
/// too short, or of which the fingerprints tell nothing more, comes back as it was. [`compare`](super::align::compare) has done it.
///
/// The hashes of both films are in order of time, as [`VideoFingerprint::of_frames`] leaves them; where they are not, borders lie anywhere.
pub fn settle(segments: Vec<Segment>, query: &VideoFingerprint, reference: &VideoFingerprint) -> Vec<Segment> {
    let mut kept: Vec<Segment> = Vec::new();
    let mut clear: Vec<f64> = Vec::new();
    for chain in chains(segments) {
        let before = kept.len();
        let (parts, placed) = places(chain, query, reference);
        for (segment, how) in placed {
            // Parts were told from one another.
            let had = if parts { before } else { kept.len() };
            // A scene is near all that is like it, and clear where it is.
            let blunt = kept[..had]
                .iter()
                .zip(&clear)
                .any(|(kept, clear)| how * 2.0 < *clear && covered(segment.query, kept.query) > 0.8);
            if !blunt && !shadowed(&segment, &kept[..had]) {
                kept.push(segment);
                clear.push(how);
            }
        }
    }
    kept
}

/// Segments of one orientation that meet in the query, in the order of the strongest of each.
fn chains(segments: Vec<Segment>) -> Vec<Vec<Segment>> {
    let mut chains: Vec<Vec<Segment>> = Vec::new();
    for segment in segments {
        let meets = |other: &Segment| {
            (other.transform, other.inverted) == (segment.transform, segment.inverted)
                && other.query[0] <= segment.query[1] + MEETS
                && segment.query[0] <= other.query[1] + MEETS
        };
        let mut met = chains.extract_if(.., |chain| chain.iter().any(meets));
        let Some(mut first) = met.next() else {
            drop(met);
            chains.push(vec![segment]);
            continue;
        };
        met.for_each(|chain| first.extend(chain));
        first.push(segment);
        first.sort_by(|a, b| b.score.total_cmp(&a.score));
        chains.push(first);
    }
    chains.sort_by(|a, b| b[0].score.total_cmp(&a[0].score));
    chains
}

/// Lays segments anew, or the parts that they turn out to have; whether it is those, and how clear the line of each is.
pub(super) fn places(
    chain: Vec<Segment>,
    query: &VideoFingerprint,
    reference: &VideoFingerprint,
) -> (bool, Vec<(Segment, f64)>) {
    let Some(first) = chain.first() else { return (false, Vec::new()) };
    let tracks = Tracks::new(first, query, reference);
    let length = |film: &VideoFingerprint| if film.duration > 0.0 { film.duration } else { f64::INFINITY };
    let lengths = [length(query), length(reference)];
    let lines: Vec<Line> = chain.iter().filter_map(line_of).collect();
    let hull = |of: fn(&Segment) -> [f64; 2]| {
        let sides = chain.iter().map(of);
        sides.reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]).unwrap_or_default()
    };
    let parts = parts(&tracks, hull(|segment| segment.query), hull(|segment| segment.reference), &lines);
    let cuts: Vec<f64> = parts.windows(2).map(|two| cut(two[0].query[1], &tracks.shots.cuts)).collect();
    let whole = Segment {
        hits: chain.iter().map(|segment| segment.hits).sum(),
        score: chain.iter().map(|segment| segment.score).sum(),
        ..first.clone()
    };
    let part = |(number, part): (usize, &Part)| {
        let begin = number.checked_sub(1).and_then(|before| cuts.get(before)).copied().unwrap_or(f64::NEG_INFINITY);
        let end = cuts.get(number).copied().unwrap_or(f64::INFINITY);
        let span = [begin.max(part.query[0]).max(0.0), end.min(part.query[1]).min(lengths[0])];
        part_of(&whole, &tracks, part, span, [begin, end], lengths)
    };
    let mut joined: Vec<(Segment, f64)> = Vec::new();
    for (segment, clear) in parts.iter().enumerate().filter_map(part) {
        match joined.last_mut() {
            Some((last, had)) if goes_on(last, &segment) => {
                last.query[1] = segment.query[1];
                let both = [last.reference, segment.reference];
                last.reference = [both[0][0].min(both[1][0]), both[0][1].max(both[1][1])];
                last.hits += segment.hits;
                last.score += segment.score;
                *had += clear;
            }
            _ => joined.push((segment, clear)),
        }
    }
    if joined.len() > 1 {
        joined.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        return (true, joined);
    }
    let alone = |mut segment: Segment| {
        let Some(line) = line_of(&segment) else { return (segment, 0.0) };
        let clear = place(&mut segment, &tracks, line, lengths);
        (segment, clear)
    };
    (false, chain.into_iter().map(alone).collect())
}

/// Whether one part goes on in the next, along the same line.
fn goes_on(before: &Segment, after: &Segment) -> bool {
    let lines = line_of(before).zip(line_of(after));
    let same = |(a, b): (Line, Line)| {
        let ends = [before.query[0], before.query[1], after.query[0], after.query[1]];
        a.speed * b.speed > 0.0 && ends.iter().all(|&time| (a.at(time) - b.at(time)).abs() <= SAME_LINE)
    };
    after.query[0] - before.query[1] <= MEETS && lines.is_some_and(same)
}

/// When the query cuts at about this time: where its picture changes most, if it does.
fn cut(time: f64, cuts: &[Cut]) -> f64 {
    let near = cuts.iter().filter(|cut| (cut.time - time).abs() <= CUT_NEAR);
    near.max_by_key(|cut| cut.bits).map_or(time, |cut| cut.time)
}

/// One of several parts of a segment, which shows `span` of the query and nothing outside of `within`.
fn part_of(
    segment: &Segment,
    tracks: &Tracks,
    part: &Part,
    span: [f64; 2],
    within: [f64; 2],
    lengths: [f64; 2],
) -> Option<(Segment, f64)> {
    let shown = |line: Line, query: [f64; 2]| {
        let [a, b] = query.map(|time| line.at(time));
        [a.min(b), a.max(b)].map(|time| time.clamp(0.0, lengths[1]))
    };
    let mut found = Segment {
        query: span,
        reference: shown(part.line, span),
        speed: part.line.speed,
        hits: ((f64::from(segment.hits) * part.share).round() as u32).max(1),
        score: (segment.score * part.share).max(LEAST_SCORE),
        ..segment.clone()
    };
    if span[1] - span[0] < SHORTEST {
        return None;
    }
    let clear = place(&mut found, tracks, part.line, lengths);
    let line = line_of(&found)?;
    // Where the next part begins this one ends; a little before that it goes on.
    let mut query = [found.query[0].max(within[0]), found.query[1].min(within[1])];
    if query[0] - within[0] <= PART_CLOSE {
        query[0] = within[0];
    }
    if within[1] - query[1] <= PART_CLOSE {
        query[1] = within[1];
    }
    if query[1] - query[0] < SHORTEST {
        return None;
    }
    (found.query, found.reference) = (query, shown(line, query));
    Some((found, clear))
}

/// The line of a segment as it was found, if it has one.
fn line_of(segment: &Segment) -> Option<Line> {
    let [begin, end] = segment.query;
    let [first, last] = segment.reference;
    if end - begin < 1e-3 || last - first < 1e-3 {
        return None;
    }
    let speed = (last - first) / (end - begin) * segment.speed.signum();
    let offset = if speed > 0.0 { first - begin * speed } else { last - begin * speed };
    (speed.is_finite() && offset.is_finite() && speed != 0.0).then_some(Line { speed, offset })
}

/// Lays the line of a segment anew and puts its borders; how clear the line is, see [`course`].
fn place(segment: &mut Segment, tracks: &Tracks, line: Line, lengths: [f64; 2]) -> f64 {
    let (line, clear) = course(tracks, segment.query, segment.reference, line, lengths);
    let Some(borders) = Moments::along(tracks, line, segment.query, lengths).borders(segment.query, &tracks.shots.cuts)
    else {
        return clear;
    };
    let known = borders.map(|time| line.at(time));
    segment.query = borders;
    segment.reference = [known[0].min(known[1]), known[0].max(known[1])].map(|time| time.clamp(0.0, lengths[1]));
    segment.speed = (line.speed * 1000.0).round() / 1000.0;
    clear
}
