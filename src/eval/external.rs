//! Scoring of any program: its claims, as lines of `query reference score`, against a table of what is true.
//!
//! The measures are those of the benchmark itself ([`metrics`]). A query that shows nothing known stands in the table with
//! an empty reference, so that it counts among the pairs that must not be claimed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufRead;

use super::metrics::{self, AtRate, Interval, Prediction, RATES};
use crate::bank::lists::lines::Lines;
use crate::error::{Error, Result};

/// What is true of a set of queries.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// All queries, each with its references and the name of its attack.
    queries: BTreeMap<String, Asked>,
    references: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
struct Asked {
    references: BTreeSet<String>,
    attack: String,
}

/// The claims of a program.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(Vec<(String, String, f64)>);

/// How a program did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Scored {
    /// Queries in the table, those that show nothing known included.
    pub queries: usize,
    /// References in the table.
    pub references: usize,
    /// True pairs.
    pub truths: usize,
    /// Pairs that are not true.
    pub false_pairs: u64,
    /// Claims about queries and references of the table, each pair once with its highest score.
    pub claims: usize,
    /// Claims that name a query or a reference which the table does not have; they count nowhere.
    pub unknown: usize,
    /// Micro-average precision.
    pub micro_average_precision: f64,
    /// Recall where nine of ten claims are right.
    pub recall_at_precision_90: f64,
    /// Recall at false claims a pair, with the interval of a bootstrap over references. A rate below one in
    /// `false_pairs` cannot be told from none.
    pub recall_at_false_rate: Vec<AtRate<Interval>>,
    /// Recall by attack where no false pair is claimed at all.
    pub attacks: BTreeMap<String, f64>,
}

impl Truth {
    /// Reads a table with the columns `query,reference` and, if it likes, `attack`; a first line that begins with
    /// `query` names them. Fields hold no commas. Several lines of one query are several references that it shows.
    ///
    /// # Errors
    /// [`Error::Decode`] with the number of a line that is none, [`Error::Limit`] for one that has no end, [`Error::Io`].
    pub fn read(table: impl BufRead) -> Result<Self> {
        let mut truth = Self::default();
        for (number, line) in Lines::new(table, false) {
            let line = line.map_err(|error| of_line(number, error))?;
            let fields: Vec<&str> = line.splitn(4, ',').map(str::trim).collect();
            let (query, reference, attack) = match fields.as_slice() {
                ["query", ..] if number == 1 => continue,
                [query, reference] if !query.is_empty() => (*query, *reference, ""),
                [query, reference, attack] if !query.is_empty() => (*query, *reference, *attack),
                _ => return Err(Error::decode(format!("line {number}: expected query,reference,attack"))),
            };
            let asked = truth.queries.entry(query.to_string()).or_default();
            if !attack.is_empty() {
                asked.attack = attack.to_string();
            }
            if !reference.is_empty() {
                asked.references.insert(reference.to_string());
                truth.references.insert(reference.to_string());
            }
        }
        Ok(truth)
    }
}

impl Claims {
    /// Reads lines of `query reference score`, parted by tabs, or by blanks where a line has no tab. Scores are finite, and a
    /// higher one is a surer claim: a program that prints distances prints them with a minus.
    ///
    /// # Errors
    /// [`Error::Decode`] with the number of a line that is none, [`Error::Limit`] for one that has no end, [`Error::Io`].
    pub fn read(lines: impl BufRead) -> Result<Self> {
        let mut claims = Vec::new();
        for (number, line) in Lines::new(lines, false) {
            let line = line.map_err(|error| of_line(number, error))?;
            let fields: Vec<&str> = match line.contains('\t') {
                true => line.splitn(4, '\t').map(str::trim).collect(),
                false => line.split_whitespace().take(4).collect(),
            };
            let claim = match fields.as_slice() {
                [query, reference, score] => score.parse().ok().map(|score: f64| (query, reference, score)),
                _ => None,
            };
            match claim {
                Some((query, reference, score)) if score.is_finite() => {
                    claims.push((query.to_string(), reference.to_string(), score));
                }
                _ => {
                    return Err(Error::decode(format!("line {number}: expected query, reference and a finite number")));
                }
            }
        }
        Ok(Self(claims))
    }
}

