//! Making an index anew from its entries, whatever there is left of the old one.

use std::path::Path;
use std::sync::Arc;

use super::database::Database;
use super::live::Shared;
use super::merge::{LARGEST, layout, sorted};
use super::part::Part;
use super::quiet::Quiet;
use super::storage::Folder;
use super::tables::{self, Record};
use super::{Entry, EntryId, Index};
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

    /// Lists the new parts in the place of everything, in one transaction. The old files stay until an index is opened for writing or
    /// [`Self::sweep`] is called.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.write()?;
        let database = &self.shared.database;
        let txn = Quiet::new(database.begin_write()?);
        tables::replace(database, &txn, &self.parts)?;
        txn.into_inner().commit().map_err(|error| database.error(error))?;
        self.shared.refresh().map(drop)
    }

    /// Removes the files of the parts that are no longer listed.
    pub(crate) fn sweep(&self) {
        self.shared.sweep();
    }
}

impl Index {
    /// Calls `each` with every entry that can be found and is whole: those of parts whose headers are damaged too, and if anything of the
    /// tables is, those of the files that no list names any more, each maybe more than once.
    pub(crate) fn whole_entries(&self, mut each: impl FnMut(Entry)) {
        let snapshot = self.snapshot();
        let mut live = |id: EntryId, hash, number| {
            if !snapshot.tombstones.bury(id.owner(), number) {
                each(Entry { id, hash });
            }
        };
        for slot in &snapshot.parts {
            let number = slot.record.number;
            match &slot.part {
                Ok(part) => _ = part.salvage(|id, hash| live(id, hash, number)),
                Err(_) => {
                    if let Ok(Some(part)) = self.shared.open_by_record(&slot.record) {
                        part.salvage(|id, hash| live(id, hash, number));
                    }
                }
            }
        }
        if !snapshot.flaws.is_empty() {
            let storage = &self.shared.storage;
            for name in storage.list().unwrap_or_default() {
                let listed = snapshot.parts.iter().any(|slot| slot.record.name() == name);
                if listed || !name.ends_with(".part") {
                    continue;
                }
                let part = storage.open(&name).ok().and_then(|bytes| Part::parse(bytes, &storage.path(&name)).ok());
                if let Some(part) = part {
                    part.salvage(|id, hash| live(id, hash, 0));
                }
            }
        }
        for chunk in &snapshot.delta.chunks {
            let rows = chunk.ids.iter().zip(&chunk.hashes).zip(&chunk.numbers);
            rows.for_each(|((&id, &hash), &number)| live(id, hash, number));
        }
    }
}
