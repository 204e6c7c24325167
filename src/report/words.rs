//! What was found, in words for people who are no engineers.

use crate::bank::Action;
use crate::hash::pdq::Transform;
use crate::matching::{Match, Outcome, Segment};

/// What was done to the reference to get the upload, as `mirrored`; empty if nothing.
pub fn transform(transform: Transform, inverted: bool) -> String {
    let turned = match transform {
        Transform::Original => "",
        Transform::Rotate90 => "turned left",
        Transform::Rotate180 => "upside down",
        Transform::Rotate270 => "turned right",
        Transform::FlipX => "mirrored top to bottom",
        Transform::FlipY => "mirrored",
        Transform::FlipPlus1 => "mirrored and turned left",
        Transform::FlipMinus1 => "mirrored and turned right",
    };
    match (turned, inverted) {
        (turned, false) => turned.into(),
        ("", true) => "negative".into(),
        (turned, true) => format!("{turned}, negative"),
    }
}

/// How close a distance is, as `nearly the same`.
pub fn closeness(distance: u32) -> &'static str {
    match distance {
        0..=10 => "the same picture",
        11..=31 => "very close",
        32..=47 => "close",
        _ => "similar",
    }
}

/// How sure a match is, as `Very close: almost certainly the same picture`.
pub fn verdict(found: &Match) -> String {
    let what = if found.segments.is_empty() { "picture" } else { "film" };
    match found.distance {
        _ if found.near => format!("Perhaps the same {what}: please look"),
        0..=10 => format!("The same {what}"),
        11..=31 => format!("Very close: almost certainly the same {what}"),
        32..=47 => format!("Close: probably the same {what}"),
        _ => format!("Alike: the same {what} with much changed, or another one like it"),
    }
}

/// How much detail a comparison rests on.
pub fn detail(quality: u8) -> &'static str {
    match quality {
        80.. => "There was plenty of detail to compare",
        50..80 => "There was enough detail to compare",
        _ => "There was little detail to compare, so look twice",
    }
}

/// A part of a picture, as `its left half`.
pub fn view(name: &str) -> String {
    match name {
        "full" => "the whole picture".into(),
        "content" => "the picture without its border".into(),
        "inner" => "the picture within it".into(),
        "upright" => "its upright middle".into(),
        "window:0,0,50,100" => "its left half".into(),
        "window:50,0,100,100" => "its right half".into(),
        "window:0,0,100,50" => "its upper half".into(),
        "window:0,50,100,100" => "its lower half".into(),
        other => match other.strip_prefix("window:").map(|edges| edges.split(',').map(str::parse).collect()) {
            Some(Ok(edges))
                if <[u32; 4]>::try_from(Vec::clone(&edges)).is_ok_and(|[l, t, r, b]| l + r == 100 && t + b == 100) =>
            {
                "its middle".into()
            }
            Some(Ok(_)) => "a part of it".into(),
            _ => other.into(),
        },
    }
}

/// What a match rests on, in sentences.
pub fn evidence(found: &Match) -> String {
    let mut text = format!("{}.", detail(found.quality));
    let done = transform(found.transform, found.inverted);
    if !done.is_empty() {
        text += &format!(" This file is {done}.");
    }
    if let Some(coverage) = coverage(found) {
        text += &format!(" The intervals cover {coverage}.");
    }
    if found.query_view != "full" || found.reference_view != "full" {
        text += &format!(
            " What matched: of this file {}, of the reference {}.",
            view(&found.query_view),
            view(&found.reference_view)
        );
    }
    text
}

/// An outcome, as `known`.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Match => "known",
        Outcome::Allowed => "known and allowed",
        Outcome::Near => "perhaps known",
        Outcome::TooLittleDetail => "too little detail to tell",
        Outcome::Unreadable => "could not be read",
        _ => "not known",
    }
}

/// A time, as `0:07.5` or `1:02:03.0`.
pub fn time(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let (seconds, tenth) = (rest / 10, rest % 10);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}.{tenth}")
    } else {
        format!("{minutes}:{seconds:02}.{tenth}")
    }
}

