//! The page for people: one HTML file that needs no other, with plots, the heat table, and the failures as pictures.

use base64::Engine;
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::method::Method;
use super::run::{Pair, Pairs};
use super::summary::{Distances, MethodReport, Report};

const STYLE: &str = include_str!("page.css");
/// The drawing area of a plot in its own units.
const PLOT: [f64; 4] = [46.0, 10.0, 876.0, 300.0];
const HEIGHT: f64 = 340.0;

/// The page.
pub(super) fn html(report: &Report, pairs: &Pairs) -> String {
    let methods = &report.methods;
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "refrain: recall" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Which altered copies are found, at what rate of false matches, at what cost" }
                p {
                    (report.references) " references, " (report.strangers) " strangers, " (report.attacks.len())
                    " attacks, " (format!("{:.1}", report.pairs as f64 / 1e6)) " million unrelated pairs, seed " (report.seed)
                    ", " (format!("{:.0}", report.seconds)) " seconds."
                }
                @if report.quick { p.warning { "A quick run: its figures mean nothing." } }
                h2 { "Methods" }
                div.wide { (table(methods)) }
                p {
                    "Recall in brackets: there are too few unrelated pairs to see the rate, so it is the recall with no false \
                     match at all. Held out: on the half of the pictures that no choice was made on."
                }
                h2 { "Recall against false matches a pair" }
                (legend(methods))
                (plot("false matches a pair of a query and a reference", &decades(-7, -3), methods, |m| {
                    m.curve.iter().filter(|(rate, _)| *rate > 0.0).map(|&(rate, recall)| ((rate.log10() + 7.0) / 4.0, recall)).collect()
                }))
                h2 { "Recall against look-ups a query" }
                (legend(methods))
                (plot("look-ups a query", &powers(9), methods, |m| {
                    vec![(m.look_ups.max(1.0).log2() / 9.0, m.recall.value)]
                }))
                h2 { "Recall against entries a reference" }
                (legend(methods))
                (plot("entries a reference", &powers(6), methods, |m| {
                    vec![(m.entries.max(1.0).log2() / 6.0, m.recall.value)]
                }))
                h2 { "Recall against microseconds to hash a query" }
                (legend(methods))
                (plot("microseconds", &decades(2, 6), methods, |m| {
                    vec![((m.micros.max(100.0).log10() - 2.0) / 4.0, m.recall.value)]
                }))
                @for (name, distances) in ["PDQ", "detail hash"].into_iter().zip(&report.distances) {
                    h2 { "Distances between whole pictures in their closest orientation: " (name) }
                    (histogram(distances))
                }
                h2 { "Recall by attack" }
                div.wide { (heat(report)) }
                h2 { "Hard distractors: innocent queries that matched something, per cent" }
                div.wide { (hard(report)) }
                @if let Some(films) = &report.films { div.wide { (PreEscaped(super::film::html(films))) } }
                h2 { "Copies that refrain thorough missed by most" }
                p { "The reference on the left; a score of 0 is the edge of a match, -256 means that it was never near enough to be asked for." }
                div.pairs { @for pair in &pairs.misses { (shown(pair)) } }
                h2 { "Unrelated pictures that it came closest to taking for copies" }
                div.pairs { @for pair in &pairs.closest { (shown(pair)) } }
                @if !report.excluded.is_empty() {
                    h2 { "Left out of every figure" }
                    ul { @for excluded in &report.excluded { li { (excluded.name) ": " (excluded.message) } } }
                }
            }
        }
    }
    .into_string()
}

