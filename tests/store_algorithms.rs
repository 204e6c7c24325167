//! A store can be built on any hash; it takes no other, and finds copies by its own.

#![allow(clippy::unwrap_used)] // a test stops where it finds something else

use std::path::Path;

use refrain::bank::lists::{ExportOptions, Format};
use refrain::bank::{BankConfig, Reference};
use refrain::hash::Algorithm;
use refrain::matching::Outcome;
use refrain::{Error, Fingerprint, Media, Options, Store, fingerprint};

fn media(name: &str) -> Media<'static> {
    Media::file(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media").join(name))
}

fn options(algorithm: Algorithm) -> Options {
    let mut options = Options::default();
    options.algorithm = algorithm;
    options
}

#[test]
fn each_algorithm_finds_a_recompressed_copy_and_no_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = Media::file(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/removed/city.jpg"));
    for algorithm in Algorithm::ALL {
        let path = folder.path().join(algorithm.name());
        let how = options(algorithm);
        {
            let store = Store::create_or_open_with(&path, algorithm).unwrap();
            store.set_bank(&BankConfig::new("removed").max_distance(20)).unwrap();
            let print = fingerprint(media("rgb.png"), &how).unwrap();
            assert_eq!(print.algorithm(), algorithm);
            store.add(&Reference::new("reef").bank("removed"), &print).unwrap();
            let Fingerprint::Image(image) = &print else { panic!("a still") };
            assert_eq!(store.ask_hash(&image.views[0].hash).unwrap().outcome, Outcome::Match);
        }
        // What it is built on is kept.
        let store = Store::open(&path).unwrap();
        assert_eq!(store.algorithm(), algorithm);
        for copy in ["baseline.jpg", "progressive.jpg", "lossy.webp"] {
            let verdict = store.ask(&fingerprint(media(copy), &how).unwrap()).unwrap();
            assert_eq!(verdict.outcome, Outcome::Match, "{algorithm} {copy}");
            println!("{algorithm} {copy}: {}", verdict.matches[0].distance);
        }
        let verdict = store.ask(&fingerprint(stranger.clone(), &how).unwrap()).unwrap();
        assert_ne!(verdict.outcome, Outcome::Match, "{algorithm}");
    }
}

#[test]
fn hashes_of_another_algorithm_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let store = Store::create_or_open_with(&path, Algorithm::Mean).unwrap();
    let pdq = fingerprint(media("rgb.png"), &Options::default()).unwrap();
    let wrong = |outcome: Result<(), Error>| match outcome {
        Err(Error::Option { name, .. }) => assert_eq!(name, "algorithm"),
        other => panic!("{other:?}"),
    };
    wrong(store.add(&Reference::new("a").bank("b"), &pdq).map(|_| ()));
    wrong(store.ask(&pdq).map(|_| ()));
    let mean = fingerprint(media("rgb.png"), &options(Algorithm::Mean)).unwrap();
    store.add(&Reference::new("a").bank("b"), &mean).unwrap();
    // A PDQ list has no words for it; refrain's own keeps it.
    let refused = store.export(Vec::new(), &ExportOptions::new(Format::Pdq));
    assert!(matches!(refused, Err(Error::Option { name: "format", .. })), "{refused:?}");
    let mut list = Vec::new();
    store.export(&mut list, &ExportOptions::new(Format::JsonLines)).unwrap();
    assert!(String::from_utf8(list).unwrap().contains(r#""algorithm":"mean""#));
    drop(store);
    wrong(Store::create_or_open_with(&path, Algorithm::Pdq).map(|_| ()));
    assert_eq!(Store::create_or_open(&path).unwrap().algorithm(), Algorithm::Mean);
}

#[test]
fn films_have_pdq_alone() {
    let error = fingerprint(media("moving.webp"), &options(Algorithm::Median)).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}
