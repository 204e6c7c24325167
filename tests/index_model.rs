//! Thousands of random adds, removes, merges, refreshes and reopenings leave what a plain list would hold.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::path::Path;

use index_support::{Random, ask, entry, naive};
use refrain::index::{DiskIndex, Entry};
use refrain::{Cancel, Hash};

struct Model {
    random: Random,
    entries: Vec<Entry>,
    centres: Vec<Hash>,
    owners: u64,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let centres = (0..50).map(|_| random.hash()).collect();
        Self { random, entries: Vec::new(), centres, owners: 0 }
    }

    /// New entries, now and then of an owner that was removed before.
    fn some(&mut self, most: u64) -> Vec<Entry> {
        let mut some = Vec::new();
        for _ in 0..=self.random.below(most) {
            let mut owner = self.owners;
            self.owners += 1;
            if self.random.below(5) == 0 {
                let old = self.random.below(self.owners);
                if !self.entries.iter().chain(&some).any(|entry: &Entry| entry.id.owner() == old) {
                    owner = old;
                }
            }
            for ordinal in 0..=self.random.below(3) as u32 {
                let centre = self.centres[self.random.below(50) as usize];
                let distance = self.random.below(70) as u32;
                some.push(entry(owner, ordinal, self.random.at(&centre, distance)));
            }
        }
        some
    }

    fn check(&mut self, index: &DiskIndex) {
        let snapshot = index.snapshot();
        assert_eq!(snapshot.len(), self.entries.len() as u64);
        let queries: Vec<Hash> = (0..3).map(|_| self.centres[self.random.below(50) as usize]).collect();
        let radius = self.random.below(97) as u32;
        assert_eq!(snapshot.search(&queries, radius).unwrap(), naive(&self.entries, &ask(&queries, radius)));
    }
}

fn walk(seed: u64, steps: u64, most: u64, folder: &Path) {
    let mut model = Model::new(seed);
    let mut writer = DiskIndex::create(folder).unwrap();
    let mut reader = DiskIndex::open_reader(folder).unwrap();
    let mut old: Option<(std::sync::Arc<refrain::index::Snapshot>, Vec<Entry>)> = None;
    for step in 0..steps {
        match model.random.below(40) {
            0..20 => {
                let some = model.some(most);
                writer.add(&some).unwrap();
                model.entries.extend(some);
            }
            20..30 => {
                let owner = model.random.below(model.owners + 1);
                writer.remove(owner).unwrap();
                model.entries.retain(|entry| entry.id.owner() != owner);
            }
            30 => writer.merge(&Cancel::new()).unwrap(),
            31 => writer.maintain().unwrap(),
            32 => {
                drop(writer);
                writer = DiskIndex::open(folder).unwrap();
            }
            33 => reader = DiskIndex::open_reader(folder).unwrap(),
            34 => old = Some((writer.snapshot(), model.entries.clone())),
            35 => {
                // A snapshot stays as it was, whatever was merged away beneath it.
                if let Some((snapshot, entries)) = &old {
                    let query = model.centres[0];
                    assert_eq!(snapshot.search(&[query], 80).unwrap(), naive(entries, &ask(&[query], 80)), "{step}");
                }
            }
            36 => {
                reader.refresh().unwrap();
                model.check(&reader);
            }
            _ => model.check(&writer),
        }
    }
    model.check(&writer);
    reader.refresh().unwrap();
    model.check(&reader);
    assert!(writer.verify().unwrap().is_whole());
    writer.merge(&Cancel::new()).unwrap();
    let stats = writer.stats();
    assert_eq!((stats.tombstones, stats.delta), (0, 0));
    model.check(&writer);
}

#[test]
fn many_small_steps() {
    let folder = tempfile::tempdir().unwrap();
    walk(1, 2500, 4, folder.path());
}

#[test]
fn fewer_large_steps() {
    let folder = tempfile::tempdir().unwrap();
    walk(2, 200, 2500, folder.path());
}

#[test]
fn removed_hashes_are_gone_from_the_disk_after_a_merge() {
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    let mut random = Random(3);
    let secret = random.hash();
    let mut some: Vec<Entry> = (0..20_000).map(|owner| entry(owner, 0, random.hash())).collect();
    some[777].hash = secret;
    index.add(&some).unwrap();
    index.merge(&Cancel::new()).unwrap();
    let on_disk = |needle: &[u8]| {
        let parts = std::fs::read_dir(folder.path().join("parts")).unwrap();
        let parts: Vec<_> = parts.map(|part| std::fs::read(part.unwrap().path()).unwrap()).collect();
        assert_eq!(parts.len(), 1);
        let database = std::fs::read(folder.path().join("index.redb")).unwrap();
        [&database, &parts[0]].map(|file| file.windows(32).any(|window| window == needle))
    };
    assert_eq!(on_disk(&secret.0), [false, true]);
    // One that comes in a small batch and goes before it is part of anything, which leaves it in the database alone.
    let brief = random.hash();
    index.add(&[entry(30_000, 0, brief)]).unwrap();
    assert_eq!(on_disk(&brief.0), [true, false]);
    index.remove(30_000).unwrap();
    index.remove(777).unwrap();
    assert!(index.snapshot().search(&[secret, brief], 0).unwrap().is_empty());
    index.merge(&Cancel::new()).unwrap();
    assert_eq!((on_disk(&secret.0), on_disk(&brief.0)), ([false; 2], [false; 2]));
    assert_eq!(index.stats().entries, 19_999);
}

#[test]
fn the_same_entries_make_the_same_part_whatever_their_order() {
    let mut random = Random(4);
    let some: Vec<Entry> = (0..40_000).map(|owner| entry(owner, 0, random.hash())).collect();
    let mut names = Vec::new();
    for order in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(folder.path()).unwrap();
        let mut some = some.clone();
        if order == 1 {
            some.reverse();
        }
        some.chunks(9999).for_each(|chunk| index.add(chunk).unwrap());
        index.merge(&Cancel::new()).unwrap();
        let part = std::fs::read_dir(folder.path().join("parts")).unwrap().next().unwrap().unwrap();
        names.push(part.file_name());
    }
    assert_eq!(names[0], names[1]);
}