fn table(methods: &[MethodReport]) -> Markup {
    let heads = [
        "recall (95 %)",
        "held out",
        "at 1e-6",
        "at 1e-8",
        "micro-AP",
        "at precision .9",
        "strangers matched",
        "entries",
        "bytes",
        "look-ups",
        "\u{b5}s",
    ];
    let rate = |m: &MethodReport, which: usize| match m.at_rates.get(which) {
        Some(at) if at.visible => format!("{:.3}", at.recall),
        Some(at) => format!("({:.3})", at.recall),
        None => String::new(),
    };
    markup! {
        table {
            tr { th { "method" } @for head in heads { th { (head) } } }
            @for m in methods {
                tr {
                    td { (m.name) }
                    td { (format!("{:.3} ({:.3}..{:.3})", m.recall.value, m.recall.low, m.recall.high)) }
                    td { (format!("{:.3}", m.halves[1].recall.value)) }
                    td { (rate(m, 0)) }
                    td { (rate(m, 1)) }
                    td { (format!("{:.3}", m.micro_ap)) }
                    td { (format!("{:.3}", m.recall_at_p90)) }
                    td { (m.false_queries) }
                    td { (format!("{:.1}", m.entries)) }
                    td { (format!("{:.0}", m.bytes)) }
                    td { (format!("{:.0}", m.look_ups)) }
                    td { (format!("{:.0}", m.micros)) }
                }
            }
        }
    }
}

fn colour(at: usize, of: usize) -> String {
    format!("hsl({} 70% 48%)", at * 360 / of.max(1))
}

fn legend(methods: &[MethodReport]) -> Markup {
    markup! {
        ul.legend {
            @for (i, m) in methods.iter().enumerate() {
                li { i style=(format!("background:{}", colour(i, methods.len()))) {} (m.name) }
            }
        }
    }
}

/// Marks of an axis: where, from 0 to 1, and what stands there.
type Marks = Vec<(f64, String)>;

fn decades(from: i32, to: i32) -> Marks {
    (from..=to).map(|e| (f64::from(e - from) / f64::from(to - from), format!("1e{e}"))).collect()
}

fn powers(to: u32) -> Marks {
    (0..=to).map(|e| (f64::from(e) / f64::from(to), (1u64 << e).to_string())).collect()
}

fn place(x: f64, y: f64) -> (f64, f64) {
    let [left, top, right, bottom] = PLOT;
    (left + (right - left) * x.clamp(0.0, 1.0), bottom - (bottom - top) * y.clamp(0.0, 1.0))
}

fn axes(label: &str, across: &Marks, up: &Marks) -> Markup {
    let [left, top, right, bottom] = PLOT;
    markup! {
        @for (at, text) in up {
            @let y = place(0.0, *at).1;
            path.grid d=(format!("M{left} {y:.1}H{right}")) {}
            text x=(left - 6.0) y=(format!("{:.1}", y + 4.0)) text-anchor="end" { (text) }
        }
        @for (at, text) in across {
            @let x = place(*at, 0.0).0;
            path.grid d=(format!("M{x:.1} {top}V{bottom}")) {}
            text x=(format!("{x:.1}")) y=(bottom + 16.0) text-anchor="middle" { (text) }
        }
        text x=((left + right) / 2.0) y=(bottom + 34.0) text-anchor="middle" { (label) }
    }
}

/// Points from 0 to 1 both ways, joined by lines.
fn plot(
    label: &str,
    across: &Marks,
    methods: &[MethodReport],
    points: impl Fn(&MethodReport) -> Vec<(f64, f64)>,
) -> Markup {
    let tenths = (0..=10).map(|i| (f64::from(i) / 10.0, format!("{:.1}", f64::from(i) / 10.0))).collect();
    markup! {
        div.wide { svg viewBox=(format!("0 0 900 {HEIGHT}")) role="img" aria-label=(format!("recall against {label}")) {
            (axes(label, across, &tenths))
            @for (i, m) in methods.iter().enumerate() {
                @let colour = colour(i, methods.len());
                @let points: Vec<(f64, f64)> = points(m).into_iter().map(|(x, y)| place(x, y)).collect();
                polyline points=(line(&points)) fill="none" stroke=(colour) stroke-width="2" {}
                @for (x, y) in &points {
                    circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="4" fill=(colour) { title { (m.name) } }
                }
            }
        } }
    }
}