/// An error of a line with its number.
fn of_line(number: u64, error: Error) -> Error {
    match error {
        Error::Decode { path, detail } => Error::Decode { path, detail: format!("line {number}: {detail}") },
        error => error,
    }
}

/// Scores claims against the truth; `seed` is that of the bootstrap.
///
/// # Errors
/// [`Error::Option`] if there is nothing to measure: a table without a true pair, or claims none of which is about its queries and
/// references. No claims at all are a program that finds nothing.
pub fn score(truth: &Truth, claims: &Claims, seed: u64) -> Result<Scored> {
    if truth.references.is_empty() {
        return Err(Error::option("truth", "no query of the table shows a reference: there is nothing to find"));
    }
    let queries: HashMap<&str, u32> = truth.queries.keys().map(String::as_str).zip(0..).collect();
    let references: HashMap<&str, u32> = truth.references.iter().map(String::as_str).zip(0..).collect();
    let mut best: BTreeMap<(u32, u32), Prediction> = BTreeMap::new();
    let mut unknown = 0;
    for (query, reference, score) in &claims.0 {
        let (Some(&q), Some(&r)) = (queries.get(query.as_str()), references.get(reference.as_str())) else {
            unknown += 1;
            continue;
        };
        let correct = truth.queries[query].references.contains(reference);
        let claim = Prediction { query: q, reference: r, score: *score, correct };
        best.entry((q, r)).and_modify(|best| best.score = best.score.max(*score)).or_insert(claim);
    }
    if best.is_empty() && unknown > 0 {
        let detail = format!(
            "none of {unknown} claims is about a query and a reference of the table: are the names those of the table?"
        );
        return Err(Error::option("claims", detail));
    }
    let predictions: Vec<Prediction> = best.values().copied().collect();
    let truths: usize = truth.queries.values().map(|asked| asked.references.len()).sum();
    let false_pairs = (queries.len() * references.len() - truths) as u64;
    let wrong: Vec<f64> = predictions.iter().filter(|p| !p.correct).map(|p| p.score).collect();

    // The share of the copies of each reference that are found from a score on.
    let found = |from: f64, of: &dyn Fn(&Asked) -> bool| -> Vec<f64> {
        let mut copies: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (name, asked) in truth.queries.iter().filter(|(_, asked)| of(asked)) {
            for reference in &asked.references {
                let pair = (queries[name.as_str()], references[reference.as_str()]);
                let (all, found) = copies.entry(reference).or_default();
                *all += 1;
                *found += usize::from(best.get(&pair).is_some_and(|claim| claim.score >= from));
            }
        }
        copies.values().map(|&(all, found)| found as f64 / all as f64).collect()
    };
    let lowest = predictions.iter().map(|p| p.score).min_by(f64::total_cmp).unwrap_or(0.0);
    let at = |rate: f64| {
        let score = metrics::score_at_false_rate(&wrong, false_pairs, rate);
        let recall = metrics::bootstrap(&found(score, &|_| true), seed);
        AtRate::new(rate, false_pairs, score, lowest, recall)
    };
    let clean = metrics::score_at_false_rate(&wrong, false_pairs, 0.0);
    let names: BTreeSet<&String> = truth.queries.values().map(|asked| &asked.attack).collect();
    let attacks = names.into_iter().filter(|name| !name.is_empty()).filter_map(|name| {
        let shares = found(clean, &|asked| asked.attack == *name);
        (!shares.is_empty()).then(|| (name.clone(), shares.iter().sum::<f64>() / shares.len() as f64))
    });
    Ok(Scored {
        queries: queries.len(),
        references: references.len(),
        truths,
        false_pairs,
        claims: predictions.len(),
        unknown,
        micro_average_precision: metrics::micro_average_precision(&predictions, truths),
        recall_at_precision_90: metrics::recall_at_precision(&predictions, truths, 0.9),
        recall_at_false_rate: RATES.into_iter().map(at).collect(),
        attacks: attacks.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: &str = "query,reference,attack\n\
        a1,a,crop\na2,a,mirror\nb1,b,crop\nb2,b,mirror\nboth,a,collage\nboth,b,collage\nstranger,,\n";

    fn scored(claims: &str) -> Scored {
        score(&Truth::read(TRUTH.as_bytes()).unwrap(), &Claims::read(claims.as_bytes()).unwrap(), 1).unwrap()
    }

    #[test]
    fn worked_out_by_hand() {
        // Six true pairs of fourteen. Right, right, wrong, right; a pair named twice counts once, with its better score.
        let of = scored("a1 a 0.9\nb1\tb\t0.8\nstranger a 0.7\nboth b 0.6\nboth b 0.1\nnobody a 1\n");
        assert_eq!((of.queries, of.references, of.truths, of.false_pairs), (6, 2, 6, 6));
        assert_eq!((of.claims, of.unknown), (4, 1));
        let expected = (1.0 + 1.0 + 3.0 / 4.0) / 6.0;
        assert!((of.micro_average_precision - expected).abs() < 1e-12, "{}", of.micro_average_precision);
        assert!((of.recall_at_precision_90 - 2.0 / 6.0).abs() < 1e-12);
        // Above the false claim: one of three copies of each reference.
        let at = &of.recall_at_false_rate[0];
        assert!((at.recall.value - 1.0 / 3.0).abs() < 1e-12 && !at.visible && at.score > 0.7);
        assert_eq!(of.attacks.get("crop"), Some(&1.0));
        assert_eq!(of.attacks.get("mirror"), Some(&0.0));
        assert_eq!(of.attacks.get("collage"), Some(&0.0));
    }

    #[test]
    fn an_oracle_scores_one_and_silence_nothing() {
        let oracle = scored("a1 a 1\na2 a 1\nb1 b 1\nb2 b 1\nboth a 1\nboth b 1\n");
        assert_eq!((oracle.micro_average_precision, oracle.recall_at_precision_90), (1.0, 1.0));
        assert!(oracle.recall_at_false_rate.iter().all(|at| at.recall.value == 1.0));
        let silent = scored("");
        // Where every claim may count, it is the lowest of them that does.
        let scores = |of: &Scored| of.recall_at_false_rate.iter().map(|at| at.score).collect::<Vec<_>>();
        assert_eq!((scores(&scored("a1 a -3\nb1 b 2\n")), scores(&silent)), (vec![-3.0; 2], vec![0.0; 2]));
        assert!(!serde_json::to_string(&[&oracle, &silent]).unwrap().contains("null"));
        assert_eq!((silent.micro_average_precision, silent.recall_at_false_rate[1].recall.value), (0.0, 0.0));
    }

    #[test]
    fn marks_line_ends_and_blank_lines_are_no_content() {
        let table = format!("\u{feff}{}\r\n\r\n \n", TRUTH.replace('\n', "\r\n"));
        let truth = Truth::read(table.as_bytes()).unwrap();
        let claims = Claims::read("\u{feff}a1 a 1\r\n\r\nb1\tb\t 1\r\n".as_bytes()).unwrap();
        let of = score(&truth, &claims, 1).unwrap();
        assert_eq!((of.queries, of.references, of.claims, of.unknown), (6, 2, 2, 0));
        assert!(Truth::read("a,b\nquery,reference\n".as_bytes()).is_ok_and(|truth| truth.queries.len() == 2));
    }

    #[test]
    fn nothing_to_measure_is_no_measurement() {
        for (table, claims, whose) in [
            ("", "a1 a 1\n", "truth"),
            ("query,reference,attack\nstranger,,\n", "stranger a 1\n", "truth"),
            (TRUTH, "nobody a 1\na1 nothing 1\n", "claims"),
        ] {
            let (truth, claims) = (Truth::read(table.as_bytes()).unwrap(), Claims::read(claims.as_bytes()).unwrap());
            let scored = score(&truth, &claims, 1);
            assert!(matches!(&scored, Err(Error::Option { name, .. }) if *name == whose), "{scored:?}");
        }
    }

    #[test]
    fn lines_that_are_none_are_named() {
        for (table, claims) in [
            ("a,b,c,d\n", ""),
            (",b\n", ""),
            (TRUTH, "a1 a\n"),
            (TRUTH, "a1 a x\n"),
            (TRUTH, "a1 a NaN\n"),
            (TRUTH, "a1 a inf\n"),
            (TRUTH, "a1 a -inf\n"),
            (TRUTH, "a1\ta\t1\t2\n"),
        ] {
            let outcome = Truth::read(table.as_bytes()).and_then(|_| Claims::read(claims.as_bytes()));
            assert!(
                matches!(&outcome, Err(Error::Decode { detail, .. }) if detail.starts_with("line ")),
                "{outcome:?}"
            );
        }
    }
}
