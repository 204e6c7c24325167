//! The line of a segment, laid anew: hits only say that two pictures are near, and in a scene that moves little everything is
//! near everything, so that a line through the hits is as good as another one beside it. Where each hash of the reference
//! comes nearest to the query tells them apart.

use super::align::{Fit, Line, SPEEDS};
use super::borders::TOGETHER;
use super::profile::{ASTRAY, Profile, profiles};
use super::sighting::{Late, Sighting, shares};
use super::tracks::{Kind, Near, Tracks};
use crate::hash::Hash;

/// Seconds around a segment that are looked at, on both sides.
const AROUND: f64 = 2.0;
/// Pictures further apart than this say nothing.
const FAR: u32 = 70;
/// What is this near or nearer counts in full, and what is further apart the less the nearer it comes to [`FADED`].
const NEAR: f64 = 20.0;
const FADED: f64 = 80.0;
/// A picture has to be so much nearer than those a second before and after it, in bits; with [`SHARP`] more it counts in full.
const BLUNT: f64 = 4.0;
const SHARP: f64 = 30.0;
/// The nearest moment is believed if no other one that is as near is further away, in seconds.
const SPREAD: f64 = 1.5;
/// Seconds that a point may lie off a line.
const TOLERANCE: f64 = 0.4;
/// Another speed than 1 has to agree by so many pictures more.
const PRIOR: f64 = 2.0;
/// That both films begin together, or that they end together, speaks for a line as much as so many pictures.
const MEETING: f64 = 1.0;
/// That both films begin and end together counts as so many pictures more if they are as long as if one were all of the other
/// at a usual speed, less as far as lengths come by that by chance.
const WHOLE: f64 = 2.0;
/// Usual speeds are multiples of this: it is what people choose.
const USUAL: f64 = 0.05;
/// Seconds by which encoding alone makes a film longer or shorter.
const LONGER: f64 = 0.12;
/// Lines of one speed are tried no nearer to one another than this, in seconds.
const APART: f64 = 0.2;
/// So many of the best lines are moved by half a second to find a better one.
const FINER: usize = 8;
/// Seconds by which sampling shifts the ends of a stretch: within that, a speed is 1.
const SHIFT: f64 = 0.12;
/// Speeds at which one film may be as long as the other.
const LEAST_SPEED: f64 = 0.49;
const MOST_SPEED: f64 = 2.05;
/// Most hashes of the reference that are sought, and most points that lines are laid through.
const MOST_KNOWN: usize = 512;
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
    let wider = |[from, to]: [f64; 2]| [from - AROUND, to + AROUND];
    let (query, reference) = (wider(query), wider(reference));
    let (mut points, late) = points(tracks, query, reference, line);
    if points.len() > MAX_POINTS {
        let step = points.len().div_ceil(MAX_POINTS);
        points = points.into_iter().step_by(step).collect();
    }
    let profiles = profiles(tracks, query, reference, line, &late);
    if points.is_empty() && profiles.is_empty() {
        return (line, 0.0);
    }
    let agreed = Agreed { points: &points, profiles: &profiles, lengths, whole: WHOLE * as_long(lengths) };
    let shifted = |line: Line, tenths: i32| Line { offset: line.offset + f64::from(tenths) / 10.0, ..line };
    let scored = |line: Line| (agreed.score(line), line);
    let better = |a: &(f64, Line), b: &(f64, Line)| a.0.total_cmp(&b.0);
    let of_lengths = Some(lengths[1] / lengths[0]).filter(|speed| (LEAST_SPEED..=MOST_SPEED).contains(speed));
    let speeds = SPEEDS.iter().copied().chain(of_lengths).flat_map(|speed| [speed, -speed]).chain([line.speed]);
    let mut best: Vec<(f64, Line)> = (-3..=3).map(|tenths| scored(shifted(line, tenths))).collect();
    for speed in speeds {
        best.sort_by(|a, b| better(b, a));
        best.truncate(FINER);
        let needed = best.get(FINER - 1).map_or(f64::NEG_INFINITY, |last| last.0);
        best.extend(agreed.best(speed, needed));
    }
    best.sort_by(|a, b| better(b, a));
    let finer = best.iter().take(FINER).flat_map(|&(_, line)| (-5..=5).map(move |tenths| shifted(line, tenths)));
    let finer = finer.map(scored).max_by(better);
    let Some((_, laid)) = best.first().copied().into_iter().chain(finer).max_by(better) else { return (line, 0.0) };
    let met = corners(laid.speed, lengths).into_iter().flatten();
    let met = met.filter(|&[q, r]| ((r - laid.offset) / laid.speed - q).abs() <= TOGETHER);
    let clear = agreed.shown(laid);
    points.extend(met.map(|[q, r]| Point { q, r, weight: MEETING }));
    (fitted(&points, laid), clear)
}

