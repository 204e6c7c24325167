//! A full disk: what does not fit is refused and nothing else, answers go on, and once there is room the same handle goes on.
//!
//! The disk is a small one in memory, mounted in a mount namespace of its own (`unshare`, Linux). Failures at each single
//! operation are in `index_crash`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod index_support;

use std::fs;
use std::path::Path;

use index_support::{Random, entries, mounted};
use refrain::bank::Reference;
use refrain::index::DiskIndex;
use refrain::matching::Outcome;
use refrain::{Cancel, Error, Hash, Store};

const FULL: &str = "REFRAIN_TEST_FULL_DISK";

fn is_full(error: &Error) -> bool {
    matches!(error, Error::Io { .. })
}

/// Adds until the disk is full; how many rounds lasted.
fn fill(mut add: impl FnMut(u64) -> refrain::Result<()>) -> u64 {
    for round in 0..10_000 {
        if let Err(error) = add(round) {
            assert!(is_full(&error), "{error}");
            return round;
        }
    }
    panic!("the disk never got full");
}

/// Not a test of its own: what goes on in the namespace.
#[test]
fn child_that_fills_the_disk() {
    let Ok(folder) = std::env::var(FULL) else { return };
    let folder = Path::new(&folder);
    let ballast = folder.join("ballast");
    let mut random = Random(62);

    fs::write(&ballast, vec![1; 54 << 20]).unwrap();
    let index = DiskIndex::create(&folder.join("index")).unwrap();
    let hashes: Vec<Hash> = (0..1000).map(|_| random.hash()).collect();
    let mut stored = fill(|round| index.add(&entries(round * 1000, &hashes)));
    assert!(stored > 0);
    for _ in 0..3 {
        // Some more may fit, by smaller steps; then it is refused as before, and answered as before.
        stored += fill(|round| index.add(&entries((stored + round) * 1000, &hashes)));
        assert_eq!(index.snapshot().len(), stored * 1000);
        assert_eq!(index.snapshot().search(&hashes[..1], 0).unwrap().len() as u64, stored);
    }
    fs::remove_file(&ballast).unwrap();
    for _ in 0..3 {
        index.add(&entries(stored * 1000, &hashes)).unwrap();
        stored += 1;
    }
    index.remove(0).unwrap();
    assert_eq!(index.snapshot().len(), stored * 1000 - 1);
    assert!(index.verify().unwrap().is_whole());
    drop(index);
    let index = DiskIndex::open(&folder.join("index")).unwrap();
    assert_eq!(index.snapshot().len(), stored * 1000 - 1);
    drop(index);
    fs::remove_dir_all(folder.join("index")).unwrap();

    fs::write(&ballast, vec![1; 60 << 20]).unwrap();
    let store = Store::create_or_open(folder.join("store")).unwrap();
    let add = |store: &Store, round: u64, hash: Hash| {
        let metadata = "x".repeat(8000);
        let reference = Reference::new(format!("r{round}")).bank("b").metadata(metadata);
        store.add_hash(&reference, hash, None).map(drop)
    };
    let first = random.hash();
    let mut stored = fill(|round| add(&store, round, if round == 0 { first } else { random.hash() }));
    assert!(stored > 0);
    assert_eq!(store.ask_hash(&first).unwrap().outcome, Outcome::Match);
    stored += fill(|round| add(&store, stored + round, random.hash()));
    fs::remove_file(&ballast).unwrap();
    let last = random.hash();
    add(&store, stored, last).unwrap();
    for hash in [first, last] {
        assert_eq!(store.ask_hash(&hash).unwrap().outcome, Outcome::Match);
    }
    assert!(store.remove_reference("b", "r0").unwrap());
    store.merge(&Cancel::new()).unwrap();
    assert_eq!(store.stats().unwrap().references, stored);
    assert!(store.verify().unwrap().problems.is_empty());
    drop(store);
    assert!(Store::check(folder.join("store")).unwrap().problems.is_empty());
    println!("went on after a full disk");
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_the_same_handle_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mount = r#"mount -t tmpfs -o size=64m none "$0""#;
    mounted(mount, "child_that_fills_the_disk", FULL, folder.path(), "went on after a full disk");
}
