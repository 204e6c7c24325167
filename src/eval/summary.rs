//! From outcomes to figures.

use std::collections::BTreeMap;

use super::attacks::Attack;
use super::data::{Excluded, Still};
use super::film::FilmReport;
use super::hard::Hard;
use super::list::{Known, TOLD_OF};
use super::method::Method;
use super::metrics::{AtRate, Interval, RATES, average_precision, best_recall, bootstrap};
use super::run::{Config, Fared, Outcome};
use super::tally::Tally;
use crate::index::entry_bytes;

/// The figures of one method.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct MethodReport {
    /// Its name.
    pub name: String,
    /// Queries that are copies.
    pub copies: usize,
    /// Unrelated pairs of a query and a reference.
    pub pairs: u64,
    /// Share of copies found, mean over attacks, with its 95 % interval over references.
    pub recall: Interval,
    /// The same on either half of the references: the one that choices were made on, and the one held out.
    pub halves: [Half; 2],
    /// The same by group of attacks.
    pub groups: BTreeMap<String, f64>,
    /// The same by attack, in the order of the report's attacks.
    pub attacks: Vec<f64>,
    /// Queries that matched a reference that they are no copy of.
    pub false_queries: usize,
    /// Micro-average precision over all pairs; equal scores are one step.
    pub micro_ap: f64,
    /// Recall at a precision of 0.9.
    pub recall_at_p90: f64,
    /// Recall at each of [`RATES`] of false matches a pair.
    pub at_rates: Vec<AtRate<f64>>,
    /// Recall against false pairs: the rate, then the recall.
    pub curve: Vec<(f64, f64)>,
    /// Unrelated pairs by score, the highest first: 0 is the edge of a match as it is decided by default.
    pub unrelated: Vec<(i32, u64)>,
    /// Mean entries a reference.
    pub entries: f64,
    /// Mean bytes a reference in an index of a million entries.
    pub bytes: f64,
    /// Mean look-ups a query.
    pub look_ups: f64,
    /// Median microseconds to hash a query.
    pub micros: f64,
}

/// Recall on one half of the set, and what matched there that should not.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Half {
    /// References in it.
    pub references: usize,
    /// Share of their copies found, mean over attacks.
    pub recall: Interval,
    /// Unrelated pairs whose query is made of a picture of this half.
    pub pairs: u64,
    /// Those that matched.
    pub false_pairs: u64,
}

/// How far whole pictures are from each other, in their closest orientation: distances with their pairs, closest first.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Distances {
    /// Copies and their references.
    pub copies: Vec<(i32, u64)>,
    /// Unrelated pairs.
    pub unrelated: Vec<(i32, u64)>,
}

/// Two pictures that a person may want to see side by side: a copy that was not found, or strangers that came close.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Shown {
    /// The reference.
    pub reference: String,
    /// The picture that was attacked.
    pub picture: String,
    /// The attack; empty for the picture as it is.
    pub attack: String,
    /// The score that the pair had, -256 if it was never asked for.
    pub score: f64,
}

/// Everything that a run found out.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Whether it was a quick run, whose figures mean nothing.
    pub quick: bool,
    /// References.
    pub references: usize,
    /// Strangers.
    pub strangers: usize,
    /// Unrelated pairs of a query and a reference.
    pub pairs: u64,
    /// Files that were left out.
    pub excluded: Vec<Excluded>,
    /// Attacks and their groups.
    pub attacks: Vec<(String, String)>,
    /// The methods.
    pub methods: Vec<MethodReport>,
    /// Distances between PDQ hashes of whole pictures, and between detail hashes.
    pub distances: [Distances; 2],
    /// Hard distractors, for [`Method::LIBRARY`].
    pub hard: Vec<Hard>,
    /// The films of the folder; `None` if there is no reference among them or no `ffmpeg` command to alter them.
    pub films: Option<FilmReport>,
    /// Copies that `refrain thorough` missed by most, a few of each attack, for people to look at.
    pub misses: Vec<Shown>,
    /// Unrelated pairs that it came closest to taking for copies.
    pub closest: Vec<Shown>,
    /// Mean microseconds for all views of a query.
    pub micros: f64,
    /// Seconds of the whole run.
    pub seconds: f64,
}

pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) attacks: &'a [Attack],
    pub(super) references: &'a [Still],
    pub(super) strangers: &'a [Still],
    pub(super) excluded: Vec<Excluded>,
    pub(super) of_references: &'a [Fared],
    pub(super) of_strangers: &'a [Fared],
    pub(super) known: &'a [Known],
    pub(super) hard: Vec<Hard>,
    pub(super) films: Option<FilmReport>,
    /// Microseconds a query for each of [`Method::all`].
    pub(super) costs: Vec<f64>,
    pub(super) seconds: f64,
}

