//! The figures by which recognisers are compared, as the DISC21 (Douze et al. 2021) and VSC2022 (Pizzi et al. 2023)
//! challenges define them.
//!
//! **Ties.** Predictions of one score are one step: precision is taken after the whole group, so no order among equals
//! can flatter a method whose scores are few integers.

use super::random::Random;
use crate::matching::union;

/// One claim of a recogniser: `query` is a copy of `reference`. A higher score is a surer claim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Which query.
    pub query: u32,
    /// Which reference.
    pub reference: u32,
    /// Higher is surer; not a number counts as the lowest.
    pub score: f64,
    /// Whether it is right.
    pub correct: bool,
}

/// Points of a curve of precision and recall, one for each distinct score, the surest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Predictions of at least this score are counted.
    pub score: f64,
    /// Share of them that are right.
    pub precision: f64,
    /// Share of the true pairs among them.
    pub recall: f64,
}

/// The curve of precision and recall over all predictions, of which `truths` could be right.
pub fn curve(predictions: &[Prediction], truths: usize) -> Vec<Point> {
    let key = |p: &Prediction| if p.score.is_nan() { f64::NEG_INFINITY } else { p.score };
    let mut sorted: Vec<&Prediction> = predictions.iter().collect();
    sorted.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let steps: Vec<(f64, u64, u64)> = sorted
        .chunk_by(|a, b| key(a) == key(b))
        .map(|group| {
            let right = group.iter().filter(|p| p.correct).count() as u64;
            (key(group[0]), right, group.len() as u64 - right)
        })
        .collect();
    curve_of_counts(&steps, truths)
}

/// The same from counts: each distinct score, the highest first, with its right and its wrong predictions.
pub fn curve_of_counts(steps: &[(f64, u64, u64)], truths: usize) -> Vec<Point> {
    let (mut right, mut seen) = (0u64, 0u64);
    let point = |&(score, of_right, of_wrong): &(f64, u64, u64)| {
        right += of_right;
        seen += of_right + of_wrong;
        Point {
            score,
            precision: right as f64 / seen.max(1) as f64,
            recall: if truths == 0 { 0.0 } else { right as f64 / truths as f64 },
        }
    };
    steps.iter().map(point).collect()
}

/// The area under a curve of precision and recall.
pub fn average_precision(curve: &[Point]) -> f64 {
    let (mut area, mut before) = (0.0, 0.0);
    for point in curve {
        area += point.precision * (point.recall - before);
        before = point.recall;
    }
    area
}

/// The highest recall on a curve where at least this share of the predictions is right; 0 if there is none.
pub fn best_recall(curve: &[Point], precision: f64) -> f64 {
    curve.iter().filter(|p| p.precision >= precision).map(|p| p.recall).fold(0.0, f64::max)
}

/// Micro-average precision: the area under the curve of all predictions of all queries together. What is never predicted
/// counts as not found. `NaN` if there is no truth to find.
pub fn micro_average_precision(predictions: &[Prediction], truths: usize) -> f64 {
    if truths == 0 {
        return f64::NAN;
    }
    average_precision(&curve(predictions, truths))
}

/// The highest recall at any score at which at least this share of the predictions is right; 0 if there is none.
pub fn recall_at_precision(predictions: &[Prediction], truths: usize, precision: f64) -> f64 {
    best_recall(&curve(predictions, truths), precision)
}

/// The lowest score that at most `rate * pairs` of the false pairs reach, from the scores of all false pairs that have
/// one (any others score lower); infinity if even the highest is reached by too many.
///
/// A rate below one in `pairs` gives the score that no false pair reaches.
pub fn score_at_false_rate(false_scores: &[f64], pairs: u64, rate: f64) -> f64 {
    let allowed = (rate * pairs as f64).floor().max(0.0) as usize;
    let mut sorted = false_scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    match sorted.get(allowed) {
        None => f64::NEG_INFINITY,
        // The next score above: everything that ties with the first one too many is out.
        Some(&first_out) => {
            sorted[..allowed].iter().copied().rev().find(|&s| s > first_out).unwrap_or(first_out.next_up())
        }
    }
}

/// The rates of false claims a pair at which recall is told.
pub const RATES: [f64; 2] = [1e-6, 1e-8];

/// Recall at a rate of false claims a pair.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct AtRate<R> {
    /// False claims a pair of a query and a reference.
    pub rate: f64,
    /// Whether there are pairs enough to see such a rate: one false pair would be no more than allowed. If not, this is the
    /// recall with no false claim at all.
    pub visible: bool,
    /// Claims of at least this score count.
    pub score: f64,
    /// Mean over references of the share of their copies that are found.
    pub recall: R,
}

