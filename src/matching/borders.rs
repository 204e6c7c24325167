//! Where a segment begins and ends: outwards along its line, as far as more speaks for the same film than against it.

use std::collections::BTreeMap;

use super::Segment;
use super::align::{Line, shadowed};
use super::course::course;
use super::tracks::{Mark, Tracks};
use crate::fingerprint::VideoFingerprint;

/// Detail hashes within this many bits agree where a segment is known to lie: unrelated pictures hardly come within 100.
const AGREES: u32 = 80;
/// Further apart than this they speak for another film, if pictures of their kinds agree within the segment.
const DISAGREES: u32 = 92;
/// Pictures of two kinds are alike in a segment if this share of its moments agrees; else they say nothing about its end: a
/// crop is like one window of the reference and like nothing else.
const ALIKE: f64 = 0.8;
/// Seconds of the query that hashes of one moment may be apart, and of the reference; of means over time that disagree, less.
const MOMENT: [f64; 2] = [0.4, 0.5];
const MEANS: f64 = 0.3;
/// Seconds without a hash in which a film may have stood still: it is hashed again every 3 s.
const STILL: f64 = 3.5;
/// What speaks for and against is counted once in this many seconds.
const COUNTED: f64 = 0.25;
/// Seconds beyond the end of a film in which hashes are still looked at: a line is not laid more exactly.
const BEYOND: f64 = 0.3;
/// Seconds of which nothing is known that end a segment.
const UNKNOWN: f64 = 8.0;
/// So many seconds before the end of either film are counted in if nothing speaks against it, and if both end there, more.
const END: f64 = 2.6;
const BOTH_END: f64 = 5.0;
/// Both films end at one time if that is no further apart, in seconds.
const TOGETHER: f64 = 0.5;
/// The most by which a segment reaches beyond the last moment that agrees, if there is one later that does not: half of the
/// way to that.
const REACH: f64 = 1.0;
/// The same where nothing is known of what comes after.
const SHORT_REACH: f64 = 0.5;

/// Lays the segments' lines anew, puts their borders where the films part, and drops those that turn out to be others again.
pub(super) fn settle(segments: Vec<Segment>, query: &VideoFingerprint, reference: &VideoFingerprint) -> Vec<Segment> {
    let mut kept: Vec<Segment> = Vec::new();
    for mut segment in segments {
        place(&mut segment, query, reference);
        if !shadowed(&segment, &kept) {
            kept.push(segment);
        }
    }
    kept
}

fn place(segment: &mut Segment, query: &VideoFingerprint, reference: &VideoFingerprint) {
    let [begin, end] = segment.query;
    let [first, last] = segment.reference;
    if end - begin < 1e-3 || last - first < 1e-3 {
        return;
    }
    let speed = (last - first) / (end - begin) * segment.speed.signum();
    let offset = if speed > 0.0 { first - begin * speed } else { last - begin * speed };
    let tracks = Tracks::new(segment, query, reference);
    let line = course(&tracks, segment.query, segment.reference, Line { speed, offset });
    let length = |film: &VideoFingerprint| if film.duration > 0.0 { film.duration } else { f64::INFINITY };
    let lengths = [length(query), length(reference)];
    let Some(borders) = Moments::along(&tracks, line, segment.query, lengths).borders(segment.query) else { return };
    let known = borders.map(|time| line.at(time));
    segment.query = borders;
    segment.reference = [known[0].min(known[1]), known[0].max(known[1])].map(|time| time.clamp(0.0, lengths[1]));
    segment.speed = (line.speed * 1000.0).round() / 1000.0;
}

/// What speaks for one film and against it at a time of the query.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// 1 for, less than 0 against.
    weight: f64,
    from: f64,
    to: f64,
}

struct Moments {
    /// By the time of the query, in steps of [`COUNTED`].
    all: BTreeMap<i64, Moment>,
    /// Where the query begins and ends and where the reference does, in time of the query.
    ends: [[f64; 2]; 2],
}

/// A hash of one film beside the nearest hash of one kind of the other.
struct Pair {
    /// In the query.
    time: f64,
    distance: u32,
    /// Which kinds, if they are so near in time that they have to agree: of the hash, of the other, and whose the hash is.
    kinds: Option<(usize, usize, bool)>,
}

