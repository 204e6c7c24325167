//! The index of a store: entries in the database's tables and in parts, seen through snapshots.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::WriteTransaction;

use super::database::Database;
use super::snapshot::Snapshot;
use super::tables::{self, Meta};
use super::{Entry, Stats};
use crate::error::Result;

/// A durable index that shares a database, and its transactions, with the tables beside it.
///
/// One process writes, any number read; each holds [`Snapshot`]s and calls [`Self::refresh`] to see later commits.
#[derive(Debug)]
pub struct Index {
    database: Database,
    dir: PathBuf,
    current: RwLock<Arc<Snapshot>>,
    refreshing: Mutex<()>,
}

impl Index {
    /// The index whose tables are in `database` and whose parts are in `dir`.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt), [`Error::Format`](crate::Error::Format), [`Error::Io`](crate::Error::Io).
    pub(crate) fn open(database: &Database, dir: &Path) -> Result<Self> {
        let index = Self {
            database: database.clone(),
            dir: dir.to_path_buf(),
            current: RwLock::default(),
            refreshing: Mutex::default(),
        };
        index.refresh()?;
        Ok(index)
    }

    /// Stages `entries` in `txn`; they are seen once it is committed and [`Self::refresh`] was called.
    ///
    /// The caller sees to it that no id is added twice without a [`Self::remove`] in between.
    pub(crate) fn add(&self, txn: &WriteTransaction, entries: &[Entry]) -> Result<()> {
        tables::add(&self.database, txn, entries)
    }

    /// Stages the removal of everything that `owner` has so far, in this transaction or before.
    pub(crate) fn remove(&self, txn: &WriteTransaction, owner: u64) -> Result<()> {
        tables::remove(&self.database, txn, owner)
    }

    /// Takes up what was committed since the last call, by this process or another; true if there was anything.
    ///
    /// Costs microseconds when there was nothing, and otherwise as much as there is that is new.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt), [`Error::Io`](crate::Error::Io); the snapshot stays as it was.
    pub fn refresh(&self) -> Result<bool> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        let txn = self.database.begin_read()?;
        let meta = Meta::read(&self.database, &txn)?;
        if meta == before.meta {
            return Ok(false);
        }
        let mut next = Snapshot { meta, delta: before.delta.clone(), tombstones: before.tombstones.clone() };
        tables::batches(&self.database, &txn, before.meta.next, |number, entries| next.delta.push(number, &entries))?;
        tables::tombstones(&self.database, &txn, before.meta.next, |number, owner| {
            next.tombstones.insert(owner, number);
        })?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(true)
    }

    /// The index as of the last [`Self::refresh`].
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the index holds, as of the last [`Self::refresh`].
    pub fn stats(&self) -> Stats {
        let snapshot = self.snapshot();
        Stats {
            entries: snapshot.len(),
            parts: 0,
            bytes: 0,
            tombstones: snapshot.tombstones.len() as u64,
            delta: snapshot.delta.len() as u64,
        }
    }

    /// The folder of the parts.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
