//! A full disk: what does not fit is refused and nothing else, answers go on, and once there is room the same handle goes on.
//!
//! The disk is a small one in memory, mounted in a mount namespace of its own (`unshare`, Linux). Failures at each single
//! operation are in `index_crash`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod index_support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

/// Set once the first thread is done, be it that it failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Reads from many threads while two others write and are refused; whoever only reads is never told of it.
fn read_meanwhile(refused: impl Fn() -> bool + Sync, reads: &[&(dyn Fn() + Sync)]) {
    let (over, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    let rounds: Vec<AtomicU64> = reads.iter().map(|_| AtomicU64::new(0)).collect();
    let enough =
        || failed.load(Ordering::SeqCst) > 40 && rounds.iter().all(|rounds| rounds.load(Ordering::SeqCst) > 10);
    let until_over = |work: &dyn Fn()| {
        let over = Over(&over);
        while !over.0.load(Ordering::SeqCst) && !enough() {
            work();
        }
    };
    std::thread::scope(|scope| {
        for (read, rounds) in reads.iter().zip(&rounds) {
            scope.spawn(|| {
                until_over(&|| {
                    read();
                    rounds.fetch_add(1, Ordering::SeqCst);
                });
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                until_over(&|| {
                    failed.fetch_add(u64::from(refused()), Ordering::SeqCst);
                })
            });
        }
    });
    println!("refused {failed:?} times beside {rounds:?} reads");
    assert!(enough());
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
    let before = index.snapshot();
    let now = stored * 1000;
    let beside = DiskIndex::open_reader(&folder.join("index")).unwrap();
    let big: Vec<Hash> = (0..100_000).map(|_| random.hash()).collect();
    read_meanwhile(
        || index.add(&entries(1 << 30, &big)).inspect_err(|error| assert!(is_full(error), "{error}")).is_err(),
        &[
            &|| assert!(!index.refresh().unwrap() && index.snapshot().len() == now),
            &|| assert!(!beside.refresh().unwrap() && beside.snapshot().len() == now),
            &|| assert_eq!(before.search(&hashes[..1], 0).unwrap().len() as u64, stored),
            &|| assert!(index.verify().unwrap().is_whole()),
        ],
    );
    drop((before, beside));
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
    let (first, last) = (random.hash(), random.hash());
    let mut stored = fill(|round| add(&store, round, if round == 0 { first } else { random.hash() }));
    assert!(stored > 0);
    assert_eq!(store.ask_hash(&first).unwrap().outcome, Outcome::Match);
    stored += fill(|round| add(&store, stored + round, random.hash()));
    let (named, beside) = (Reference::new("more").bank("b"), Store::open_reader(folder.join("store")).unwrap());
    let too_large = "x".repeat(60_000);
    let reads = |store: &Store| {
        assert_eq!(store.ask_hash(&first).unwrap().outcome, Outcome::Match);
        assert_eq!(store.reference("b", "r0").unwrap().unwrap().id, "r0");
        assert_eq!(store.stats().unwrap().references, stored);
    };
    read_meanwhile(
        || {
            let reference = named.clone().metadata(too_large.clone());
            store.add_hash(&reference, last, None).inspect_err(|error| assert!(is_full(error), "{error}")).is_err()
        },
        &[
            &|| reads(&store),
            &|| reads(&beside),
            &|| {
                assert_eq!(
                    store.references(None).unwrap().filter(|record| record.as_ref().unwrap().bank == "b").count()
                        as u64,
                    stored
                )
            },
            &|| assert_eq!(store.references(Some("b")).unwrap().map(Result::unwrap).count() as u64, stored),
            &|| assert!(store.log(0).unwrap().map(Result::unwrap).count() as u64 >= stored),
            &|| assert!(!store.refresh().unwrap()),
        ],
    );
    drop(beside);
    fs::remove_file(&ballast).unwrap();
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
