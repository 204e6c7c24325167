//! The line of a segment, laid anew: hits only say that two pictures are near, and in a scene that moves little everything is
//! near everything, so that a line through the hits is as good as another one beside it. Where each hash of the reference
//! comes nearest to the query tells them apart.

use super::align::{Fit, Line, SPEEDS};
use super::borders::{MEETING, TOGETHER};
use super::profile::{ASTRAY, profiles};
use super::tracks::Tracks;

/// Seconds around a segment that are looked at, on both sides.
const AROUND: f64 = 2.0;
/// Pictures further apart than this say nothing.
const FAR: u32 = 70;
/// What is this near or nearer counts in full.
const NEAR: f64 = 40.0;
/// A picture has to be so much nearer than those a second before and after it, in bits; with [`SHARP`] more it counts in full.
const BLUNT: f64 = 4.0;
const SHARP: f64 = 30.0;
/// The nearest moment is believed if no other one that is as near is further away, in seconds.
const SPREAD: f64 = 1.5;
/// Seconds that a point may lie off a line.
const TOLERANCE: f64 = 0.4;
/// Another speed than 1 has to agree by so many pictures more.
const PRIOR: f64 = 2.0;
/// Lines of one speed are tried no nearer to one another than this, in seconds.
const APART: f64 = 0.2;
/// So many of the best lines are moved by half a second to find a better one.
const FINER: usize = 8;
/// Seconds by which sampling shifts the ends of a stretch: within that, a speed is 1.
const SHIFT: f64 = 0.12;
/// Speeds at which one film may be as long as the other.
const LEAST_SPEED: f64 = 0.49;
const MOST_SPEED: f64 = 2.05;
/// Most points that lines are laid through.
const MAX_POINTS: usize = 128;

/// A moment of the query and the one of the reference that it shows, and how clear that is.
#[derive(Debug, Clone, Copy)]
struct Point {
    q: f64,
    r: f64,
    weight: f64,
}

/// The line that the films agree on best within a segment: `line` itself, unless another one is clearer. A line along which both
/// films begin or end together has that for it as well; their `lengths` are infinite where they are not known. With it comes how
/// much is clear along it: of how many pictures it is told where they are.
pub(super) fn course(
    tracks: &Tracks,
    query: [f64; 2],
    reference: [f64; 2],
    line: Line,
    lengths: [f64; 2],
) -> (Line, f64) {
    let mut points = points(tracks, query, reference, line);
    if points.len() > MAX_POINTS {
        let step = points.len().div_ceil(MAX_POINTS);
        points = points.into_iter().step_by(step).collect();
    }
    let wider = |[from, to]: [f64; 2]| [from - AROUND, to + AROUND];
    let profiles = profiles(tracks, wider(query), wider(reference), line);
    if points.is_empty() && profiles.is_empty() {
        return (line, 0.0);
    }
    let near = |off: f64| (1.0 - off.powi(2)).max(0.0);
    let shown = |line: Line| -> f64 {
        points.iter().map(|point| point.weight * near((point.r - line.at(point.q)) / TOLERANCE)).sum()
    };
    let likely = |line: Line| -> f64 {
        profiles.iter().map(|profile| profile.at((profile.time - line.offset) / line.speed)).sum()
    };
    let meeting = |line: Line| -> f64 {
        let [asked, known] = ends(line, lengths);
        [0, 1].map(|side| MEETING * near((asked[side] - known[side]) / TOGETHER)).iter().sum()
    };

    let prior = |line: Line| if line.speed == 1.0 { PRIOR } else { 0.0 };
    let agreeing = |line: Line| shown(line) + likely(line) + meeting(line) + prior(line);
    let shifted = |line: Line, tenths: i32| Line { offset: line.offset + f64::from(tenths) / 10.0, ..line };
    let scored = |line: Line| (agreeing(line), line);
    let better = |a: &(f64, Line), b: &(f64, Line)| a.0.total_cmp(&b.0);
    let through = points.iter().map(|point| [point.q, point.r]);
    let through: Vec<[f64; 2]> = through.chain(profiles.iter().map(|profile| [profile.best(), profile.time])).collect();
    let whole = Some(lengths[1] / lengths[0]).filter(|speed| (LEAST_SPEED..=MOST_SPEED).contains(speed));
    let speeds = SPEEDS.iter().copied().chain(whole).flat_map(|speed| [speed, -speed]).chain([line.speed]);
    let mut best: Vec<(f64, Line)> = (-3..=3).map(|tenths| scored(shifted(line, tenths))).collect();
    best.extend(speeds.filter_map(|speed| {
        let offset = |[q, r]: [f64; 2]| r - speed * q;
        let mut offsets: Vec<f64> = through.iter().copied().map(offset).collect();
        offsets.sort_by(f64::total_cmp);
        offsets.dedup_by(|later, kept| *later - *kept < APART);
        offsets.extend(corners(speed, lengths).into_iter().flatten().map(offset));
        offsets.into_iter().map(|offset| scored(Line { speed, offset })).max_by(better)
    }));
    best.sort_by(|a, b| better(b, a));
    let finer = best.iter().take(FINER).flat_map(|&(_, line)| (-5..=5).map(move |tenths| shifted(line, tenths)));
    let finer = finer.map(scored).max_by(better);
    let Some((_, laid)) = best.first().copied().into_iter().chain(finer).max_by(better) else { return (line, 0.0) };
    let met = corners(laid.speed, lengths).into_iter().flatten();
    let met = met.filter(|&[q, r]| ((r - laid.offset) / laid.speed - q).abs() <= TOGETHER);
    let clear = shown(laid);
    points.extend(met.map(|[q, r]| Point { q, r, weight: MEETING }));
    (fitted(&points, laid), clear)
}

