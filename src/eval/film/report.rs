//! Figures of the run over films.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::attacks::films::FilmAttack;
use super::super::data::Split;
use super::super::metrics::{Interval, Stretch, bootstrap, segment_average_precision};
use super::edit::Clip;
use super::run::Asked;

/// A claim or a truth: a stretch of a query that shows a stretch of a reference.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) reference: String,
    pub(super) query: [f64; 2],
    pub(super) span: [f64; 2],
    pub(super) score: f64,
}

/// Where a part was found, and where it is.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Border {
    /// What was done to the clip.
    pub attack: String,
    /// The clip that was altered.
    pub clip: String,
    /// The reference that the part is of.
    pub reference: String,
    /// In the query, as found and in truth, in seconds.
    pub query: [[f64; 2]; 2],
    /// In the reference, as found and in truth.
    pub span: [[f64; 2]; 2],
    /// The speed that was found.
    pub speed: f64,
}

impl Border {
    /// How far the worst of the four borders is off. A still is a moment: its stretch of the reference is right if the moment
    /// lies in it, since a film may show for seconds what the still shows.
    fn off(&self) -> f64 {
        if let ([_, [_, 0.0]], [found, [at, _]]) = (self.query, self.span) {
            return (found[0] - at).max(at - found[1]).max(0.0);
        }
        let apart = |[a, b]: [[f64; 2]; 2]| (a[0] - b[0]).abs().max((a[1] - b[1]).abs());
        apart(self.query).max(apart(self.span))
    }
}

/// How vPDQ at one frame a second did on the same films.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub struct Baseline {
    /// Mean over attacks, where 80 per cent of the query's frames have to match, as it is shipped.
    pub shipped: f64,
    /// Unrelated pairs that matched so.
    pub shipped_false: usize,
    /// Mean over attacks, where one frame is enough.
    pub any: f64,
    /// Unrelated pairs that matched so.
    pub any_false: usize,
}

/// How one attack fared.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct FilmAttackReport {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Share of the parts found.
    pub found: f64,
    /// The same for vPDQ at one frame a second as it is shipped, and where one frame is enough.
    pub vpdq: [f64; 2],
    /// Median of how far the borders of the segments found are off, in seconds.
    pub off: f64,
    /// References whose copies were missed.
    pub missed: Vec<String>,
}

/// Films that have something in common and are no copies of one another.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct TemplateReport {
    /// What they have in common.
    pub name: String,
    /// Whether that is a segment which should be found.
    pub is_segment: bool,
    /// Films.
    pub films: usize,
    /// Ordered pairs of different films.
    pub pairs: usize,
    /// Pairs with a segment.
    pub alike: usize,
    /// Pairs with a segment that goes beyond what they share at their begin or end.
    pub beyond: usize,
    /// Some of the pairs with a segment.
    pub examples: Vec<String>,
}

/// The same films as uploads from before, and the references as new: see [`Store::retro`](crate::Store::retro).
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct RetroReport {
    /// Share of the parts found, mean over attacks, with its interval over references.
    pub recall: Interval,
    /// Share of the parts found of each attack of which not all were, by its name.
    pub incomplete: BTreeMap<String, f64>,
    /// Unrelated pairs with a segment, as `query reference`.
    pub wrong: Vec<String>,
    /// Segment AP as VSC2022 defines it.
    pub segment_ap: f64,
    /// Share of the segments found whose borders are all within half a second of the truth, and within one second.
    pub within: [f64; 2],
    /// Those of the segments found whose borders are further off than half a second.
    pub off: Vec<Border>,
    /// Mean milliseconds of the question about one reference.
    pub millis: f64,
}

/// Everything that a run over films found out.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct FilmReport {
    /// References in the list.
    pub references: usize,
    /// References that were altered.
    pub altered: usize,
    /// Films that were asked.
    pub queries: usize,
    /// Unrelated pairs of a query and a reference.
    pub pairs: usize,
    /// Share of the parts found, mean over attacks, with its interval over references.
    pub recall: Interval,
    /// Unrelated pairs with a segment, as `query reference`.
    pub wrong: Vec<String>,
    /// Segment AP as VSC2022 defines it.
    pub segment_ap: f64,
    /// Share of the segments found whose borders are all within half a second of the truth, and within one second.
    pub within: [f64; 2],
    /// Those of the segments found whose borders are further off than half a second.
    pub off: Vec<Border>,
    /// The same films asked for the other way round.
    pub retro: RetroReport,
    /// vPDQ on the same films.
    pub baseline: Baseline,
    /// By attack.
    pub attacks: Vec<FilmAttackReport>,
    /// By group.
    pub groups: BTreeMap<String, f64>,
    /// Hard distractors.
    pub templates: Vec<TemplateReport>,
    /// Entries in the index for a minute of a reference.
    pub entries_a_minute: f64,
    /// Bytes that a store keeps of the fingerprint of a minute of a reference, beside the index.
    pub bytes_a_minute: f64,
    /// Mean milliseconds of a question to the list.
    pub millis: f64,
    /// Seconds of the run.
    pub seconds: f64,
}

