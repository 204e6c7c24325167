//! What a folder of uploads shows in truth, as a CSV, and how far the lines of a scan agree with it.
//!
//! The columns are `upload,reference,attack,transform,inverted,query_start,query_end,reference_start,reference_end,speed,
//! expected`, without quotes. `expected` is `found`, `known_gap` (a copy that is not found yet) or `no_match`.

use std::collections::HashMap;
use std::path::Path;

use super::json::MatchLine;
use crate::error::{Error, Result};
use crate::hash::pdq::Transform;
use crate::matching::{Match, Outcome};

const COLUMNS: &str =
    "upload,reference,attack,transform,inverted,query_start,query_end,reference_start,reference_end,speed,expected";

/// What is expected of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The reference is found.
    Found,
    /// It is a copy, but not one that is found yet.
    KnownGap,
    /// It is nobody's copy.
    NoMatch,
}

/// What one upload shows of one reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The upload's file name.
    pub upload: String,
    /// The reference's id; empty if the upload is nobody's copy.
    pub reference: String,
    /// What was done to it, in words.
    pub attack: String,
    /// How it was laid down.
    pub transform: Option<Transform>,
    /// Whether it is the negative.
    pub inverted: bool,
    /// Begin and end in the upload, in seconds, for films.
    pub query: Option<[f64; 2]>,
    /// Begin and end in the reference, in seconds, for films.
    pub reference_time: Option<[f64; 2]>,
    /// What is expected.
    pub expected: Expected,
}

/// Reads the CSV.
///
/// # Errors
/// [`Error::Format`] if it has other columns, [`Error::Corrupt`] with the number of a line that cannot be understood.
pub fn read(path: &Path, text: &str) -> Result<Vec<Row>> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    match lines.next() {
        Some((_, COLUMNS)) => {}
        other => {
            let got = other.map_or("an empty file", |(_, line)| line).into();
            return Err(Error::Format { path: path.into(), expected: format!("the columns {COLUMNS}"), got });
        }
    }
    lines.map(|(at, line)| row(line).ok_or_else(|| Error::corrupt(path, format!("line {}: {line}", at + 1)))).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.split(',').collect();
    let [upload, reference, attack, transform, inverted, q0, q1, r0, r1, _speed, expected] = cells[..] else {
        return None;
    };
    let interval = |from: &str, to: &str| match (from, to) {
        ("", "") => Some(None),
        (from, to) => Some(Some([from.parse().ok()?, to.parse().ok()?])),
    };
    Some(Row {
        upload: upload.into(),
        reference: reference.into(),
        attack: attack.into(),
        transform: match transform {
            "" => None,
            name => Some(Transform::ALL.into_iter().find(|transform| transform.name() == name)?),
        },
        inverted: inverted == "true",
        query: interval(q0, q1)?,
        reference_time: interval(r0, r1)?,
        expected: match expected {
            "found" => Expected::Found,
            "known_gap" => Expected::KnownGap,
            "no_match" => Expected::NoMatch,
            _ => return None,
        },
    })
}

/// How one row came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// The copy was found, laid down as it is, at the right time.
    Right,
    /// The copy was found, but its orientation is wrong.
    WrongTransform,
    /// The copy was found, but at a wrong time.
    WrongTime,
    /// The copy was not found.
    Missed,
    /// Nobody's copy, and nothing was found.
    Quiet,
    /// Nobody's copy, and yet something was found.
    FalseAlarm,
}

/// A row, the match that answers it, and how it came out.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The row.
    pub row: &'a Row,
    /// The match with the row's reference; for nobody's copy the best match.
    pub found: Option<&'a Match>,
    /// How it came out.
    pub came: Came,
}

impl Judged<'_> {
    /// Whether it came out as expected; a known gap may come out either way.
    pub fn as_expected(&self) -> bool {
        match self.row.expected {
            Expected::Found => self.came == Came::Right,
            Expected::NoMatch => self.came == Came::Quiet,
            Expected::KnownGap => true,
        }
    }
}

/// What a comparison came to.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// Every row.
    pub rows: Vec<Judged<'a>>,
    /// Matches of uploads with references that they do not show.
    pub strays: Vec<(&'a str, &'a Match)>,
}

