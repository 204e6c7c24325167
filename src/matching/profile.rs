//! Where in the query a picture of the reference lies, told by all of the query around it at once: what shows the same moment as
//! one of its pictures is as far from all the others as that one is. In a scene that moves little no single distance tells
//! where; all of them together do.

use std::ops::Range;

use super::align::Line;
use super::sighting::{Late, Sighting, shares};
use super::tracks::{Near, Track, Tracks};
use crate::fingerprint::View;
use crate::hash::Hash;

/// Seconds of the query on either side of where the line puts a picture.
pub(super) const ASTRAY: f64 = 15.0;
/// Means that are looked at for one picture lie no further apart.
const AMONG: f64 = 2.0 * ASTRAY + 0.1;
/// Seconds between the times at which a profile is kept.
const STEP: f64 = 0.1;
const STEPS: usize = (2.0 * ASTRAY / STEP) as usize + 1;
/// Seconds before the first mean and after the last one that those still show.
const EDGE: f64 = 0.8;
/// A picture that comes no nearer than this to the query is not in it; one that comes half as near counts in full.
const FAR: f64 = 80.0;
/// Bits by which distances are off in any case.
const NOISE: f64 = 3.0;
/// Where they are off by so many at the best of all times, a picture tells nothing.
const BLURRED: f64 = 6.0;
/// Half as many as the distances of one picture that are independent of one another.
const INDEPENDENT: f64 = 2.0;
/// No time is less likely than this, as a logarithm: pictures may be of something else.
const UNLIKELY: f64 = 3.0;
/// Most pictures of the reference that are looked at.
const MOST_KNOWN: usize = 64;
/// Means of the query are this far apart at least, in seconds: for one picture, no more than 257 of them are looked at.
const APART: f64 = 2.0 * ASTRAY / 256.0;

/// A picture of the reference, and how likely each time of the query is to show it.
#[derive(Debug)]
pub(super) struct Profile {
    /// Where it fits best.
    seen: Sighting,
    /// The first time of the query for which `fits` has a value; the others follow every [`STEP`].
    from: f64,
    /// 1 where it fits best, 0 where it does not.
    fits: Vec<f32>,
}

impl Profile {
    /// How much speaks for this time of the query.
    pub(super) fn at(&self, query: f64) -> f64 {
        let place = (query - self.from) / STEP + 0.5;
        let fit = if place >= 0.0 { self.fits.get(place as usize).copied().unwrap_or(0.0) } else { 0.0 };
        self.seen.weight * f64::from(fit)
    }

    /// How much speaks for any time at most.
    pub(super) fn most(&self) -> f64 {
        self.seen.weight
    }

    /// When the reference shows it.
    pub(super) fn time(&self) -> f64 {
        self.seen.r
    }

    /// The times of the query for which anything speaks lie in here.
    pub(super) fn span(&self) -> [f64; 2] {
        [self.from - STEP, self.from + self.fits.len() as f64 * STEP]
    }

    /// The time of the query that fits best.
    pub(super) fn best(&self) -> f64 {
        self.seen.q
    }

    /// Moves it so many seconds of the query earlier and has this share of it count.
    fn correct(&mut self, late: f64, share: f64) {
        self.from -= late;
        self.seen.q -= late;
        self.seen.weight *= share;
    }
}

/// The profiles of the reference's means over time within a stretch of it, in such a stretch of the query, of views that are so much too
/// late.
pub(super) fn profiles(tracks: &Tracks, query: [f64; 2], reference: [f64; 2], line: Line, late: &Late) -> Vec<Profile> {
    let means = || tracks.kinds.iter().filter(|kind| kind.mean);
    let mut shown: Vec<Shown> = means().map(|kind| Shown::new(kind.view, kind.asked.thinned(query, APART))).collect();
    let known = means().flat_map(|kind| {
        let within = kind.known.between(reference);
        within.filter_map(|place| kind.known.get(place)).map(|(time, hash)| (time, kind.view, *hash))
    });
    let mut known: Vec<(f64, View, Hash)> = known.collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let step = known.len().div_ceil(MOST_KNOWN).max(1);
    let mut near = [Near::default(), Near::default()];
    let found = known.into_iter().step_by(step).filter_map(|known| profile(known, line, &mut shown, &mut near));
    let mut found: Vec<Profile> = found.collect();
    let seen: Vec<Sighting> = found.iter().map(|profile| profile.seen).collect();
    for (profile, share) in found.iter_mut().zip(shares(&seen)) {
        profile.correct(late.by(profile.seen.views), share);
    }
    found.retain(|profile| profile.most() > 0.0);
    found
}