pub(super) struct Parts<'a> {
    pub(super) attacks: &'a [FilmAttack],
    pub(super) clips: &'a [Clip],
    pub(super) cost: [u64; 2],
    pub(super) asked: &'a [Asked],
    pub(super) retro: &'a [Asked],
    pub(super) retro_seconds: f64,
    pub(super) templates: Vec<TemplateReport>,
    pub(super) seconds: f64,
}

fn share(found: &[bool]) -> f64 {
    found.iter().filter(|found| **found).count() as f64 / found.len().max(1) as f64
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    values.into_iter().for_each(|value| {
        sum += value;
        count += 1.0;
    });
    if count > 0.0 { sum / count } else { f64::NAN }
}

/// Of the films that were asked, those that are of references.
fn of_references<'a>(parts: &Parts<'a>, asked: &'a [Asked]) -> impl Iterator<Item = &'a Asked> + use<'a> {
    let clips = parts.clips;
    asked.iter().filter(move |asked| clips[asked.clip].split == Split::Reference)
}

/// What is told alike whichever side asks.
struct Told {
    altered: usize,
    recall: Interval,
    wrong: Vec<String>,
    segment_ap: f64,
    within: [f64; 2],
    off: Vec<Border>,
}

fn told(parts: &Parts<'_>, asked: &[Asked]) -> Told {
    let ours = || of_references(parts, asked);
    let mut altered: Vec<usize> = ours().map(|asked| asked.clip).collect();
    altered.sort_unstable();
    altered.dedup();
    let means: Vec<f64> = altered
        .iter()
        .map(|&clip| mean(ours().filter(|asked| asked.clip == clip).map(|asked| share(&asked.found))))
        .collect();
    let name = |asked: &Asked| {
        let attack = asked.attack.map_or("as it is", |at| parts.attacks[at].name.as_str());
        format!("{} ({attack})", parts.clips[asked.clip].name)
    };
    let off: Vec<f64> = ours().flat_map(|asked| asked.borders.iter().map(Border::off)).collect();
    let within = |bound: f64| mean(off.iter().map(|&off| f64::from(u8::from(off <= bound))));
    Told {
        altered: altered.len(),
        recall: bootstrap(&means, 1),
        wrong: asked
            .iter()
            .flat_map(|asked| asked.wrong.iter().map(move |wrong| format!("{} {wrong}", name(asked))))
            .collect(),
        segment_ap: segment_ap(asked),
        within: [within(0.5), within(1.0)],
        off: ours().flat_map(|asked| &asked.borders).filter(|border| border.off() > 0.5).cloned().collect(),
    }
}

pub(super) fn report(parts: Parts<'_>) -> FilmReport {
    let references = parts.clips.iter().filter(|clip| clip.split == Split::Reference).count();
    let ours = || of_references(&parts, parts.asked);
    let attacks: Vec<FilmAttackReport> = parts
        .attacks
        .iter()
        .enumerate()
        .map(|(at, attack)| {
            let asked: Vec<&Asked> = ours().filter(|asked| asked.attack == Some(at)).collect();
            let mut off: Vec<f64> = asked.iter().flat_map(|asked| asked.borders.iter().map(Border::off)).collect();
            off.sort_by(f64::total_cmp);
            FilmAttackReport {
                name: attack.name.clone(),
                group: attack.group.name().into(),
                found: mean(asked.iter().map(|asked| share(&asked.found))),
                vpdq: [0, 1].map(|rule| mean(asked.iter().map(|asked| asked.plain[rule]))),
                off: off.get(off.len() / 2).copied().unwrap_or(f64::NAN),
                missed: asked
                    .iter()
                    .filter(|asked| share(&asked.found) < 1.0)
                    .map(|asked| parts.clips[asked.clip].name.clone())
                    .collect(),
            }
        })
        .collect();
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    attacks.iter().for_each(|attack| groups.entry(attack.group.clone()).or_default().push(attack.found));
    let forwards = told(&parts, parts.asked);
    let backwards = told(&parts, parts.retro);
    let found = |at: usize| {
        mean(
            of_references(&parts, parts.retro)
                .filter(|asked| asked.attack == Some(at))
                .map(|asked| share(&asked.found)),
        )
    };
    let incomplete = attacks.iter().enumerate().map(|(at, attack)| (attack.name.clone(), found(at)));
    let retro = RetroReport {
        recall: backwards.recall,
        incomplete: incomplete.filter(|(_, found)| *found < 1.0).collect(),
        wrong: backwards.wrong,
        segment_ap: backwards.segment_ap,
        within: backwards.within,
        off: backwards.off,
        millis: parts.retro_seconds * 1e3 / references.max(1) as f64,
    };
    let listed = parts.clips.iter().filter(|clip| clip.split == Split::Reference);
    let minutes = listed.map(|clip| clip.seconds / 60.0).sum::<f64>().max(1e-9);
    FilmReport {
        references,
        altered: forwards.altered,
        queries: parts.asked.len(),
        pairs: parts.asked.iter().map(|asked| references - asked.found.len().min(references)).sum(),
        recall: forwards.recall,
        wrong: forwards.wrong,
        segment_ap: forwards.segment_ap,
        within: forwards.within,
        off: forwards.off,
        retro,
        baseline: Baseline {
            shipped: mean(attacks.iter().map(|attack| attack.vpdq[0])),
            shipped_false: parts.asked.iter().map(|asked| asked.plain_wrong[0]).sum(),
            any: mean(attacks.iter().map(|attack| attack.vpdq[1])),
            any_false: parts.asked.iter().map(|asked| asked.plain_wrong[1]).sum(),
        },
        groups: groups.into_iter().map(|(group, found)| (group, mean(found))).collect(),
        attacks,
        templates: parts.templates,
        entries_a_minute: parts.cost[0] as f64 / minutes,
        bytes_a_minute: parts.cost[1] as f64 / minutes,
        millis: mean(parts.asked.iter().map(|asked| asked.millis[1])),
        seconds: parts.seconds,
    }
}