impl<R> AtRate<R> {
    /// Recall among so many unrelated pairs. A score below all claims, as minus infinity, is put to
    /// the `lowest` of them, which says the same and can be written as JSON.
    pub(super) fn new(rate: f64, pairs: u64, score: f64, lowest: f64, recall: R) -> Self {
        Self { rate, visible: rate * pairs as f64 >= 1.0, score: score.max(lowest), recall }
    }
}

/// A figure and the interval that holds it with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The figure over everything that was measured.
    pub value: f64,
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

/// The mean of `means[i]`, one a reference, with a bootstrap interval over references (1,000 draws): pictures of one
/// reference stand and fall together, so they are drawn together.
pub fn bootstrap(means: &[f64], seed: u64) -> Interval {
    if means.is_empty() {
        return Interval { value: f64::NAN, low: f64::NAN, high: f64::NAN };
    }
    let mean = |sum: f64| sum / means.len() as f64;
    let mut random = Random::keyed(seed, &["bootstrap"]);
    let mut draws: Vec<f64> =
        (0..1000).map(|_| mean((0..means.len()).map(|_| means[random.below(means.len())]).sum())).collect();
    draws.sort_by(f64::total_cmp);
    Interval { value: mean(means.iter().sum()), low: draws[24], high: draws[974] }
}

/// A stretch of a query film that shows a stretch of a reference film, both in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Which pair of films.
    pub pair: u32,
    /// From and to in the query.
    pub query: [f64; 2],
    /// From and to in the reference.
    pub reference: [f64; 2],
}

/// Segment average precision: at each score the predicted stretches of every pair are laid over the true ones;
/// precision and recall are geometric means over the two time axes of the shares that overlap, as lengths of unions.
pub fn segment_average_precision(predictions: &[(Stretch, f64)], truth: &[Stretch]) -> f64 {
    if truth.is_empty() {
        return f64::NAN;
    }
    let mut sorted: Vec<&(Stretch, f64)> = predictions.iter().collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
    let (mut taken, mut area, mut before) = (Vec::new(), 0.0, 0.0);
    for group in sorted.chunk_by(|a, b| a.1 == b.1) {
        taken.extend(group.iter().map(|p| p.0));
        let (precision, recall) = overlap(&taken, truth);
        area += precision * (recall - before).max(0.0);
        before = f64::max(before, recall);
    }
    area
}