fn profile(
    (time, view, hash): (f64, View, Hash),
    line: Line,
    shown: &mut [Shown],
    [near, nearest]: &mut [Near; 2],
) -> Option<Profile> {
    let at = (time - line.offset) / line.speed;
    let mut found: Option<(usize, u32)> = None;
    for (place, shown) in shown.iter().enumerate() {
        near.measure(&shown.means, [at - ASTRAY, at + ASTRAY], &hash);
        if let Some(least) = near.least().filter(|least| found.is_none_or(|(_, had)| *least < had)) {
            found = Some((place, least));
            std::mem::swap(near, nearest);
        }
    }
    let (place, least) = found?;
    let near = f64::from(least);
    let weight = ((FAR - near) / (FAR / 2.0)).clamp(0.0, 1.0);
    if weight <= 0.0 {
        return None;
    }
    let shown = shown.get_mut(place)?;
    let off = shown.off(nearest)?;
    let best = off.iter().copied().fold(f64::INFINITY, f64::min);
    let blur = (best - NOISE.powi(2)).max(0.0).sqrt();
    let weight = weight * (1.0 - blur / BLURRED);
    if weight <= 0.0 {
        return None;
    }
    let most = best * (UNLIKELY / INDEPENDENT).exp();
    let fit = |off: f64| if off < most { 1.0 - INDEPENDENT * (off / best).ln() / UNLIKELY } else { 0.0 };
    let fits = nearest.timed(&shown.means).iter().zip(&off).map(|(&(time, _), off)| (time, fit(*off)));
    let (from, fits) = between(&fits.collect::<Vec<_>>(), at - ASTRAY);
    let best = fits.iter().copied().fold(0.0, f32::max);
    let first = fits.iter().position(|&fit| fit == best).unwrap_or(0);
    let last = fits.iter().rposition(|&fit| fit == best).unwrap_or(first);
    let best = from + (first + last) as f64 / 2.0 * STEP;
    let seen = Sighting { q: best, r: time, weight, distance: least, views: [view, shown.view] };
    Some(Profile { seen, from, fits })
}

/// Means of the query of one kind, and how alike they are.
#[derive(Debug)]
struct Shown {
    view: View,
    means: Track,
    /// Of each mean that was asked for last, the place of another one, and how alike it is to that and to those that follow.
    alike: Vec<(usize, Vec<f32>)>,
    /// The places of those.
    asked: Range<usize>,
    near: Near,
}

/// The correlation of two hashes so far apart: 1 if they are the same, 0 if they have nothing to do with one another.
fn alike(distance: u32) -> f32 {
    1.0 - distance as f32 / 128.0
}

impl Shown {
    fn new(view: View, means: Track) -> Self {
        let alike = means.marks().map(|_| (0, Vec::new())).collect();
        Self { view, means, alike, asked: 0..0, near: Near::default() }
    }

    /// For the time of each mean, the mean square, in bits, by which the distances of a picture of the reference to all of them are off
    /// what they would be if it showed that time. Whatever was altered about the query takes one share of all.
    fn off(&mut self, picture: &Near) -> Option<Vec<f64>> {
        let own: Vec<f32> = picture.distances().map(alike).collect();
        let count = own.len();
        if count < 3 {
            return None;
        }
        let [all, _] = products(&own, &own);
        let places = picture.first..picture.first + count;
        self.ask(&places);
        let left = places.clone().map(|place| {
            let (first, row) = self.alike.get(place)?;
            let from = places.start.checked_sub(*first)?;
            let [both, squares] = products(row.get(from..from + count)?, &own);
            let left = f64::from(all - both * both.abs() / squares).max(0.0) / count as f64;
            Some(left * 128.0 * 128.0 + NOISE.powi(2))
        });
        left.collect()
    }

