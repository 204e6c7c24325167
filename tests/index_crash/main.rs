//! A crash at any write, sync or rename leaves the state before or after the operation that it hit, never another; so
//! does a process that is killed.
//!
//! The disk is a made-up one (`disk`), but for the last test.

#![allow(clippy::unwrap_used)]

mod disk;
#[path = "../index_support/mod.rs"]
mod index_support;

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use disk::{Disk, Failure, Fake};
use index_support::{Random, ask, entry, naive};
use refrain::index::{DiskIndex, Entry, Index};
use refrain::{Cancel, Error, Hash};

#[derive(Clone)]
enum Step {
    Add(Vec<Entry>),
    Remove(u64),
    Maintain,
    Merge,
    /// A merge that overwrites the database's free space as well.
    Overwrite,
}

/// Adds of so many entries make a part at once.
const BULK: usize = 25;

/// Adds, of which a third make a part at once, removals, and merges of both kinds.
fn workload(seed: u64, steps: u64) -> Vec<Step> {
    let mut random = Random(seed);
    let mut owner = 0;
    let step = |i: u64| match i % 9 {
        8 => Step::Merge,
        3 => Step::Remove(random.below(owner + 1)),
        6 => Step::Maintain,
        _ => {
            let some = (0..random.below(40) + 1).map(|_| {
                owner += 1;
                entry(owner, 0, random.hash())
            });
            Step::Add(some.collect())
        }
    };
    (0..steps).map(step).collect()
}

/// A merge of a part with postings, which goes through a copy of the hashes alone.
fn large(seed: u64) -> Vec<Step> {
    let mut random = Random(seed);
    let mut some =
        |first: u64, count: u64| (first..first + count).map(|owner| entry(owner, 0, random.hash())).collect();
    vec![Step::Add(some(0, 33_500)), Step::Merge, Step::Add(some(40_000, 20)), Step::Remove(7), Step::Merge]
}

/// Operations that a workload takes when nothing fails.
fn operations(steps: &[Step]) -> u64 {
    let disk = Arc::new(Mutex::new(Disk { left: u64::MAX, ..Disk::default() }));
    let index = open(&disk).unwrap();
    steps.iter().for_each(|step| run(&index, step).unwrap());
    let left = disk.lock().unwrap().left;
    u64::MAX - left
}

fn apply(entries: &mut Vec<Entry>, step: &Step) {
    match step {
        Step::Add(some) => entries.extend(some),
        Step::Remove(owner) => entries.retain(|entry| entry.id.owner() != *owner),
        Step::Merge | Step::Maintain | Step::Overwrite => {}
    }
}

fn run(index: &DiskIndex, step: &Step) -> refrain::Result<()> {
    match step {
        Step::Add(some) => index.add(some),
        Step::Remove(owner) => index.remove(*owner),
        Step::Maintain => index.maintain(),
        Step::Merge => Index::merge(index, &Cancel::new()),
        Step::Overwrite => index.merge(&Cancel::new()),
    }
}

fn open(disk: &Arc<Mutex<Disk>>) -> refrain::Result<DiskIndex> {
    let index = DiskIndex::in_storage(Arc::new(Fake(Arc::clone(disk))), Fake(Arc::clone(disk)))?;
    Ok(index.with_bulk(BULK))
}

/// Everything in the index, by owner.
fn contents(index: &DiskIndex, entries: &[Entry]) -> Vec<u64> {
    let hashes: Vec<Hash> = entries.iter().map(|entry| entry.hash).collect();
    let mut owners: Vec<u64> = index.snapshot().search(&hashes, 0).unwrap().iter().map(|hit| hit.id.owner()).collect();
    owners.sort_unstable();
    assert_eq!(owners.len() as u64, index.snapshot().len());
    owners
}

fn owners(entries: &[Entry]) -> Vec<u64> {
    let mut owners: Vec<u64> = entries.iter().map(|entry| entry.id.owner()).collect();
    owners.sort_unstable();
    owners
}

