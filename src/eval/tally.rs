//! Counts of pairs by their score: millions of unrelated pairs in a few hundred numbers.

use super::metrics::{self, Point};

/// How many pairs had each whole score. Scores below the lowest are not counted: they were never asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Tally(Vec<u64>);

/// The lowest score that is counted.
const LOWEST: i32 = -256;
/// The highest.
const HIGHEST: i32 = 128;

impl Tally {
    /// Counts one pair; a score is rounded down to a whole one.
    pub fn add(&mut self, score: f32) {
        self.add_many(score, 1);
    }

    /// Counts so many pairs of one score.
    pub fn add_many(&mut self, score: f32, count: u64) {
        if score < LOWEST as f32 || score.is_nan() {
            return;
        }
        let at = (score.floor().min(HIGHEST as f32) as i32 - LOWEST) as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += count;
    }

    /// Counts what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Scores that any pair had, the highest first, each with its pairs.
    pub fn scores(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.0.iter().enumerate().rev().filter(|(_, count)| **count > 0).map(|(at, &count)| (LOWEST + at as i32, count))
    }

    /// Pairs of at least this score.
    pub fn from(&self, score: f64) -> u64 {
        self.scores().take_while(|&(at, _)| f64::from(at) >= score).map(|(_, count)| count).sum()
    }

    /// The highest score, if there is any.
    pub fn highest(&self) -> Option<i32> {
        self.scores().next().map(|(score, _)| score)
    }

    /// The lowest score that at most `rate * pairs` of the pairs counted here reach: see
    /// [`metrics::score_at_false_rate`].
    pub fn score_at_rate(&self, pairs: u64, rate: f64) -> f64 {
        let allowed = (rate * pairs as f64).floor().max(0.0) as u64;
        let mut above = f64::NEG_INFINITY;
        let (mut seen, mut last) = (0, None);
        for (score, count) in self.scores() {
            seen += count;
            if seen > allowed {
                above = last.unwrap_or(f64::from(score).next_up());
                break;
            }
            last = Some(f64::from(score));
        }
        above
    }

    /// Precision and recall of claims whose right ones are counted here and whose wrong ones there, of `truths` that
    /// could be found.
    pub fn curve(&self, wrong: &Self, truths: usize) -> Vec<Point> {
        let mut steps: Vec<(f64, u64, u64)> = Vec::new();
        let (mut right, mut wrong) = (self.scores().peekable(), wrong.scores().peekable());
        while let Some(score) = right.peek().map(|r| r.0).max(wrong.peek().map(|w| w.0)) {
            let count = |next: Option<(i32, u64)>| next.map_or(0, |(_, count)| count);
            let of_right = count(right.next_if(|r| r.0 == score));
            steps.push((f64::from(score), of_right, count(wrong.next_if(|w| w.0 == score))));
        }
        metrics::curve_of_counts(&steps, truths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::{Prediction, micro_average_precision, score_at_false_rate};
    use crate::eval::random::Random;

    fn tally(scores: &[f64]) -> Tally {
        let mut out = Tally::default();
        scores.iter().for_each(|&score| out.add(score as f32));
        out
    }

    #[test]
    fn counts_by_hand() {
        let mut out = tally(&[3.0, 3.5, -2.0, f64::NEG_INFINITY, f64::NAN, 1e9]);
        assert_eq!(out.scores().collect::<Vec<_>>(), [(128, 1), (3, 2), (-2, 1)]);
        assert_eq!((out.from(3.0), out.from(-300.0), out.highest()), (3, 4, Some(128)));
        out.merge(&tally(&[-2.0, -255.0]));
        assert_eq!(out.scores().last(), Some((-255, 1)));
        assert_eq!(out.from(-2.0), 5);
    }

    /// Counting says what the lists of all predictions say.
    #[test]
    fn the_same_figures_as_from_lists() {
        let mut random = Random::new(9);
        let mut draw = |count: usize, low: f64| -> Vec<f64> {
            (0..count).map(|_| random.range(low, low + 60.0).floor()).collect()
        };
        let (right, wrong) = (draw(300, 0.0), draw(4000, -40.0));
        for rate in [0.0, 1e-4, 1e-3, 1e-2, 0.3, 1.0] {
            let (a, b) = (tally(&wrong).score_at_rate(5000, rate), score_at_false_rate(&wrong, 5000, rate));
            assert_eq!(a, b, "{rate}");
        }
        let predictions: Vec<Prediction> = right
            .iter()
            .map(|&score| (score, true))
            .chain(wrong.iter().map(|&score| (score, false)))
            .map(|(score, correct)| Prediction { query: 0, reference: 0, score, correct })
            .collect();
        let points = tally(&right).curve(&tally(&wrong), 400);
        assert_eq!(points, metrics::curve(&predictions, 400));
        assert_eq!(metrics::average_precision(&points), micro_average_precision(&predictions, 400));
    }
}