    /// Compares these with what may be asked for together with them; what was asked for before and is not now is dropped.
    fn ask(&mut self, places: &Range<usize>) {
        for place in self.asked.clone().filter(|place| !places.contains(place)) {
            self.alike[place].1 = Vec::new();
        }
        self.asked = places.clone();
        for place in places.clone() {
            let Some((time, hash)) = self.means.get(place) else { continue };
            if self.alike[place].1.is_empty() {
                self.near.measure(&self.means, [time - AMONG, time + AMONG], hash);
                let row = self.near.distances().map(alike).collect();
                self.alike[place] = (self.near.first, row);
            }
        }
    }
}

/// The sums of the products of `a` and `b` and of the squares of `a`, in several parts so that they are added side by side.
fn products(a: &[f32], b: &[f32]) -> [f32; 2] {
    const LANES: usize = 8;
    let mut sums = [[0.0f32; LANES]; 2];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[0][lane] += a[lane] * b[lane];
            sums[1][lane] += a[lane] * a[lane];
        }
    }
    let [mut both, mut squares] = sums.map(|lanes| lanes.iter().sum::<f32>());
    for (a, b) in a_rest.iter().zip(b_rest) {
        both += a * b;
        squares += a * a;
    }
    [both, squares]
}

/// Of how well the query fits at some times, how well it does every [`STEP`] from a time on, without what is nothing at either
/// end, and from when on that is. Nothing fits where no mean is.
fn between(fits: &[(f64, f64)], from: f64) -> (f64, Vec<f32>) {
    let mut after = 0;
    let fit = |step: usize| {
        let time = from + step as f64 * STEP;
        while fits.get(after).is_some_and(|&(at, _)| at < time) {
            after += 1;
        }
        let fit = match (after.checked_sub(1).and_then(|before| fits.get(before)), fits.get(after)) {
            (Some((from, a)), Some((to, b))) => a + (b - a) * (time - from) / (to - from).max(1e-9),
            (Some((last, fit)), None) if time - last <= EDGE => *fit,
            (None, Some((first, fit))) if first - time <= EDGE => *fit,
            _ => 0.0,
        };
        fit as f32
    };
    let step = |time: f64| (((time - from) / STEP).max(0.0) as usize).min(STEPS);
    let [first, last] = [fits.first(), fits.last()].map(|mean| mean.map_or(from, |&(time, _)| time));
    let first = step(first - EDGE);
    let mut all: Vec<f32> = (first..step(last + EDGE + STEP)).map(fit).collect();
    all.truncate(all.iter().rposition(|&fit| fit > 0.0).map_or(0, |last| last + 1));
    let nothing = all.iter().position(|&fit| fit > 0.0).unwrap_or(0);
    all.drain(..nothing);
    (from + (first + nothing) as f64 * STEP, all)
}

#[cfg(test)]
mod tests {
    use super::super::Segment;
    use super::super::course::course;
    use super::*;
    use crate::fingerprint::{FrameHash, Role, VideoFingerprint, View};
    use crate::hash::Hash;
    use crate::hash::pdq::Transform;