fn overlap(predicted: &[Stretch], truth: &[Stretch]) -> (f64, f64) {
    let mut pairs: Vec<u32> = predicted.iter().chain(truth).map(|s| s.pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let (mut hit, mut claimed, mut wanted) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    for pair in pairs {
        let of = |all: &[Stretch]| all.iter().filter(|s| s.pair == pair).copied().collect::<Vec<_>>();
        let (predicted, truth) = (of(predicted), of(truth));
        let common: Vec<Stretch> = predicted
            .iter()
            .flat_map(|p| truth.iter().map(move |t| (p, t)))
            .map(|(p, t)| Stretch { pair, query: cut(p.query, t.query), reference: cut(p.reference, t.reference) })
            .filter(|s| s.query[1] > s.query[0] && s.reference[1] > s.reference[0])
            .collect();
        for (axis, side) in [|s: &Stretch| s.query, |s: &Stretch| s.reference].into_iter().enumerate() {
            hit[axis] += union(common.iter().map(side));
            claimed[axis] += union(predicted.iter().map(side));
            wanted[axis] += union(truth.iter().map(side));
        }
    }
    let mean = |of: [f64; 2]| -> f64 {
        let share = |axis: usize| if of[axis] > 0.0 { hit[axis] / of[axis] } else { 0.0 };
        (share(0) * share(1)).sqrt()
    };
    (mean(claimed), mean(wanted))
}

fn cut(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0].max(b[0]), a[1].min(b[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(of: &[(f64, bool)]) -> Vec<Prediction> {
        of.iter()
            .enumerate()
            .map(|(i, &(score, correct))| Prediction { query: i as u32, reference: 0, score, correct })
            .collect()
    }

    #[test]
    fn average_precision_by_hand() {
        // Right, wrong, right, right never found: 1/3 * 1 + 1/3 * 2/3 = 5/9.
        let p = predictions(&[(0.9, true), (0.8, false), (0.7, true)]);
        assert!((micro_average_precision(&p, 3) - 5.0 / 9.0).abs() < 1e-12);
        // The textbook ranking R N R N N R of three relevant: (1 + 2/3 + 3/6) / 3.
        let p = predictions(&[(6.0, true), (5.0, false), (4.0, true), (3.0, false), (2.0, false), (1.0, true)]);
        assert!((micro_average_precision(&p, 3) - (1.0 + 2.0 / 3.0 + 0.5) / 3.0).abs() < 1e-12);
        assert_eq!(micro_average_precision(&predictions(&[(1.0, true)]), 1), 1.0);
        assert_eq!(micro_average_precision(&[], 4), 0.0);
        assert!(micro_average_precision(&[], 0).is_nan());
    }

    #[test]
    fn ties_are_one_step() {
        for order in [[(1.0, true), (1.0, false)], [(1.0, false), (1.0, true)]] {
            assert_eq!(micro_average_precision(&predictions(&order), 1), 0.5);
        }
        let nan = predictions(&[(f64::NAN, false), (0.1, true)]);
        assert_eq!(micro_average_precision(&nan, 1), 1.0);
    }

    #[test]
    fn recall_at_precision_by_hand() {
        let p = predictions(&[(9.0, true), (8.0, true), (7.0, false), (6.0, true), (5.0, true), (4.0, true)]);
        assert_eq!(recall_at_precision(&p, 10, 0.9), 0.2);
        assert_eq!(recall_at_precision(&p, 10, 0.8), 0.5);
        assert_eq!(recall_at_precision(&predictions(&[(1.0, false)]), 10, 0.9), 0.0);
    }

    #[test]
    fn scores_at_false_rates() {
        let scores = [-40.0, -50.0, -50.0, -60.0];
        assert_eq!(score_at_false_rate(&scores, 100, 0.01), -40.0);
        assert_eq!(score_at_false_rate(&scores, 100, 0.02), -40.0, "both of a tie or none");
        assert_eq!(score_at_false_rate(&scores, 100, 0.03), -50.0);
        assert_eq!(score_at_false_rate(&scores, 100, 0.04), f64::NEG_INFINITY);
        let none = score_at_false_rate(&scores, 100, 1e-6);
        assert!(none > -40.0 && none < -39.9);
    }

    #[test]
    fn a_random_method_scores_chance_and_an_oracle_one() {
        let mut random = Random::new(5);
        let all: Vec<Prediction> = (0..40_000)
            .map(|i| Prediction {
                query: i / 200,
                reference: i % 200,
                score: random.unit(),
                correct: i / 200 == i % 200,
            })
            .collect();
        let chance = micro_average_precision(&all, 200);
        assert!((chance - 1.0 / 200.0).abs() < 0.004, "{chance}");
        let oracle: Vec<Prediction> =
            all.iter().map(|p| Prediction { score: f64::from(u8::from(p.correct)), ..*p }).collect();
        assert_eq!(micro_average_precision(&oracle, 200), 1.0);
        assert_eq!(recall_at_precision(&oracle, 200, 0.9), 1.0);
    }

    #[test]
    fn bootstrap_holds_the_mean() {
        let means: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let interval = bootstrap(&means, 1);
        assert_eq!(interval.value, 0.5);
        assert!(
            interval.low > 0.38 && interval.low < 0.45 && interval.high > 0.55 && interval.high < 0.62,
            "{interval:?}"
        );
        assert_eq!(interval, bootstrap(&means, 1));
        assert!(bootstrap(&[], 1).value.is_nan());
    }

    #[test]
    fn segments_by_hand() {
        let truth = [Stretch { pair: 0, query: [0.0, 10.0], reference: [5.0, 15.0] }];
        assert_eq!(segment_average_precision(&[(truth[0], 1.0)], &truth), 1.0);
        // Half of it found, nothing else claimed: precision 1, recall 1/2.
        let half = Stretch { pair: 0, query: [0.0, 5.0], reference: [5.0, 10.0] };
        assert!((segment_average_precision(&[(half, 1.0)], &truth) - 0.5).abs() < 1e-12);
        // Claimed twice as long on both axes: precision 1/2, recall 1.
        let long = Stretch { pair: 0, query: [0.0, 20.0], reference: [5.0, 25.0] };
        assert!((segment_average_precision(&[(long, 1.0)], &truth) - 0.5).abs() < 1e-12);
        let other = Stretch { pair: 1, ..truth[0] };
        assert_eq!(segment_average_precision(&[(other, 2.0)], &truth), 0.0);
        // The wrong film first, then the right one: precision 1/2 when recall rises to 1.
        assert!((segment_average_precision(&[(other, 2.0), (truth[0], 1.0)], &truth) - 0.5).abs() < 1e-12);
    }
}
