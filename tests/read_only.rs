//! A read-only file system: what was written before can be read and asked, also where the writer was killed, and writing is an
//! error that says why.
//!
//! Permissions mean nothing to root, so the folder is mounted read-only, in a mount namespace of its own (`unshare`, Linux).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod index_support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use index_support::{Random, entries, mounted};
use refrain::bank::Reference;
use refrain::index::DiskIndex;
use refrain::matching::Outcome;
use refrain::{Cancel, Error, Hash, Store};

const READ: &str = "REFRAIN_TEST_READ_ONLY";
const WRITE: &str = "REFRAIN_TEST_KILLED_WRITER";

fn hashes() -> Vec<Hash> {
    let mut random = Random(61);
    (0..40_000).map(|_| random.hash()).collect()
}

/// A store and an index of one part each and something that is in none, in this folder.
fn write(folder: &Path) -> (Store, DiskIndex) {
    let hashes = hashes();
    let index = DiskIndex::create(&folder.join("index")).unwrap();
    index.add(&entries(0, &hashes[..39_000])).unwrap();
    index.merge(&Cancel::new()).unwrap();
    index.add(&entries(39_000, &hashes[39_000..])).unwrap();
    let store = Store::create_or_open(folder.join("store")).unwrap();
    for (at, hash) in hashes[..3].iter().enumerate() {
        store.add_hash(&Reference::new(format!("r{at}")).bank("b"), *hash, None).unwrap();
        if at == 1 {
            store.merge(&Cancel::new()).unwrap();
        }
    }
    (store, index)
}

/// Runs the test `child` of this program with this folder, mounted read-only. False where that is not allowed.
fn where_nothing_can_be_written(folder: &Path) -> bool {
    let mount = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0""#;
    mounted(mount, "child_that_reads", READ, folder, "read everything")
}

/// Not a test of its own: what goes on in the namespace.
#[test]
fn child_that_reads() {
    let Ok(folder) = std::env::var(READ) else { return };
    let folder = Path::new(&folder);
    assert!(fs::write(folder.join("x"), "x").is_err(), "it is not read-only");
    let hashes = hashes();
    let index = DiskIndex::open_reader(&folder.join("index")).unwrap();
    assert_eq!(index.snapshot().len(), 40_000);
    let found = index.snapshot().search(&hashes, 0).unwrap();
    assert_eq!(found.len(), 40_000);
    assert!(index.verify().unwrap().is_whole());
    assert!(!index.refresh().unwrap());
    assert!(matches!(index.add(&entries(50_000, &hashes[..1])), Err(Error::Option { .. })));
    assert!(matches!(DiskIndex::open(&folder.join("index")), Err(Error::Io { .. })));
    assert!(matches!(DiskIndex::create(&folder.join("new")), Err(Error::Io { .. })));
    let store = Store::open_reader(folder.join("store")).unwrap();
    assert!(store.verify().unwrap().problems.is_empty());
    for hash in &hashes[..3] {
        assert_eq!(store.ask_hash(hash).unwrap().outcome, Outcome::Match);
    }
    assert_eq!(store.ask_hash(&hashes[3]).unwrap().outcome, Outcome::NoMatch);
    assert!(store.add_hash(&Reference::new("x").bank("b"), hashes[4], None).is_err());
    for opened in [Store::open(folder.join("store")), Store::create_or_open(folder.join("new"))] {
        let error = opened.err().unwrap();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
    println!("read everything");
}

/// Not a test of its own: a writer that ends without closing anything.
#[test]
fn child_that_writes_and_is_killed() {
    let Ok(folder) = std::env::var(WRITE) else { return };
    let _open = write(Path::new(&folder));
    println!("\nwritten");
    loop {
        std::thread::park();
    }
}

#[test]
fn what_was_closed_is_read_from_a_read_only_file_system() {
    let folder = tempfile::tempdir().unwrap();
    drop(write(folder.path()));
    where_nothing_can_be_written(folder.path());
}

#[test]
fn what_a_killed_writer_left_is_read_from_a_read_only_file_system() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_and_is_killed", "--nocapture"])
        .env(WRITE, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "written"));
    child.kill().unwrap();
    child.wait().unwrap();
    where_nothing_can_be_written(folder.path());
    // And where it can be written, it goes on.
    assert_eq!(Store::open(folder.path().join("store")).unwrap().stats().unwrap().references, 3);
}