    fn mixed(seed: u64) -> u64 {
        let once = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (once ^ once >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ once >> 32
    }

    /// A picture in which a bit changes every 0.4 s; `worn` others are other ones each time that it is encoded.
    fn slow(time: f64, worn: u64, encoded: u64) -> Hash {
        let mut hash = Hash::from_words([1, 2, 3, 4].map(mixed));
        (0..(time / 0.4) as usize).for_each(|bit| hash.0[bit / 8 % 32] ^= 1 << (bit % 8));
        let moment = encoded * 100_000 + (time * 100.0) as u64;
        (0..worn).map(|k| mixed(moment * 64 + k) as usize % 256).for_each(|bit| hash.0[bit / 8] ^= 1 << (bit % 8));
        hash
    }

    fn film(seconds: f64, hop: f64, worn: u64, encoded: u64, at: impl Fn(f64) -> f64) -> VideoFingerprint {
        let times = (0..).map(|k| 0.75 + f64::from(k) * hop).take_while(|time| time + 0.75 <= seconds);
        let frames = times.map(|time| {
            let hash = slow(at(time), worn, encoded);
            FrameHash::of_hashes(time, Role::Window, View::Full, hash, Some(hash))
        });
        VideoFingerprint::of_frames(seconds, frames.collect())
    }

    fn segment(query: [f64; 2], reference: [f64; 2]) -> Segment {
        let transform = Transform::Original;
        Segment { query, reference, speed: 1.0, transform, inverted: false, hits: 4, distance: 10.0, score: 5.0 }
    }

    fn laid(asked: &VideoFingerprint, known: &VideoFingerprint, offset: f64) -> Line {
        let query = [0.0, asked.duration];
        let reference = [offset.max(0.0), (offset + asked.duration).min(known.duration)];
        let tracks = Tracks::new(&segment(query, reference), asked, known);
        course(&tracks, query, reference, Line { speed: 1.0, offset }, [asked.duration, known.duration]).0
    }

    /// Everything is within 45 bits of everything, and each encoding is off by as much as two seconds of motion.
    #[test]
    fn a_part_of_a_scene_that_hardly_moves_is_put_where_it_was() {
        let known = film(40.0, 1.4, 2, 1, |time| time);
        for (number, begin) in [4.0, 9.3, 17.0, 22.5].into_iter().enumerate() {
            let asked = film(12.0, 0.5, 2, 2 + number as u64, |time| begin + time);
            for astray in [-3.0, -1.0, 2.0] {
                let line = laid(&asked, &known, begin + astray);
                let off = [0.0, 12.0].map(|time: f64| (line.at(time) - begin - time).abs());
                assert!(off.iter().all(|&off| off <= 0.5), "{begin} {astray}: {line:?}");
            }
        }
    }

    #[test]
    fn a_profile_is_highest_where_the_query_shows_the_picture() {
        let known = film(20.0, 1.4, 0, 1, |time| time);
        let asked = film(20.0, 0.5, 6, 2, |time| time);
        let whole = [0.0, 20.0];
        let tracks = Tracks::new(&segment(whole, whole), &asked, &known);
        let found = profiles(&tracks, whole, whole, Line { speed: 1.0, offset: 0.0 }, &Late::default());
        assert_eq!(found.len(), known.frames.len());
        for profile in &found {
            assert!((profile.best() - profile.time()).abs() <= 1.5, "{} {}", profile.time(), profile.best());
            assert!(profile.at(profile.time()) > 0.5 * profile.at(profile.best()));
            assert!(profile.at(profile.best()) <= 1.0);
            assert_eq!(profile.at(-1.0), 0.0, "before the first mean");
            assert_eq!(profile.at(20.5), 0.0, "after the last one");
            assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|time| profile.at(time)), [0.0; 3]);
        }
        let other = film(20.0, 0.5, 0, 3, |time| time + 3.0);
        let other = VideoFingerprint::of_frames(
            20.0,
            other
                .frames
                .into_iter()
                .map(|mut frame| {
                    frame
                        .detail
                        .iter_mut()
                        .for_each(|detail| detail.hash.0.iter_mut().step_by(2).for_each(|byte| *byte = !*byte));
                    frame
                })
                .collect(),
        );
        let tracks = Tracks::new(&segment(whole, whole), &other, &known);
        assert!(
            profiles(&tracks, whole, whole, Line { speed: 1.0, offset: 0.0 }, &Late::default()).is_empty(),
            "another film"
        );
    }

    /// A list may claim any number of means; no more of them are compared with one another than there is room for.
    #[test]
    fn many_means_are_thinned() {
        let frames = (0..20_000).map(|k| f64::from(k) / 1000.0).map(|time| {
            let hash = slow(time, 0, 1);
            FrameHash::of_hashes(time, Role::Window, View::Full, hash, Some(hash))
        });
        let dense = VideoFingerprint::of_frames(20.0, frames.collect());
        let whole = [0.0, 20.0];
        let tracks = Tracks::new(&segment(whole, whole), &dense, &dense);
        let found = profiles(&tracks, whole, whole, Line { speed: 1.0, offset: 0.0 }, &Late::default());
        assert!(!found.is_empty() && found.len() <= MOST_KNOWN, "{}", found.len());
    }
}
