//! vPDQ's published hash lists and match percentages, and its sample films hashed once a second.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use refrain::fingerprint::{Media, Sampling};
use refrain::video::vpdq::{self, Line, Rule};
use refrain::{Options, video};

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/vpdq");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn list(path: &Path) -> Vec<Line> {
    let text = std::fs::read(path).unwrap();
    let lines = vpdq::read(text.as_slice(), |number, error| panic!("{}:{number}: {error}", path.display())).unwrap();
    let mut out = Vec::new();
    vpdq::write(&mut out, &lines).unwrap();
    assert_eq!(out, text, "{} does not go round", path.display());
    lines
}

fn check(table: &str, step: u64, lists: &HashMap<String, Vec<Line>>) -> usize {
    let lists: HashMap<&str, Vec<Line>> = lists
        .iter()
        .map(|(name, lines)| (name.as_str(), lines.iter().filter(|line| line.frame % step == 0).cloned().collect()))
        .collect();
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let (query, target) = (&lists[fields[0]], &lists[fields[1]]);
        let (tool, package) = (vpdq::compare(query, target, Rule::TOOL), vpdq::compare(query, target, Rule::PACKAGE));
        let got = [tool.query, tool.target, package.query, package.target].map(|share| format!("{share:.2}"));
        assert_eq!(got[..], fields[2..], "{} against {}", fields[0], fields[1]);
        rows += 1;
    }
    rows
}

#[test]
fn percentages_are_those_published() {
    let Some(folder) = folder() else { return };
    let mut lists = HashMap::new();
    for entry in std::fs::read_dir(folder.join("upstream-hashes")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with("-128x128") {
            lists.insert(name, list(&path));
        }
    }
    assert_eq!(lists.len(), 13, "lists of whole films");
    let table = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(check(&table("match-every-frame.tsv"), 1, &lists), 169);
    assert_eq!(check(&table("match-one-per-second.tsv"), 30, &lists), 169);
}

/// Every frame of the sample films, in the compatibility mode, beside upstream's own lists. They cannot be the same bit by bit:
/// upstream's own tool, built against another FFmpeg than the one that it was published with, is up to 6 bits off them.
#[test]
fn every_frame_hashes_as_published() {
    let Some(folder) = folder() else { return };
    let mut lists = HashMap::new();
    for entry in std::fs::read_dir(folder.join("videos")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = list(&folder.join("upstream-hashes").join(format!("{name}.txt")));
        let (lines, _) = vpdq::hash(&Media::file(&path), &Options::default(), 0.0).unwrap();
        assert_eq!(lines.len(), expected.len(), "{name}");
        let (mut worst, mut off, mut quality) = (0, 0, 0);
        for (got, expected) in lines.iter().zip(&expected) {
            assert_eq!(got.frame, expected.frame, "{name}: {got} for {expected}");
            assert!((got.seconds - expected.seconds).abs() < 0.002, "{name}: {got} for {expected}");
            quality = quality.max(got.quality.abs_diff(expected.quality));
            let distance = got.hash.distance(&expected.hash);
            off += u32::from(distance > 0);
            worst = worst.max(distance);
        }
        println!("{name}: {} frames, {off} of them off, at most {worst} bits; quality at most {quality}", lines.len());
        assert!(quality <= 1 && worst <= 8, "{name}: {worst} bits, quality {quality}");
        lists.insert(name, lines);
    }
    assert_eq!(lists.len(), 9, "films");
    let table = std::fs::read_to_string(folder.join("match-every-frame.tsv")).unwrap();
    let (mut pairs, mut other, mut furthest) = (0, 0, 0.0f64);
    for row in table.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let (Some(query), Some(target)) = (lists.get(fields[0]), lists.get(fields[1])) else { continue };
        let (tool, package) = (vpdq::compare(query, target, Rule::TOOL), vpdq::compare(query, target, Rule::PACKAGE));
        let got = [tool.query, tool.target, package.query, package.target];
        let off = got.iter().zip(&fields[2..]).map(|(got, told)| (got - told.parse::<f64>().unwrap()).abs());
        let off = off.fold(0.0, f64::max);
        (pairs, other, furthest) = (pairs + 1, other + u32::from(off > 0.005), furthest.max(off));
    }
    println!("{pairs} pairs, {other} with other percentages, at most {furthest:.2} points off");
    assert_eq!(pairs, 81);
    assert!(furthest <= 1.0 && other <= 20, "{other} pairs, {furthest} points");
}

#[test]
fn films_hash_as_published() {
    let Some(folder) = folder() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.join("videos")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = list(&folder.join("computed").join(format!("{name}.r1.txt")));
        let mut options = Options::default();
        options.sampling = Sampling::Fps(1.0);
        let film = video::fingerprint(&Media::file(&path), &options).unwrap();
        assert_eq!(film.warnings, Vec::<String>::new(), "{name}");
        let lines = vpdq::lines(&film, 30.0);
        assert_eq!(lines.len(), expected.len(), "{name}");
        let mut worst = 0;
        for (got, expected) in lines.iter().zip(&expected) {
            assert!((got.seconds - expected.seconds).abs() < 0.04, "{name}: {got} for {expected}");
            assert!(got.quality.abs_diff(expected.quality) <= 2, "{name}: {got} for {expected}");
            if expected.quality >= 50 {
                let distance = got.hash.distance(&expected.hash);
                worst = worst.max(distance);
                assert!(distance <= 10, "{name}: {distance} bits, {got} for {expected}");
            }
        }
        println!("{name}: {} frames, at most {worst} bits off", lines.len());
        // One hash a second as vPDQ takes it, by the numbers of the frames.
        let (numbered, warnings) = vpdq::hash(&Media::file(&path), &Options::default(), 1.0).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{name}");
        let numbers = |lines: &[Line]| lines.iter().map(|line| line.frame).collect::<Vec<_>>();
        assert_eq!(numbers(&numbered), numbers(&expected), "{name}");
        let near = numbered.iter().zip(&expected).filter(|(_, expected)| expected.quality >= 50);
        assert!(near.map(|(got, expected)| got.hash.distance(&expected.hash)).max() <= Some(10), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 9, "films");
}
