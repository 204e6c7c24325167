//! Entries that are in no index, for questions that are asked once.

use super::snapshot::Snapshot;
use super::{DiskIndex, Entry};
use crate::cancel::Cancel;
use crate::error::Result;

/// From so many entries on, postings are worth making even for one question each.
const MANY: usize = 1 << 16;

impl Snapshot {
    /// A snapshot of these entries alone, whose ids differ. Many entries are written to `folder`, which is made for them
    /// and may be removed once the snapshot is gone; few are only held in memory.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn of_entries(entries: &[Entry], folder: &std::path::Path, cancel: &Cancel) -> Result<std::sync::Arc<Self>> {
        if entries.len() < MANY {
            let mut snapshot = Self::default();
            snapshot.delta.push(1, entries);
            return Ok(snapshot.into());
        }
        let index = DiskIndex::create(folder)?;
        index.add(entries)?;
        index.merge(cancel)?;
        Ok(index.snapshot())
    }
}