/// Runs a workload into the failure at operation `n`; false once the workload ends before. After a full disk the same index goes
/// on once there is room, also if it was the database that could not be written.
fn fail_at(seed: u64, steps: &[Step], n: u64, failure: Failure) -> bool {
    let everything: Vec<Entry> =
        steps.iter().flat_map(|step| if let Step::Add(some) = step { some.clone() } else { Vec::new() }).collect();
    let disk = Arc::new(Mutex::new(Disk { left: n, failure: Some(failure), ..Disk::default() }));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if let Ok(index) = open(&disk) {
        for step in steps {
            apply(&mut after, step);
            match run(&index, step) {
                Ok(()) => before.clone_from(&after),
                Err(error) => {
                    assert!(matches!(error, Error::Io { .. }), "{error}");
                    // Searches go on answering from what was there.
                    let now = contents(&index, &everything);
                    assert!(now == owners(&before) || now == owners(&after));
                    if failure == Failure::Full {
                        disk.lock().unwrap().failure = None;
                        let more = entry(1 << 31, 0, Random(98).hash());
                        index.add(&[more]).unwrap_or_else(|error| panic!("{seed} {n}: {error}"));
                        index.remove(1 << 31).unwrap();
                        assert!(!matches!(step, Step::Add(_)) || now == owners(&before), "an add that failed was done");
                        run(&index, step).unwrap();
                        before.clone_from(&after);
                        assert_eq!(contents(&index, &everything), owners(&after), "{seed} {n}");
                    }
                    break;
                }
            }
        }
    }
    let finished = !disk.lock().unwrap().failed;
    {
        let mut disk = disk.lock().unwrap();
        disk.failure = None;
        if failure == Failure::Crash {
            disk.crash(&mut Random(seed ^ n << 20));
        }
    }
    let index = open(&disk).unwrap_or_else(|error| panic!("{seed} {n}: {error}"));
    let found = contents(&index, &everything);
    assert!(
        found == owners(&before) || found == owners(&after),
        "{failure:?} at {n}: {} entries, {} before and {} after",
        found.len(),
        before.len(),
        after.len()
    );
    let report = index.verify().unwrap();
    assert!(report.is_whole(), "{n}: {:?}", report.damage);
    // Nothing that is not listed is left over, and the index goes on.
    assert_eq!(disk.lock().unwrap().names.len() as u64, index.stats().parts);
    let more = entry(1 << 30, 0, Random(99).hash());
    index.add(&[more]).unwrap();
    Index::merge(&index, &Cancel::new()).unwrap();
    assert_eq!(index.snapshot().search(&[more.hash], 0).unwrap(), naive(&[more], &ask(&[more.hash], 0)));
    assert_eq!(index.snapshot().len(), found.len() as u64 + 1);
    !finished
}

#[test]
fn a_crash_at_any_operation_leaves_before_or_after() {
    for seed in 0..3 {
        let count = (0..).take_while(|n| fail_at(seed, &workload(seed, 18), *n, Failure::Crash)).count();
        println!("seed {seed}: crashed at each of {count} operations");
        assert!(count > 100, "{count}");
    }
}

#[test]
fn a_full_disk_at_any_operation_leaves_before_or_after() {
    let count = (0..).take_while(|n| fail_at(5, &workload(5, 18), *n, Failure::Full)).count();
    println!("full at each of {count} operations");
    assert!(count > 100, "{count}");
}

#[test]
fn a_failure_at_any_operation_of_a_large_merge_leaves_before_or_after() {
    let steps = large(11);
    let (from, until) = (operations(&steps[..4]), operations(&steps));
    assert!(until - from > 30, "{from} to {until}");
    for n in from..until {
        assert!(fail_at(11, &steps, n, Failure::Crash), "{n}");
        fail_at(11, &steps, n, Failure::Full); // which some operations do not mind
    }
    println!("failed at each of {} operations", until - from);
}

