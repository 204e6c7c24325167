//! Films that were altered find their originals, with the seconds where they are.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use refrain::bank::{BankConfig, Reference};
use refrain::fingerprint::{Media, VideoFingerprint};
use refrain::matching::Outcome;
use refrain::matching::align::{Agreement, compare};
use refrain::{Options, Store, fingerprint, video};

fn folder(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

fn film(path: &Path) -> VideoFingerprint {
    video::fingerprint(&Media::file(path), &Options::default()).unwrap()
}

/// Two scenes, each recorded or re-encoded several times with bars and logos of several sizes.
#[test]
fn conformance_films_find_their_originals_and_no_other() {
    let Some(folder) = folder("../shared/conformance/vpdq/videos") else { return };
    let films: BTreeMap<String, VideoFingerprint> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), film(&path)))
        .collect();
    assert_eq!(films.len(), 9, "films");
    for (query_name, query) in &films {
        for (reference_name, reference) in &films {
            let scene = |name: &str| name.split('-').next().unwrap().to_owned();
            let segments = compare(query, reference, &Agreement::default());
            if scene(query_name) == scene(reference_name) {
                let Some(first) = segments.first() else { panic!("{query_name} does not find {reference_name}") };
                let covered = first.query[1] - first.query[0];
                println!("{query_name} in {reference_name}: {first:?}");
                assert!(covered > 0.5 * query.duration.min(reference.duration), "{query_name}: {first:?}");
                assert!((first.speed - 1.0).abs() < 0.05 && !first.inverted, "{query_name}: {first:?}");
            } else {
                assert_eq!(segments, [], "{query_name} finds {reference_name}");
            }
        }
    }
}

#[test]
fn bytes_and_files_are_the_same() {
    let Some(folder) = folder("../shared/conformance/vpdq/videos") else { return };
    let path = folder.join("test-padded-dimensions.mp4");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(film(&path), video::fingerprint(&Media::bytes(&bytes), &Options::default()).unwrap());
}

/// Every row of the truth table that has a film on either side, through a store as users have it.
#[test]
fn fixtures_find_their_originals_with_the_seconds() {
    let Some(folder) = folder("fixtures") else { return };
    let place = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(place.path().join("store")).unwrap();
    store.set_bank(&BankConfig::new("removed")).unwrap();
    let print = |path: &Path| fingerprint(Media::file(path), &Options::default()).unwrap();
    let mut films = 0;
    for entry in std::fs::read_dir(folder.join("removed")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        films += usize::from(name.ends_with(".mp4"));
        store.add(&Reference::new(name).bank("removed"), &print(&path)).unwrap();
    }
    assert!(films >= 4, "{films} films among the references");
    let truth = std::fs::read_to_string(folder.join("truth.csv")).unwrap();
    let (mut rows, mut missed) = (0, Vec::new());
    for row in truth.lines().skip(1) {
        let f: Vec<&str> = row.split(',').collect();
        let film = |name: &str| [".mp4", ".webm", ".mkv", ".gif"].iter().any(|end| name.ends_with(end));
        if !(film(f[0]) && f[0] != "city-tiny.gif" || film(f[1])) {
            continue;
        }
        rows += 1;
        let verdict = store.ask(&print(&folder.join("uploads").join(f[0]))).unwrap();
        if f[10] == "no_match" {
            assert!(verdict.matches.is_empty(), "{} finds {:?}", f[0], verdict.matches);
            continue;
        }
        let Some(found) = verdict.matches.iter().find(|found| found.reference == f[1] && !found.near) else {
            println!("{}: {} is not found: {:?}", f[0], f[1], verdict.outcome);
            if f[10] == "found" {
                missed.push(row.to_owned());
            }
            continue;
        };
        assert_eq!(verdict.outcome, Outcome::Match, "{row}");
        assert_eq!(found.transform.name(), f[3], "{row}");
        let segment = &found.segments[0];
        println!("{} shows {}: {segment:?}", f[0], f[1]);
        let number = |at: usize| f[at].parse::<f64>().ok();
        for (what, got, at) in [("query", segment.query, 5), ("reference", segment.reference, 7)] {
            if let (Some(from), Some(to)) = (number(at), number(at + 1)) {
                let off = (got[0] - from).abs().max((got[1] - to).abs());
                assert!(off <= 1.0, "{row}: {what} {got:?}");
            }
        }
        if let Some(speed) = number(9) {
            assert!((segment.speed - speed).abs() < 0.07, "{row}: {}", segment.speed);
        }
    }
    assert!(rows >= 14, "{rows} rows with films");
    assert_eq!(missed, Vec::<String>::new(), "not found");
}

