//! A crash at any write, sync or rename leaves the state before or after the operation that it hit, never another; so
//! does a process that is killed.
//!
//! The storage here keeps what was written and what was synced apart. At the n-th operation it stops: everything later
//! fails. What then survives is what was synced, plus, chosen at random, some of the writes since: whole, torn in two,
//! or not at all, in any order.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use index_support::{Random, ask, entry, naive};
use refrain::index::storage::{Medium, Sink, Storage};
use refrain::index::{DiskIndex, Entry};
use refrain::{Cancel, Error, Hash};

/// How the medium fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// Power goes.
    Crash,
    /// Writes fail and everything else goes on: the disk is full.
    Full,
}

/// A disk: a database file and named part files.
#[derive(Debug, Default)]
struct Disk {
    left: u64,
    failure: Option<Failure>,
    failed: bool,
    database: Contents,
    files: HashMap<u64, Contents>,
    names: HashMap<String, u64>,
    durable_names: HashMap<String, u64>,
    next: u64,
}

#[derive(Debug, Default, Clone)]
struct Contents {
    now: Vec<u8>,
    durable: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

impl Contents {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Len(len) => bytes.resize(*len, 0),
            Change::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
        }
    }

    fn change(&mut self, change: Change) {
        Self::apply(&mut self.now, &change);
        self.since.push(change);
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.since.clear();
    }

    /// What a crash leaves.
    fn crash(&mut self, random: &mut Random) {
        let mut kept = std::mem::take(&mut self.durable);
        let mut since = std::mem::take(&mut self.since);
        for i in (1..since.len()).rev() {
            since.swap(i, random.below(i as u64 + 1) as usize); // the medium may reorder
        }
        for change in since {
            match (random.below(3), change) {
                (0, _) => {}
                (1, Change::Write(at, data)) => {
                    let torn = random.below(data.len() as u64 + 1) as usize;
                    Self::apply(&mut kept, &Change::Write(at, data[..torn].to_vec()));
                }
                (_, change) => Self::apply(&mut kept, &change),
            }
        }
        self.now.clone_from(&kept);
        self.durable = kept;
    }
}

impl Disk {
    /// Counts an operation that changes something.
    fn step(&mut self) -> io::Result<()> {
        let fails = match self.failure {
            Some(Failure::Crash) => self.failed || self.left == 0,
            Some(Failure::Full) => self.left == 0,
            None => false,
        };
        self.left = self.left.saturating_sub(1);
        if fails {
            self.failed = true;
            let kind = match self.failure {
                Some(Failure::Full) => io::ErrorKind::StorageFull,
                _ => io::ErrorKind::Other,
            };
            return Err(io::Error::new(kind, "the medium failed"));
        }
        Ok(())
    }

    fn crash(&mut self, random: &mut Random) {
        self.database.crash(random);
        // Names since the last sync of the folder may or may not have got there.
        if random.below(2) == 0 {
            self.names.clone_from(&self.durable_names);
        }
        self.durable_names.clone_from(&self.names);
        self.files.values_mut().for_each(|file| file.crash(random));
    }
}

#[derive(Debug, Clone)]
struct Fake(Arc<Mutex<Disk>>);

impl Medium for Fake {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().database.now.len() as u64)
    }
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.0.lock().unwrap();
        let from = disk.database.now.get(at as usize..at as usize + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.database.change(Change::Len(len as usize));
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.database.sync();
        Ok(())
    }
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.database.change(Change::Write(at as usize, bytes.to_vec()));
        Ok(())
    }
}

struct FakeSink(Fake, u64);

impl Write for FakeSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.0.lock().unwrap();
        disk.step()?;
        let file = disk.files.entry(self.1).or_default();
        let at = file.now.len();
        file.change(Change::Write(at, bytes.to_vec()));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for FakeSink {
    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.0.lock().unwrap();
        disk.step()?;
        disk.files.entry(self.1).or_default().sync();
        Ok(())
    }
}

impl Storage for Fake {
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        let number = disk.next;
        disk.next += 1;
        disk.names.insert(name.into(), number);
        disk.files.insert(number, Contents::default());
        Ok(Box::new(FakeSink(self.clone(), number)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        let number = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.into(), number);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.durable_names = disk.names.clone();
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
        let disk = self.0.lock().unwrap();
        let number = disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(disk.files[number].now.clone()))
    }
    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
}

#[derive(Clone)]
enum Step {
    Add(Vec<Entry>),
    Remove(u64),
    Merge,
}

fn workload(seed: u64) -> Vec<Step> {
    let mut random = Random(seed);
    let mut owner = 0;
    let step = |i: u64| match i % 6 {
        5 => Step::Merge,
        3 => Step::Remove(random.below(owner + 1)),
        _ => {
            let some = (0..random.below(40) + 1).map(|_| {
                owner += 1;
                entry(owner, 0, random.hash())
            });
            Step::Add(some.collect())
        }
    };
    (0..18).map(step).collect()
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
        Step::Merge => {}
    }
}

fn run(index: &DiskIndex, step: &Step) -> refrain::Result<()> {
    match step {
        Step::Add(some) => index.add(some),
        Step::Remove(owner) => index.remove(*owner),
        Step::Merge => index.merge(&Cancel::new()),
    }
}

fn open(disk: &Arc<Mutex<Disk>>) -> refrain::Result<DiskIndex> {
    DiskIndex::in_storage(Arc::new(Fake(Arc::clone(disk))), Fake(Arc::clone(disk)))
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

/// Runs a workload into the failure at operation `n`; false once the workload ends before.
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
    index.merge(&Cancel::new()).unwrap();
    assert_eq!(index.snapshot().search(&[more.hash], 0).unwrap(), naive(&[more], &ask(&[more.hash], 0)));
    assert_eq!(index.snapshot().len(), found.len() as u64 + 1);
    !finished
}

#[test]
fn a_crash_at_any_operation_leaves_before_or_after() {
    for seed in 0..3 {
        let count = (0..).take_while(|n| fail_at(seed, &workload(seed), *n, Failure::Crash)).count();
        println!("seed {seed}: crashed at each of {count} operations");
        assert!(count > 100, "{count}");
    }
}

#[test]
fn a_full_disk_at_any_operation_leaves_before_or_after() {
    let count = (0..).take_while(|n| fail_at(5, &workload(5), *n, Failure::Full)).count();
    assert!(count > 100, "{count}");
}

#[test]
fn a_failure_at_any_operation_of_a_large_merge_leaves_before_or_after() {
    let steps = large(11);
    let (from, until) = (operations(&steps[..4]), operations(&steps));
    assert!(until - from > 30, "{from} to {until}");
    for n in from..until {
        assert!(fail_at(11, &steps, n, Failure::Crash) && fail_at(11, &steps, n, Failure::Full));
    }
    println!("failed at each of {} operations", until - from);
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