impl Moments {
    /// The hashes of both films side by side, along a line.
    fn along(tracks: &Tracks, line: Line, core: [f64; 2], [asked, known]: [f64; 2]) -> Self {
        let back = [0.0, known].map(|time| (time - line.offset) / line.speed);
        let ends = [[0.0, asked], [back[0].min(back[1]), back[0].max(back[1])]];
        let mut pairs = Vec::new();
        let within = |time: f64| ends.iter().all(|[from, to]| time >= from - BEYOND && time <= to + BEYOND);
        for mark in &tracks.known {
            let time = (mark.time - line.offset) / line.speed;
            if within(time) {
                let gap = |other: &Mark| (line.at(other.time) - mark.time).abs() / line.speed.abs();
                beside(tracks, mark, time, &tracks.asked, time, MOMENT[0], &gap, false, &mut pairs);
            }
        }
        for mark in &tracks.asked {
            if within(mark.time) {
                let at = line.at(mark.time);
                let gap = |other: &Mark| (other.time - at).abs();
                beside(tracks, mark, mark.time, &tracks.known, at, MOMENT[1], &gap, true, &mut pairs);
            }
        }
        Self { all: counted(&pairs, core), ends }
    }

    /// The stretch around the middle of `core` for which most speaks.
    fn borders(&self, core: [f64; 2]) -> Option<[f64; 2]> {
        let middle = (core[0] + core[1]) / 2.0;
        let agreeing = self.all.iter().filter(|(_, moment)| moment.weight > 0.0);
        let inside = agreeing.filter(|(_, moment)| moment.to >= core[0] && moment.from <= core[1]);
        let apart = |moment: &Moment| ((moment.from + moment.to) / 2.0 - middle).abs();
        let (&seed, _) = inside.min_by(|a, b| apart(a.1).total_cmp(&apart(b.1)))?;
        let earlier: Vec<Moment> = self.all.range(..=seed).rev().map(|(_, moment)| *moment).collect();
        let later: Vec<Moment> = self.all.range(seed..).map(|(_, moment)| *moment).collect();
        // Time runs backwards towards the begin.
        let mirrored =
            earlier.iter().map(|m| Moment { weight: m.weight, from: -m.to, to: -m.from }).collect::<Vec<_>>();
        let begin = -end(&mirrored, self.ends.map(|[from, _]| -from))?;
        let end = end(&later, self.ends.map(|[_, to]| to))?;
        (begin < end).then_some([begin, end])
    }
}

/// Where the stretch that starts with the first of these moments ends, and where the films do.
fn end(moments: &[Moment], ends: [f64; 2]) -> Option<f64> {
    let (mut sum, mut most, mut reached) = (0.0, 0.0, 0);
    let mut known = moments.first()?.to;
    for (at, moment) in moments.iter().enumerate() {
        if moment.from - known > UNKNOWN {
            break;
        }
        known = moment.to;
        sum += moment.weight;
        if moment.weight > 0.0 && sum >= most {
            (most, reached) = (sum, at);
        }
    }
    let last = moments.get(reached)?.to;
    let over = ends[0].min(ends[1]);
    let against = moments.get(reached + 1..)?.iter().find(|moment| moment.weight < 0.0).map(|moment| moment.from);
    let end = match against.filter(|&time| time <= over) {
        Some(time) => last + ((time - last) / 2.0).min(REACH),
        None if over - last <= if (ends[0] - ends[1]).abs() <= TOGETHER { BOTH_END } else { END } => over,
        None => last + SHORT_REACH,
    };
    Some(end.min(over))
}

/// The distances of a hash to those of one kind.
struct Nearest {
    kind: usize,
    /// The least of those of its moment.
    near: Option<u32>,
    /// Whether one of them is so close in time that it has to agree.
    close: bool,
    /// That of the last one before.
    before: Option<u32>,
}

