//! A writer killed at any moment leaves whole references only, and everything that it had acknowledged.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use refrain::bank::{Change, Reference};
use refrain::hash::Hash;
use refrain::matching::Outcome;
use refrain::{Fingerprint, Store};

/// The folder of the child's store: set in the child only.
const FOLDER: &str = "REFRAIN_TEST_CRASH_FOLDER";
/// Which round it is, so that ids differ between rounds.
const ROUND: &str = "REFRAIN_TEST_CRASH_ROUND";

/// Ten references at once, as `add` of ten files.
const GROUP: u64 = 10;

fn hash(seed: u64) -> Hash {
    let mut x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Hash::from_words(std::array::from_fn(|_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }))
}

/// Pictures' fingerprints with nothing in them but a hash, by way of a store of their own.
fn fingerprints() -> Vec<Fingerprint> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(folder.path()).unwrap();
    let add = |seed| {
        store.add_hash(&Reference::new(format!("{seed}")), hash(seed), None).unwrap();
        store.fingerprint("default", &format!("{seed}")).unwrap().unwrap()
    };
    (0..GROUP).map(add).collect()
}

#[test]
#[ignore = "the child of the test below, started and killed by cargo test --test store_crash"]
fn child() {
    let (Ok(folder), Ok(round)) = (std::env::var(FOLDER), std::env::var(ROUND)) else { return };
    let round: u64 = round.parse().unwrap();
    let prints = fingerprints();
    println!("ready");
    let store = Store::create_or_open(folder).unwrap();
    for group in 0.. {
        let references: Vec<Reference> =
            (0..GROUP).map(|i| Reference::new(format!("{round}-{group}-{i}")).bank("removed")).collect();
        for outcome in store.add_many(references.iter().zip(&prints)).unwrap() {
            assert!(outcome.unwrap().new);
        }
        println!("added {round}-{group}");
    }
}

fn check(folder: &Path, acknowledged: &[String]) {
    let store = Store::open(folder).unwrap();
    let verified = store.verify().unwrap();
    assert!(verified.problems.is_empty(), "{:?}", verified.problems);
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    for record in store.references(Some("removed")).unwrap() {
        let record = record.unwrap();
        let print = store.fingerprint("removed", &record.id).unwrap().expect("a reference without its fingerprint");
        assert_eq!(record.hashes, 1);
        let (group, _) = record.id.rsplit_once('-').unwrap();
        *groups.entry(group.to_string()).or_default() += 1;
        drop(print);
    }
    assert!(groups.values().all(|&count| count == GROUP), "a part of a group is there: {groups:?}");
    for group in acknowledged {
        assert!(groups.contains_key(group), "{group} was acknowledged and is gone");
    }
    // The log says the same, without a gap, and the index holds just as many hashes.
    let log: Vec<_> = store.log(0).unwrap().map(Result::unwrap).collect();
    assert!(log.iter().zip(1..).all(|(record, sequence)| record.sequence == sequence));
    let added = log.iter().filter(|record| matches!(record.change, Change::ReferenceAdded { .. })).count() as u64;
    assert_eq!(added, groups.len() as u64 * GROUP);
    assert_eq!(store.stats().unwrap().hashes, added);
    if !groups.is_empty() {
        for seed in 0..GROUP {
            let verdict = store.ask_hash(&hash(seed)).unwrap();
            assert_eq!((verdict.outcome, verdict.matches.len()), (Outcome::Match, groups.len()));
        }
    }
}

#[test]
fn killed_at_any_moment_it_keeps_whole_references_and_all_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut acknowledged = Vec::new();
    let mut x = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(FOLDER, &store)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("ready")), "the child did not begin");
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        // The first rounds end within the making of the store, the others after some groups and a moment.
        for _ in 0..if round < 4 { 0 } else { x % 4 + 1 } {
            let line = lines.next().expect("the child ended by itself");
            acknowledged.extend(line.strip_prefix("added ").map(str::to_string));
        }
        std::thread::sleep(Duration::from_micros(x / 7 % 8_000));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.by_ref().filter_map(|line| line.strip_prefix("added ").map(str::to_string)));
        if round % 2 == 1 {
            // A reader comes first after the crash: it must not need a writer.
            match Store::open_reader(&store) {
                Ok(reader) => assert_eq!(reader.verify().unwrap().problems.len(), 0),
                Err(error) => assert!(acknowledged.is_empty(), "{error}"),
            }
        }
        if store.join("store.redb").exists() {
            check(&store, &acknowledged);
        } else {
            assert!(acknowledged.is_empty());
        }
    }
    println!("{} groups acknowledged in 12 rounds", acknowledged.len());
    assert!(!acknowledged.is_empty(), "no round got as far as one group");
    let left: Vec<_> = std::fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "store.redb" || name == "parts"), "{left:?}");
}
