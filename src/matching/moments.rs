//! What speaks for one film and what against it along a line, moment by moment.

use std::collections::BTreeMap;

use super::align::Line;
use super::course::ends;
use super::shots::Shots;
use super::tracks::{Mark, Tracks};
use crate::fingerprint::View;

/// Detail hashes within this many bits agree where a segment is known to lie: unrelated pictures hardly come within 100.
const AGREES: u32 = 80;
/// Further apart than this they speak for another film, if pictures of their kinds agree within the segment.
const DISAGREES: u32 = 92;
/// Pictures of two kinds are alike in a segment if this share of its moments agrees; else they say nothing about its end: a
/// crop is like one window of the reference and like nothing else.
const ALIKE: f64 = 0.8;
/// Pictures of two kinds that agree less, as of a crop and of the whole, tell it too if that share of so many moments is within
/// as many bits: unrelated pictures are 128 apart. What is [`APART`] more than that speaks for another film.
const RELATED: u32 = 104;
const APART: u32 = 16;
const FEW: usize = 4;
/// Those say nothing where a film changes by so many bits within so many seconds: what is beside it may be of another moment.
const UNSTEADY: u32 = 80;
const AROUND: f64 = 0.3;
/// Seconds of the query that hashes of one moment may be apart, and of the reference; of means over time that disagree, less.
const MOMENT: [f64; 2] = [0.4, 0.5];
const MEANS: f64 = 0.3;
/// Seconds without a hash in which a film may have stood still: it is hashed again every 3 s.
const STILL: f64 = 3.5;
/// So near to the ends of what the hits cover, in seconds, or within an eighth of it, the films may have parted: a hit is a mean over
/// time, or lies off the line.
const CORE: f64 = 0.5;
/// What speaks for and against is counted once in this many seconds.
const COUNTED: f64 = 0.25;
/// Seconds beyond the end of a film in which hashes are still looked at: a line is not laid more exactly.
const BEYOND: f64 = 0.3;
/// A shot of the query is of the same film if so many pairs of it agree.
const SAME_SHOT: u32 = 3;

/// What speaks for one film and against it at a time of the query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// 1 for, less than 0 against.
    pub(super) weight: f64,
    pub(super) from: f64,
    pub(super) to: f64,
    /// From when to when whole frames of the query agree: that is exact.
    pub(super) seen: Option<[f64; 2]>,
}

impl Moment {
    /// The same with time running backwards.
    pub(super) fn mirrored(&self) -> Self {
        let back = |[from, to]: [f64; 2]| [-to, -from];
        Self { weight: self.weight, from: -self.to, to: -self.from, seen: self.seen.map(back) }
    }
}

pub(super) struct Moments {
    /// By the time of the query, in steps of [`COUNTED`].
    pub(super) all: BTreeMap<i64, Moment>,
    /// Where the query begins and ends and where the reference does, in time of the query.
    pub(super) ends: [[f64; 2]; 2],
}

/// The kind of a hash, of what lies beside it, and whether the hash is the query's. A long film has a million pairs, and few kinds.
type Kinds = (u8, u8, bool);

/// A hash of one film beside the nearest hash of one kind of the other.
struct Pair {
    /// In the query.
    time: f64,
    distance: u32,
    /// Which kinds, if they are so near in time that they have to agree: of the hash, of the other, and whose the hash is.
    kinds: Option<Kinds>,
    /// Its film shows nothing else just before and after.
    steady: bool,
    /// It is a whole frame of the query beside a frame.
    instant: bool,
    /// It is of a part of the query that was sought in the picture, and may have been found elsewhere later.
    sought: bool,
}

/// What was said in a step.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// From when to when something agrees.
    agrees: Option<[f64; 2]>,
    /// How much speaks against it, and when.
    against: Option<[f64; 2]>,
}

impl Said {
    fn hear(&mut self, time: f64, against: Option<f64>) {
        match against {
            Some(weight) if self.against.is_none_or(|[had, _]| weight > had) => self.against = Some([weight, time]),
            Some(_) => {}
            None => {
                let [from, to] = self.agrees.unwrap_or([time; 2]);
                self.agrees = Some([from.min(time), to.max(time)]);
            }
        }
    }
}

