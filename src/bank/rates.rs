//! What a radius costs in false alarms: how often unrelated photographs were within it, as the recall benchmark counted
//! (docs/benchmarks/recall.md), so that a person can choose a rate and need not know what a radius is.
//!
//! A pair is an upload and a reference, with all their views, orientations and the negative. Rates that the run had too few
//! pairs to see are reckoned with the slope at the end of what it saw, and are a guess; pictures in one template come
//! closer to each other than these, which is why the default radius is not wider.

use crate::fingerprint::ViewSet;

/// Pairs of unrelated photographs that were counted: 290 references, 580 pictures under up to 94 attacks.
const PAIRS: f64 = 10_597_470.0;
/// Fewer pairs than this within a radius say nothing of how many there would be in another run.
const ENOUGH: u32 = 10;
/// The slope is taken over so many bits.
const REACH: u32 = 12;

/// Pairs within a detail radius, for radii in ascending order: each view set has its own.
const NONE: &[(u32, u32)] =
    &[(74, 2), (80, 5), (82, 7), (84, 10), (86, 21), (88, 53), (90, 125), (92, 318), (94, 659), (96, 1109)];
const STANDARD: &[(u32, u32)] = &[
    (72, 1),
    (78, 4),
    (80, 8),
    (82, 34),
    (84, 101),
    (86, 277),
    (88, 801),
    (90, 1768),
    (92, 3696),
    (94, 7147),
    (96, 12875),
];
const THOROUGH: &[(u32, u32)] = &[
    (72, 3),
    (74, 6),
    (76, 24),
    (78, 41),
    (80, 75),
    (82, 142),
    (84, 272),
    (86, 646),
    (88, 1660),
    (90, 3844),
    (92, 8118),
    (94, 15833),
    (96, 28176),
];

/// The largest detail radius that is ever chosen: beyond it templates match (docs/recall.md).
const WIDEST: u32 = 72;

fn counted(views: ViewSet) -> &'static [(u32, u32)] {
    match views {
        ViewSet::None => NONE,
        ViewSet::Standard => STANDARD,
        ViewSet::Thorough | ViewSet::Uploads => THOROUGH,
    }
}

/// The logarithm of the rate within a radius.
fn log_rate(views: ViewSet, radius: u32) -> f64 {
    let known: Vec<(f64, f64)> = counted(views)
        .iter()
        .filter(|(_, pairs)| *pairs >= ENOUGH)
        .map(|&(radius, pairs)| (f64::from(radius), (f64::from(pairs) / PAIRS).ln()))
        .collect();
    let at = f64::from(radius);
    let (Some(&first), Some(&last)) = (known.first(), known.last()) else { return 0.0 };
    let on = |a: (f64, f64), b: (f64, f64)| a.1 + (b.1 - a.1) / (b.0 - a.0) * (at - a.0);
    if at < first.0 {
        let far = known.iter().rfind(|point| point.0 <= first.0 + f64::from(REACH)).unwrap_or(&last);
        return on(first, *far);
    }
    match known.windows(2).find(|pair| at <= pair[1].0) {
        Some(pair) => on(pair[0], pair[1]),
        None => last.1,
    }
}

/// False matches a pair of unrelated photographs within a detail radius.
pub(super) fn rate(views: ViewSet, radius: u32) -> f64 {
    log_rate(views, radius).exp().min(1.0)
}

/// The largest detail radius of at most so many false matches a pair; `None` if even exact copies are too many.
pub(super) fn radius(views: ViewSet, rate: f64) -> Option<u32> {
    (0..=WIDEST).rev().find(|&radius| log_rate(views, radius) <= rate.ln())
}

/// Whether the run had pairs enough to see the rate of this radius.
pub(super) fn seen(views: ViewSet, radius: u32) -> bool {
    counted(views).iter().any(|&(at, pairs)| at <= radius && pairs >= ENOUGH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_grow_with_the_radius_and_come_back() {
        for views in [ViewSet::None, ViewSet::Standard, ViewSet::Thorough] {
            assert!(counted(views).windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
            assert!((1..96).all(|r| rate(views, r - 1) <= rate(views, r)), "{views:?}");
            for wanted in [1e-10, 1e-8, 1e-7, 1e-6] {
                let radius = radius(views, wanted).unwrap();
                assert!(rate(views, radius) <= wanted, "{views:?} {radius}");
                assert!(radius == WIDEST || rate(views, radius + 1) > wanted, "{views:?} {radius}");
            }
        }
        // More views come near by chance more often.
        assert!(rate(ViewSet::None, 70) < rate(ViewSet::Thorough, 70));
        assert_eq!(radius(ViewSet::Standard, 0.0), None);
    }
}
