//! Which views of a picture are believed when they say at what moment the query shows it.
//!
//! While the camera comes nearer, a view that has more of the picture than the copy does, as the whole has more than a crop, is like the copy of a
//! moment before, and one that has less is like that of a moment after. Each says so clearly, and both are wrong by the same seconds through all of
//! the scene.

use std::collections::BTreeMap;

use crate::fingerprint::View;

/// Seconds of the reference within which views are of one moment.
const MOMENT: f64 = 0.05;
/// Where one of them is further than this, in seconds, from what all say together, it is no matter of how near the camera was.
const ASTRAY: f64 = 1.5;
/// Bits by which even the very same pictures may be apart.
const NOISE: f64 = 4.0;
/// Views have to be off at so many moments, and by so many seconds, mostly to the same side: but for one in [`OTHERWISE`] at either end.
const TIMES: usize = 3;
const OFF: f64 = 0.2;
const OTHERWISE: usize = 8;
/// One picture in so many is nearer than what counts as near here.
const NEARER: usize = 4;
/// What is so many bits further apart counts as much, and by so many more less and less.
const AS_GOOD: f64 = 10.0;
const WORSE: f64 = 60.0;

/// A picture of the reference that the query shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    /// When it does, in seconds of the query, and when the reference does.
    pub(super) q: f64,
    pub(super) r: f64,
    pub(super) weight: f64,
    /// How near anything in the query comes to it.
    pub(super) distance: u32,
    /// What is seen of the reference, and of the query; frames and means are alike in this.
    pub(super) views: [View; 2],
}

/// What part of the weight of each of these sightings counts: that of the nearest is not outweighed by what is hardly alike.
pub(super) fn shares(sightings: &[Sighting]) -> Vec<f64> {
    let mut distances: Vec<u32> = sightings.iter().map(|seen| seen.distance).collect();
    distances.sort_unstable();
    let near = distances.get(distances.len() / NEARER).copied().map_or(0.0, f64::from);
    let share = |seen: &Sighting| (WORSE + AS_GOOD - (f64::from(seen.distance) - near)) / WORSE;
    sightings.iter().map(|seen| share(seen).clamp(0.0, 1.0)).collect()
}

/// By how many seconds of the query pairs of views are too late, if they are.
#[derive(Debug, Default)]
pub(super) struct Late(BTreeMap<[View; 2], f64>);

impl Late {
    /// What they are beside what all views of a moment say together, in which those that stand out and come near have more to say. The
    /// sightings are in order of time of the reference.
    pub(super) fn of(sightings: &[Sighting]) -> Self {
        let say = |seen: &Sighting| seen.weight / (f64::from(seen.distance) + NOISE).powi(2);
        let mut late: BTreeMap<[View; 2], Vec<f64>> = BTreeMap::new();
        let mut rest = sightings;
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|other| other.r - first.r <= MOMENT).count().max(1);
            let (moment, after) = rest.split_at(count);
            rest = after;
            // What each pair says, and how much that counts.
            let mut pairs: BTreeMap<[View; 2], [f64; 2]> = BTreeMap::new();
            for seen in moment {
                let [sum, weight] = pairs.entry(seen.views).or_default();
                (*sum, *weight) = (*sum + say(seen) * seen.q, *weight + say(seen));
            }
            let all = |which: usize| pairs.values().map(|of| of[which]).sum::<f64>();
            let together = all(0) / all(1);
            let apart = |[sum, weight]: [f64; 2]| sum / weight - together;
            if pairs.len() > 1 && pairs.values().all(|&of| apart(of).abs() <= ASTRAY) {
                pairs.iter().for_each(|(views, of)| late.entry(*views).or_default().push(apart(*of)));
            }
        }
        Self(late.into_iter().filter_map(|(views, off)| Some((views, mostly(off)?))).collect())
    }

    /// By how much these views are too late.
    pub(super) fn by(&self, views: [View; 2]) -> f64 {
        self.0.get(&views).copied().unwrap_or(0.0)
    }
}

/// The middle of these if there are enough, mostly on one side, and it is off.
fn mostly(mut off: Vec<f64>) -> Option<f64> {
    off.sort_unstable_by(f64::total_cmp);
    let (count, few) = (off.len(), off.len() / OTHERWISE);
    let (least, most) = (off.get(few)?, off.get(count - 1 - few)?);
    let middle = (off.get((count - 1) / 2)? + off.get(count / 2)?) / 2.0;
    (count >= TIMES && least * most > 0.0 && middle.abs() >= OFF).then_some(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Window;

    const WHOLE: [View; 2] = [View::Full, View::Full];

    fn inner() -> [View; 2] {
        [View::Window(Window::centred(90)), View::Full]
    }

    fn seen(r: f64, late: f64, distance: u32, views: [View; 2]) -> Sighting {
        Sighting { q: r + late, r, weight: 0.8, distance, views }
    }

    /// Of every other second, the whole picture and the middle of it.
    fn both(of: impl Fn(usize) -> [(f64, u32); 2]) -> Vec<Sighting> {
        let moment = |at: usize| {
            let ([(late, whole), (other, part)], r) = (of(at), 2.0 * at as f64);
            [seen(r, late, whole, WHOLE), seen(r, other, part, inner())]
        };
        (0..6).flat_map(moment).collect()
    }

    fn late(sightings: &[Sighting]) -> Late {
        Late::of(sightings)
    }

    #[test]
    fn a_crop_between_two_views_is_put_between_what_they_say() {
        let seen = both(|_| [(0.7, 31), (-0.6, 27)]);
        let late = late(&seen);
        assert!((late.by(WHOLE) - 0.7).abs() < 0.15 && (late.by(inner()) + 0.6).abs() < 0.15, "{late:?}");
        assert_eq!(shares(&seen), [1.0; 12]);
    }

    #[test]
    fn a_view_that_fits_is_believed_and_what_hardly_does_counts_less() {
        let seen = both(|_| [(-0.5, 60), (0.0, 10)]);
        let late = late(&seen);
        assert!((late.by(WHOLE) + 0.5).abs() < 0.05 && late.by(inner()).abs() < 0.05, "{late:?}");
        assert!(shares(&seen).chunks(2).all(|share| share[0] < 0.5 && share[1] == 1.0));
    }

    #[test]
    fn what_views_say_by_chance_moves_none() {
        let cases = [
            both(|second| [(if second % 2 == 0 { 0.5 } else { -0.5 }, 30), (0.0, 30)]),
            both(|_| [(0.1, 30), (-0.1, 30)]),
            both(|_| [(4.0, 30), (0.0, 30)]),
            both(|_| [(0.7, 30), (-0.7, 30)]).into_iter().take(4).collect(),
            (0..9).map(|second| seen(f64::from(second), 0.6, 30, WHOLE)).collect(),
            // One moment says it, however often.
            (0..9).flat_map(|_| [seen(4.0, 0.6, 30, WHOLE), seen(4.0, -0.6, 30, inner())]).collect(),
            vec![Sighting { weight: 0.0, ..seen(1.0, f64::NAN, 30, WHOLE) }, seen(1.0, 0.5, 30, inner())],
            Vec::new(),
        ];
        assert_eq!(mostly(vec![0.15, 0.15, 0.26, 0.26]).map(|off| -off), mostly(vec![-0.15, -0.15, -0.26, -0.26]));
        for sightings in cases {
            assert!(late(&sightings).0.is_empty(), "{sightings:?}");
        }
    }
}