impl Moments {
    /// The hashes of both films side by side, along a line.
    pub(super) fn along(tracks: &Tracks, line: Line, core: [f64; 2], lengths: [f64; 2]) -> Self {
        let ends = ends(line, lengths);
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
        Self { all: counted(&pairs, inner(core, ends), &tracks.shots), ends }
    }
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
    let view = |kind: usize| tracks.kinds.get(kind).map(|kind| kind.0);
    let own = if asked { &tracks.asked } else { &tracks.known };
    let around = &own[own.partition_point(|other| other.time < mark.time - AROUND)..];
    let around = around.iter().take_while(|other| other.time <= mark.time + AROUND);
    let steady =
        around.filter(|other| other.kind == mark.kind).all(|other| mark.hash.distance(&other.hash) <= UNSTEADY);
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
        let of_query = if asked { mark.kind } else { kind };
        pairs.push(Pair {
            time,
            distance,
            steady,
            kinds: kinds(comparable, mark.kind, kind, asked),
            instant: asked && near.is_some() && !mean(mark.kind) && !mean(kind) && view(mark.kind) == Some(View::Full),
            sought: view(of_query).is_some_and(|view| matches!(view, View::Content | View::Inner)),
        });
    }
}

/// `None` if they need not agree.
fn kinds(comparable: bool, kind: usize, other: usize, asked: bool) -> Option<Kinds> {
    Some((u8::try_from(kind).ok()?, u8::try_from(other).ok()?, asked)).filter(|_| comparable)
}

/// From where on pictures of two kinds speak against a segment.
struct Bound {
    /// If they are further apart than so many bits.
    far: u32,
    weight: f64,
    /// They agree so little that they tell nothing in fast motion.
    loose: bool,
}

impl Bound {
    /// By their distances within the segment; `None` if they may be apart in it as well.
    fn of(mut distances: Vec<u32>) -> Option<Self> {
        distances.sort_unstable();
        let count = distances.len();
        let usual = *distances.get(((count as f64 * ALIKE).ceil() as usize).checked_sub(1)?)?;
        if usual <= AGREES && count >= 2 {
            let agreed = distances.partition_point(|&distance| distance <= AGREES);
            return Some(Self { far: DISAGREES, weight: agreed as f64 / count as f64, loose: false });
        }
        (usual <= RELATED && count >= FEW).then_some(Self { far: usual + APART, weight: 1.0, loose: true })
    }
}

/// What of the stretch that hits cover is surely of both films: less than all of it where neither film begins or ends.
fn inner([begin, end]: [f64; 2], ends: [[f64; 2]; 2]) -> [f64; 2] {
    let margin = CORE.min((end - begin) / 8.0);
    let meets = |time: f64, side: usize| ends.iter().any(|of| (of[side] - time).abs() <= CORE);
    [if meets(begin, 0) { begin } else { begin + margin }, if meets(end, 1) { end } else { end - margin }]
}

/// What the pairs say, step by step: for one film if any agrees, against it if kinds that are alike in `core` do not.
fn counted(pairs: &[Pair], core: [f64; 2], shots: &Shots) -> BTreeMap<i64, Moment> {
    let mut inside: BTreeMap<Kinds, Vec<u32>> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| pair.time >= core[0] - 0.01 && pair.time <= core[1] + 0.01) {
        if let Some(kinds) = pair.kinds {
            inside.entry(kinds).or_default().push(pair.distance);
        }
    }
    let bounds: BTreeMap<_, Bound> =
        inside.into_iter().filter_map(|(kinds, distances)| Some((kinds, Bound::of(distances)?))).collect();
    let mut of_shot: BTreeMap<usize, u32> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| pair.distance <= AGREES) {
        *of_shot.entry(shots.at(pair.time)).or_default() += 1;
    }
    // A shot is not of two films: where a part of it agrees, what does not was sought and found elsewhere.
    let astray =
        |pair: &Pair| pair.sought && of_shot.get(&shots.at(pair.time)).is_some_and(|&count| count >= SAME_SHOT);
    let mut steps: BTreeMap<i64, [Said; 2]> = BTreeMap::new();
    for pair in pairs {
        let bound = pair.kinds.filter(|_| !astray(pair)).and_then(|kinds| bounds.get(&kinds));
        let bound = bound.filter(|bound| pair.distance > bound.far && (pair.steady || !bound.loose));
        let against = bound.map(|bound| bound.weight);
        if pair.distance > AGREES && against.is_none() {
            continue;
        }
        let [all, seen] = steps.entry((pair.time / COUNTED).floor() as i64).or_default();
        all.hear(pair.time, against);
        if pair.instant {
            seen.hear(pair.time, against);
        }
    }
    let moments = steps.into_iter().filter_map(|(step, [all, seen])| {
        // A whole frame of the query that shows something else outweighs means, which show what is around it, and frames of the
        // reference, which may be of a little earlier.
        let said = if seen.against.is_some() { seen } else { all };
        let moment = match (said.agrees, said.against) {
            (Some([from, to]), _) => Moment { weight: 1.0, from, to, seen: seen.agrees },
            (None, Some([weight, at])) => Moment { weight: -weight, from: at, to: at, seen: None },
            (None, None) => return None,
        };
        Some((step, moment))
    });
    moments.collect()
}
