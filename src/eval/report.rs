//! The figures as JSON, CSV, a page for people, and a Markdown summary.

use std::fmt::Write as _;
use std::path::Path;

use super::method::Method;
use super::page::html;
use super::run::Pairs;
use super::summary::{MethodReport, Report};
use crate::bank::Counted;
use crate::error::{Error, Result};
use crate::fingerprint::ViewSet;
use crate::hash::pdq::{MIN_QUALITY, MIN_STABILITY};
use crate::index::MAX_DISTANCE;
use crate::matching::DETAIL_RADIUS;

/// Writes `report.json`, `recall.csv`, `rates.csv`, `report.html` and `recall.md` into a folder that is there.
///
/// # Errors
/// [`Error::Io`].
pub fn write(folder: &Path, report: &Report, pairs: &Pairs) -> Result<()> {
    let json = serde_json::to_string_pretty(report).map_err(|error| Error::io(folder, error.into()))?;
    for (name, text) in [
        ("report.json", json),
        ("recall.csv", csv(report)),
        ("rates.csv", rates(report)),
        ("report.html", html(report, pairs)),
        ("recall.md", markdown(report)),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| Error::io(path, error))?;
    }
    Ok(())
}

/// One line for each attack and method.
pub fn csv(report: &Report) -> String {
    let mut out = String::from("method,group,attack,recall\n");
    for method in &report.methods {
        for ((attack, group), recall) in report.attacks.iter().zip(&method.attacks) {
            let _ = writeln!(out, "{},{group},{attack},{recall:.4}", method.name.replace(',', ";"));
        }
    }
    out
}

/// Unrelated pairs within each detail radius, for the presets: `views,radius,within,pairs`, what `BankConfig::false_alarms`
/// rests on.
pub fn rates(report: &Report) -> String {
    let mut out = String::from("views,radius,within,pairs\n");
    for (set, method) in presets(report) {
        let mut within = 0;
        for &(score, pairs) in &method.unrelated {
            within += pairs;
            if let Ok(radius) = u32::try_from(DETAIL_RADIUS as i32 - score)
                && radius <= MAX_DISTANCE
            {
                let _ = writeln!(out, "{},{radius},{within},{}", set.name(), method.pairs);
            }
        }
    }
    out
}

fn presets(report: &Report) -> impl Iterator<Item = (ViewSet, &MethodReport)> {
    let methods = Method::LIBRARY.into_iter().zip(&report.methods);
    methods.filter_map(|(method, figures)| Some((method.views()?, figures)))
}

/// The radii of [`rates_table`].
const RADII: [u32; 14] = [48, 52, 56, 60, 64, 68, 70, 72, 76, 80, 84, 88, 92, 96];

/// False matches a pair by radius, as this run counted them.
fn rates_table(report: &Report, out: &mut String) {
    let table = rates(report);
    let counted = Counted::presets(&table);
    out.push_str(
        "\nFalse matches a pair of unrelated photographs by the radius of a large window, which the others follow; in ",
    );
    out.push_str("brackets what the run had too few pairs to see, reckoned from the slope at the end of what it saw; views that came near too seldom for that have the rates of the next:\n\n| radius |");
    presets(report).for_each(|(set, _)| out.push_str(&format!(" `{}` |", set.name())));
    out.push_str("\n|---|");
    counted.iter().for_each(|_| out.push_str("---|"));
    out.push('\n');
    for radius in RADII {
        let _ = write!(out, "| {radius} |");
        for counted in &counted {
            let rate = counted.rate(radius);
            let _ = if counted.seen(radius) { write!(out, " {rate:.0e} |") } else { write!(out, " ({rate:.0e}) |") };
        }
        out.push('\n');
    }
}

const METHODS: &str = "\
| method | entries a reference | bytes a reference | look-ups a query | milliseconds to hash it | recall, mean over attacks (95 %) \
| queries that matched a stranger | recall at 1e-6 | recall at 1e-8 | micro-AP | recall at precision .9 |
|---|---|---|---|---|---|---|---|---|---|---|
";

fn shown(recall: f64, visible: bool) -> String {
    if visible { format!("{recall:.3}") } else { format!("({recall:.3})") }
}

