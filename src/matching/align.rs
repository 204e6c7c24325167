//! From single hits to stretches of film: hits between one query and one reference that agree on one line
//! `reference time = speed * query time + offset` are gathered into segments.
//!
//! A hit at a wide radius proves little, many that agree in time prove much, but only if they show different pictures: a
//! scene without motion gives any number of hits, so a run of nearly equal hashes counts once, on either side. A second
//! hash that rests on other properties of the picture (the detail hash) has to agree, since films that share a template
//! agree in time as well.

use std::cmp::Ordering;

pub use super::compare::compare;
pub use super::runs::{Run, runs};
pub use super::settle::settle;
use super::{PDQ_LIMIT, Segment};
use crate::hash::pdq::Transform;

/// One hash of the query close to one hash of the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameHit {
    /// Seconds from the begin of the query.
    pub query_time: f64,
    /// Seconds from the begin of the reference.
    pub reference_time: f64,
    /// Which picture of the query, as [`runs`] numbers them.
    pub query_run: Run,
    /// Which picture of the reference, in the same way.
    pub reference_run: Run,
    /// Distance of the PDQ hashes, where both sides have one.
    pub distance: Option<u32>,
    /// Distance of the detail hashes, where both sides have one.
    pub detail: Option<u32>,
    /// How the query is laid down, seen from the reference.
    pub transform: Transform,
    /// Whether the query is the negative of the reference.
    pub inverted: bool,
    /// Whether the reference has such hashes only every two seconds, as those of windows of the picture.
    pub sparse: bool,
}

/// How much has to agree.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Agreement {
    /// Seconds that a hit may lie off its line, inclusive; below 0 it is as 0.
    pub tolerance: f64,
    /// The most seconds of the query without a hit within a segment, inclusive.
    pub gap: f64,
    /// Seconds by which a segment reaches beyond its first and last hit, twice that beyond a sparse one: half of the time
    /// to where the next would have been.
    pub reach: f64,
    /// Hits farther apart than this are not looked at if they have no detail hashes; with them, up to 95.
    pub max_distance: u32,
    /// Hits whose detail hashes are farther apart than this are not looked at.
    pub max_detail: u32,
    /// Hashes below this quality are not compared by [`compare`].
    pub min_quality: u8,
    /// The sum of weights of different pictures (see [`weight`]) that makes a segment.
    pub needed: f64,
}

impl Default for Agreement {
    fn default() -> Self {
        Self { tolerance: 0.6, gap: 8.0, reach: 0.5, max_distance: 64, max_detail: 50, min_quality: 50, needed: 3.0 }
    }
}

/// One of the two films whose hits are aligned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// Playing time in seconds; segments do not reach beyond it.
    pub duration: f64,
    /// How many different scenes it has, as [`runs`] numbers them.
    pub scenes: u32,
    /// Whether its pictures are plain, but for one in ten.
    pub plain: bool,
}

impl Side {
    /// The side of a film whose hashes were numbered by [`runs`].
    pub fn new(duration: f64, runs: &[Run]) -> Self {
        let pictures = different(runs.iter().map(|run| run.number)).len();
        let others = different(runs.iter().filter(|run| !run.plain).map(|run| run.number)).len();
        let scenes = runs.iter().map(|run| run.scene + 1).max().unwrap_or(0);
        Self { duration, scenes, plain: others * 10 <= pictures }
    }
}