/// The intervals of a segment, as `0:03.0..0:18.5 of the upload is 0:00.0..0:15.5 of the reference, at 1.25 times the speed`.
pub fn segment(segment: &Segment) -> String {
    let interval = |[from, to]: [f64; 2]| {
        if to - from < 0.05 { time(from) } else { format!("{}..{}", time(from), time(to)) }
    };
    let (query, reference) = (segment.query, segment.reference);
    let mut text = match (is_still(query), is_still(reference)) {
        (true, _) => format!("{} of the reference", interval(reference)),
        (_, true) => format!("{} of the upload", interval(query)),
        _ => format!("{} of the upload is {} of the reference", interval(query), interval(reference)),
    };
    if !is_still(query) && !is_still(reference) && segment.speed != 0.0 && (segment.speed - 1.0).abs() > 0.02 {
        text += &format!(", at {:.2} times the speed", segment.speed.abs());
        if segment.speed < 0.0 {
            text += ", backwards";
        }
    }
    text
}

/// What the segments of a match cover, as `40 % of the upload and 100 % of the reference`; `None` if it has none.
pub fn coverage(found: &Match) -> Option<String> {
    let coverage = found.coverage?;
    let share = |share: f64, of: &str| format!("{:.0} % of the {of}", 100.0 * share);
    let sides = [
        (share(coverage.query, "upload"), found.segments.iter().all(|segment| is_still(segment.query))),
        (share(coverage.reference, "reference"), found.segments.iter().all(|segment| is_still(segment.reference))),
    ];
    let films: Vec<String> = sides.into_iter().filter(|(_, still)| !still).map(|(text, _)| text).collect();
    (!films.is_empty()).then(|| films.join(" and "))
}

/// The intervals of a segment for a table, as `0:03.0..0:18.5 = 0:00.0..0:15.5, x1.25`.
pub fn interval_pair(segment: &Segment) -> String {
    let side = |[from, to]: [f64; 2]| match to - from < 0.05 {
        _ if is_still([from, to]) => "still".to_string(),
        true => time(from),
        false => format!("{}..{}", time(from), time(to)),
    };
    let mut text = format!("{} = {}", side(segment.query), side(segment.reference));
    if !is_still(segment.query) && !is_still(segment.reference) && (segment.speed - 1.0).abs() > 0.02 {
        text += &format!(", x{:.2}", segment.speed);
    }
    text
}

fn is_still([from, to]: [f64; 2]) -> bool {
    from == 0.0 && to == 0.0
}

/// A match on one line for a terminal, as `removed/case-12 (mirrored, distance 8, very close)`.
pub fn a_match(found: &Match) -> String {
    let mut details = vec![transform(found.transform, found.inverted)];
    if found.query_view != "full" {
        details.push(format!("its part `{}`", found.query_view));
    }
    if found.reference_view != "full" {
        details.push(format!("part `{}` of the reference", found.reference_view));
    }
    details.push(format!("distance {}, {}", found.distance, closeness(found.distance)));
    details.push(
        match found.action {
            Action::Block => "",
            Action::Review => "for a person to look at",
            Action::Observe => "observed only",
            Action::Allow => "allowed",
        }
        .to_string(),
    );
    details.retain(|detail| !detail.is_empty());
    let name = printable(&format!("{}/{}", found.bank, found.reference));
    let mut text = format!("{name} ({})", details.join(", "));
    if let Some(first) = found.segments.first() {
        text += &format!(": {}", segment(first));
    }
    if found.segments.len() > 1 {
        text += &format!(", and {} more", found.segments.len() - 1);
    }
    if let Some(coverage) = coverage(found) {
        text += &format!("; in all {coverage}");
    }
    text
}

/// An error with all its causes on one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// Control characters of file names and labels made visible, so that they cannot play with a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_transforms_read_well() {
        assert_eq!(view("window:0,0,50,100"), "its left half");
        assert_eq!(view("window:5,5,95,95"), "its middle");
        assert_eq!(view("window:0,0,75,75"), "a part of it");
        assert_eq!(view("something"), "something");
        assert_eq!(time(7.46), "0:07.5");
        assert_eq!(time(3723.0), "1:02:03.0");
        assert_eq!(time(-1.0), "0:00.0");
        assert_eq!(transform(Transform::FlipY, true), "mirrored, negative");
        assert_eq!(transform(Transform::Original, false), "");
        assert_eq!(printable("a\x1b[31m\nb"), "a\u{FFFD}[31m\u{FFFD}b");
    }
}
