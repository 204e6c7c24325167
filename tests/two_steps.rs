//! A film that nobody knows is seen to be so by few of its frames, and nothing that a whole look finds is lost by that.

#![cfg(feature = "video")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use refrain::bank::{AskOptions, Asked, Reference};
use refrain::matching::Outcome;
use refrain::scan::{Asking, Cache, Patterns, ask_item, walk};
use refrain::{Cancel, Media, Options, Store, fingerprint};

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn known(folder: &Path) -> Store {
    let store = Store::create_or_open(folder.join("store")).unwrap();
    for entry in std::fs::read_dir(fixtures("removed")).unwrap() {
        let path = entry.unwrap().path();
        let print = fingerprint(Media::file(&path), &Options::default()).unwrap();
        store.add(&Reference::new(path.file_name().unwrap().to_str().unwrap()).bank("removed"), &print).unwrap();
    }
    store
}

fn ask(store: &Store, path: &Path) -> Asked {
    store.ask_media(&Media::file(path), &Options::default(), &AskOptions::default()).unwrap()
}

fn references(asked: &Asked) -> Vec<&str> {
    let mut found: Vec<&str> = asked.verdict.matches.iter().map(|found| found.reference.as_str()).collect();
    found.sort_unstable();
    found
}

/// A film of `parts`, each a file with its begin and length in seconds, with a keyframe every `gop` frames and at no cut.
fn join(to: &Path, parts: &[(PathBuf, f64, f64)], gop: u32) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]);
    let mut filter = String::new();
    for (at, (path, begin, length)) in parts.iter().enumerate() {
        command.args(["-ss", &begin.to_string(), "-t", &length.to_string(), "-i"]).arg(path);
        filter += &format!("[{at}:v]scale=320:240,setsar=1,fps=24[p{at}];");
    }
    (0..parts.len()).for_each(|at| filter += &format!("[p{at}]"));
    filter += &format!("concat=n={}:v=1[out]", parts.len());
    command.args(["-filter_complex", &filter, "-map", "[out]", "-c:v", "libx264", "-preset", "veryfast"]);
    command.args(["-g", &gop.to_string(), "-keyint_min", &gop.to_string(), "-sc_threshold", "0"]).arg(to);
    match command.status() {
        Ok(status) => {
            assert!(status.success());
            true
        }
        Err(_) => {
            println!("skipped: no ffmpeg command");
            false
        }
    }
}

#[test]
fn two_steps_find_what_one_finds() {
    let dir = tempfile::tempdir().unwrap();
    let store = known(dir.path());
    let mut films = 0;
    for entry in std::fs::read_dir(fixtures("uploads")).unwrap() {
        let path = entry.unwrap().path();
        let whole = fingerprint(Media::file(&path), &Options::default()).unwrap();
        if whole.kind() != "video" {
            continue;
        }
        films += 1;
        let (two, one) = (ask(&store, &path), store.ask(&whole).unwrap());
        assert_eq!(two.verdict, one, "{}", path.display());
        if two.whole {
            assert_eq!(two.fingerprint, whole, "{}", path.display());
        }
    }
    assert!(films >= 12, "{films} films");
}

#[test]
fn a_known_clip_between_two_keyframes_is_found_and_strangers_are_cheap() {
    let dir = tempfile::tempdir().unwrap();
    let store = known(dir.path());
    let host = |begin: f64, length: f64| (fixtures("uploads/other-atlas.mp4"), begin, length);
    let other = |begin: f64, length: f64| (fixtures("uploads/other-festival.mp4"), begin, length);
    let path = dir.path().join("film.mp4");
    // With a keyframe a second, every ten seconds, and only one: 4 seconds of a known film in 25.
    for gop in [24, 240, 10_000] {
        let parts = [
            host(0.0, 6.0),
            other(0.0, 6.0),
            host(2.0, 4.0),
            (fixtures("removed/journey.mp4"), 3.0, 4.0),
            other(1.0, 6.0),
        ];
        if !join(&path, &parts, gop) {
            return;
        }
        let asked = ask(&store, &path);
        assert_eq!((references(&asked), asked.whole), (vec!["journey.mp4"], true), "a keyframe every {gop} frames");
        let segment = &asked.verdict.matches[0].segments[0];
        assert!((segment.query[0] - 16.0).abs() < 1.0 && (segment.query[1] - 20.0).abs() < 1.0, "{segment:?}");

        let parts = [host(0.0, 6.0), other(0.0, 6.0), host(0.0, 6.0), other(0.0, 6.0)];
        assert!(join(&path, &parts, gop));
        let asked = ask(&store, &path);
        assert_eq!((asked.verdict.outcome, asked.whole), (Outcome::NoMatch, false), "a keyframe every {gop} frames");
        let duration = match &asked.fingerprint {
            refrain::Fingerprint::Video(film) => film.duration,
            other => panic!("{other:?}"),
        };
        assert!((duration - 24.0).abs() < 0.5, "a keyframe every {gop} frames: {duration} s");
    }
}

/// What is kept for references to come is whole, and a look in passing in the cache never takes its place.
#[test]
fn what_is_remembered_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(dir.path().join("store")).unwrap();
    let path = dir.path().join("film.mp4");
    let part = |name: &str| (fixtures(name), 0.0, 8.0);
    if !join(
        &path,
        &[part("uploads/other-atlas.mp4"), part("removed/journey.mp4"), part("uploads/other-festival.mp4")],
        24,
    ) {
        return;
    }
    let still = fingerprint(Media::file(fixtures("removed/map.png")), &Options::default()).unwrap();
    store.add(&Reference::new("map").bank("removed"), &still).unwrap();
    let item = walk(std::slice::from_ref(&path), &Patterns::default(), &Cancel::new()).unwrap().items.remove(0);
    let mut how = Asking::default();
    how.cache = Some(Arc::new(Cache::open(&dir.path().join("cache")).unwrap()));
    let first = ask_item(&store, &item, &how);
    assert_eq!(first.outcome, Outcome::NoMatch);
    let cache = how.cache.clone().unwrap();
    cache.flush();
    let key = cache.key(&item, &Options::default()).unwrap();
    assert!(cache.get(&key).is_none(), "looked at in passing only");
    assert_eq!(ask_item(&store, &item, &how), first, "from the cache");
    how.remember = Some("somebody".into());
    ask_item(&store, &item, &how);
    cache.flush();
    let whole = cache.get(&key).unwrap();
    assert_eq!(whole, fingerprint(Media::file(&path), &Options::default()).unwrap());

    let journey = fingerprint(Media::file(fixtures("removed/journey.mp4")), &Options::default()).unwrap();
    store.add(&Reference::new("journey").bank("removed"), &journey).unwrap();
    let mut found = Vec::new();
    store
        .retro(0, |retro| {
            found.push((retro.remembered.upload, retro.found.reference));
            Ok(())
        })
        .unwrap();
    assert_eq!(found, [(path.to_str().unwrap().to_owned(), "journey".to_owned())]);
    // Now that it is whole, one question is enough.
    how.remember = None;
    assert_eq!(ask_item(&store, &item, &how).matches[0].reference, "journey");
}