/// Adds a hash of one film beside the nearest hashes of the other, of each kind the nearest: those around `at`, no more than
/// `moment` away, or, since nothing changed after it, the last one before.
#[allow(clippy::too_many_arguments)]
fn beside(
    tracks: &Tracks,
    mark: &Mark,
    time: f64,
    others: &[Mark],
    at: f64,
    moment: f64,
    gap: &dyn Fn(&Mark) -> f64,
    asked: bool,
    pairs: &mut Vec<Pair>,
) {
    let mean = |kind: usize| tracks.kinds.get(kind).is_some_and(|kind| kind.1);
    let mut nearest: Vec<Nearest> = Vec::new();
    let from = others.partition_point(|other| other.time < at - STILL);
    for other in others[from..].iter().take_while(|other| other.time <= at + moment) {
        let (apart, distance) = (gap(other), mark.hash.distance(&other.hash));
        let place = nearest.iter().position(|had| had.kind == other.kind).unwrap_or_else(|| {
            nearest.push(Nearest { kind: other.kind, near: None, close: false, before: None });
            nearest.len() - 1
        });
        let entry = &mut nearest[place];
        if apart <= moment {
            entry.near = Some(entry.near.map_or(distance, |had| had.min(distance)));
            entry.close |= !mean(mark.kind) || apart <= MEANS;
        } else if other.time <= at {
            entry.before = Some(distance);
        }
    }
    for Nearest { kind, near, close, before } in nearest {
        let Some(distance) = near.or(before.filter(|_| !mean(mark.kind))) else { continue };
        let comparable = near.is_some() && close && mean(mark.kind) == mean(kind);
        pairs.push(Pair { time, distance, kinds: comparable.then_some((mark.kind, kind, asked)) });
    }
}