impl Parts<'_> {
    fn fared(&self) -> impl Iterator<Item = &Fared> {
        self.of_references.iter().chain(self.of_strangers)
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.fared().flat_map(|fared| &fared.outcomes)
    }

    /// Unrelated pairs of one query under a method; what the method was not asked about counts none.
    fn pairs(&self, m: usize, outcome: &Outcome) -> u64 {
        let unrelated = self.references.len() - usize::from(!outcome.right.is_empty());
        if m < outcome.wrong.len() { unrelated as u64 } else { 0 }
    }

    fn shown(&self, still: &Still, outcome: &Outcome, reference: &Still, score: f32) -> Shown {
        let attack = self.attacks.get(outcome.attack as usize).map(|attack| attack.name.clone());
        Shown {
            reference: reference.name.clone(),
            picture: still.name.clone(),
            attack: attack.unwrap_or_default(),
            score: f64::from(score.max(-256.0)),
        }
    }

    fn misses(&self, m: usize) -> Vec<Shown> {
        let mut all: Vec<Shown> = self
            .references
            .iter()
            .zip(self.of_references)
            .flat_map(|(still, fared)| fared.outcomes.iter().map(move |outcome| (still, outcome)))
            .filter_map(|(still, outcome)| {
                let &score = outcome.right.get(m).filter(|&&score| score < 0.0)?;
                Some(self.shown(still, outcome, still, score))
            })
            .collect();
        let key = |s: &Shown| (s.attack.clone(), s.reference.clone());
        all.sort_by(|a, b| a.score.total_cmp(&b.score).then_with(|| key(a).cmp(&key(b))));
        first_of_each(all, 2, 48)
    }

    fn closest(&self, m: usize) -> Vec<Shown> {
        let stills = self.references.iter().chain(self.strangers);
        let mut all: Vec<Shown> = stills
            .zip(self.fared())
            .flat_map(|(still, fared)| fared.outcomes.iter().map(move |outcome| (still, outcome)))
            .filter_map(|(still, outcome)| {
                let &(score, reference) = outcome.wrong.get(m).filter(|wrong| wrong.0.is_finite())?;
                Some(self.shown(still, outcome, self.references.get(reference as usize)?, score))
            })
            .collect();
        let key = |s: &Shown| (s.attack.clone(), s.picture.clone());
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| key(a).cmp(&key(b))));
        first_of_each(all, 2, 24)
    }
}

/// The first so many, at most `each` of one attack.
fn first_of_each(all: Vec<Shown>, each: usize, most: usize) -> Vec<Shown> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let wanted = |shown: &Shown| {
        let count = seen.entry(shown.attack.clone()).or_default();
        *count += 1;
        *count <= each
    };
    all.into_iter().filter(wanted).take(most).collect()
}

pub(super) fn report(parts: Parts<'_>) -> Report {
    let methods = Method::all().into_iter().enumerate().map(|(m, method)| one(m, method, &parts)).collect();
    let thorough = Method::LIBRARY.len() - 1;
    let distances = |which: usize| {
        let (mut copies, mut unrelated) = (Tally::default(), Tally::default());
        let known = parts.of_references.iter().flat_map(|fared| &fared.outcomes);
        known.filter_map(|o| o.whole).for_each(|whole| copies.add(-f32::from(whole[which])));
        parts.fared().for_each(|fared| unrelated.merge(&fared.whole[which]));
        let by_distance = |tally: &Tally| tally.scores().map(|(score, count)| (-score, count)).collect();
        Distances { copies: by_distance(&copies), unrelated: by_distance(&unrelated) }
    };
    let queries = parts.outcomes().count().max(1) as f64;
    Report {
        seed: parts.config.seed,
        quick: parts.config.quick,
        references: parts.references.len(),
        strangers: parts.strangers.len(),
        pairs: parts.outcomes().map(|outcome| parts.pairs(0, outcome)).sum(),
        micros: parts.outcomes().map(|outcome| f64::from(outcome.micros)).sum::<f64>() / queries,
        attacks: parts.attacks.iter().map(|a| (a.name.clone(), a.group.name().to_string())).collect(),
        methods,
        distances: [distances(0), distances(1)],
        misses: parts.misses(thorough),
        closest: parts.closest(thorough),
        excluded: parts.excluded,
        hard: parts.hard,
        films: parts.films,
        seconds: parts.seconds,
    }
}