/// With more operations it would fail at some of them only.
#[test]
fn a_failure_while_free_space_is_overwritten_loses_nothing() {
    let mut random = Random(17);
    let mut some = |first: u64| Step::Add((first..first + 20).map(|owner| entry(owner, 0, random.hash())).collect());
    let steps = [some(0), some(20), Step::Remove(3), Step::Overwrite, some(40), Step::Remove(21), Step::Overwrite];
    let (from, until) = (operations(&steps[..3]), operations(&steps));
    let every = ((until - from) / 120).max(1) as usize;
    assert!(until - from > 60, "{from} to {until}");
    for n in (from..until).step_by(every) {
        assert!(fail_at(17, &steps, n, Failure::Crash), "{n}");
        fail_at(17, &steps, n, Failure::Full); // which some operations do not mind
    }
    println!("failed at every {every} of {} operations", until - from);
}

#[test]
fn a_long_walk_with_many_crashes_is_as_if_there_were_none() {
    let mut random = Random(77);
    let disk = Arc::new(Mutex::new(Disk::default()));
    let steps = workload(77, 1000);
    let (mut entries, mut everything) = (Vec::new(), Vec::new());
    let (mut crashes, mut at, mut last) = (0, 0, usize::MAX);
    while at < steps.len() {
        {
            let mut disk = disk.lock().unwrap();
            // What did not come to its end the last time may do so now, however long it takes.
            let left = if at == last { 1 << 30 } else { random.below(1000) };
            (disk.failure, disk.failed, disk.left, last) = (Some(Failure::Crash), false, left, at);
        }
        let mut after = entries.clone();
        if let Ok(index) = open(&disk) {
            while let Some(step) = steps.get(at) {
                apply(&mut after, step);
                match step {
                    Step::Add(some) => everything.extend(some.iter().copied()),
                    Step::Merge | Step::Maintain | Step::Overwrite | Step::Remove(_) => {}
                }
                if run(&index, step).is_err() {
                    break;
                }
                entries.clone_from(&after);
                at += 1;
                if last == at - 1 {
                    disk.lock().unwrap().left = random.below(1000);
                }
                if everything.len() > 200 {
                    everything.drain(..100); // what is asked for: the newest
                }
            }
        }
        {
            let mut disk = disk.lock().unwrap();
            (disk.failure, crashes) = (None, crashes + u64::from(disk.failed));
            disk.crash(&mut random);
        }
        let index = open(&disk).unwrap_or_else(|error| panic!("{at}: {error}"));
        let hashes: Vec<Hash> = everything.iter().map(|entry| entry.hash).collect();
        let found = index.snapshot().search(&hashes, 0).unwrap();
        let is =
            |model: &[Entry]| index.snapshot().len() == model.len() as u64 && naive(model, &ask(&hashes, 0)) == found;
        assert!(is(&entries) || is(&after), "step {at}: {} entries", index.snapshot().len());
        if !is(&entries) {
            entries = after; // done, though it could not be said any more
            at += 1;
        }
        assert!(index.verify().unwrap().is_whole(), "{at}");
        assert_eq!(disk.lock().unwrap().names.len() as u64, index.stats().parts);
    }
    println!("{} steps, {crashes} crashes, {} entries left", steps.len(), entries.len());
    assert!(crashes > 10, "{crashes}");
}

/// An index of two parts, the larger of which has a damaged block; its entries, those of the damaged block first.
fn damaged(disk: &Arc<Mutex<Disk>>) -> Vec<Entry> {
    let mut random = Random(41);
    let all: Vec<Entry> = (0..600).map(|owner| entry(owner, 0, random.hash())).collect();
    {
        let index = open(disk).unwrap();
        index.add(&all[..400]).unwrap();
        index.add(&all[400..]).unwrap();
        index.remove(200).unwrap();
        assert_eq!(index.stats().parts, 2);
    }
    let mut disk = disk.lock().unwrap();
    let file = disk.files.values_mut().max_by_key(|file| file.now.len()).unwrap();
    file.now[4096] ^= 1;
    file.durable[4096] ^= 1;
    all.into_iter().filter(|entry| entry.id.owner() != 200).collect()
}

