//! The line of a segment, laid anew: hits only say that two pictures are near, and in a scene that moves little everything is
//! near everything, so that a line through the hits is as good as another one beside it. Where each hash of the reference
//! comes nearest to the query tells them apart.

use super::align::{Fit, Line, SPEEDS};
use super::tracks::Tracks;

/// Seconds around a segment that are looked at, on both sides.
const AROUND: f64 = 2.0;
/// Seconds by which the line may have been wrong.
const ASTRAY: f64 = 15.0;
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
/// Another speed than 1 has to agree this much better.
const PRIOR: f64 = 1.1;
/// A line that less than this speaks for is not taken.
const LEAST: f64 = 1.5;
/// Seconds by which sampling shifts the ends of a stretch: within that, a speed is 1.
const SHIFT: f64 = 0.12;
/// Most points that lines are laid through.
const MAX_POINTS: usize = 128;

/// A moment of the query and the one of the reference that it shows, and how clear that is.
#[derive(Debug, Clone, Copy)]
struct Point {
    q: f64,
    r: f64,
    weight: f64,
}

/// The line that the films agree on best within a segment: `line` itself, unless another one is clearer.
pub(super) fn course(tracks: &Tracks, query: [f64; 2], reference: [f64; 2], line: Line) -> Line {
    let mut points = points(tracks, query, reference, line);
    if points.len() > MAX_POINTS {
        let step = points.len().div_ceil(MAX_POINTS);
        points = points.into_iter().step_by(step).collect();
    }
    let agreeing = |line: Line| -> f64 {
        let off = |point: &Point| (point.r - line.at(point.q)) / TOLERANCE;
        points.iter().map(|point| point.weight * (1.0 - off(point).powi(2)).max(0.0)).sum()
    };
    let mut best: Option<(f64, Line)> = None;
    for speed in SPEEDS.iter().flat_map(|&speed| [speed, -speed]).chain([line.speed]) {
        let prior = if speed == 1.0 { PRIOR } else { 1.0 };
        for point in &points {
            let laid = Line { speed, offset: point.r - speed * point.q };
            let score = agreeing(laid);
            if best.is_none_or(|(had, _)| score * prior > had) {
                best = Some((score * prior, laid));
            }
        }
    }
    let Some((_, laid)) = best else { return line };
    let score = agreeing(laid);
    let shifted = |tenths: i32| Line { offset: line.offset + f64::from(tenths) / 10.0, ..line };
    let before = (-3..=3).map(|tenths| agreeing(shifted(tenths))).fold(0.0, f64::max);
    if score < before.max(LEAST) { line } else { fitted(&points, laid) }
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
