//! The hits of a question, gathered in bounded memory.
//!
//! In a film in which one picture stands for long, or which plays the same over and over, everything is near everything: two
//! hours give a hundred million hits on a film of the kind. Few of them say all that there is to say.

use std::collections::BTreeMap;

/// What a hit says: the reference's number, the look-up, and which of the reference's hashes.
pub(super) type Candidate = (u64, u32, u32);

/// Hits that are gathered before any is left out.
const HELD: usize = 1 << 19;
/// Most hits of a film on one reference; what is aligned in the end is a small part of them.
const MOST: usize = 1 << 17;

/// Hits of one question.
pub(super) struct Gathered {
    candidates: Vec<Candidate>,
    /// So many are gathered before some are left out.
    held: usize,
    /// Most on one reference; `None` for a still, which has few hashes.
    most: Option<usize>,
    /// Of the references that were hit more often, which share of the query's hashes still counts: one in two to this power.
    thin: BTreeMap<u64, u32>,
}

impl Gathered {
    /// Nothing yet; `film` if the query is one.
    pub(super) fn new(film: bool) -> Self {
        Self::with(HELD, film.then_some(MOST))
    }

    fn with(held: usize, most: Option<usize>) -> Self {
        Self { candidates: Vec::new(), held, most, thin: BTreeMap::new() }
    }

    /// Takes a hit of a look-up, which is of this hash of the query.
    pub(super) fn push(&mut self, candidate: Candidate) {
        if self.thin.get(&candidate.0).is_none_or(|&thin| counts(candidate.1, thin)) {
            self.candidates.push(candidate);
            if self.candidates.len() >= self.held {
                self.leave_out();
                self.held = self.held.max(2 * self.candidates.len());
            }
        }
    }

    /// All of them once, in the order of the references.
    pub(super) fn finish(mut self) -> Vec<Candidate> {
        self.leave_out();
        // They are held while each reference is judged.
        self.candidates.shrink_to_fit();
        self.candidates
    }

    fn leave_out(&mut self) {
        self.candidates.sort_unstable();
        self.candidates.dedup();
        let Some(most) = self.most else { return };
        for of_one in self.candidates.chunk_by(|a, b| a.0 == b.0).filter(|of_one| of_one.len() > most) {
            let thin = self.thin.entry(of_one[0].0).or_default();
            // One hash that is near everything is kept, however much that is.
            while *thin < 16 && of_one.iter().filter(|hit| counts(hit.1, *thin)).count() > most {
                *thin += 1;
            }
        }
        let thin = &self.thin;
        self.candidates.retain(|hit| thin.get(&hit.0).is_none_or(|&thin| counts(hit.1, thin)));
    }
}

/// Whether a look-up is of one of the hashes that count: these lie evenly over the query, whatever the order of views in it is
/// (multiplicative hashing by the golden ratio), and each share holds the smaller ones.
fn counts(look: u32, thin: u32) -> bool {
    crate::matching::Looks::slot(look).wrapping_mul(0x9e37_79b9).leading_zeros() >= thin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_does_not_depend_on_the_order_and_lies_evenly() {
        let hits = |reference: u64, slots: u32, each: u32| {
            (0..slots).flat_map(move |slot| (0..each).map(move |ordinal| (reference, slot * 16 + 3, ordinal)))
        };
        let all: Vec<Candidate> = hits(7, 3000, 40).chain(hits(9, 3000, 1)).chain(hits(7, 1, 40)).collect();
        let gather = |all: &mut dyn Iterator<Item = Candidate>, held| {
            let mut gathered = Gathered::with(held, Some(10_000));
            all.for_each(|hit| gathered.push(hit));
            assert!(gathered.candidates.len() < held.max(26_000));
            gathered.finish()
        };
        let some = gather(&mut all.iter().copied(), 20_000);
        assert_eq!(some, gather(&mut all.iter().rev().copied(), 50_000));
        assert_eq!(some, gather(&mut all.iter().copied(), usize::MAX));
        assert_eq!(some.iter().filter(|hit| hit.0 == 9).count(), 3000, "that of other references stays");
        let kept: Vec<u32> = some.iter().filter(|hit| hit.0 == 7).map(|hit| hit.1 / 16).collect();
        assert!((5_000..=10_000).contains(&kept.len()), "{}", kept.len());
        // All hits of a hash or none, and no long stretch without one.
        assert!(kept.chunk_by(|a, b| a == b).all(|hits| hits.len() == 40));
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] <= 40), "{kept:?}");
    }

    #[test]
    fn nothing_is_left_out_while_there_is_room() {
        let hits = || (0..9_000u32).map(|at| (u64::from(at % 3), at * 5, at));
        for held in [100, 1_000_000] {
            let mut gathered = Gathered::with(held, Some(3_000));
            hits().chain(hits()).for_each(|hit| gathered.push(hit));
            let mut all: Vec<Candidate> = hits().collect();
            all.sort_unstable();
            assert_eq!(gathered.finish(), all, "each once");
        }
        let mut still = Gathered::with(10, None);
        hits().for_each(|hit| still.push(hit));
        assert_eq!(still.finish().len(), 9_000);
    }
}
