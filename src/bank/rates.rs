//! What a radius costs in false alarms: how often unrelated photographs were within it, as the recall benchmark counted
//! (docs/benchmarks/recall.md), so that a person can choose a rate and need not know what a radius is.
//!
//! A pair is an upload and a reference, with all their views, orientations and the negative. Rates that the run had too few
//! pairs to see are reckoned with the slope at the end of what it saw, and are a guess; pictures in one template come
//! closer to each other than these, which is why the default radius is not wider.

use std::sync::LazyLock;

use crate::fingerprint::ViewSet;

/// Fewer pairs than this within a radius say nothing of how many there would be in another run.
const ENOUGH: u64 = 10;
/// The slope is taken over so many bits.
const REACH: u32 = 12;

/// The largest detail radius that is ever chosen: beyond it templates match (docs/recall.md).
const WIDEST: u32 = 72;

/// What a run counted: lines of `views,radius,within,pairs`, for radii in ascending order; `make bench-recall` writes them
/// here, and the next build knows them.
const COUNTED: &str = include_str!("rates.csv");

/// Unrelated pairs within detail radii, as a run counted them with one set of views.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    /// Unrelated pairs in all.
    pairs: f64,
    /// Radii in ascending order, and the pairs within each.
    within: Vec<(u32, u64)>,
}

impl Counted {
    /// What a table says of one set of views; lines that say nothing are left out.
    fn of(table: &str, views: &str) -> Self {
        let mut counted = Self::default();
        for line in table.lines() {
            let fields: Vec<&str> = line.split(',').collect();
            if let [name, radius, within, pairs] = fields[..]
                && name == views
                && let (Ok(radius), Ok(within), Ok(pairs)) = (radius.parse(), within.parse(), pairs.parse())
            {
                counted.within.push((radius, within));
                counted.pairs = pairs;
            }
        }
        counted
    }

    /// What a table says of [`ViewSet::None`], [`ViewSet::Standard`] and [`ViewSet::Thorough`]. One that came near too seldom
    /// for a slope has the counts of the next: more views can only come near more often.
    pub(crate) fn presets(table: &str) -> [Self; 3] {
        let mut sets = [ViewSet::None, ViewSet::Standard, ViewSet::Thorough].map(|set| Self::of(table, set.name()));
        for set in (0..2).rev() {
            if sets[set].within.iter().filter(|(_, pairs)| *pairs >= ENOUGH).count() < 2 {
                sets[set] = sets[set + 1].clone();
            }
        }
        sets
    }

    fn known(views: ViewSet) -> &'static Self {
        static SETS: LazyLock<[Counted; 3]> = LazyLock::new(|| Counted::presets(COUNTED));
        match views {
            ViewSet::None | ViewSet::Whole => &SETS[0],
            ViewSet::Standard => &SETS[1],
            ViewSet::Thorough | ViewSet::Uploads => &SETS[2],
        }
    }

    /// The logarithm of the rate within a radius.
    fn log_rate(&self, radius: u32) -> f64 {
        let known: Vec<(f64, f64)> = self
            .within
            .iter()
            .filter(|(_, pairs)| *pairs >= ENOUGH)
            .map(|&(radius, pairs)| (f64::from(radius), (pairs as f64 / self.pairs).ln()))
            .collect();
        let at = f64::from(radius);
        let (Some(&first), Some(&last)) = (known.first(), known.last()) else { return 0.0 };
        let on = |a: (f64, f64), b: (f64, f64)| a.1 + (b.1 - a.1) / (b.0 - a.0) * (at - a.0);
        if at < first.0 {
            // A single radius has no slope: then the rate of that one is all that can be said.
            let far = known.iter().rfind(|point| point.0 <= first.0 + f64::from(REACH)).unwrap_or(&last);
            return if far.0 > first.0 { on(first, *far) } else { first.1 };
        }
        match known.windows(2).find(|pair| at <= pair[1].0) {
            Some(pair) => on(pair[0], pair[1]),
            None => last.1,
        }
    }

    /// False matches a pair of unrelated photographs within a detail radius.
    pub(crate) fn rate(&self, radius: u32) -> f64 {
        self.log_rate(radius).exp().min(1.0)
    }

    /// Whether the run had pairs enough to see the rate of this radius.
    pub(crate) fn seen(&self, radius: u32) -> bool {
        self.within.iter().any(|&(at, pairs)| at <= radius && pairs >= ENOUGH)
    }
}

/// False matches a pair of unrelated photographs within a detail radius.
pub(super) fn rate(views: ViewSet, radius: u32) -> f64 {
    Counted::known(views).rate(radius)
}

/// The largest detail radius of at most so many false matches a pair; `None` if even exact copies are too many.
pub(super) fn radius(views: ViewSet, rate: f64) -> Option<u32> {
    (0..=WIDEST).rev().find(|&radius| Counted::known(views).log_rate(radius) <= rate.ln())
}

/// Whether the run had pairs enough to see the rate of this radius.
pub(super) fn seen(views: ViewSet, radius: u32) -> bool {
    Counted::known(views).seen(radius)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_that_hardly_ever_came_near_have_the_rates_of_the_next() {
        let table = "views,radius,within,pairs\nnone,90,3,1000\nstandard,80,10,1000\nstandard,90,100,1000\nthorough,70,10,1000\nthorough,90,200,1000\n";
        let [none, standard, thorough] = Counted::presets(table);
        for radius in [40, 85, 90] {
            assert_eq!(none.rate(radius), standard.rate(radius));
            assert!(standard.rate(radius) < thorough.rate(radius));
        }
        assert!((standard.rate(70) - 1e-3).abs() < 1e-9 && !standard.seen(70));
    }

    #[test]
    fn rates_grow_with_the_radius_and_come_back() {
        for views in [ViewSet::None, ViewSet::Standard, ViewSet::Thorough] {
            let within = &Counted::known(views).within;
            assert!(within.len() > 3 && within.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
            assert!((1..96).all(|r| rate(views, r - 1) <= rate(views, r)), "{views:?}");
            for wanted in [1e-10, 1e-8, 1e-7, 1e-6] {
                let radius = radius(views, wanted).unwrap();
                assert!(rate(views, radius) <= wanted, "{views:?} {radius}");
                assert!(radius == WIDEST || rate(views, radius + 1) > wanted, "{views:?} {radius}");
            }
        }
        // More views come near by chance more often; at most as often where the fewer were too few to tell.
        assert!(rate(ViewSet::None, 70) <= rate(ViewSet::Standard, 70));
        assert!(rate(ViewSet::None, 70) < rate(ViewSet::Thorough, 70));
        assert_eq!(radius(ViewSet::Standard, 0.0), None);
    }
}
