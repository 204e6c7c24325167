//! The figures as JSON, CSV, a page for people, and a Markdown summary.

use std::fmt::Write as _;
use std::path::Path;

use super::method::Method;
use super::summary::Report;
use crate::error::{Error, Result};

/// Writes `report.json`, `recall.csv`, `report.html` and `recall.md` into a folder that is there.
///
/// # Errors
/// [`Error::Io`].
pub fn write(folder: &Path, report: &Report) -> Result<()> {
    let json = serde_json::to_string_pretty(report).map_err(|error| Error::io(folder, error.into()))?;
    for (name, text) in [
        ("report.json", json),
        ("recall.csv", csv(report)),
        ("report.html", html(report)),
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
    out.push_str("| method | entries a reference | look-ups a query | recall, mean over attacks (95 %) | queries that matched a stranger | recall at 1e-6 | micro-AP | recall at precision .9 |\n|---|---|---|---|---|---|---|---|\n");
    for m in &report.methods {
        let _ = writeln!(
            out,
            "| {} | {:.1} | {:.0} | {:.3} ({:.3}..{:.3}) | {} | {:.3} | {:.3} | {:.3} |",
            m.name,
            m.entries,
            m.look_ups,
            m.recall.value,
            m.recall.low,
            m.recall.high,
            m.false_queries,
            m.recall_at_1e6,
            m.micro_ap,
            m.recall_at_p90
        );
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
    if let Some(films) = &report.films {
        let _ = write!(out, "\n## Films\n\n{}", super::film::markdown(films));
    }
    if !report.excluded.is_empty() {
        let _ =
            writeln!(out, "\n{} files were left out of every figure; report.json lists them.", report.excluded.len());
    }
    out
}

/// A page that needs no other file: heat table, curves, misses.
pub fn html(report: &Report) -> String {
    let mut out = String::from(
        "<!doctype html><meta charset=utf-8><title>refrain: recall</title><style>body{font:14px sans-serif;margin:2em}\
         table{border-collapse:collapse}td,th{padding:2px 6px;border:1px solid #ddd;text-align:right}\
         td:first-child,th:first-child{text-align:left}</style><h1>Recall</h1>",
    );
    let _ = write!(
        out,
        "<p>{} references, {} strangers, {} attacks, {:.1} million unrelated pairs, seed {}, {:.0} s.{}</p>",
        report.references,
        report.strangers,
        report.attacks.len(),
        report.pairs as f64 / 1e6,
        report.seed,
        report.seconds,
        if report.quick { " <b>A quick run: its figures mean nothing.</b>" } else { "" }
    );
    out.push_str("<h2>Recall against false matches a pair</h2>");
    out.push_str(&plot(report, "rate", |m| {
        m.curve.iter().map(|&(rate, recall)| ((rate.max(3e-7)).log10() + 6.5, recall)).collect()
    }));
    out.push_str("<h2>Recall against look-ups a query</h2>");
    out.push_str(&plot(report, "log2 look-ups", |m| vec![(m.look_ups.max(1.0).log2() * 0.45, m.recall.value)]));
    out.push_str("<h2>Recall by attack</h2><table><tr><th>attack");
    report.methods.iter().for_each(|m| out.push_str(&format!("<th>{}", escape(&m.name))));
    for (i, (attack, group)) in report.attacks.iter().enumerate() {
        let _ = write!(out, "<tr><td>{} ({})", escape(attack), escape(group));
        for m in &report.methods {
            let recall = m.attacks[i];
            let _ = write!(out, "<td style=\"background:hsl({:.0},70%,75%)\">{recall:.2}", 120.0 * recall);
        }
    }
    out.push_str("</table><h2>Hard distractors: queries that matched something</h2><table><tr><th>kind<th>queries");
    Method::LIBRARY.iter().for_each(|m| out.push_str(&format!("<th>{}", escape(&m.name()))));
    for hard in &report.hard {
        let _ = write!(out, "<tr><td>{}<td>{}", escape(&hard.name), hard.queries);
        hard.hits.iter().for_each(|hits| out.push_str(&format!("<td>{hits}")));
    }
    out.push_str("</table><h2>Missed by most</h2><table><tr><th>reference<th>attack<th>score");
    for miss in &report.misses {
        let _ = write!(out, "<tr><td>{}<td>{}<td>{:.0}", escape(&miss.name), escape(&miss.attack), miss.score);
    }
    out.push_str("</table><h2>Left out</h2><ul>");
    report.excluded.iter().for_each(|e| out.push_str(&format!("<li>{}: {}", escape(&e.name), escape(&e.message))));
    out.push_str("</ul>");
    out
}

/// Points joined by lines, `x` in 0..=4 and `y` in 0..=1.
fn plot(report: &Report, label: &str, points: impl Fn(&super::summary::MethodReport) -> Vec<(f64, f64)>) -> String {
    let mut out = String::from("<svg width=900 height=360 style=\"font:11px sans-serif\">");
    let at = |x: f64, y: f64| (40.0 + 140.0 * x.clamp(0.0, 4.2), 340.0 - 320.0 * y);
    for i in 0..=10 {
        let (_, y) = at(0.0, f64::from(i) / 10.0);
        let _ = write!(out, "<path d=\"M40 {y}H630\" stroke=#ddd /><text x=10 y={y}>{:.1}</text>", f64::from(i) / 10.0);
    }
    for (i, method) in report.methods.iter().enumerate() {
        let colour = format!("hsl({},70%,45%)", i * 360 / report.methods.len().max(1));
        let points: Vec<(f64, f64)> = points(method).into_iter().map(|(x, y)| at(x, y)).collect();
        let line = points.iter().map(|(x, y)| format!("{x:.0},{y:.0}")).collect::<Vec<_>>().join(" ");
        let _ = write!(out, "<polyline points=\"{line}\" fill=none stroke=\"{colour}\" stroke-width=2 />");
        points.iter().for_each(|(x, y)| out.push_str(&format!("<circle cx={x:.0} cy={y:.0} r=3 fill=\"{colour}\" />")));
        let _ = write!(out, "<text x=650 y={} fill=\"{colour}\">{}</text>", 30 + 16 * i, escape(&method.name));
    }
    let _ = write!(out, "<text x=300 y=356>{}</text></svg>", escape(label));
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_is_escaped() {
        assert_eq!(super::escape("<a b=\"c\">&"), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