/// Tables of the figures, without prose.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} references, {} attacks, {} strangers, {:.1} million unrelated pairs, seed {}{}.\n",
        report.references,
        report.attacks.len(),
        report.strangers,
        report.pairs as f64 / 1e6,
        report.seed,
        if report.quick { "; **a quick run: its figures mean nothing**" } else { "" }
    );
    out.push_str(METHODS);
    for m in &report.methods {
        let at = |which: usize| m.at_rates.get(which).map_or(String::new(), |at| shown(at.recall, at.visible));
        let _ = writeln!(
            out,
            "| {} | {:.1} | {:.0} | {:.0} | {:.1} | {:.3} ({:.3}..{:.3}) | {} | {} | {} | {:.3} | {:.3} |",
            m.name,
            m.entries,
            m.bytes,
            m.look_ups,
            m.micros / 1e3,
            m.recall.value,
            m.recall.low,
            m.recall.high,
            m.false_queries,
            at(0),
            at(1),
            m.micro_ap,
            m.recall_at_p90
        );
    }
    let _ = writeln!(
        out,
        "\nA recall in brackets is that with no false match at all: there are too few unrelated pairs to see the rate. \
         Bytes are those in an index of a million entries. PDQ at 31 stands for everybody's way, but is asked by \
         refrain's own rule of what has detail enough: a picture of a quality below {MIN_QUALITY} or a stability below \
         {MIN_STABILITY} matches nothing in the rows of PDQ and of refrain; `img_hash` has no such rule.\n"
    );
    out.push_str("Recall on the half of the pictures that choices were made on, and on the half held out:\n\n");
    out.push_str("| method | references | recall | false pairs | references held out | recall | false pairs |\n");
    out.push_str("|---|---|---|---|---|---|---|\n");
    for m in &report.methods {
        let _ = write!(out, "| {} |", m.name);
        for half in &m.halves {
            let r = half.recall;
            let pairs = half.pairs as f64 / 1e6;
            let _ = write!(
                out,
                " {} | {:.3} ({:.3}..{:.3}) | {} of {pairs:.1} million |",
                half.references, r.value, r.low, r.high, half.false_pairs
            );
        }
        out.push('\n');
    }
    out.push_str("\nRecall by group of attacks:\n\n| method |");
    let groups: Vec<&String> = report.methods.first().map(|m| m.groups.keys().collect()).unwrap_or_default();
    groups.iter().for_each(|group| out.push_str(&format!(" {group} |")));
    out.push_str("\n|---|");
    groups.iter().for_each(|_| out.push_str("---|"));
    out.push('\n');
    for m in &report.methods {
        let _ = write!(out, "| {} |", m.name);
        m.groups.values().for_each(|recall| out.push_str(&format!(" {recall:.2} |")));
        out.push('\n');
    }
    out.push_str("\nHard distractors: innocent queries that matched something, per cent:\n\n| kind | list | queries |");
    Method::LIBRARY.iter().for_each(|m| out.push_str(&format!(" {} |", m.name())));
    out.push_str("\n|---|---|---|");
    Method::LIBRARY.iter().for_each(|_| out.push_str("---|"));
    out.push('\n');
    for hard in &report.hard {
        let _ = write!(out, "| {} | {} | {} |", hard.name, hard.list, hard.queries);
        hard.hits
            .iter()
            .for_each(|&h| out.push_str(&format!(" {:.1} |", 100.0 * h as f64 / hard.queries.max(1) as f64)));
        out.push('\n');
    }
    out.push_str("\nRecall by attack:\n\n| attack |");
    let shown = &report.methods[..report.methods.len().min(Method::LIBRARY.len())];
    shown.iter().for_each(|m| out.push_str(&format!(" {} |", m.name)));
    out.push_str("\n|---|");
    shown.iter().for_each(|_| out.push_str("---|"));
    out.push('\n');
    for (i, (attack, _)) in report.attacks.iter().enumerate() {
        let _ = write!(out, "| {attack} |");
        shown.iter().for_each(|m| out.push_str(&format!(" {:.2} |", m.attacks[i])));
        out.push('\n');
    }
    if !report.quick {
        rates_table(report, &mut out);
    }
    if let Some(films) = &report.films {
        let _ = write!(out, "\n## Films\n\n{}", super::film::markdown(films));
    }
    if !report.excluded.is_empty() {
        let _ =
            writeln!(out, "\n{} files were left out of every figure; report.json lists them.", report.excluded.len());
    }
    out
}