/// Compares the lines of a scan with the truth, by file names. `seconds` is how far off a time may be.
pub fn compare<'a>(rows: &'a [Row], lines: &'a [MatchLine], seconds: f64) -> Comparison<'a> {
    let mut matches: HashMap<&str, &[Match]> = HashMap::new();
    for line in lines.iter().filter(|line| matches!(line.outcome, Outcome::Match | Outcome::Allowed)) {
        matches.insert(file_name(line.name()), &line.matches);
    }
    let of = |upload: &str| matches.get(upload).copied().unwrap_or_default();
    let judged = rows.iter().map(|row| {
        let all = of(&row.upload);
        let found = match row.expected {
            Expected::NoMatch => all.first(),
            _ => all.iter().find(|found| found.reference == row.reference),
        };
        Judged { row, found, came: judge(row, found, seconds) }
    });
    let rows_of = |upload: &str, reference: &str| {
        rows.iter().any(|row| row.upload == upload && (row.reference == reference || row.expected == Expected::NoMatch))
    };
    let strays = lines.iter().flat_map(|line| {
        let upload = file_name(line.name());
        of(upload).iter().filter(move |found| !rows_of(upload, &found.reference)).map(move |found| (upload, found))
    });
    Comparison { strays: strays.collect(), rows: judged.collect() }
}

fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

fn judge(row: &Row, found: Option<&Match>, seconds: f64) -> Came {
    let found = match (found, row.expected) {
        (None, Expected::NoMatch) => return Came::Quiet,
        (Some(_), Expected::NoMatch) => return Came::FalseAlarm,
        (None, _) => return Came::Missed,
        (Some(found), _) => found,
    };
    if row.transform.is_some_and(|transform| (transform, row.inverted) != (found.transform, found.inverted)) {
        return Came::WrongTransform;
    }
    let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() <= seconds && (a[1] - b[1]).abs() <= seconds;
    let in_time = found.segments.iter().any(|segment| {
        row.query.is_none_or(|query| near(query, segment.query))
            && row.reference_time.is_none_or(|reference| near(reference, segment.reference))
    });
    if (row.query.is_some() || row.reference_time.is_some()) && !in_time { Came::WrongTime } else { Came::Right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_judged() {
        let text = format!(
            "{COLUMNS}\na.jpg,x,mirror,flip_y,false,,,,,,found\nb.jpg,,unrelated,,,,,,,,no_match\nf.mp4,y,trim,original,false,0.00,8.00,1.00,9.00,1.00,found\n"
        );
        let rows = read(Path::new("t.csv"), &text).unwrap();
        let line = |json: &str| serde_json::from_str::<MatchLine>(json).unwrap();
        let found = r#""bank":"r","action":"block","distance":4,"quality":90,"inverted":false,"query_view":"full","reference_view":"full""#;
        let a = line(&format!(
            r#"{{"path":"u/a.jpg","outcome":"match","matches":[{{{found},"reference":"x","transform":"flip_y"}},{{{found},"reference":"z","transform":"flip_y"}}]}}"#
        ));
        let b = line(r#"{"path":"b.jpg","outcome":"no_match","matches":[]}"#);
        let f = line(&format!(
            r#"{{"path":"f.mp4","outcome":"match","matches":[{{{found},"reference":"y","transform":"original","segments":[{{"query":[0.3,7.5],"reference":[1.3,8.5],"speed":1.0,"transform":"original","inverted":false,"hits":9,"distance":5.0}}]}}]}}"#
        ));
        let lines = [a, b, f];
        let came = |seconds| compare(&rows, &lines, seconds).rows.iter().map(|row| row.came).collect::<Vec<_>>();
        assert_eq!(came(1.0), [Came::Right, Came::Quiet, Came::Right]);
        assert_eq!(came(0.1), [Came::Right, Came::Quiet, Came::WrongTime]);
        let all = compare(&rows, &lines, 1.0);
        assert_eq!(all.strays.len(), 1);
        assert_eq!((all.strays[0].0, all.strays[0].1.reference.as_str()), ("a.jpg", "z"));
        assert!(read(Path::new("t.csv"), "a,b\n").is_err());
        assert!(read(Path::new("t.csv"), &format!("{COLUMNS}\na,b\n")).is_err());
    }
}