/// A stream that a program decodes itself: luma of 64x48, another scene every three seconds, each of which drifts.
fn streamed(t: f64, scene: u32) -> Vec<u8> {
    let wave = |k: u32| f64::from((scene * 97 + k).wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24);
    let value = |at: usize| {
        let (x, y) = ((at % 64) as f64 / 64.0 + 0.02 * t, (at / 64) as f64 / 48.0);
        let waves = (0..8).map(|k| {
            let (u, v) = (wave(3 * k) * 12.0 - 6.0, wave(3 * k + 1) * 12.0 - 6.0);
            ((u * x + v * y + wave(3 * k + 2)) * std::f64::consts::TAU).sin() / (1.0 + u.hypot(v))
        });
        (128.0 + 60.0 * waves.sum::<f64>()).clamp(0.0, 255.0) as u8
    };
    (0..64 * 48).map(value).collect()
}

#[test]
fn a_stream_is_known_while_it_comes_in() {
    let push = |builder: &mut video::Builder, seconds: std::ops::Range<f64>, scene: u32| {
        for at in (seconds.start * 25.0).round() as u32..(seconds.end * 25.0).round() as u32 {
            let (t, width, height) = (f64::from(at) / 25.0, 64, 48);
            let since = t - seconds.start;
            let luma = streamed(since, scene + (since / 3.0) as u32);
            builder.push(t, 0.04, &refrain::hash::Pixels::luma(&luma, width, height, width).unwrap()).unwrap();
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(dir.path().join("store")).unwrap();
    let mut known = video::Builder::new(&Options::default());
    push(&mut known, 0.0..15.0, 10);
    store.add(&Reference::new("known").bank("films"), &refrain::Fingerprint::Video(known.finish())).unwrap();

    // Twelve seconds of something else, then the known film; asked on the way.
    let mut stream = video::Builder::new(&Options::default());
    let ask = |stream: &video::Builder| store.ask(&refrain::Fingerprint::Video(stream.so_far())).unwrap();
    push(&mut stream, 0.0..12.0, 40);
    assert_eq!(ask(&stream).outcome, Outcome::NoMatch);
    let mut half = stream.so_far();
    push(&mut stream, 12.0..21.0, 10);
    let midway = ask(&stream);
    assert_eq!(midway.outcome, Outcome::Match, "nine seconds of it have been shown");
    let shown = &midway.matches[0].segments[0];
    assert!((shown.query[0] - 12.0).abs() < 1.0 && (shown.query[1] - 21.0).abs() < 1.0, "{shown:?}");
    assert!(shown.reference[0] < 1.0 && (shown.reference[1] - 9.0).abs() < 1.0, "{shown:?}");
    push(&mut stream, 21.0..25.0, 70);
    let end = ask(&stream);
    assert!((end.matches[0].segments[0].query[1] - 21.0).abs() < 1.0, "it ended there: {end:?}");
    // What was known of the stream stays as it was, but for parts of the picture that were found later.
    let mut whole = stream.finish();
    assert!(half.frames.iter().filter(|frame| frame.time < 10.0).all(|frame| whole.frames.contains(frame)));
    for film in [&mut half, &mut whole] {
        film.frames.retain(|frame| frame.time < 10.0 && frame.view != refrain::fingerprint::View::Inner);
    }
    assert_eq!(half.frames, whole.frames);
}