/// Shares of copies found from a score on: by attack, and by reference (`None` where the method was not asked).
fn found(m: usize, parts: &Parts<'_>, edge: f64) -> (Vec<f64>, Vec<Option<f64>>) {
    let mut by_attack = vec![(0.0, 0.0); parts.attacks.len()];
    let share = |(found, of): (f64, f64)| if of > 0.0 { Some(found / of) } else { None };
    let by_reference = parts.of_references.iter().map(|fared| {
        let mut whole = (0.0, 0.0);
        for outcome in &fared.outcomes {
            let Some(&score) = outcome.right.get(m) else { continue };
            // What was never asked for is not found, however low the edge.
            let hit = f64::from(u8::from(score.is_finite() && f64::from(score) >= edge));
            for sum in [&mut whole, &mut by_attack[outcome.attack as usize]] {
                *sum = (sum.0 + hit, sum.1 + 1.0);
            }
        }
        share(whole)
    });
    let by_reference = by_reference.collect();
    (by_attack.into_iter().map(|sum| share(sum).unwrap_or(0.0)).collect(), by_reference)
}

fn one(m: usize, method: Method, parts: &Parts<'_>) -> MethodReport {
    let (mut right, mut wrong, mut copies) = (Tally::default(), Tally::default(), 0);
    for outcome in parts.of_references.iter().flat_map(|fared| &fared.outcomes) {
        if let Some(&score) = outcome.right.get(m) {
            copies += 1;
            right.add(score);
        }
    }
    parts.fared().for_each(|fared| wrong.merge(&fared.wrong[m]));
    let pairs: u64 = parts.outcomes().map(|outcome| parts.pairs(m, outcome)).sum();
    let edge = match method {
        // The widest radius that no stranger is within.
        Method::Classic(_) => wrong.highest().map_or(-256.0, |score| f64::from(score).next_up()),
        _ => 0.0,
    };
    let (attacks, by_reference) = found(m, parts, edge);
    let mut groups: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (attack, recall) in parts.attacks.iter().zip(&attacks) {
        let group = groups.entry(attack.group.name().into()).or_default();
        *group = (group.0 + recall, group.1 + 1.0);
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len().max(1) as f64;
    let recall_from = |score: f64| mean(&found(m, parts, score).1.into_iter().flatten().collect::<Vec<_>>());
    let at = |rate: f64| {
        let score = wrong.score_at_rate(pairs, rate);
        AtRate::new(rate, pairs, score, -256.0, recall_from(score))
    };
    let rates = [0.0, 1e-7, 3e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3];
    let half = |half: usize| {
        let of_half = parts.references.iter().zip(&by_reference).filter(|(still, _)| still.half() == half);
        let recall: Vec<f64> = of_half.filter_map(|(_, recall)| *recall).collect();
        let fared = || {
            let stills = parts.references.iter().chain(parts.strangers);
            stills.zip(parts.fared()).filter(|(still, _)| still.half() == half).map(|(_, fared)| fared)
        };
        Half {
            references: recall.len(),
            recall: bootstrap(&recall, parts.config.seed),
            pairs: fared().flat_map(|fared| &fared.outcomes).map(|outcome| parts.pairs(m, outcome)).sum(),
            false_pairs: fared().map(|fared| fared.wrong[m].from(edge)).sum(),
        }
    };
    let curve = right.curve(&wrong, copies);
    let wrong_of = |outcome: &&Outcome| outcome.wrong.get(m).is_some_and(|wrong| f64::from(wrong.0) >= edge);
    let entries = match method {
        Method::Classic(_) => 1.0,
        _ => mean(&parts.known.iter().map(|known| known.entries(method) as f64).collect::<Vec<_>>()),
    };
    MethodReport {
        name: method.name(),
        copies,
        pairs,
        recall: bootstrap(&by_reference.iter().copied().flatten().collect::<Vec<_>>(), parts.config.seed),
        halves: [half(0), half(1)],
        groups: groups.into_iter().map(|(name, (sum, of))| (name, sum / of)).collect(),
        false_queries: parts.outcomes().filter(wrong_of).count(),
        micro_ap: average_precision(&curve),
        recall_at_p90: best_recall(&curve, 0.9),
        at_rates: RATES.into_iter().map(at).collect(),
        curve: rates.map(|rate| (rate, recall_from(wrong.score_at_rate(pairs, rate)))).to_vec(),
        unrelated: wrong.scores().collect(),
        entries,
        bytes: entries * entry_bytes(TOLD_OF),
        look_ups: match method {
            Method::Classic(_) => 1.0,
            _ => mean(&parts.outcomes().map(|outcome| f64::from(outcome.look_ups[m])).collect::<Vec<_>>()),
        },
        micros: parts.costs.get(m).copied().unwrap_or(0.0),
        attacks,
    }
}
