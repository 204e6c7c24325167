//! Making an index anew from its entries, whatever there is left of the old one.

use std::path::Path;
use std::sync::Arc;

use super::database::Database;
use super::live::Shared;
use super::merge::{LARGEST, layout, sorted};
use super::storage::Folder;
use super::tables::{self, Record};
use super::{Entry, EntryId, Snapshot};
use crate::cancel::Cancel;
use crate::error::Result;

/// Parts that will take the place of all that the index holds.
pub(crate) struct Rebuild<'c> {
    shared: Shared,
    cancel: &'c Cancel,
    waiting: Vec<Entry>,
    parts: Vec<Record>,
}

impl<'c> Rebuild<'c> {
    /// Begins with nothing. The tables are in `database`, which must be open for writing, the parts in `dir`.
    pub(crate) fn begin(database: &Database, dir: &Path, cancel: &'c Cancel) -> Self {
        let shared = Shared::new(database, Arc::new(Folder(dir.to_path_buf())));
        Self { shared, cancel, waiting: Vec::new(), parts: Vec::new() }
    }

    /// Takes entries; as many as make a large part are written at once. The old index stays what it is.
    pub(crate) fn add(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<()> {
        self.waiting.extend(entries);
        if self.waiting.len() as u64 >= LARGEST { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.cancel.check()?;
        let (mut ids, mut hashes) = (Vec::new(), Vec::new());
        sorted(std::mem::take(&mut self.waiting), &mut ids, &mut hashes);
        if !ids.is_empty() {
            let (layout, threads) = (layout(ids.len())?, rayon::current_num_threads());
            self.parts.push(self.shared.write_part(&hashes, &ids, &layout, threads, self.cancel)?);
        }
        Ok(())
    }

    /// Puts the new parts in the place of everything, in one transaction, and removes the old files.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.write()?;
        let database = &self.shared.database;
        let txn = database.begin_write()?;
        tables::replace(database, &txn, &self.parts)?;
        txn.commit().map_err(|error| database.error(error))?;
        self.shared.refresh()?;
        self.shared.sweep();
        Ok(())
    }
}

impl Snapshot {
    /// Calls `each` with every entry that can be found and is whole.
    pub(crate) fn whole_entries(&self, mut each: impl FnMut(Entry)) {
        let mut live = |id: EntryId, hash, number| {
            if !self.tombstones.bury(id.owner(), number) {
                each(Entry { id, hash });
            }
        };
        for slot in &self.parts {
            if let Ok(part) = &slot.part {
                part.salvage(|id, hash| live(id, hash, slot.record.number));
            }
        }
        for chunk in &self.delta.chunks {
            let rows = chunk.ids.iter().zip(&chunk.hashes).zip(&chunk.numbers);
            rows.for_each(|((&id, &hash), &number)| live(id, hash, number));
        }
    }
}