/// The different ones of these numbers, in order.
fn different(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// What one hit weighs: 1 at the edge of what is looked at, more where chance is out of the question.
///
/// A pair of unrelated pictures comes within 31 bits about once in ten million, and hardly ever in both hashes.
pub fn weight(distance: Option<u32>, detail: Option<u32>) -> f64 {
    match (distance, detail) {
        (Some(0..=31), Some(0..=47)) => 3.0,
        (Some(0..=31), Some(_)) => 1.0,
        (Some(0..=24), None) => 3.0,
        (Some(0..=31), None) => 1.5,
        (Some(32..=48), Some(0..=47)) => 1.5,
        (None, Some(0..=24)) => 3.0,
        (None, Some(25..=36)) => 1.5,
        _ => 1.0,
    }
}

/// So many different scenes make a segment, where both films have as many.
const LEAST_SCENES: u32 = 2;
/// So many different plain pictures a countdown has at most, as [`runs`] tells scenes apart: from ten to nought it has seven.
const MOST_NUMBERS: usize = 9;
/// Of what agrees, the share that is not plain on both sides and is enough.
const NOT_PLAIN: f64 = 1.0 / 3.0;
/// Speeds that are tried; each also backwards.
pub(super) const SPEEDS: [f64; 25] = [
    1.0, 0.5, 0.53, 0.56, 0.6, 0.63, 0.67, 0.71, 0.75, 0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.18, 1.25, 1.33, 1.41, 1.5,
    1.58, 1.67, 1.78, 1.88, 2.0,
];
/// Seconds by which sampling alone shifts the ends of a stretch.
const SHIFT: f64 = 0.25;
/// Another speed than 1 has to agree this much better.
const SPEED_PRIOR: f64 = 1.2;
/// Most hits of one orientation that are looked at; the closest are kept.
const MAX_HITS: usize = 20_000;
/// Most segments of one pair of films; the strongest are kept.
const MAX_SEGMENTS: usize = 64;
/// Most hits that are looked at for one pair of films, each as often as lines are sought in which it may lie: films that show one
/// scene for hours agree on any number of lines, none of which makes a segment.
const MOST_LOOKED_AT: usize = MAX_SEGMENTS * MAX_HITS;

/// The segments that the hits of one query on one reference amount to, the strongest first. The sides are the query's and
/// the reference's.
///
/// One scene alone makes a segment only if one of the films has no other: unrelated films share a test card or a still. Nor
/// do plain pictures, as the numbers of a countdown, unless one of the films has hardly anything else, or there are more of
/// them than a countdown has.
pub fn align(hits: &[FrameHit], sides: [Side; 2], agreement: &Agreement) -> Vec<Segment> {
    align_each(hits.iter().copied(), sides, agreement)
}

/// As [`align`], of hits that need not lie in memory.
pub(super) fn align_each(
    hits: impl Iterator<Item = FrameHit>,
    sides: [Side; 2],
    agreement: &Agreement,
) -> Vec<Segment> {
    let mut gathered = Gathered::new(*agreement);
    hits.for_each(|hit| gathered.push(hit));
    gathered.segments(sides)
}

/// Hits as they come, of which only as many are held as are looked at.
pub(super) struct Gathered {
    agreement: Agreement,
    /// By how the query is laid down and whether it is the negative.
    groups: Vec<((Transform, bool), Vec<Point>)>,
}

impl Gathered {
    pub(super) fn new(agreement: Agreement) -> Self {
        Self { agreement, groups: Vec::new() }
    }

    pub(super) fn push(&mut self, hit: FrameHit) {
        let agreement = &self.agreement;
        let near = match hit.detail {
            Some(detail) => {
                let most = PDQ_LIMIT.max(agreement.max_distance);
                detail <= agreement.max_detail && hit.distance.is_none_or(|distance| distance <= most)
            }
            None => hit.distance.is_some_and(|distance| distance <= agreement.max_distance),
        };
        if !near || !hit.query_time.is_finite() || !hit.reference_time.is_finite() {
            return;
        }
        let point = Point {
            q: hit.query_time,
            r: hit.reference_time,
            runs: [hit.query_run, hit.reference_run],
            distance: hit.distance.or(hit.detail).unwrap_or(256),
            weight: weight(hit.distance, hit.detail),
            sparse: hit.sparse,
            plain: u8::from(hit.query_run.plain) + u8::from(hit.reference_run.plain),
        };
        let key = (hit.transform, hit.inverted);
        match self.groups.iter_mut().find(|(had, _)| *had == key) {
            Some((_, points)) => {
                points.push(point);
                if points.len() >= 2 * MAX_HITS {
                    closest(points);
                }
            }
            None => self.groups.push((key, vec![point])),
        }
    }

    /// The segments that they amount to, the strongest first.
    pub(super) fn segments(self, sides: [Side; 2]) -> Vec<Segment> {
        let Self { agreement, groups } = self;
        let agreement = &agreement;
        let durations = sides.map(|side| side.duration);
        let scenes = sides[0].scenes.min(sides[1].scenes).clamp(1, LEAST_SCENES) as usize;
        let plain = sides.iter().any(|side| side.plain);
        let mut found: Vec<(f64, Segment)> = Vec::new();
        let work = MOST_LOOKED_AT / groups.len().max(1);
        for ((transform, inverted), mut points) in groups {
            closest(&mut points);
            points.sort_by(|a, b| a.q.total_cmp(&b.q).then(a.r.total_cmp(&b.r)));
            let mut seen = Seen::number(&mut points);
            let mut looked_at = 0;
            while looked_at < work {
                looked_at += points.len();
                let Some(line) = best_line(&points, agreement, &mut seen) else { break };
                let before = points.len();
                for stretch in stretches(&points, line, agreement) {
                    let (strength, different) = evidence(&stretch, &mut seen);
                    let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { continue };
                    if strength >= agreement.needed
                        && different >= scenes
                        && (plain || shows_more(&stretch, strength, agreement, &mut seen))
                    {
                        found.push((
                            strength,
                            segment(&stretch, first, last, line, strength, durations, transform, inverted, agreement),
                        ));
                    }
                }
                points.retain(|p| (p.r - line.at(p.q)).abs() > agreement.tolerance * 2.0);
                if points.len() == before {
                    break;
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut segments: Vec<Segment> = Vec::new();
        for (_, segment) in found {
            if segments.len() == MAX_SEGMENTS {
                break;
            }
            if !shadowed(&segment, &segments) {
                segments.push(segment);
            }
        }
        segments
    }
}

/// Leaves the [`MAX_HITS`] closest, of equally close ones the first; the same whether they come at once or bit by bit.
fn closest(points: &mut Vec<Point>) {
    if points.len() > MAX_HITS {
        points.sort_by_key(|point| point.distance);
        points.truncate(MAX_HITS);
    }
}

/// Whether a segment is one of those that are kept over again: a scene that hardly moves, or one that repeats, agrees with
/// itself at other offsets and turns as well.
pub(super) fn shadowed(segment: &Segment, kept: &[Segment]) -> bool {
    kept.iter().any(|kept| {
        covered(segment.query, kept.query) > 0.5 && covered(segment.reference, kept.reference) > 0.5
            || covered(segment.query, kept.query) > 0.5
                && (segment.transform, segment.inverted) != (kept.transform, kept.inverted)
            || covered(segment.query, kept.query) > 0.8 && segment.hits * 2 < kept.hits
    })
}

#[derive(Debug, Clone, Copy)]
struct Point {
    q: f64,
    r: f64,
    runs: [Run; 2],
    distance: u32,
    weight: f64,
    sparse: bool,
    /// On how many sides it is plain.
    plain: u8,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) speed: f64,
    pub(super) offset: f64,
}

impl Line {
    pub(super) fn at(self, q: f64) -> f64 {
        self.speed * q + self.offset
    }
}

/// Which pictures and scenes of both films were met; those of the points are numbered without gaps.
struct Seen {
    /// By side: in which turn a picture was met last.
    pictures: [Vec<u32>; 2],
    scenes: [Vec<u32>; 2],
    turn: u32,
}

impl Seen {
    /// Numbers the pictures and the scenes of the points anew.
    fn number(points: &mut [Point]) -> Self {
        let mut seen = Self { pictures: Default::default(), scenes: Default::default(), turn: 0 };
        for side in [0, 1] {
            let pictures = different(points.iter().map(|point| point.runs[side].number));
            let scenes = different(points.iter().map(|point| point.runs[side].scene));
            for point in points.iter_mut() {
                let run = &mut point.runs[side];
                run.number = pictures.partition_point(|&number| number < run.number) as u32;
                run.scene = scenes.partition_point(|&number| number < run.scene) as u32;
            }
            seen.pictures[side] = vec![0; pictures.len()];
            seen.scenes[side] = vec![0; scenes.len()];
        }
        seen
    }

    /// From here on, nothing has been met yet.
    fn clear(&mut self) {
        self.turn += 1;
    }

    /// Whether neither picture was met; then both are.
    fn meets(&mut self, [q, r]: [Run; 2]) -> bool {
        let [query, reference] = &mut self.pictures;
        let [q, r] = [&mut query[q.number as usize], &mut reference[r.number as usize]];
        let new = *q != self.turn && *r != self.turn;
        if new {
            (*q, *r) = (self.turn, self.turn);
        }
        new
    }

    /// How many scenes of one side there are.
    fn scenes(&mut self, points: &[Point], side: usize) -> usize {
        self.clear();
        let (scenes, turn) = (&mut self.scenes[side], self.turn);
        points
            .iter()
            .filter(|point| std::mem::replace(&mut scenes[point.runs[side].scene as usize], turn) != turn)
            .count()
    }
}

/// The strongest first, of equally strong ones the closest.
fn by_weight(a: &Point, b: &Point) -> Ordering {
    b.weight.total_cmp(&a.weight).then(a.distance.cmp(&b.distance))
}

/// Windows of offsets of one speed that are looked at more closely.
const WINDOWS: usize = 4;

/// The line on which most agrees, fitted to what lies on it; `None` if no line has enough.
fn best_line(points: &[Point], agreement: &Agreement, seen: &mut Seen) -> Option<Line> {
    if points.iter().map(|point| point.weight).sum::<f64>() < agreement.needed {
        return None;
    }
    let mut ranked: Vec<Point> = points.to_vec();
    ranked.sort_by(by_weight);
    let mut best: Option<(f64, Line)> = None;
    let (mut offsets, mut sorted) = (Vec::with_capacity(points.len()), Vec::with_capacity(points.len()));
    for speed in SPEEDS.iter().flat_map(|&speed| [speed, -speed]) {
        offsets.clear();
        offsets.extend(ranked.iter().map(|p| Weighed::new(p.r - speed * p.q, p.weight)));
        sorted.clone_from(&offsets);
        sorted.sort_unstable();
        let prior = if speed == 1.0 { SPEED_PRIOR } else { 1.0 };
        // The window of offsets with the largest plain weight, then what its different pictures weigh.
        for Window { plain, from, to } in windows(&sorted, 2.0 * agreement.tolerance.max(0.0)) {
            if plain < agreement.needed || best.is_some_and(|(score, _)| plain * prior <= score) {
                break;
            }
            seen.clear();
            let members =
                ranked.iter().zip(&offsets).filter(|(_, offset)| (from.least()..=to.most()).contains(*offset));
            let score: f64 = members.filter(|(point, _)| seen.meets(point.runs)).map(|(point, _)| point.weight).sum();
            // Backwards and at another speed, a handful of hits lies on some line by chance.
            if score >= agreement.needed * if speed > 0.0 { 1.0 } else { 1.5 }
                && best.is_none_or(|(had, _)| score * prior > had)
            {
                best = Some((score * prior, Line { speed, offset: (from.offset() + to.offset()) / 2.0 }));
            }
        }
    }
    let (_, mut line) = best?;
    for _ in 0..6 {
        let on = points.iter().filter(|p| (p.r - line.at(p.q)).abs() <= agreement.tolerance);
        let fit = Fit::of(on.map(|p| [p.q, p.r, p.weight]));
        match fit.map(|fit| fit.line(line.speed, SHIFT)) {
            Some(next) if (next.speed - line.speed).abs() > 1e-4 || (next.offset - line.offset).abs() > 1e-3 => {
                line = next
            }
            _ => break,
        }
    }
    Some(line)
}

/// An offset and a weight in one number, by which offsets are sorted fast: the last bits of the offset are the weight, in halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weighed(u64);

impl Weighed {
    const WEIGHT: u64 = 7;
    const SIGN: u64 = 1 << 63;

    fn new(offset: f64, weight: f64) -> Self {
        let bits = offset.to_bits();
        let ordered = if bits & Self::SIGN == 0 { bits | Self::SIGN } else { !bits };
        Self(ordered & !Self::WEIGHT | (weight * 2.0) as u64 & Self::WEIGHT)
    }

    fn offset(self) -> f64 {
        let bits = if self.0 & Self::SIGN != 0 { self.0 & !Self::SIGN } else { !self.0 };
        f64::from_bits(bits & !Self::WEIGHT)
    }

    /// The least and the most that has this offset.
    fn least(self) -> Self {
        Self(self.0 & !Self::WEIGHT)
    }

    fn most(self) -> Self {
        Self(self.0 | Self::WEIGHT)
    }

    fn weight(self) -> f64 {
        (self.0 & Self::WEIGHT) as f64 / 2.0
    }
}

/// A stretch of offsets, and what all hits in it weigh.
#[derive(Debug, Clone, Copy)]
struct Window {
    plain: f64,
    from: Weighed,
    to: Weighed,
}

/// Of sorted offsets, the heaviest windows of a width, the heaviest first.
fn windows(sorted: &[Weighed], width: f64) -> impl Iterator<Item = Window> + use<> {
    let mut heaviest: [Option<Window>; WINDOWS] = [None; WINDOWS];
    // What a window has to weigh to be kept.
    let mut needed = 0.0;
    let (mut first, mut plain) = (0, 0.0);
    let mut begin = sorted.first().map_or(0.0, |one| one.offset());
    for (place, to) in sorted.iter().enumerate() {
        plain += to.weight();
        while to.offset() - begin > width {
            plain -= sorted[first].weight();
            first += 1;
            begin = sorted[first].offset();
        }
        // What follows in the same window is heavier.
        if plain > needed && sorted.get(place + 1).is_none_or(|next| next.offset() - begin > width) {
            let heavier = |had: &Option<Window>| had.is_none_or(|had| plain > had.plain);
            if let Some(place) = heaviest.iter().position(heavier) {
                heaviest[place..].rotate_right(1);
                heaviest[place] = Some(Window { plain, from: sorted[first], to: *to });
                needed = heaviest[WINDOWS - 1].map_or(0.0, |last| last.plain);
            }
        }
    }
    heaviest.into_iter().flatten()
}

/// Least squares through weighted points of the query's time and the reference's.
pub(super) struct Fit {
    q: f64,
    r: f64,
    slope: f64,
    /// The furthest that a point is from the middle, in the query.
    length: f64,
    /// All points are at one time of the query: they tell no speed.
    pub(super) at_once: bool,
}

impl Fit {
    /// Of points `[q, r, weight]`; `None` if they weigh nothing.
    pub(super) fn of(points: impl Iterator<Item = [f64; 3]> + Clone) -> Option<Self> {
        let total: f64 = points.clone().map(|[.., weight]| weight).sum();
        if total <= 0.0 {
            return None;
        }
        let q = points.clone().map(|[q, _, weight]| q * weight).sum::<f64>() / total;
        let r = points.clone().map(|[_, r, weight]| r * weight).sum::<f64>() / total;
        let spread: f64 = points.clone().map(|[at, _, weight]| (at - q).powi(2) * weight).sum();
        let slope = points.clone().map(|[at, to, weight]| (at - q) * (to - r) * weight).sum::<f64>() / spread.max(1e-9);
        let length = points.map(|[at, ..]| (at - q).abs()).fold(0.0, f64::max);
        Some(Self { q, r, slope, length, at_once: spread <= 1e-6 })
    }

    /// The line, its speed held within 12 per cent of where it was, and at 1, or backwards at -1, where that moves no end by `shift`:
    /// sampling alone moves them by so much. It never turns around.
    pub(super) fn line(&self, speed: f64, shift: f64) -> Line {
        let reach = speed.abs() * 0.12;
        let mut slope = if self.at_once { speed } else { self.slope.clamp(speed - reach, speed + reach) };
        let exact = speed.signum();
        if (slope - exact).abs() * self.length < shift {
            slope = exact;
        }
        Line { speed: slope, offset: self.r - slope * self.q }
    }
}

/// What the different pictures among the points weigh together, and how many scenes they are: each run of either side
/// counts once, the closest first.
fn evidence(points: &[Point], seen: &mut Seen) -> (f64, usize) {
    let mut ranked: Vec<Point> = points.to_vec();
    ranked.sort_by(by_weight);
    seen.clear();
    let sum = ranked.iter().filter(|point| seen.meets(point.runs)).map(|point| point.weight).sum();
    (sum, seen.scenes(points, 0).min(seen.scenes(points, 1)))
}

/// Whether what agrees, so strongly in all, is more than a countdown: enough that is not plain, or more plain pictures than that has.
fn shows_more(points: &[Point], strength: f64, agreement: &Agreement, seen: &mut Seen) -> bool {
    let mut of =
        |kept: fn(u8) -> bool| evidence(&points.iter().copied().filter(|p| kept(p.plain)).collect::<Vec<_>>(), seen);
    // What is plain on one side only, as under a caption, counts where it is not the edge of something that is plain on both.
    of(|plain| plain == 0).0 >= agreement.needed
        || of(|plain| plain < 2).0 >= strength * NOT_PLAIN
        || of(|plain| plain > 0).1 > MOST_NUMBERS
}

/// The points on the line, cut where nothing is for too long.
fn stretches(points: &[Point], line: Line, agreement: &Agreement) -> Vec<Vec<Point>> {
    let mut out: Vec<Vec<Point>> = Vec::new();
    for point in points.iter().filter(|p| (p.r - line.at(p.q)).abs() <= agreement.tolerance) {
        match out.last_mut() {
            Some(stretch) if stretch.last().is_some_and(|last| point.q - last.q <= agreement.gap) => {
                stretch.push(*point)
            }
            _ => out.push(vec![*point]),
        }
    }
    out
}

#[allow(clippy::too_many_arguments)]
fn segment(
    stretch: &[Point],
    first: &Point,
    last: &Point,
    line: Line,
    score: f64,
    durations: [f64; 2],
    transform: Transform,
    inverted: bool,
    agreement: &Agreement,
) -> Segment {
    let clip = |[from, to]: [f64; 2], end: f64| {
        let end = if end.is_finite() && end > 0.0 { end } else { f64::INFINITY };
        [from.clamp(0.0, end), to.clamp(0.0, end)]
    };
    let reach = |point: &Point| agreement.reach * if point.sparse { 2.0 } else { 1.0 };
    let query = clip([first.q - reach(first), last.q + reach(last)], durations[0]);
    let (a, b) = (line.at(query[0]), line.at(query[1]));
    let reference = clip([a.min(b), a.max(b)], durations[1]);
    // Where the reference ends, so does the query.
    let query = match line.speed {
        speed if speed > 0.0 => clip(
            [query[0].max((reference[0] - line.offset) / speed), query[1].min((reference[1] - line.offset) / speed)],
            durations[0],
        ),
        speed => clip(
            [query[0].max((reference[1] - line.offset) / speed), query[1].min((reference[0] - line.offset) / speed)],
            durations[0],
        ),
    };
    let mut times: Vec<f64> = stretch.iter().map(|p| p.q).collect();
    times.dedup();
    Segment {
        query,
        reference,
        speed: (line.speed * 1000.0).round() / 1000.0,
        transform,
        inverted,
        hits: times.len() as u32,
        distance: stretch.iter().map(|p| f64::from(p.distance)).sum::<f64>() / stretch.len() as f64,
        score,
    }
}

/// The share of the interval that lies within the other one.
pub(super) fn covered(of: [f64; 2], by: [f64; 2]) -> f64 {
    let common = (of[1].min(by[1]) - of[0].max(by[0])).max(0.0);
    common / (of[1] - of[0]).max(1e-6)
}

#[cfg(test)]
mod tests;
