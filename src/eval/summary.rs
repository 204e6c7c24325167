//! From outcomes to figures.

use std::collections::BTreeMap;

use super::attacks::Attack;
use super::data::{Excluded, Still};
use super::film::FilmReport;
use super::method::Method;
use super::metrics::{
    Interval, Prediction, bootstrap, micro_average_precision, recall_at_precision, score_at_false_rate,
};
use super::run::{Config, Hard, Outcome};
use crate::hash::Algorithm;

/// The figures of one method.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct MethodReport {
    /// Its name.
    pub name: String,
    /// Queries that are copies.
    pub copies: usize,
    /// Share of copies found, mean over attacks, with its 95 % interval over references.
    pub recall: Interval,
    /// The same by group of attacks.
    pub groups: BTreeMap<String, f64>,
    /// The same by attack, in the order of the report's attacks.
    pub attacks: Vec<f64>,
    /// Queries that matched a reference that they are no copy of.
    pub false_queries: usize,
    /// Micro-average precision, of the best claim of each query beside the right one.
    pub micro_ap: f64,
    /// Recall at a precision of 0.9.
    pub recall_at_p90: f64,
    /// Recall where at most one unrelated pair in a million matches, and the score there.
    pub recall_at_1e6: f64,
    /// That score; 0 is the edge of a match as it is decided by default.
    pub score_at_1e6: f64,
    /// Recall against false pairs: the rate, then the recall.
    pub curve: Vec<(f64, f64)>,
    /// Mean entries a reference.
    pub entries: f64,
    /// Mean look-ups a query.
    pub look_ups: f64,
}

/// A copy that was not found.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Miss {
    /// The reference.
    pub name: String,
    /// The attack.
    pub attack: String,
    /// The score that it had.
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
    /// Hard distractors, for [`Method::LIBRARY`].
    pub hard: Vec<Hard>,
    /// The films of the folder; `None` if there is no reference among them or no `ffmpeg` command to alter them.
    pub films: Option<FilmReport>,
    /// Copies that `refrain thorough` missed by most, for people to look at.
    pub misses: Vec<Miss>,
    /// Mean microseconds for all views of a query.
    pub micros: f64,
    /// Seconds of the whole run.
    pub seconds: f64,
}

pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) attacks: &'a [Attack],
    pub(super) references: &'a [Still],
    pub(super) excluded: Vec<Excluded>,
    pub(super) of_references: &'a [Vec<Outcome>],
    pub(super) of_strangers: &'a [Vec<Outcome>],
    pub(super) entries: &'a [Vec<usize>],
    pub(super) hard: Vec<Hard>,
    pub(super) films: Option<FilmReport>,
    pub(super) seconds: f64,
}

pub(super) fn report(parts: Parts<'_>) -> Report {
    let count = parts.references.len();
    let all = || parts.of_references.iter().chain(parts.of_strangers).flatten();
    let pairs = all().map(|outcome| (count - usize::from(!outcome.right.is_empty())) as u64).sum();
    let methods = Method::LIBRARY
        .into_iter()
        .chain(Algorithm::ALL.into_iter().skip(1).map(Method::Classic))
        .enumerate()
        .map(|(m, method)| one(m, method, &parts, pairs))
        .collect();
    let thorough = Method::LIBRARY.len() - 1;
    let mut misses: Vec<Miss> = parts
        .of_references
        .iter()
        .zip(parts.references)
        .flat_map(|(outcomes, still)| outcomes.iter().map(move |outcome| (outcome, still)))
        .filter(|(outcome, _)| outcome.right.get(thorough).is_some_and(|&score| score < 0.0))
        .map(|(outcome, still)| Miss {
            name: still.name.clone(),
            attack: parts.attacks[outcome.attack as usize].name.clone(),
            score: f64::from(outcome.right[thorough]).max(-256.0),
        })
        .collect();
    misses.sort_by(|a, b| a.score.total_cmp(&b.score).then_with(|| (&a.attack, &a.name).cmp(&(&b.attack, &b.name))));
    misses.truncate(60);
    let queries = all().count().max(1) as f64;
    Report {
        seed: parts.config.seed,
        quick: parts.config.quick,
        references: count,
        strangers: parts.of_strangers.len(),
        pairs,
        micros: all().map(|outcome| f64::from(outcome.micros)).sum::<f64>() / queries,
        attacks: parts.attacks.iter().map(|a| (a.name.clone(), a.group.name().to_string())).collect(),
        methods,
        misses,
        excluded: parts.excluded,
        hard: parts.hard,
        films: parts.films,
        seconds: parts.seconds,
    }
}

