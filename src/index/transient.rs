//! Entries that are in no index, for questions that are asked once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::snapshot::Snapshot;
use super::{DiskIndex, Entry};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// From so many entries on, postings are worth making even for one question each.
const MANY: usize = 1 << 16;

impl Snapshot {
    /// A snapshot of these entries alone, whose ids differ. Many entries are written to `folder`, which is made for them
    /// and may be removed once the snapshot is gone; few are only held in memory.
    ///
    /// # Errors
    /// [`Error::Option`] if there is an index in `folder` that holds something; [`Error::Io`], [`Error::Cancelled`].
    pub fn of_entries(entries: &[Entry], folder: &Path, cancel: &Cancel) -> Result<Arc<Self>> {
        Self::of_entries_in(entries, || Ok(folder.to_path_buf()), cancel)
    }

    /// As [`Self::of_entries`], in a folder that is only asked for if it is needed.
    pub(crate) fn of_entries_in(
        entries: &[Entry],
        folder: impl FnOnce() -> Result<PathBuf>,
        cancel: &Cancel,
    ) -> Result<Arc<Self>> {
        if entries.len() < MANY {
            let mut snapshot = Self::default();
            snapshot.delta.push(1, entries);
            return Ok(snapshot.into());
        }
        let folder = folder()?;
        let index = DiskIndex::create(&folder)?;
        if !index.snapshot().is_empty() {
            let detail = format!("{} holds an index already; name a new folder", folder.display());
            return Err(Error::option("folder", detail));
        }
        index.add(entries)?;
        index.merge(cancel)?;
        Ok(index.snapshot())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::index::EntryId;

    #[test]
    fn an_index_that_is_there_is_not_taken_for_the_entries() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |owner: u64| {
            let hash = Hash::from_words([owner; 4].map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            Entry { id: EntryId::new(owner, 0).unwrap(), hash }
        };
        DiskIndex::create(folder.path()).unwrap().add(&[entry(7)]).unwrap();
        let many: Vec<Entry> = (0..MANY as u64).map(entry).collect();
        let error = Snapshot::of_entries(&many, folder.path(), &Cancel::new()).unwrap_err();
        assert!(matches!(error, Error::Option { name: "folder", .. }), "{error}");
        assert!(error.to_string().contains(&*folder.path().to_string_lossy()), "{error}");
        let snapshot = Snapshot::of_entries(&many, &folder.path().join("new"), &Cancel::new()).unwrap();
        assert_eq!(snapshot.search(&[entry(7).hash], 0).unwrap().len(), 1);
    }
}