/// What the pairs say, step by step: for one film if any agrees, against it if kinds that are alike in `core` do not.
fn counted(pairs: &[Pair], core: [f64; 2]) -> BTreeMap<i64, Moment> {
    let mut agreed: BTreeMap<(usize, usize, bool), [u32; 2]> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| pair.time >= core[0] - 0.01 && pair.time <= core[1] + 0.01) {
        if let Some(kinds) = pair.kinds {
            let [yes, all] = agreed.entry(kinds).or_default();
            *yes += u32::from(pair.distance <= AGREES);
            *all += 1;
        }
    }
    let alike = |kinds| -> Option<f64> {
        let &[yes, all] = agreed.get(&kinds)?;
        let share = f64::from(yes) / f64::from(all);
        (all >= 2 && share >= ALIKE).then_some(share)
    };
    let mut moments: BTreeMap<i64, Moment> = BTreeMap::new();
    for pair in pairs {
        let weight = match pair.distance {
            0..=AGREES => 1.0,
            distance if distance > DISAGREES => match pair.kinds.and_then(alike) {
                Some(share) => -share,
                None => continue,
            },
            _ => continue,
        };
        let new = Moment { weight, from: pair.time, to: pair.time };
        let moment = moments.entry((pair.time / COUNTED).floor() as i64).or_insert(new);
        if weight > 0.0 && moment.weight > 0.0 {
            *moment = Moment { weight, from: moment.from.min(pair.time), to: moment.to.max(pair.time) };
        } else if weight > 0.0 || moment.weight < 0.0 && weight < moment.weight {
            *moment = new;
        }
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{DetailHash, FrameHash, Role, View, Window};
    use crate::hash::Hash;
    use crate::hash::pdq::Transform;

    fn word(seed: u64) -> u64 {
        let z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 32)
    }

    /// The hash of a picture, `worn` bits of which are turned over.
    fn hash(seed: u64, worn: usize) -> Hash {
        let mut hash = Hash::from_words([0, 1, 2, 3].map(|k| word(seed * 4 + k)));
        (0..worn).for_each(|bit| hash.0[bit * 3 / 8 % 32] ^= 1 << (bit * 3 % 8));
        hash
    }

    fn mark(time: f64, role: Role, view: View, hash: Hash) -> FrameHash {
        let detail = Some(DetailHash { hash, orientations: None });
        FrameHash { time, role, view, hash: Some(hash), quality: 100, stability: 1.0, orientations: None, detail }
    }

    /// A frame every half second of picture `picture(at)`.
    fn film(count: u64, worn: usize, picture: impl Fn(u64) -> u64) -> VideoFingerprint {
        let frame = |at: u64| mark(at as f64 / 2.0, Role::Frame, View::Full, hash(picture(at), worn));
        VideoFingerprint::of_frames(count as f64 / 2.0, (0..count).map(frame).collect())
    }

    fn segment(query: [f64; 2], reference: [f64; 2], speed: f64) -> Segment {
        Segment {
            query,
            reference,
            speed,
            transform: Transform::Original,
            inverted: false,
            hits: 5,
            distance: 20.0,
            score: 9.0,
        }
    }

    fn placed(mut segment: Segment, query: &VideoFingerprint, reference: &VideoFingerprint) -> Segment {
        place(&mut segment, query, reference);
        segment
    }

    fn near(found: [f64; 2], truth: [f64; 2], by: f64) -> bool {
        found.iter().zip(truth).all(|(a, b)| (a - b).abs() <= by)
    }

    #[test]
    fn a_segment_goes_on_as_long_as_the_films_agree_loosely() {
        let known = film(60, 0, |at| at);
        // Seconds 5 to 20 of the query are seconds 10 to 25 of the reference.
        let asked = film(50, 60, |at| if (10..40).contains(&at) { at + 10 } else { at + 1000 });
        let found = placed(segment([10.0, 14.0], [15.0, 19.0], 1.0), &asked, &known);
        assert!(near(found.query, [4.75, 19.75], 0.1) && near(found.reference, [9.75, 24.75], 0.1), "{found:?}");
        let found = placed(segment([10.0, 14.0], [15.0, 19.0], 1.0), &film(50, 110, |at| at + 10), &known);
        assert_eq!(found.query, [10.0, 14.0], "what does not agree even loosely adds nothing");
    }

    #[test]
    fn a_segment_that_was_found_too_long_is_shortened() {
        let known = film(60, 0, |at| at);
        let asked = film(60, 30, |at| if (10..40).contains(&at) { at } else { at + 1000 });
        let found = placed(segment([4.0, 21.5], [4.0, 21.5], 1.0), &asked, &known);
        assert!(near(found.query, [4.75, 19.75], 0.1), "{found:?}");
    }

    #[test]
    fn a_scene_without_motion_is_walked_over() {
        let seldom = |mut film: VideoFingerprint, phase: f64, until: f64| {
            film.frames.retain(|frame| frame.time <= 10.0 || frame.time >= until || (frame.time - phase) % 3.0 == 0.0);
            film
        };
        let asked = seldom(film(50, 0, |at| at.min(20)), 1.5, 30.0);
        let found =
            placed(segment([2.0, 9.0], [2.0, 9.0], 1.0), &asked, &seldom(film(50, 0, |at| at.min(20)), 0.0, 30.0));
        assert!(near(found.query, [0.0, 25.0], 0.1), "both end there and nothing speaks against it: {found:?}");
        let changes = film(50, 0, |at| if at < 32 { at.min(20) } else { at + 500 });
        let found = placed(segment([2.0, 9.0], [2.0, 9.0], 1.0), &asked, &seldom(changes, 0.0, 16.0));
        assert!(near(found.query, [0.0, 16.0], 1.5), "{found:?}");
    }

    #[test]
    fn backwards_and_up_to_the_ends_of_both() {
        let known = film(40, 0, |at| at);
        let asked = film(40, 50, |at| 39 - at);
        let found = placed(segment([8.0, 12.0], [7.5, 11.5], -1.0), &asked, &known);
        assert!(near(found.query, [0.0, 19.75], 0.3) && near(found.reference, [0.0, 19.5], 0.3), "{found:?}");
        let inverted = Segment { inverted: true, ..segment([8.0, 12.0], [7.5, 11.5], -1.0) };
        assert_eq!(placed(inverted, &asked, &known).query, [8.0, 12.0]);
    }

    #[test]
    fn no_segment_goes_beyond_the_end_of_the_reference() {
        // The last picture of the reference goes on in the query, as a black end does.
        let known = film(24, 0, |at| at);
        let asked = film(60, 0, |at| (at.saturating_sub(10)).min(23));
        let found = placed(segment([8.0, 14.0], [3.0, 9.0], 1.0), &asked, &known);
        assert!(near(found.query, [5.0, 17.0], 0.5) && found.reference[1] <= 12.0, "{found:?}");
    }

    /// Of a crop, one window every two seconds is like the reference, and whole pictures are not.
    #[test]
    fn kinds_that_are_alike_say_where_a_crop_ends_and_others_say_nothing() {
        let window = View::Window(Window::centred(80));
        let mut known = film(60, 0, |at| at);
        known.frames.extend(
            (0..15)
                .map(|at| f64::from(at) * 2.0)
                .map(|time| mark(time, Role::Window, window, hash(5000 + (time * 2.0) as u64, 0))),
        );
        let known = VideoFingerprint::of_frames(30.0, known.frames);
        let cropped = |until: u64| {
            let mut asked = film(60, 0, |at| 9000 + at);
            let picture = |at: u64| if at < until { 5000 + at } else { 7000 + at };
            asked
                .frames
                .extend((0..60).map(|at| mark(at as f64 / 2.0, Role::Window, View::Full, hash(picture(at), 20))));
            VideoFingerprint::of_frames(30.0, asked.frames)
        };
        let found = placed(segment([3.0, 9.0], [3.0, 9.0], 1.0), &cropped(60), &known);
        assert_eq!(found.query, [0.0, 30.0], "whole pictures that differ do not end it");
        let found = placed(segment([3.0, 9.0], [3.0, 9.0], 1.0), &cropped(39), &known);
        assert!(near(found.query, [0.0, 19.5], 1.0), "{found:?}");
    }

    /// A picture that turns into another one bit by bit, so that moments are the nearer the less time is between them.
    fn drifting(time: f64) -> Hash {
        let mut hash = hash(1, 0);
        (0..(time * 20.0) as usize).for_each(|bit| hash.0[bit / 8 % 32] ^= 1 << (bit % 8));
        hash
    }

    fn slow(seconds: f64, hop: f64, at: impl Fn(f64) -> f64) -> VideoFingerprint {
        let times = (0..(seconds / hop) as u32).map(|k| 0.75 + f64::from(k) * hop).filter(|t| t + 0.7 < seconds);
        VideoFingerprint::of_frames(
            seconds,
            times.map(|t| mark(t, Role::Window, View::Full, drifting(at(t)))).collect(),
        )
    }

    #[test]
    fn in_a_scene_that_moves_little_the_line_follows_the_motion() {
        let known = slow(24.0, 1.4, |t| t);
        for (speed, from) in [(1.1, 0.0), (0.8, 3.0), (1.0, 5.0), (2.0, 2.0), (-1.0, 20.0)] {
            let seconds = 8.0;
            let asked = slow(seconds, 0.5, |t| from + t * speed);
            let truth = [from, from + seconds * speed];
            let truth = [truth[0].min(truth[1]), truth[0].max(truth[1])];
            // Everything is near everything: the hits lay a line of another speed.
            let middle = (truth[0] + truth[1]) / 2.0;
            let found = placed(segment([0.0, 8.0], [middle - 3.7, middle + 3.7], 1.0), &asked, &known);
            assert!((found.speed - speed).abs() < 0.06 * f64::abs(speed), "{speed}: {found:?}");
            assert!(near(found.query, [0.0, 8.0], 0.5) && near(found.reference, truth, 0.5), "{speed}: {found:?}");
        }
    }

    #[test]
    fn segments_that_turn_out_to_be_one_are_one() {
        let (known, asked) = (slow(24.0, 1.4, |t| t), slow(8.0, 0.5, |t| 5.0 + t));
        let found = settle(
            vec![segment([0.0, 8.0], [4.0, 13.0], 1.125), segment([0.0, 8.0], [6.0, 13.0], 0.875)],
            &asked,
            &known,
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(near(found[0].reference, [5.0, 13.0], 0.5), "{found:?}");
    }

    #[test]
    fn odd_films_do_no_harm() {
        let empty = VideoFingerprint::of_frames(0.0, Vec::new());
        let mut odd = film(20, 0, |at| at);
        odd.duration = f64::NAN;
        odd.frames[3].time = f64::INFINITY;
        for (query, reference) in [(&empty, &odd), (&odd, &empty), (&odd, &odd)] {
            for speed in [1.0, -1.0, f64::NAN] {
                let found = placed(segment([1.0, 7.0], [1.0, 7.0], speed), query, reference);
                assert!(found.query[0] < found.query[1], "{found:?}");
            }
        }
    }
}
