//! Shows what a scan found as a table and compares it with the truth: `demo TRUTH.csv FOUND.jsonl`. See `make demo`.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use comfy_table::{Table, presets};
use refrain::report::json::MatchLine;
use refrain::report::truth::{Came, Expected, Judged, compare, read};
use refrain::report::words;

/// How far off the begin and end of a matched interval may be, in seconds.
const TOLERANCE: f64 = 1.5;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [truth, found] = &args[..] else {
        eprintln!("usage: demo TRUTH.csv FOUND.jsonl");
        return ExitCode::from(2);
    };
    match show(Path::new(truth), Path::new(found)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(2)
        }
    }
}

fn show(truth: &Path, found: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let rows = read(truth, &fs::read_to_string(truth)?)?;
    let lines: Vec<MatchLine> =
        fs::read_to_string(found)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let comparison = compare(&rows, &lines, TOLERANCE);

    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["upload", "what was done to it", "found", "how", "where (upload = reference)", "distance", ""]);
    for judged in comparison.rows.iter().filter(|judged| judged.row.expected != Expected::NoMatch) {
        table.add_row(cells(judged));
    }
    println!("{table}");

    let count = |expected: Expected| comparison.rows.iter().filter(move |judged| judged.row.expected == expected);
    let right = |expected| count(expected).filter(|judged| matches!(judged.came, Came::Right | Came::Quiet)).count();
    println!("copies found as expected:     {:3} of {}", right(Expected::Found), count(Expected::Found).count());
    println!("unrelated uploads left alone: {:3} of {}", right(Expected::NoMatch), count(Expected::NoMatch).count());
    println!("known gaps found all the same: {:2} of {}", right(Expected::KnownGap), count(Expected::KnownGap).count());
    for (upload, stray) in &comparison.strays {
        println!("matched, but should not have: {upload} with {}", words::a_match(stray));
    }
    for judged in count(Expected::NoMatch).filter(|judged| judged.came == Came::FalseAlarm) {
        println!("matched, but should not have: {}", judged.row.upload);
    }
    Ok(())
}

fn cells(judged: &Judged<'_>) -> [String; 7] {
    let verdict = match (judged.came, judged.row.expected) {
        (Came::Right, _) => "right",
        (Came::WrongTransform, _) => "wrong orientation",
        (Came::WrongTime, _) => "wrong time",
        (_, Expected::KnownGap) => "known gap",
        _ => "MISSED",
    };
    let (mut how, mut place, mut distance) = (String::new(), String::new(), String::new());
    if let Some(found) = judged.found {
        how = words::transform(found.transform, found.inverted);
        distance = found.distance.to_string();
        if let Some(segment) = found.segments.first() {
            place = words::interval_pair(segment);
        }
    }
    let reference = judged.found.map(|found| found.reference.clone()).unwrap_or_default();
    [judged.row.upload.clone(), judged.row.attack.clone(), reference, how, place, distance, verdict.into()]
}
