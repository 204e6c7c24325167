//! Film after film through one process: neither memory nor open files grow.

#![cfg(all(feature = "video", target_os = "linux"))]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use refrain::bank::{AskOptions, Reference};
use refrain::fingerprint::Sampling;
use refrain::matching::Outcome;
use refrain::{Media, Options, Store, fingerprint};

/// Memory in use in MB, and open files.
fn held() -> (f64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kilobytes: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    (kilobytes / 1024.0, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

fn films() -> Vec<PathBuf> {
    let folders = ["removed", "uploads"].map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let film =
        |path: &PathBuf| path.extension().is_some_and(|end| ["mp4", "mkv", "webm"].iter().any(|film| end == *film));
    let mut films: Vec<PathBuf> = files.filter(film).collect();
    films.sort();
    assert!(films.len() >= 12, "{} films", films.len());
    films
}

/// Small films made of the fixtures: whole, cut off anywhere, and with bytes turned over, in turn from files and from
/// memory, under every sampling; each is asked about in a store that knows some of them.
fn soak(count: usize) {
    let (films, dir) = (films(), tempfile::tempdir().unwrap());
    let store = Store::create_or_open(dir.path().join("store")).unwrap();
    for film in films.iter().filter(|film| film.to_str().unwrap().contains("removed")) {
        let print = fingerprint(Media::file(film), &Options::default()).unwrap();
        store.add(&Reference::new(film.file_name().unwrap().to_str().unwrap()).bank("films"), &print).unwrap();
    }
    let (mut fine, mut refused, mut known, mut early) = (0, 0, 0, None);
    for at in 0..count {
        let mut bytes = std::fs::read(&films[at % films.len()]).unwrap();
        match at % 4 {
            1 => bytes.truncate(bytes.len() * (at * 7919 % 100) / 100),
            2 => (0..8).for_each(|k| {
                let place = (at * 104_729 + k * 15_485_863) % bytes.len();
                bytes[place] ^= 1 << (at % 8);
            }),
            _ => {}
        }
        let mut options = Options::default();
        options.sampling = [Sampling::Mixed, Sampling::Keyframes, Sampling::Fps(2.0)][at % 3];
        let path = dir.path().join(format!("{}", at % 5));
        let media = if at % 2 == 0 {
            std::fs::write(&path, &bytes).unwrap();
            Media::file(&path)
        } else {
            Media::bytes(&bytes)
        };
        let ask = AskOptions::default();
        match store.ask_media(&media, &options, &ask) {
            Ok(asked) => {
                fine += 1;
                known += usize::from(asked.verdict.outcome == Outcome::Match);
            }
            Err(_) => refused += 1,
        }
        if at + 1 == count / 3 {
            early = Some(held());
        }
    }
    let ((before, files_before), (after, files_after)) = (early.unwrap(), held());
    println!(
        "{count} films, {fine} of them fine, {known} known, {refused} refused: {before:.1} MB and {files_before} files after a third, {after:.1} MB and {files_after} at the end"
    );
    assert!(fine > count / 2 && known > count / 4, "{fine} fine and {known} known of {count}");
    assert_eq!(files_before, files_after, "open files");
    // The packets of forty such films are 5 MB, a decoder's frames much more.
    assert!(after < before + 4.0, "{before} MB, then {after} MB");
}

#[test]
fn sixty_films_leave_nothing_behind() {
    soak(60);
}

#[test]
#[ignore = "minutes: cargo test --release --test soak_films -- --ignored --nocapture"]
fn a_thousand_films_leave_nothing_behind() {
    soak(1000);
}