/// What may speak for a line.
struct Agreed<'a> {
    points: &'a [Point],
    profiles: &'a [Profile],
    lengths: [f64; 2],
    /// How much it counts that both films begin and end together, beside each of that.
    whole: f64,
}

/// How much it tells that one film is as long as all of the other at a usual speed; nothing if it is not. Two that are equally long
/// are so for a reason, and of other usual speeds there are more the shorter a film is: some length is always near one.
fn as_long([asked, known]: [f64; 2]) -> f64 {
    let speed = (known / asked / USUAL).round() * USUAL;
    if !(LEAST_SPEED..=MOST_SPEED).contains(&speed) || (known / speed - asked).abs() > LONGER {
        return 0.0;
    }
    let chance = 2.0 * LONGER * speed / (USUAL * asked);
    if speed == 1.0 { 1.0 } else { (1.0 - chance).max(0.0) }
}

/// How much of something counts that is so far off, in parts of what it may be.
fn near(off: f64) -> f64 {
    (1.0 - off.powi(2)).max(0.0)
}

impl Agreed<'_> {
    fn shown(&self, line: Line) -> f64 {
        self.points.iter().map(|point| point.weight * near((point.r - line.at(point.q)) / TOLERANCE)).sum()
    }

    /// That both films begin together or end together, and that neither was sped up.
    fn likely(&self, line: Line) -> f64 {
        let [asked, known] = ends(line, self.lengths);
        let [begin, end] = [0, 1].map(|side| near((asked[side] - known[side]) / TOGETHER));
        let meeting = MEETING * (begin + end) + self.whole * begin * end;
        meeting + if line.speed == 1.0 { PRIOR } else { 0.0 }
    }

    fn score(&self, line: Line) -> f64 {
        let profile = |profile: &Profile| profile.at((profile.time() - line.offset) / line.speed);
        self.shown(line) + self.profiles.iter().map(profile).sum::<f64>() + self.likely(line)
    }

    /// Of the lines of one speed through a point, the best time of a profile or a place where both films begin or end, the best;
    /// `None` if it cannot score more than `needed`.
    fn best(&self, speed: f64, needed: f64) -> Option<(f64, Line)> {
        let offset = |[q, r]: [f64; 2]| r - speed * q;
        let through: Vec<f64> = self.points.iter().map(|point| offset([point.q, point.r])).collect();
        let mut offsets = through.clone();
        offsets.extend(self.profiles.iter().map(|profile| offset([profile.best(), profile.time()])));
        offsets.sort_unstable_by(f64::total_cmp);
        offsets.dedup_by(|later, kept| *later - *kept < APART);
        for corner in corners(speed, self.lengths).into_iter().flatten().map(offset) {
            offsets.insert(offsets.partition_point(|offset| *offset < corner), corner);
        }
        // Each adds to the lines that come near it: most come near few.
        let mut scores: Vec<f64> = offsets.iter().map(|&offset| self.likely(Line { speed, offset })).collect();
        for (point, at) in self.points.iter().zip(through) {
            let score = |offset: f64| point.weight * near((at - offset) / TOLERANCE);
            add(&offsets, &mut scores, [at - TOLERANCE, at + TOLERANCE], score);
        }
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most + self.profiles.iter().map(Profile::most).sum::<f64>() <= needed {
            return None;
        }
        for profile in self.profiles {
            let [a, b] = profile.span().map(|query| offset([query, profile.time()]));
            let score = |offset: f64| profile.at((profile.time() - offset) / speed);
            add(&offsets, &mut scores, [a.min(b), a.max(b)], score);
        }
        let scored = scores.into_iter().zip(offsets).map(|(score, offset)| (score, Line { speed, offset }));
        scored.max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// Adds what those of the sorted offsets score that lie in a stretch.
fn add(offsets: &[f64], scores: &mut [f64], [from, to]: [f64; 2], score: impl Fn(f64) -> f64) {
    let first = offsets.partition_point(|&offset| offset < from);
    let those = offsets[first..].iter().zip(&mut scores[first..]).take_while(|(offset, _)| **offset <= to);
    those.for_each(|(offset, sum)| *sum += score(*offset));
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

/// Where the hashes of the reference are found in the query, of each the clearest view, in order of time, and by how much views are too late,
/// which is put right in them.
fn points(tracks: &Tracks, query: [f64; 2], reference: [f64; 2], line: Line) -> (Vec<Point>, Late) {
    let within = |kind: &Kind| kind.known.between(reference);
    let step = tracks.kinds.iter().map(|kind| within(kind).len()).sum::<usize>().div_ceil(MOST_KNOWN).max(1);
    let mut known: Vec<(&Kind, f64, &Hash)> = Vec::new();
    for kind in &tracks.kinds {
        // Of each kind its share: which kinds come near is not known yet.
        let marks = within(kind).step_by(step).filter_map(|place| kind.known.get(place));
        known.extend(marks.map(|(at, hash)| (kind, at, hash)));
    }
    known.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut near = Near::default();
    let sighting = |(kind, r, hash): (&Kind, f64, &Hash)| {
        let at = (r - line.offset) / line.speed;
        let around = [query[0].max(at - ASTRAY), query[1].min(at + ASTRAY)];
        let mut best: Option<Sighting> = None;
        for asked in tracks.kinds.iter().filter(|asked| asked.mean == kind.mean) {
            near.measure(&asked.asked, around, hash);
            let nearer = |least: &u32| *least <= FAR && best.is_none_or(|best| *least < best.distance);
            if let Some(least) = near.least().filter(nearer)
                && let Some((q, weight)) = nearest(near.timed(&asked.asked), least)
            {
                best = Some(Sighting { q, r, weight, distance: least, views: [kind.view, asked.view] });
            }
        }
        best.filter(|best| best.weight > 0.0)
    };
    let seen: Vec<Sighting> = known.into_iter().filter_map(sighting).collect();
    let late = Late::of(&seen);
    let point = |(seen, share): (&Sighting, f64)| Point {
        q: seen.q - late.by(seen.views),
        r: seen.r,
        weight: seen.weight * share,
    };
    let points = seen.iter().zip(shares(&seen)).map(point).filter(|point| point.weight > 0.0).collect();
    (points, late)
}

/// Of times and distances, when it is that the distance is least, and how clearly it stands out.
fn nearest(near: &[(f64, u32)], least: u32) -> Option<(f64, f64)> {
    if near.len() < 3 {
        return None;
    }
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
    let beside = |&&(at, _): &&(f64, u32)| (0.7..=2.5).contains(&(at - time).abs());
    let mut around: Vec<u32> = near.iter().filter(beside).map(|&(_, distance)| distance).collect();
    if around.is_empty() {
        return None;
    }
    let middle = around.len() / 2;
    let (_, usual, _) = around.select_nth_unstable(middle);
    let clear = ((f64::from(*usual - least) - BLUNT) / SHARP).clamp(0.0, 1.0);
    Some((time, weight * clear * ((FADED - f64::from(least)) / (FADED - NEAR)).clamp(0.0, 1.0)))
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
    use crate::fingerprint::{FrameHash, Role, VideoFingerprint, View, Window};
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

    fn segment(both: [f64; 2]) -> Segment {
        let transform = Transform::Original;
        Segment {
            query: both,
            reference: both,
            speed: 1.0,
            transform,
            inverted: false,
            hits: 4,
            distance: 10.0,
            score: 5.0,
        }
    }

    fn mark(time: f64, role: Role, hash: Hash) -> FrameHash {
        FrameHash::of_hashes(time, role, View::Full, hash, Some(hash))
    }

    #[test]
    fn a_copy_of_a_whole_film_is_as_long_as_it_at_a_usual_speed() {
        for lengths in [[60.0, 60.0], [60.0, 60.1], [60.0, 66.0], [48.0, 60.0], [120.0, 60.0], [600.0, 750.05]] {
            assert!(as_long(lengths) > 0.85, "{lengths:?}");
        }
        for lengths in [[60.0, 61.0], [59.63, 60.0], [600.0, 625.0], [f64::INFINITY, 60.0], [60.0, f64::INFINITY]] {
            assert_eq!(as_long(lengths), 0.0, "{lengths:?}");
        }
        assert_eq!([[f64::INFINITY; 2], [0.0, 60.0], [f64::NAN, 1.0]].map(as_long), [0.0; 3]);
        assert_eq!((as_long([5.0, 5.0]), as_long([5.0, 6.1])), (1.0, 0.0), "any short film is as long as some other");
    }

    /// Scenes of ten seconds, in each of which a picture turns into another one by 20 bits a second; some seconds later in the scene.
    fn drifting(time: f64, later: f64) -> Hash {
        let scene = (time / 10.0).floor();
        let mut hash = hash(scene as u64, 0);
        let bits = ((time - scene * 10.0 + later) * 20.0) as usize;
        (0..bits).for_each(|bit| hash.0[bit / 8 % 32] ^= 1 << (bit % 8));
        hash
    }

    /// The camera comes nearer: what the middle of the picture shows the whole of it shows 1.2 s later. A copy is cut halfway between them.
    #[test]
    fn a_crop_is_put_where_it_was_though_the_camera_comes_nearer() {
        // Of the longer film not every hash is looked at.
        for (seconds, hop) in [(10.0, 1.0), (120.0, 0.25)] {
            let times = |hop: f64| (0..).map(move |k| f64::from(k) * hop).take_while(|time| *time < seconds);
            let window = View::Window(Window::centred(90));
            let seen = |time, view, hash| FrameHash::of_hashes(time, Role::Window, view, hash, Some(hash));
            let whole = times(hop).map(|time| seen(time, View::Full, drifting(time, 0.0)));
            let middle = times(2.0 * hop).map(|time| seen(time, window, drifting(time, 1.2)));
            let known = VideoFingerprint::of_frames(seconds, whole.chain(middle).collect());
            let asked = times(0.25).map(|time| seen(time, View::Full, drifting(time, 0.6))).collect();
            let asked = VideoFingerprint::of_frames(seconds, asked);
            let segment = segment([0.0, seconds]);
            let tracks = Tracks::new(&segment, &asked, &known);
            let unknown = [f64::INFINITY; 2];
            for offset in [-0.6, 0.0, 0.6] {
                let (line, _) = course(&tracks, segment.query, segment.reference, Line { speed: 1.0, offset }, unknown);
                assert!([0.0, seconds].iter().all(|&time| (line.at(time) - time).abs() <= 0.3), "{line:?}");
            }
        }
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
        let segment = segment([1.0, 9.0]);
        let tracks = Tracks::new(&segment, &asked, &known);
        let laid =
            |lengths| course(&tracks, segment.query, segment.reference, Line { speed: 1.0, offset: 0.3 }, lengths).0;
        let whole = laid([10.0, 10.0]);
        assert!((whole.speed - 1.0).abs() < 0.02 && whole.at(0.0).abs() < 0.3, "{whole:?}");
        let part = laid([10.0, 40.0]);
        assert!((part.speed - 1.1).abs() < 0.03, "{part:?}");
    }
}