#[test]
fn a_failure_at_any_operation_of_a_salvage_loses_no_more_than_the_damage() {
    for failure in [Failure::Crash, Failure::Full] {
        let mut tried = 0;
        for n in 0.. {
            let disk = Arc::new(Mutex::new(Disk::default()));
            let all = damaged(&disk);
            let (lost, whole) = all.split_at(128);
            let queries = ask(&all.iter().map(|entry| entry.hash).collect::<Vec<_>>(), 0);
            {
                let index = open(&disk).unwrap();
                let mut disk = disk.lock().unwrap();
                (disk.failure, disk.left) = (Some(failure), n);
                drop(disk);
                let _ = index.salvage();
            }
            let failed = disk.lock().unwrap().failed;
            {
                let mut disk = disk.lock().unwrap();
                disk.failure = None;
                disk.crash(&mut Random(n));
            }
            let index = open(&disk).unwrap();
            let (found, _) = index.snapshot().search_whole(&queries, usize::MAX).unwrap();
            assert_eq!(found.hits, naive(whole, &queries), "{failure:?} at {n}: all but {} are found", lost.len());
            let done = index.salvage().unwrap();
            assert!((done.saved, done.lost) == (271, 128) || (done.saved, done.lost) == (0, 0), "{n}: {done:?}");
            assert!(index.verify().unwrap().is_whole());
            assert_eq!(index.snapshot().search_each(&queries, usize::MAX).unwrap().hits, found.hits);
            assert_eq!(disk.lock().unwrap().names.len() as u64, index.stats().parts);
            if !failed {
                break;
            }
            tried += 1;
        }
        println!("{failure:?} at each of {tried} operations of a salvage");
        assert!(tried > 8, "{tried}");
    }
}

const ROLE: &str = "REFRAIN_TEST_WRITER";

/// Not a test of its own: what the killed process does.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(folder) = std::env::var(ROLE) else { return };
    let index = DiskIndex::create(folder.as_ref()).unwrap();
    let mut out = io::stdout().lock();
    let mut owner = index.snapshot().len();
    loop {
        let some: Vec<Entry> = (0..500).map(|i| entry(owner + i, 0, Random(owner + i).hash())).collect();
        index.add(&some).unwrap();
        owner += 500;
        // Told only once it is durable.
        writeln!(out, "\ndurable {owner}").unwrap();
        out.flush().unwrap();
        if owner.is_multiple_of(5000) {
            index.merge(&Cancel::new()).unwrap();
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_said_was_durable() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(8);
    let mut durable = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env(ROLE, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..=random.below(25) {
            for line in lines.by_ref() {
                if let Some(count) = line.unwrap().strip_prefix("durable ") {
                    durable = count.parse().unwrap();
                    break;
                }
            }
        }
        std::thread::sleep(std::time::Duration::from_micros(random.below(20_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(count) = line.strip_prefix("durable ") {
                durable = count.parse().unwrap();
            }
        }
        // Whoever comes first repairs, a reader too.
        let index = match round % 2 {
            0 => DiskIndex::open_reader(folder.path()).unwrap(),
            _ => DiskIndex::open(folder.path()).unwrap(),
        };
        let found = index.snapshot().len();
        assert!(found == durable || found == durable + 500, "{found} entries, {durable} were durable");
        durable = found;
        let hashes: Vec<Hash> = (0..found).map(|owner| Random(owner).hash()).collect();
        assert_eq!(index.snapshot().search(&hashes, 0).unwrap().len() as u64, found);
        assert!(index.verify().unwrap().is_whole());
    }
    assert!(durable > 0);
}