fn one(m: usize, method: Method, parts: &Parts<'_>, pairs: u64) -> MethodReport {
    let all = || parts.of_references.iter().chain(parts.of_strangers).flatten();
    // Classic hashes were taken of some pictures only: what has no score was not asked.
    let wrong: Vec<f64> = all().filter_map(|outcome| outcome.wrong.get(m)).map(|w| f64::from(w.0)).collect();
    let share = if all().count() == 0 { 1.0 } else { wrong.len() as f64 / all().count() as f64 };
    let pairs = (pairs as f64 * share) as u64;
    let edge = match method {
        // The widest radius that no stranger is within.
        Method::Classic(_) => wrong.iter().copied().fold(f64::NEG_INFINITY, f64::max).next_up().max(-256.0),
        _ => 0.0,
    };
    let recall_at = |edge: f64| -> (Vec<f64>, Vec<f64>) {
        let mut by_attack = vec![(0.0, 0.0); parts.attacks.len()];
        let mut by_reference = Vec::new();
        for outcomes in parts.of_references {
            let (mut found, mut asked) = (0.0, 0.0);
            for outcome in outcomes {
                let Some(&score) = outcome.right.get(m) else { continue };
                let hit = f64::from(u8::from(f64::from(score) >= edge));
                found += hit;
                asked += 1.0;
                let attack = &mut by_attack[outcome.attack as usize];
                *attack = (attack.0 + hit, attack.1 + 1.0);
            }
            if asked > 0.0 {
                by_reference.push(found / asked);
            }
        }
        (by_attack.iter().map(|&(hit, of)| if of > 0.0 { hit / of } else { 0.0 }).collect(), by_reference)
    };
    let (attacks, by_reference) = recall_at(edge);
    let mut groups: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (attack, recall) in parts.attacks.iter().zip(&attacks) {
        let group = groups.entry(attack.group.name().into()).or_default();
        *group = (group.0 + recall, group.1 + 1.0);
    }
    let mut predictions = Vec::new();
    let mut copies = 0;
    for (query, outcome) in all().enumerate() {
        let mut claim = |score: f32, reference: u32, correct: bool| {
            if score.is_finite() {
                predictions.push(Prediction { query: query as u32, reference, score: f64::from(score), correct });
            }
        };
        if let Some(&score) = outcome.right.get(m) {
            copies += 1;
            claim(score, 0, true);
        }
        if let Some(&(score, reference)) = outcome.wrong.get(m) {
            claim(score, reference, false);
        }
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len().max(1) as f64;
    let at = |rate: f64| score_at_false_rate(&wrong, pairs, rate);
    let curve = [0.0, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3].map(|rate| (rate, mean(&recall_at(at(rate)).1)));
    let score_at_1e6 = at(1e-6);
    MethodReport {
        name: method.name(),
        copies,
        recall: bootstrap(&by_reference, parts.config.seed),
        groups: groups.into_iter().map(|(name, (sum, of))| (name, sum / of)).collect(),
        false_queries: wrong.iter().filter(|&&score| score >= edge).count(),
        micro_ap: micro_average_precision(&predictions, copies),
        recall_at_p90: recall_at_precision(&predictions, copies, 0.9),
        recall_at_1e6: mean(&recall_at(score_at_1e6).1),
        score_at_1e6: score_at_1e6.max(-256.0),
        curve: curve.to_vec(),
        entries: if m < Method::LIBRARY.len() {
            mean(&parts.entries.iter().map(|e| e[m] as f64).collect::<Vec<_>>())
        } else {
            1.0
        },
        look_ups: if m < Method::LIBRARY.len() {
            mean(&all().map(|outcome| f64::from(outcome.look_ups[m])).collect::<Vec<_>>())
        } else {
            1.0
        },
        attacks,
    }
}