/// Where the query begins and ends, and where the reference does, in time of the query.
pub(super) fn ends(line: Line, [asked, known]: [f64; 2]) -> [[f64; 2]; 2] {
    let back = [0.0, known].map(|time| (time - line.offset) / line.speed);
    [[0.0, asked], [back[0].min(back[1]), back[0].max(back[1])]]
}

/// The begin and the end of the query beside that of the reference that would meet it at such a speed.
fn corners(speed: f64, [asked, known]: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let [first, last] = if speed > 0.0 { [0.0, known] } else { [known, 0.0] };
    (asked.is_finite() && known.is_finite()).then_some([[0.0, first], [asked, last]])
}

/// Where the hashes of the reference are found in the query, of each the clearest view.
fn points(tracks: &Tracks, query: [f64; 2], reference: [f64; 2], line: Line) -> Vec<Point> {
    let within = |[from, to]: [f64; 2], time: f64| time >= from - AROUND && time <= to + AROUND;
    let mut out = Vec::new();
    let mut near: Vec<(f64, u32)> = Vec::new();
    for known in tracks.known.iter().filter(|known| within(reference, known.time)) {
        let at = (known.time - line.offset) / line.speed;
        let from = tracks.asked.partition_point(|asked| asked.time < at - ASTRAY);
        let asked = || tracks.asked[from..].iter().take_while(|asked| asked.time <= at + ASTRAY);
        let mut best: Option<(u32, Point)> = None;
        for kind in 0..tracks.kinds.len() {
            if tracks.kinds[kind].1 != tracks.kinds[known.kind].1 {
                continue;
            }
            let of_kind = asked().filter(|asked| asked.kind == kind && within(query, asked.time));
            near.clear();
            near.extend(of_kind.map(|asked| (asked.time, asked.hash.distance(&known.hash))));
            if let Some((distance, q, weight)) = nearest(&near)
                && best.is_none_or(|(had, _)| distance < had)
            {
                best = Some((distance, Point { q, r: known.time, weight }));
            }
        }
        out.extend(best.map(|(_, point)| point).filter(|point| point.weight > 0.0));
    }
    out
}