/// Over the films that are asked as films.
fn segment_ap(asked: &[Asked]) -> f64 {
    let (mut claims, mut truth): (Vec<(Stretch, f64)>, Vec<Stretch>) = (Vec::new(), Vec::new());
    let mut pairs: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for (query, asked) in asked.iter().enumerate() {
        if asked.truth.iter().any(|truth| truth.query[1] <= truth.query[0]) {
            continue;
        }
        let mut pair = |reference| {
            let next = pairs.len() as u32;
            *pairs.entry((query, reference)).or_insert(next)
        };
        claims.extend(asked.claims.iter().map(|claim| (claim.stretch(pair(&claim.reference)), claim.score)));
        truth.extend(asked.truth.iter().map(|part| part.stretch(pair(&part.reference))));
    }
    segment_average_precision(&claims, &truth)
}

/// Tables for `docs/recall.md`.
pub fn markdown(report: &FilmReport) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} references, {} of them altered in {} ways, {} films asked, {} unrelated pairs. {:.0} entries and {:.1} kB a \
         minute of a reference; {:.1} ms a question.\n",
        report.references,
        report.altered,
        report.attacks.len(),
        report.queries,
        report.pairs,
        report.entries_a_minute,
        report.bytes_a_minute / 1000.0,
        report.millis
    );
    let _ = writeln!(
        out,
        "| method | found, mean over attacks | unrelated pairs matched |\n|---|---|---|\n\
         | refrain | {:.3} ({:.3}..{:.3}) | {} |\n\
         | refrain, uploads from before asked about new references (`retro`) | {:.3} ({:.3}..{:.3}) | {} |\n\
         | vPDQ, one frame a second, 80 % of the query's frames | {:.3} | {} |\n\
         | vPDQ, one frame a second, any frame | {:.3} | {} |\n",
        report.recall.value,
        report.recall.low,
        report.recall.high,
        report.wrong.len(),
        report.retro.recall.value,
        report.retro.recall.low,
        report.retro.recall.high,
        report.retro.wrong.len(),
        report.baseline.shipped,
        report.baseline.shipped_false,
        report.baseline.any,
        report.baseline.any_false
    );
    let _ = writeln!(
        out,
        "Segment AP {:.3}; borders of the segments found within 0.5 s in {:.1} %, within 1 s in {:.1} %. Of uploads from before \
         and new references {:.3}, {:.1} % and {:.1} %, {:.0} ms a reference.\n",
        report.segment_ap,
        100.0 * report.within[0],
        100.0 * report.within[1],
        report.retro.segment_ap,
        100.0 * report.retro.within[0],
        100.0 * report.retro.within[1],
        report.retro.millis
    );
    out.push_str("| films that share | films | ordered pairs | with a segment | beyond what is shared |\n|---|---|---|---|---|\n");
    for t in &report.templates {
        let kind = if t.is_segment { " (a true segment)" } else { "" };
        let _ = writeln!(
            out,
            "| {}{kind} | {} | {} | {} ({:.2} %) | {} |",
            t.name,
            t.films,
            t.pairs,
            t.alike,
            100.0 * t.alike as f64 / t.pairs.max(1) as f64,
            t.beyond
        );
    }
    out.push_str(
        "\n| attack | group | found | vPDQ 80 % | vPDQ any | borders off, s (median) |\n|---|---|---|---|---|---|\n",
    );
    for attack in &report.attacks {
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            attack.name, attack.group, attack.found, attack.vpdq[0], attack.vpdq[1], attack.off
        );
    }
    out
}

