//! Films that were altered find their originals, with the seconds where they are.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use refrain::fingerprint::{Media, VideoFingerprint};
use refrain::matching::align::{Agreement, compare};
use refrain::{Options, video};

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
            let bars = |name: &str| !name.contains("no-bar");
            if bars(query_name) != bars(reference_name) {
                continue;
            }
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
