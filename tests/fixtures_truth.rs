//! Every copy among the fixtures that is claimed to be found is found, laid down and timed as it is, and nothing else is.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{fixture, root};
use refrain::bank::Reference;
use refrain::report::json::MatchLine;
use refrain::report::truth::{Expected, Row, compare, read};
use refrain::scan::{Asking, Parallel, Patterns, ask_all, fingerprint_item, ordered, walk};
use refrain::{Cancel, Error, Options, Store};

/// How far off the begin and end of a matched interval may be, in seconds.
const TOLERANCE: f64 = 1.5;

fn scan() -> Vec<MatchLine> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(dir.path().join("s")).unwrap();
    let list = |folder: &str| walk(&[fixture(folder).into()], &Patterns::default(), &Cancel::new()).unwrap().items;
    ordered::<_, _, Error>(
        &Parallel::default(),
        &list("removed"),
        |item| fingerprint_item(item, &Options::default()),
        |_, _| Ok(()),
        |item, print| {
            let id = item.path.file_name().unwrap().to_string_lossy();
            store.add(&Reference::new(id).bank("removed"), &print?).map(drop)
        },
    )
    .unwrap();
    let mut lines = vec![];
    let uploads = list("uploads");
    let (_, done) = ask_all::<Error>(
        &store,
        &uploads,
        &Asking::default(),
        None,
        |_, _| {},
        |_, line| {
            lines.push(line);
            Ok(())
        },
    );
    done.unwrap();
    lines
}

fn truth() -> Vec<Row> {
    let path = root().join("fixtures/truth.csv");
    read(Path::new("fixtures/truth.csv"), &fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn what_is_claimed_is_found_and_nothing_else() {
    let (rows, lines) = (truth(), scan());
    let uploads = fs::read_dir(root().join("fixtures/uploads")).unwrap().count();
    assert_eq!(lines.len(), uploads, "every upload has a line");
    assert!(rows.iter().all(|row| root().join("fixtures/uploads").join(&row.upload).exists()), "every row has a file");
    let count = |expected| rows.iter().filter(|row| row.expected == expected).count();
    let counts = (count(Expected::Found), count(Expected::NoMatch), count(Expected::KnownGap));
    println!("{} copies claimed, {} unrelated, {} known gaps", counts.0, counts.1, counts.2);
    assert!(counts.0 >= 20 && counts.1 >= 5, "{counts:?}");

    let comparison = compare(&rows, &lines, TOLERANCE);
    for gap in comparison.rows.iter().filter(|judged| judged.row.expected == Expected::KnownGap) {
        println!("known gap: {} ({}): {:?}", gap.row.upload, gap.row.attack, gap.came);
    }
    let claimed = comparison.rows.iter().filter(|judged| judged.row.expected != Expected::KnownGap);
    let wrong: Vec<String> = claimed
        .filter(|judged| !judged.as_expected())
        .map(|judged| format!("{} ({}): {:?}, {:?}", judged.row.upload, judged.row.attack, judged.came, judged.found))
        .chain(comparison.strays.iter().map(|(upload, stray)| format!("{upload}: stray {stray:?}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
