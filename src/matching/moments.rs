//! What speaks for one film and what against it along a line, moment by moment.

use std::collections::BTreeMap;

use super::align::Line;
use super::course::ends;
use super::shots::Shots;
use super::tracks::{Kind, Track, Tracks};
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

/// A hash of one film beside the nearest hash of one kind of the other.
struct Pair {
    /// In the query.
    time: f64,
    /// Places in [`Tracks::kinds`]: the kind of the other.
    other: usize,
    distance: u32,
    /// They are so near in time that they have to agree.
    comparable: bool,
    /// Its film shows nothing else just before and after.
    steady: bool,
    /// It is a whole frame of the query beside a frame.
    instant: bool,
    /// It is of a part of the query that was sought in the picture, and may have been found elsewhere later.
    sought: bool,
}

/// What a pair says.
struct Voice {
    time: f64,
    /// The step of time, and whether the hash is the query's.
    order: (i64, bool),
    /// How much it says against, if it does not agree.
    against: Option<f64>,
    instant: bool,
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
        let sure = inner(core, ends);
        let (mut pairs, mut voices) = (Vec::new(), Vec::new());
        for kind in &tracks.kinds {
            for of_query in [false, true] {
                pairs.clear();
                beside(tracks, kind, of_query, line, ends, &mut pairs);
                said(&pairs, tracks.kinds.len(), of_query, sure, &mut voices);
            }
        }
        Self { all: counted(voices, &tracks.shots), ends }
    }
}

/// Adds the hashes of one kind of one film, each beside the nearest hashes of the other film, of each kind the nearest: those of
/// the moment, or, since nothing changed after it, the last one before.
fn beside(tracks: &Tracks, kind: &Kind, of_query: bool, line: Line, ends: [[f64; 2]; 2], pairs: &mut Vec<Pair>) {
    let own = if of_query { &kind.asked } else { &kind.known };
    let moment = MOMENT[usize::from(of_query)];
    // Where the last mark was in each track; the next one is close by.
    let mut places = vec![0; tracks.kinds.len()];
    for (place, (at, hash)) in own.marks().enumerate() {
        let back = (at - line.offset) / line.speed;
        let (time, beside) = if of_query { (at, line.at(at)) } else { (back, back) };
        if !ends.iter().all(|[from, to]| time >= from - BEYOND && time <= to + BEYOND) {
            continue;
        }
        let steady = steady(own, place);
        for (other_place, (other, seek)) in tracks.kinds.iter().zip(&mut places).enumerate() {
            let others = if of_query { &other.known } else { &other.asked };
            *seek = others.seek(beside - moment, *seek);
            let near = (*seek..).map_while(|place| others.get(place)).take_while(|(time, _)| *time <= beside + moment);
            let (mut least, mut close) = (None, false);
            for (time, other) in near {
                let distance = hash.distance(other);
                least = Some(least.map_or(distance, |had: u32| had.min(distance)));
                close |= !kind.mean || (time - beside).abs() <= MEANS;
            }
            let before = || {
                let (time, other) = others.get(seek.checked_sub(1)?)?;
                (!kind.mean && time >= beside - STILL).then(|| hash.distance(other))
            };
            let Some(distance) = least.or_else(before) else { continue };
            let part = if of_query { kind.view } else { other.view };
            pairs.push(Pair {
                time,
                other: other_place,
                distance,
                comparable: least.is_some() && close && kind.mean == other.mean,
                steady,
                instant: of_query && least.is_some() && !kind.mean && !other.mean && kind.view == View::Full,
                sought: matches!(part, View::Content | View::Inner),
            });
        }
    }
}

/// Adds what pairs of one kind of one film say: for one film if they agree, against it if kinds that are alike in `sure` do not.
fn said(pairs: &[Pair], kinds: usize, of_query: bool, sure: [f64; 2], voices: &mut Vec<Voice>) {
    let mut inside: Vec<Vec<u32>> = vec![Vec::new(); kinds];
    for pair in pairs.iter().filter(|pair| pair.time >= sure[0] - 0.01 && pair.time <= sure[1] + 0.01) {
        if let Some(inside) = inside.get_mut(pair.other).filter(|_| pair.comparable) {
            inside.push(pair.distance);
        }
    }
    let bounds: Vec<Option<Bound>> = inside.iter_mut().map(|distances| Bound::of(distances)).collect();
    for pair in pairs {
        let bound = || bounds.get(pair.other)?.as_ref().filter(|_| pair.comparable);
        let bound = bound().filter(|bound| pair.distance > bound.far && (pair.steady || !bound.loose));
        let against = bound.map(|bound| bound.weight);
        if pair.distance <= AGREES || against.is_some() {
            let order = ((pair.time / COUNTED).floor() as i64, of_query);
            voices.push(Voice { time: pair.time, order, against, instant: pair.instant, sought: pair.sought });
        }
    }
}

/// Whether the film shows nothing else just before and after.
fn steady(track: &Track, place: usize) -> bool {
    let Some((at, hash)) = track.get(place) else { return true };
    let like = |other: &usize| track.get(*other).is_none_or(|(_, other)| hash.distance(other) <= UNSTEADY);
    let close = |other: &usize| track.get(*other).is_some_and(|(time, _)| (time - at).abs() <= AROUND);
    (0..place).rev().take_while(close).all(|other| like(&other))
        && (place + 1..).take_while(close).all(|other| like(&other))
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
    fn of(distances: &mut [u32]) -> Option<Self> {
        let count = distances.len();
        let most = ((count as f64 * ALIKE).ceil() as usize).checked_sub(1)?;
        let usual = *distances.select_nth_unstable(most).1;
        if usual <= AGREES && count >= 2 {
            let agreed = distances.iter().filter(|&&distance| distance <= AGREES).count();
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

/// What is said, step by step.
fn counted(mut voices: Vec<Voice>, shots: &Shots) -> BTreeMap<i64, Moment> {
    let mut of_shot = vec![0; shots.count()];
    for voice in voices.iter().filter(|voice| voice.against.is_none()) {
        of_shot[shots.at(voice.time)] += 1;
    }
    // A shot is not of two films: where a part of it agrees, what does not was sought and found elsewhere.
    let astray = |voice: &Voice| voice.sought && of_shot[shots.at(voice.time)] >= SAME_SHOT;
    voices.retain(|voice| voice.against.is_none() || !astray(voice));
    voices.sort_unstable_by(|a, b| a.order.cmp(&b.order).then(a.time.total_cmp(&b.time)));
    let moments = voices.chunk_by(|a, b| a.order.0 == b.order.0).filter_map(|voices| {
        let [mut all, mut seen] = [Said::default(); 2];
        for voice in voices {
            all.hear(voice.time, voice.against);
            if voice.instant {
                seen.hear(voice.time, voice.against);
            }
        }
        // A whole frame of the query that shows something else outweighs means, which show what is around it, and frames of the
        // reference, which may be of a little earlier.
        let said = if seen.against.is_some() { seen } else { all };
        let moment = match (said.agrees, said.against) {
            (Some([from, to]), _) => Moment { weight: 1.0, from, to, seen: seen.agrees },
            (None, Some([weight, at])) => Moment { weight: -weight, from: at, to: at, seen: None },
            (None, None) => return None,
        };
        Some((voices.first()?.order.0, moment))
    });
    moments.collect()
}