/// The films' part of the page: a table of methods, a heat table of attacks, films that share something, misses.
pub fn html(report: &FilmReport) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let cell = |recall: f64| match recall.is_nan() {
        true => "<td>–".to_string(),
        false => format!("<td style=\"background:hsl({:.0},70%,75%);color:#111\">{recall:.2}", 120.0 * recall),
    };
    let mut out = String::from("<h2>Films</h2><table><tr><th>method<th>found<th>unrelated pairs matched");
    let baseline = &report.baseline;
    for (name, found, wrong) in [
        ("refrain", report.recall.value, report.wrong.len()),
        (
            "refrain, uploads from before asked about new references",
            report.retro.recall.value,
            report.retro.wrong.len(),
        ),
        ("vPDQ, one frame a second, 80 % of the query's frames", baseline.shipped, baseline.shipped_false),
        ("vPDQ, one frame a second, any frame", baseline.any, baseline.any_false),
    ] {
        let _ = write!(out, "<tr><td>{name}{}<td>{wrong} of {}", cell(found), report.pairs);
    }
    let _ = write!(
        out,
        "</table><p>{} references, {} of them altered; {:.0} entries and {:.1} kB a minute of a reference. Segment AP \
         {:.3}; borders within 0.5 s in {:.0} %, within 1 s in {:.0} %.</p>",
        report.references,
        report.altered,
        report.entries_a_minute,
        report.bytes_a_minute / 1000.0,
        report.segment_ap,
        100.0 * report.within[0],
        100.0 * report.within[1]
    );
    out.push_str("<table><tr><th>attack<th>refrain<th>vPDQ 80 %<th>vPDQ any<th>borders off, s<th>missed");
    for attack in &report.attacks {
        let [shipped, any] = attack.vpdq.map(cell);
        let (name, group) = (escape(&attack.name), escape(&attack.group));
        let missed = escape(&attack.missed.join(" "));
        let off = if attack.off.is_nan() { "–".into() } else { format!("{:.2}", attack.off) };
        let _ = write!(out, "<tr><td>{name} ({group}){}{shipped}{any}<td>{off}<td>{missed}", cell(attack.found));
    }
    out.push_str("</table><table><tr><th>films that share<th>ordered pairs<th>with a segment<th>beyond what is shared");
    for t in &report.templates {
        let kind = if t.is_segment { " (a true segment)" } else { "" };
        let _ = write!(out, "<tr><td>{}{kind}<td>{}<td>{}<td>{}", escape(&t.name), t.pairs, t.alike, t.beyond);
    }
    out.push_str("</table>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> FilmReport {
        FilmReport {
            references: 2,
            altered: 1,
            queries: 3,
            pairs: 4,
            recall: bootstrap(&[1.0], 1),
            wrong: Vec::new(),
            segment_ap: 0.9,
            within: [0.5, 1.0],
            off: Vec::new(),
            retro: RetroReport {
                recall: bootstrap(&[0.75], 1),
                incomplete: BTreeMap::new(),
                wrong: Vec::new(),
                segment_ap: 0.8,
                within: [0.25, 0.5],
                off: Vec::new(),
                millis: 2.0,
            },
            baseline: Baseline::default(),
            attacks: vec![FilmAttackReport {
                name: "a".into(),
                group: "g".into(),
                found: 0.5,
                vpdq: [0.0, f64::NAN],
                off: f64::NAN,
                missed: vec!["<script>.mp4".into()],
            }],
            groups: BTreeMap::new(),
            templates: Vec::new(),
            entries_a_minute: 500.0,
            bytes_a_minute: 2048.0,
            millis: 1.0,
            seconds: 1.0,
        }
    }

    #[test]
    fn names_are_escaped_and_figures_shown() {
        let (page, text) = (html(&report()), markdown(&report()));
        assert!(page.contains("&lt;script&gt;.mp4") && !page.contains("<script>") && page.contains("0.50"));
        assert!(text.contains("(`retro`) | 0.750 ("), "{text}");
        assert!(page.contains("about new references<td style") && page.contains(">0.75<"), "{page}");
        assert!(text.contains("| a | g | 0.50 | 0.00 |") && text.contains("500 entries and 2.0 kB"));
    }
}
