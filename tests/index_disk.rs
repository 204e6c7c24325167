//! Merging holds at most 1.5 times the size of the parts on disk at any moment, and searches go on beside it.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use index_support::{Random, ask, entries, naive};
use refrain::index::DiskIndex;
use refrain::index::storage::{Medium, Sink, Storage};
use refrain::{Cancel, Hash};

/// Files in memory, and the most bytes that there ever were of them.
#[derive(Debug, Default)]
struct Held {
    files: HashMap<String, Arc<Mutex<Vec<u8>>>>,
    peak: usize,
    written: usize,
    /// As on systems that refuse to remove or replace what is open.
    refuses: bool,
    refused: usize,
}

impl Held {
    fn bytes(&self) -> usize {
        self.files.values().map(|file| file.lock().unwrap().len()).sum()
    }
}

#[derive(Debug, Clone, Default)]
struct Folder(Arc<Mutex<Held>>);

struct File(Folder, Arc<Mutex<Vec<u8>>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.lock().unwrap().extend_from_slice(bytes);
        let mut held = self.0.0.lock().unwrap();
        held.peak = held.peak.max(held.bytes());
        held.written += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An open file; while it is, there are two who know of its contents.
struct Opened(Vec<u8>, #[allow(dead_code)] Arc<Mutex<Vec<u8>>>);

impl AsRef<[u8]> for Opened {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Storage for Folder {
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        let file = Arc::default();
        self.0.lock().unwrap().files.insert(name.into(), Arc::clone(&file));
        Ok(Box::new(File(self.clone(), file)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut held = self.0.lock().unwrap();
        if held.refuses && held.files.get(to).is_some_and(|file| Arc::strong_count(file) > 1) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let file = held.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        held.files.insert(to.into(), file);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut held = self.0.lock().unwrap();
        let open = held.files.get(name).is_some_and(|file| Arc::strong_count(file) > 1);
        if held.refuses && open {
            held.refused += 1;
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        held.files.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
        let held = self.0.lock().unwrap();
        let file = held.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let bytes = file.lock().unwrap().clone();
        Ok(Box::new(Opened(bytes, Arc::clone(file))))
    }
    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
}

/// A database in memory that outlives whoever opens it, and how many bytes were ever written to it.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>, Arc<AtomicUsize>);

impl Medium for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(&self.0.lock().unwrap()[at as usize..at as usize + out.len()]);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.1.fetch_add(bytes.len(), Ordering::Relaxed);
        self.0.lock().unwrap()[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn a_merge_holds_at_most_half_as_much_again() {
    let mut random = Random(31);
    let hashes: Vec<Hash> = (0..260_000).map(|_| random.hash()).collect();
    let all = entries(0, &hashes);
    let folder = Folder::default();
    let index = DiskIndex::in_storage(Arc::new(folder.clone()), Memory::default()).unwrap();
    let measured = |work: &dyn Fn()| -> f64 {
        let before = {
            let mut held = folder.0.lock().unwrap();
            held.peak = 0;
            held.bytes()
        };
        work();
        let held = folder.0.lock().unwrap();
        held.peak as f64 / before.max(held.bytes()) as f64
    };
    let queries: Vec<Hash> = hashes.iter().step_by(9_000).map(|hash| random.at(hash, 20)).collect();
    let mut added = 0;
    // Each flush is below the size from which an add makes a part itself.
    for some in all.chunks(40_000) {
        index.add(some).unwrap();
        added += some.len();
        let done = AtomicBool::new(false);
        let ratio = std::thread::scope(|scope| {
            let searching = scope.spawn(|| {
                let expected = naive(&all[..added], &ask(&queries, 31));
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(index.snapshot().search(&queries, 31).unwrap(), expected);
                }
            });
            let ratio = measured(&|| index.merge(&Cancel::new()).unwrap());
            done.store(true, Ordering::Relaxed);
            searching.join().unwrap();
            ratio
        });
        println!("{added} entries: {ratio:.2} times their size");
        assert!(ratio <= 1.5, "{added} entries: {ratio}");
        assert_eq!((index.stats().parts, index.stats().delta), (1, 0));
    }
    // Merging to be rid of what was removed: here the new part is small, so that both may stand side by side.
    for owner in 0..130_000 {
        if owner % 130 == 0 {
            index.remove(owner).unwrap();
        }
    }
    let ratio = measured(&|| index.merge(&Cancel::new()).unwrap());
    assert!(ratio <= 1.5, "{ratio}");
    assert_eq!(index.snapshot().len(), 259_000);
    assert!(index.verify().unwrap().is_whole());
    let peak = folder.0.lock().unwrap().peak;
    assert!(peak > folder.0.lock().unwrap().bytes() * 5 / 4, "the peak was not seen");
}

#[test]
fn files_that_cannot_be_removed_while_open_are_swept_later() {
    let mut random = Random(32);
    let hashes: Vec<Hash> = (0..80_000).map(|_| random.hash()).collect();
    let all = entries(0, &hashes);
    let (folder, database) = (Folder::default(), Memory::default());
    folder.0.lock().unwrap().refuses = true;
    let open = || DiskIndex::in_storage(Arc::new(folder.clone()), database.clone()).unwrap();
    let index = open();
    index.add(&all[..40_000]).unwrap();
    index.merge(&Cancel::new()).unwrap();
    let held = index.snapshot();
    index.add(&all[40_000..]).unwrap();
    index.remove(3).unwrap();
    index.merge(&Cancel::new()).unwrap();
    assert!(folder.0.lock().unwrap().refused > 0, "nothing was open");
    assert!(folder.0.lock().unwrap().files.len() > 1);
    // The old snapshot is what it was, and the new one is what it should be.
    let queries: Vec<Hash> = hashes[..30].to_vec();
    assert_eq!(held.search(&queries, 10).unwrap(), naive(&all[..40_000], &ask(&queries, 10)));
    let live: Vec<_> = all.iter().filter(|entry| entry.id.owner() != 3).copied().collect();
    assert_eq!(index.snapshot().search(&queries, 10).unwrap(), naive(&live, &ask(&queries, 10)));
    drop((held, index));
    let index = open();
    assert_eq!(folder.0.lock().unwrap().files.len(), 1, "what was left over is gone");
    assert_eq!(index.snapshot().len(), 79_999);
}

#[test]
fn a_part_that_comes_back_while_it_is_still_open_is_kept() {
    let mut random = Random(33);
    let hashes: Vec<Hash> = (0..400).map(|_| random.hash()).collect();
    let all = entries(0, &hashes);
    let folder = Folder::default();
    folder.0.lock().unwrap().refuses = true;
    let index = DiskIndex::in_storage(Arc::new(folder.clone()), Memory::default()).unwrap();
    index.add(&all[..300]).unwrap();
    index.merge(&Cancel::new()).unwrap();
    let held = index.snapshot();
    let names = || -> Vec<String> { folder.list().unwrap() };
    let first = names();
    index.add(&all[300..]).unwrap();
    index.merge(&Cancel::new()).unwrap();
    assert!(names().len() == 2 && names().contains(&first[0]), "the first part is open and stays");
    for owner in 300..400 {
        index.remove(owner).unwrap();
    }
    // The same entries as at first: the same bytes, and so the same name.
    index.merge(&Cancel::new()).unwrap();
    assert!(names().contains(&first[0]) && names().iter().all(|name| name.ends_with(".part")), "{:?}", names());
    let expected = naive(&all[..300], &ask(&hashes, 10));
    assert_eq!(index.snapshot().search(&hashes, 10).unwrap(), expected);
    assert_eq!(held.search(&hashes, 10).unwrap(), expected);
    assert!(index.verify().unwrap().is_whole());
    // A file of that name that is not what it says is replaced.
    drop(held);
    index.add(&all[300..]).unwrap();
    index.merge(&Cancel::new()).unwrap();
    let spoilt = Arc::new(Mutex::new(vec![7; 5000]));
    folder.0.lock().unwrap().files.insert(first[0].clone(), spoilt);
    for owner in 300..400 {
        index.remove(owner).unwrap();
    }
    index.merge(&Cancel::new()).unwrap();
    assert_eq!(index.snapshot().search(&hashes, 10).unwrap(), expected);
    assert!(index.verify().unwrap().is_whole());
}

/// Entries that are added a thousand at a time, as a writer adds them, what is due being done at once. With `REFRAIN_ENTRIES` as
/// many as that, for the figures of docs/index.md.
#[test]
fn an_entry_is_written_as_often_as_is_said() {
    const FLUSH: usize = 1 << 14;
    let count = std::env::var("REFRAIN_ENTRIES").map_or(1 << 18, |count| count.parse().unwrap());
    let mut random = Random(35);
    let (folder, database) = (Folder::default(), Memory::default());
    let index = DiskIndex::in_storage(Arc::new(folder.clone()), database.clone()).unwrap();
    for first in (0..count).step_by(1000) {
        let hashes: Vec<Hash> = (first..count.min(first + 1000)).map(|_| random.hash()).collect();
        index.add(&entries(first as u64, &hashes)).unwrap();
        index.maintain().unwrap();
    }
    let in_database = database.1.load(Ordering::Relaxed);
    let added = folder.0.lock().unwrap().written;
    index.merge(&Cancel::new()).unwrap();
    assert_eq!((index.stats().parts, index.stats().entries), (1, count as u64));
    let held = folder.0.lock().unwrap();
    let of_part = held.bytes() as f64;
    // Into the smallest parts, which have no postings, and once for each size above; a third of it again for copies of hashes.
    let formula = ((count as f64 / FLUSH as f64).log(4.0) + 1.0) * 4.0 / 3.0;
    let times = added as f64 / of_part;
    println!(
        "{count} entries, {:.0} bytes each in one part: {times:.1} times that written into parts as they came (the formula: \
         {formula:.1}), {:.1} with a merge at the end; {:.0} bytes an entry written into the database",
        of_part / count as f64,
        held.written as f64 / of_part,
        in_database as f64 / count as f64,
    );
    assert!(times > 0.3, "everything was written");
    assert!(times <= formula, "{times:.1} times, the formula says {formula:.1}");
}