/// Of times and distances, the least distance, when that is, and how clearly it stands out.
fn nearest(near: &[(f64, u32)]) -> Option<(u32, f64, f64)> {
    let least = near.iter().map(|&(_, distance)| distance).min().filter(|&least| least <= FAR && near.len() >= 3)?;
    let first = near.iter().position(|&(_, distance)| distance == least)?;
    let last = near.iter().rposition(|&(_, distance)| distance == least)?;
    let (from, to) = (near[first].0, near[last].0);
    if to - from > SPREAD {
        return None;
    }
    let mut time = near[first..=last].iter().filter(|pair| pair.1 == least).map(|pair| pair.0).sum::<f64>()
        / near[first..=last].iter().filter(|pair| pair.1 == least).count() as f64;
    let mut weight = 0.5;
    if let Some((before, after)) = first.checked_sub(1).and_then(|at| near.get(at)).zip(near.get(last + 1)) {
        // It lies nearer to the neighbour that is more like it. At either end it may lie beyond.
        weight = 1.0;
        let (apart, [a, b]) = (after.0 - before.0, [before, after].map(|pair| f64::from(pair.1 - least)));
        if apart < 2.0 {
            time += apart / 4.0 * (a - b) / a.max(b).max(1.0);
        }
    }
    let mut around: Vec<u32> = near
        .iter()
        .filter(|&&(at, _)| (0.7..=2.5).contains(&(at - time).abs()))
        .map(|&(_, distance)| distance)
        .collect();
    around.sort_unstable();
    let usual = around.get(around.len() / 2)?;
    let clear = ((f64::from(usual - least) - BLUNT) / SHARP).clamp(0.0, 1.0);
    Some((least, time, weight * clear * ((2.0 * NEAR - f64::from(least)) / NEAR).clamp(0.0, 1.0)))
}

/// The line through what lies on it.
fn fitted(points: &[Point], mut line: Line) -> Line {
    for _ in 0..5 {
        let on = points.iter().filter(|point| (point.r - line.at(point.q)).abs() <= TOLERANCE);
        match Fit::of(on.map(|point| [point.q, point.r, point.weight])) {
            Some(fit) if !fit.at_once => line = fit.line(line.speed, SHIFT),
            _ => break,
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::Segment;
    use super::*;
    use crate::fingerprint::{FrameHash, Role, VideoFingerprint, View};
    use crate::hash::Hash;
    use crate::hash::pdq::Transform;

    fn hash(seed: u64, worn: usize) -> Hash {
        let word = |k: u64| {
            (seed * 4 + k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        let mut hash = Hash::from_words([0, 1, 2, 3].map(word));
        (0..worn).for_each(|bit| hash.0[bit / 8] ^= 1 << (bit % 8));
        hash
    }

    fn mark(time: f64, role: Role, hash: Hash) -> FrameHash {
        FrameHash::of_hashes(time, role, View::Full, hash, Some(hash))
    }

    /// Four pictures of the reference, of which a slow scene shows the last two a little early.
    #[test]
    fn a_line_along_which_both_films_begin_and_end_together_is_preferred() {
        let shown = [(2.0, 2.0), (4.0, 4.0), (5.65, 6.0), (7.4, 8.0)];
        let asked = (0..200).map(|k| f64::from(k) / 20.0).map(|t| {
            let (at, nearest) =
                shown.iter().enumerate().min_by(|a, b| (a.1.0 - t).abs().total_cmp(&(b.1.0 - t).abs())).unwrap();
            mark(t, Role::Window, hash(at as u64, ((nearest.0 - t).abs() * 100.0).min(110.0) as usize))
        });
        let asked = VideoFingerprint::of_frames(10.0, asked.collect());
        let known = shown.iter().enumerate().map(|(at, (_, r))| mark(*r, Role::Window, hash(at as u64, 0)));
        let known = VideoFingerprint::of_frames(10.0, known.collect());
        let segment = Segment {
            query: [1.0, 9.0],
            reference: [1.0, 9.0],
            speed: 1.0,
            transform: Transform::Original,
            inverted: false,
            hits: 4,
            distance: 10.0,
            score: 5.0,
        };
        let tracks = Tracks::new(&segment, &asked, &known);
        let laid =
            |lengths| course(&tracks, segment.query, segment.reference, Line { speed: 1.0, offset: 0.3 }, lengths).0;
        let whole = laid([10.0, 10.0]);
        assert!((whole.speed - 1.0).abs() < 0.02 && whole.at(0.0).abs() < 0.3, "{whole:?}");
        let part = laid([10.0, 40.0]);
        assert!((part.speed - 1.1).abs() < 0.03, "{part:?}");
    }
}