fn line(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// Shares of pairs by distance, on a logarithmic scale, copies and unrelated pairs.
fn histogram(distances: &Distances) -> Markup {
    let across = (0..=8).map(|i| (f64::from(i) / 8.0, (16 * i).to_string())).collect();
    let up = (0..=7).map(|e| (f64::from(e) / 7.0, format!("1e{}", e - 7))).collect();
    let curves = [("copies", &distances.copies, 130), ("unrelated pairs", &distances.unrelated, 10)];
    markup! {
        ul.legend {
            @for (name, counts, hue) in curves {
                @let sum: u64 = counts.iter().map(|c| c.1).sum();
                li { i style=(format!("background:hsl({hue} 70% 45%)")) {} (name) ", " (sum) }
            }
        }
        div.wide { svg viewBox=(format!("0 0 900 {HEIGHT}")) role="img" aria-label="share of pairs by distance" {
            (axes("distance in bits; the share of pairs in steps of two bits", &across, &up))
            @for (_, counts, hue) in curves {
                @for (x, y, height) in bars(counts) {
                    rect x=(format!("{x:.1}")) y=(format!("{y:.1}")) width="12" height=(format!("{height:.1}"))
                        fill=(format!("hsl({hue} 70% 45%)")) fill-opacity="0.55" {}
                }
            }
        } }
    }
}

/// Left and upper edge and height of a bar for every two bits.
fn bars(counts: &[(i32, u64)]) -> Vec<(f64, f64, f64)> {
    let sum: u64 = counts.iter().map(|c| c.1).sum();
    let mut steps = vec![0u64; 65];
    for &(distance, count) in counts {
        steps[(distance.clamp(0, 129) / 2) as usize] += count;
    }
    let bar = |(step, &count): (usize, &u64)| {
        let height = ((count as f64 / sum.max(1) as f64).log10() + 7.0) / 7.0;
        let ((x, y), (_, bottom)) = (place(step as f64 / 64.0, height), place(0.0, 0.0));
        (x, y, bottom - y)
    };
    steps.iter().enumerate().filter(|(_, count)| **count > 0).map(bar).collect()
}

fn cell(share: f64, text: String) -> Markup {
    let style = format!("background:hsl({:.0} 65% 74%)", 120.0 * share.clamp(0.0, 1.0));
    markup! { td.heat style=(style) { (text) } }
}

fn heat(report: &Report) -> Markup {
    markup! {
        table {
            tr { th { "attack" } th { "group" } @for m in &report.methods { th { (m.name) } } }
            @for (i, (attack, group)) in report.attacks.iter().enumerate() {
                tr {
                    td { (attack) }
                    td { (group) }
                    @for m in &report.methods {
                        @let recall = m.attacks.get(i).copied().unwrap_or(0.0);
                        (cell(recall, format!("{recall:.2}")))
                    }
                }
            }
        }
    }
}

fn hard(report: &Report) -> Markup {
    markup! {
        table {
            tr { th { "kind" } th { "list" } th { "queries" } @for m in Method::LIBRARY { th { (m.name()) } } }
            @for hard in &report.hard {
                tr {
                    td { (hard.name) }
                    td { (hard.list) }
                    td { (hard.queries) }
                    @for &hits in &hard.hits {
                        @let share = hits as f64 / hard.queries.max(1) as f64;
                        (cell(1.0 - (share * 5.0).min(1.0), format!("{:.1}", 100.0 * share)))
                    }
                }
            }
        }
    }
}

fn shown(pair: &Pair) -> Markup {
    let of = &pair.shown;
    let names =
        if of.reference == of.picture { of.picture.clone() } else { format!("{} | {}", of.reference, of.picture) };
    let attack = if of.attack.is_empty() { "as it is" } else { &of.attack };
    markup! {
        figure {
            div { @for jpeg in &pair.jpegs { img src=(data(jpeg)) alt=""; } }
            figcaption { (attack) ", score " (format!("{:.0}", of.score)) ": " (names) }
        }
    }
}

fn data(jpeg: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", base64::engine::general_purpose::STANDARD.encode(jpeg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_on_the_plot() {
        let bars = bars(&[(0, 1), (30, 5), (128, 1_000_000), (200, 3)]);
        assert_eq!(bars.len(), 3);
        assert!(bars.iter().all(|(x, y, h)| *x >= PLOT[0] && *y >= PLOT[1] && *h > 0.0 && y + h <= PLOT[3] + 0.01));
    }
}
