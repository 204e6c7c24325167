//! One process writes while others, and many threads, search; nobody waits, nobody sees half a batch.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use index_support::{Random, entry};
use refrain::index::{DiskIndex, Entry};
use refrain::{Cancel, Error, Hash};

const ROLE: &str = "REFRAIN_TEST_READER";
/// Entries of a batch; all or none of them are seen.
const BATCH: u64 = 300;

fn batch(number: u64) -> Vec<Entry> {
    (0..BATCH).map(|i| entry(number, i as u32, Random(number * BATCH + i).hash())).collect()
}

/// Whole batches only, and never fewer than `least`; returns how many.
fn look(index: &DiskIndex, least: u64) -> u64 {
    let snapshot = index.snapshot();
    let count = snapshot.len();
    assert_eq!(count % BATCH, 0);
    let batches = count / BATCH;
    assert!(batches >= least, "{batches} after {least}");
    if batches > 0 {
        let newest: Vec<Hash> = batch(batches - 1).iter().map(|entry| entry.hash).collect();
        let hits = snapshot.search(&newest, 31).unwrap();
        assert_eq!(hits.len() as u64, BATCH);
        assert!(hits.iter().all(|hit| hit.distance == 0 && hit.id.owner() == batches - 1));
    }
    batches
}

/// Not a test of its own: what a reading process does.
#[test]
fn child_that_reads_until_all_is_there() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (folder, until) = role.split_once('|').unwrap();
    let (until, mut seen, mut refreshes) = (until.parse().unwrap(), 0, 0);
    let index = DiskIndex::open_reader(folder.as_ref()).unwrap();
    writeln!(io::stdout(), "\nready").unwrap();
    while seen < until {
        refreshes += u64::from(index.refresh().unwrap());
        seen = look(&index, seen);
    }
    assert!(refreshes > 0);
}

#[test]
fn readers_follow_a_writer_that_adds_and_merges() {
    let folder = tempfile::tempdir().unwrap();
    let writer = DiskIndex::create(folder.path()).unwrap();
    let total = 150;
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_that_reads_until_all_is_there", "--nocapture"])
                .env(ROLE, format!("{}|{total}", folder.path().display()))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut outputs: Vec<_> =
        children.iter_mut().map(|child| BufReader::new(child.stdout.take().unwrap()).lines()).collect();
    for output in &mut outputs {
        assert!(output.any(|line| line.unwrap() == "ready"));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) {
                    seen = look(&writer, seen);
                }
            });
        }
        for number in 0..total {
            writer.add(&batch(number)).unwrap();
            if number % 20 == 19 {
                writer.merge(&Cancel::new()).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(matches!(DiskIndex::open(folder.path()), Err(Error::Locked { .. })));
    drop(outputs.iter_mut().map(|output| output.by_ref().count()).collect::<Vec<_>>());
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(writer.verify().unwrap().is_whole());
}

#[test]
fn many_threads_add_to_one_index() {
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let index = &index;
            scope.spawn(move || {
                for number in 0..20 {
                    index.add(&batch(thread * 20 + number)).unwrap();
                }
            });
        }
    });
    assert_eq!(index.snapshot().len(), 80 * BATCH);
    drop(index);
    assert_eq!(DiskIndex::open_reader(folder.path()).unwrap().snapshot().len(), 80 * BATCH);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    DiskIndex::create(folder.path()).unwrap().add(&batch(0)).unwrap();
    let set = |mode: u32, file_mode: u32| {
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let database = folder.path().join("index.redb");
        std::fs::set_permissions(database, std::fs::Permissions::from_mode(file_mode)).unwrap();
    };
    set(0o555, 0o444);
    let reader = DiskIndex::open_reader(folder.path()).unwrap();
    assert_eq!(look(&reader, 0), 1);
    match DiskIndex::open(folder.path()) {
        Err(error) => assert!(matches!(error, Error::Io { .. }), "{error}"),
        Ok(_) => println!("skipped: this user may write to anything"),
    }
    set(0o755, 0o644);
}
