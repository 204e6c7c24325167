//! A disk that keeps what was written and what was synced apart. At the n-th operation it stops: everything later
//! fails. What then survives is what was synced, plus, chosen at random, some of the writes since: whole, torn in two,
//! or not at all, in any order; and of the names that were made, changed and removed since the folder was synced, each or not.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use refrain::index::storage::{Medium, Sink, Storage};

use crate::index_support::Random;

/// How the medium fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Power goes.
    Crash,
    /// Files cannot grow or be made, and everything else goes on, until there is room again: the disk is full.
    Full,
}

/// A disk: a database file and named part files.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) left: u64,
    pub(crate) failure: Option<Failure>,
    pub(crate) failed: bool,
    pub(crate) database: Contents,
    pub(crate) files: HashMap<u64, Contents>,
    pub(crate) names: HashMap<String, u64>,
    pub(crate) durable_names: HashMap<String, u64>,
    pub(crate) names_since: Vec<Naming>,
    pub(crate) next: u64,
}

/// A change of names, which is done as a whole or not at all.
#[derive(Debug, Clone)]
pub(crate) enum Naming {
    Is(String, u64),
    Renamed(String, String, u64),
    Gone(String),
}

impl Naming {
    fn apply(&self, names: &mut HashMap<String, u64>) {
        match self {
            Self::Is(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Renamed(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Gone(name) => {
                names.remove(name);
            }
        }
    }
}

/// What an operation on the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// It takes room.
    Grow,
    /// It takes none.
    Other,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Contents {
    pub(crate) now: Vec<u8>,
    pub(crate) durable: Vec<u8>,
    pub(crate) since: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(crate) enum Change {
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
        for change in self.since.drain(..) {
            Self::apply(&mut self.durable, &change);
        }
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
    fn step(&mut self, does: Does) -> io::Result<()> {
        let fails = match self.failure {
            Some(Failure::Crash) => self.failed || self.left == 0,
            Some(Failure::Full) => self.left == 0 && does == Does::Grow,
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

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.names_since.push(naming);
    }

    pub(crate) fn crash(&mut self, random: &mut Random) {
        self.database.crash(random);
        // Names since the last sync of the folder may or may not have got there, each by itself.
        self.names = std::mem::take(&mut self.durable_names);
        for naming in std::mem::take(&mut self.names_since) {
            if random.below(2) == 0 {
                naming.apply(&mut self.names);
            }
        }
        self.durable_names.clone_from(&self.names);
        self.files.retain(|file, _| self.names.values().any(|named| named == file));
        self.files.values_mut().for_each(|file| file.crash(random));
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Fake(pub(crate) Arc<Mutex<Disk>>);

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
        let grows = len as usize > disk.database.now.len();
        disk.step(if grows { Does::Grow } else { Does::Other })?;
        disk.database.change(Change::Len(len as usize));
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step(Does::Other)?;
        disk.database.sync();
        Ok(())
    }
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step(Does::Grow)?;
        disk.database.change(Change::Write(at as usize, bytes.to_vec()));
        Ok(())
    }
}

pub(crate) struct FakeSink(Fake, u64);

impl Write for FakeSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.0.lock().unwrap();
        disk.step(Does::Grow)?;
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
        disk.step(Does::Other)?;
        disk.files.entry(self.1).or_default().sync();
        Ok(())
    }
}

impl Storage for Fake {
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        let mut disk = self.0.lock().unwrap();
        disk.step(Does::Grow)?;
        let number = disk.next;
        disk.next += 1;
        disk.name(Naming::Is(name.into(), number));
        disk.files.insert(number, Contents::default());
        Ok(Box::new(FakeSink(self.clone(), number)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step(Does::Other)?;
        let number = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        disk.name(Naming::Renamed(from.into(), to.into(), number));
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step(Does::Other)?;
        disk.durable_names = disk.names.clone();
        disk.names_since.clear();
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step(Does::Other)?;
        if !disk.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.name(Naming::Gone(name.into()));
        Ok(())
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
