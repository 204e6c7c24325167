//! Which views of a picture are believed when they say at what moment the query shows it.
//!
//! A view that has more of the picture than the copy does, as the whole has more than a crop, is nearest to the copy of a moment at which the camera
//! had come nearer; one that has less, to that of a moment at which it had not yet. While it comes nearer or goes away, each of the two
//! says so clearly, the one as much too early as the other is too late, through all of the scene.

use std::collections::BTreeMap;

use crate::fingerprint::View;

/// Seconds within which views are of the same moment of the reference.
const SAME: f64 = 0.05;
/// Where one of them is further than this, in seconds, from what all say together, it is no matter of how near the camera was.
const ASTRAY: f64 = 1.5;
/// Bits by which even the very same pictures may be apart.
const NOISE: f64 = 4.0;
/// Views have to be off so many times, and by so many seconds, most times to the same side: but for one in [`OTHERWISE`] at either end.
const TIMES: usize = 3;
const OFF: f64 = 0.2;
const OTHERWISE: usize = 8;
/// One picture in so many is nearer than what counts as near here.
const NEARER: usize = 4;
/// What is so many bits further apart counts as much, and by so many more less and less.
const AS_GOOD: f64 = 10.0;
const WORSE: f64 = 60.0;

/// A picture of the reference and the moment of the query that it is nearest to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    /// Seconds of the query, and of the reference.
    pub(super) q: f64,
    pub(super) r: f64,
    pub(super) weight: f64,
    pub(super) distance: u32,
    /// What is seen of the reference, and of the query.
    pub(super) views: [View; 2],
}

/// What to make of a sighting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Belief {
    /// By how many seconds of the query these views say too late.
    pub(super) late: f64,
    /// What part of its weight counts.
    pub(super) share: f64,
}

/// What to make of each of these sightings, in view of the others.
pub(super) fn believed(sightings: &[Sighting]) -> Vec<Belief> {
    let late = late(sightings);
    let mut distances: Vec<u32> = sightings.iter().map(|sighting| sighting.distance).collect();
    distances.sort_unstable();
    let near = distances.get(distances.len() / NEARER).copied().map_or(0.0, f64::from);
    let belief = |sighting: &Sighting| Belief {
        late: late.get(&sighting.views).copied().unwrap_or(0.0),
        share: ((WORSE + AS_GOOD - (f64::from(sighting.distance) - near)) / WORSE).clamp(0.0, 1.0),
    };
    sightings.iter().map(belief).collect()
}

/// By how many seconds of the query views are too late, where several of the same moments say so: beside what all of them say together, in
/// which the nearer ones have more to say.
fn late(sightings: &[Sighting]) -> BTreeMap<[View; 2], f64> {
    let mut sorted: Vec<&Sighting> = sightings.iter().collect();
    sorted.sort_by(|a, b| a.r.total_cmp(&b.r));
    let mut off: BTreeMap<[View; 2], Vec<f64>> = BTreeMap::new();
    let mut rest = &sorted[..];
    while let Some(first) = rest.first() {
        let (same, later) = rest.split_at(rest.iter().take_while(|other| other.r - first.r <= SAME).count().max(1));
        rest = later;
        let say = |of: &Sighting| of.weight / (f64::from(of.distance) + NOISE).powi(2);
        let together = same.iter().map(|of| say(of) * of.q).sum::<f64>() / same.iter().map(|of| say(of)).sum::<f64>();
        let differ = same.iter().any(|of| of.views != first.views);
        if differ && same.iter().all(|of| (of.q - together).abs() <= ASTRAY) {
            same.iter().for_each(|of| off.entry(of.views).or_default().push(of.q - together));
        }
    }
    off.retain(|_, off| off.len() >= TIMES);
    let middle = |(views, mut off): ([View; 2], Vec<f64>)| {
        off.sort_unstable_by(f64::total_cmp);
        let (few, count) = (off.len() / OTHERWISE, off.len());
        let [least, middle, most] = [few, count / 2, count - 1 - few].map(|place| off[place]);
        (least * most > 0.0 && middle.abs() >= OFF).then_some((views, middle))
    };
    off.into_iter().filter_map(middle).collect()
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

    /// Of every second, the whole picture and the middle of it.
    fn both(of: impl Fn(usize) -> [(f64, u32); 2]) -> Vec<Sighting> {
        let moment = |second: usize| {
            let [(late, whole), (other, part)] = of(second);
            [seen(second as f64, late, whole, WHOLE), seen(second as f64, other, part, inner())]
        };
        (0..6).flat_map(moment).collect()
    }

    #[test]
    fn a_crop_between_two_views_is_put_between_what_they_say() {
        let beliefs = believed(&both(|_| [(0.7, 31), (-0.6, 27)]));
        assert!((beliefs[0].late - 0.7).abs() < 0.15 && (beliefs[1].late + 0.6).abs() < 0.15, "{beliefs:?}");
        assert!(beliefs.iter().all(|belief| belief.share == 1.0));
    }

    #[test]
    fn a_view_that_fits_is_believed_and_what_hardly_does_counts_less() {
        let beliefs = believed(&both(|_| [(-0.5, 60), (0.0, 10)]));
        assert!((beliefs[0].late + 0.5).abs() < 0.05 && beliefs[1].late.abs() < 0.05, "{beliefs:?}");
        assert!(beliefs[0].share < 0.5 && beliefs[1].share == 1.0, "{beliefs:?}");
    }

    #[test]
    fn what_views_say_by_chance_moves_none() {
        let cases = [
            both(|second| [(if second % 2 == 0 { 0.5 } else { -0.5 }, 30), (0.0, 30)]),
            both(|_| [(0.1, 30), (-0.1, 30)]),
            both(|_| [(4.0, 30), (0.0, 30)]),
            both(|_| [(0.7, 30), (-0.7, 30)]).into_iter().take(4).collect(),
            (0..9).map(|second| seen(f64::from(second), 0.6, 30, WHOLE)).collect(),
            Vec::new(),
        ];
        for sightings in cases {
            assert!(believed(&sightings).iter().all(|belief| belief.late == 0.0), "{sightings:?}");
        }
    }
}
