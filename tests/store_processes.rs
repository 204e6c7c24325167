//! One process writes while others match; a second writer is told that the store is locked.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use refrain::bank::Reference;
use refrain::hash::Hash;
use refrain::matching::Outcome;
use refrain::{Error, Store};

/// The folder of the child's store: set in the child only.
const FOLDER: &str = "REFRAIN_TEST_PROCESSES_FOLDER";
const COUNT: u64 = 60;

fn hash(seed: u64) -> Hash {
    let mut x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Hash::from_words(std::array::from_fn(|_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }))
}

#[test]
#[ignore = "the writing child of the tests below, started by cargo test --test store_processes"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = Store::open(folder).unwrap();
    println!("\nwriting");
    for seed in 0..COUNT {
        store.add_hash(&Reference::new(format!("r{seed}")).bank("removed"), hash(seed), None).unwrap();
        if seed.is_multiple_of(3) {
            assert!(store.remove_reference("removed", &format!("r{seed}")).unwrap());
        }
    }
    println!("done");
    // Holds the store until the parent has seen enough.
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn writer(folder: &std::path::Path) -> (Child, ChildStdin, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, input, lines)
}

#[test]
fn readers_match_while_another_process_writes_and_a_second_writer_is_locked_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("store");
    drop(Store::create_or_open(&folder).unwrap());
    let (mut child, mut input, mut lines) = writer(&folder);
    assert!(lines.any(|line| line == "writing"));
    for outcome in [Store::open(&folder), Store::create_or_open(&folder)] {
        let error = outcome.err().expect("two writers at once");
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        assert!(error.to_string().contains("another process is writing"), "{error}");
    }
    let readers: Vec<Store> = (0..2).map(|_| Store::open_reader(&folder).unwrap()).collect();
    let mut seen = 0;
    let mut looks = 0;
    while seen < COUNT - COUNT.div_ceil(3) {
        for reader in &readers {
            for record in reader.references(None).unwrap() {
                let record = record.unwrap();
                // What stands in the tables is in the index as well once the reader has looked again.
                reader.refresh().unwrap();
                let seed: u64 = record.id[1..].parse().unwrap();
                let verdict = reader.ask_hash(&hash(seed)).unwrap();
                if !seed.is_multiple_of(3) {
                    assert_eq!(verdict.outcome, Outcome::Match, "{}", record.id);
                    assert_eq!(verdict.matches[0].reference, record.id);
                }
                looks += 1;
            }
            let now = reader.stats().unwrap().references;
            seen = seen.max(now);
        }
    }
    assert!(lines.any(|line| line == "done"));
    for reader in &readers {
        reader.refresh().unwrap();
        assert!(!reader.refresh().unwrap(), "nothing changed");
        for seed in 0..COUNT {
            let expected = if seed.is_multiple_of(3) { Outcome::NoMatch } else { Outcome::Match };
            assert_eq!(reader.ask_hash(&hash(seed)).unwrap().outcome, expected, "r{seed}");
        }
        assert!(reader.verify().unwrap().problems.is_empty());
    }
    println!("{looks} questions while the other process wrote");
    writeln!(input).unwrap();
    assert!(child.wait().unwrap().success());
    let store = Store::open(&folder).unwrap();
    store.add_hash(&Reference::new("after").bank("removed"), hash(1000), None).unwrap();
    assert!(readers[0].refresh().unwrap(), "readers that stayed open follow the next writer");
    assert_eq!(readers[0].ask_hash(&hash(1000)).unwrap().outcome, Outcome::Match);
}
