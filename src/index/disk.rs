//! An index in a folder of its own, for those who want nothing but the index.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use redb::WriteTransaction;

use super::database::Database;
use super::group::Group;
use super::live::{BULK, PIECE};
use super::quiet::Quiet;
use super::storage::{Medium, Storage, make_folder, sync_folder, sync_holder};
use super::{Entry, Index};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// The database file within the folder.
const DATABASE: &str = "index.redb";
/// The folder of the parts within the folder.
const PARTS: &str = "parts";

/// An [`Index`] with its own database: durable adds and removes, one writing process, any number of reading ones.
///
/// ```
/// use refrain::Hash;
/// use refrain::index::{DiskIndex, Entry, EntryId};
///
/// let folder = tempfile::tempdir()?;
/// let index = DiskIndex::create(folder.path())?;
/// let id = EntryId::new(7, 0).ok_or("out of range")?;
/// index.add(&[Entry { id, hash: Hash([3; 32]) }])?;
/// let hits = index.snapshot().search(&[Hash([2; 32])], 32)?;
/// assert_eq!((hits[0].id, hits[0].distance), (id, 32));
/// index.remove(7)?;
/// assert!(index.snapshot().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DiskIndex {
    index: Index,
    database: Database,
    group: Group,
}

/// Adds of more entries than this have a transaction of their own.
const SMALL: usize = 1 << 12;

impl DiskIndex {
    /// Opens the index in `folder` for writing, making both if they are not there.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process writes to it; [`Error::Corrupt`], [`Error::Format`], [`Error::Io`].
    pub fn create(folder: &Path) -> Result<Self> {
        make_folder(&folder.join(PARTS)).map_err(|source| Error::io(folder, source))?;
        Self::writer(Database::create(&folder.join(DATABASE))?, folder)
    }

    /// Opens the index in `folder`, which must be there, for writing. Errors as [`Self::create`].
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn open(folder: &Path) -> Result<Self> {
        Self::writer(Database::open(&folder.join(DATABASE))?, folder)
    }

    /// Opens the index in `folder`, which must be there, for reading; another process may be writing to it.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Format`], [`Error::Io`].
    pub fn open_reader(folder: &Path) -> Result<Self> {
        Self::with(Database::open_reader(&folder.join(DATABASE))?, folder)
    }

    /// The index in any storage, with its database in any medium, both of which no other process can see. Parts are
    /// only made by [`Index::maintain`] and [`Index::merge`], never in the background.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn in_storage(storage: Arc<dyn Storage>, medium: impl Medium) -> Result<Self> {
        let database = Database::in_medium(&storage.path(DATABASE), Arc::new(medium))?;
        let index = Index::with(&database, storage, false)?;
        Ok(Self { index, database, group: Group::default() })
    }

    /// Adds of so many entries make a part at once: for tests, which would have to add 2^17 to see it.
    #[doc(hidden)]
    #[must_use]
    pub fn with_bulk(mut self, entries: usize) -> Self {
        self.index.bulk = entries;
        self
    }

    /// Checks every page of the database of the index in `folder`, and changes nothing. [`Index::verify`] checks the parts.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Locked`] while another process writes to it again and again, [`Error::Io`].
    pub fn check(folder: &Path) -> Result<()> {
        Database::check(&folder.join(DATABASE))
    }

    /// As [`Self::with`], for whoever will report what is added as durable: the one that made the folder may have been killed before
    /// its names were.
    fn writer(database: Database, folder: &Path) -> Result<Self> {
        sync_folder(folder).and_then(|()| sync_holder(folder)).map_err(|source| Error::io(folder, source))?;
        Self::with(database, folder)
    }

    fn with(database: Database, folder: &Path) -> Result<Self> {
        let index = Index::open(&database, &folder.join(PARTS))?;
        Ok(Self { index, database, group: Group::default() })
    }

    /// Adds entries, durably and at once: when this returns they survive a crash and the next snapshot has them.
    ///
    /// The caller sees to it that no id is added twice without a [`Self::remove`] in between. A thousand entries in
    /// one call cost little more than one, and so do small adds from many threads at once: they share transactions.
    ///
    /// # Errors
    /// [`Error::Option`] if this was opened for reading, [`Error::Io`].
    pub fn add(&self, entries: &[Entry]) -> Result<()> {
        let commit = |entries: &[Entry]| {
            self.index.make_room()?;
            self.change(|txn| self.index.add(txn, entries))
        };
        if entries.len() > SMALL || !self.database.is_writer() {
            return commit(entries);
        }
        self.group.add(entries, commit)
    }

    /// Adds entries as they come, any number of them: for an index that is made from a list which does not fit into memory. Up to
    /// 2^27 are held at once (80 bytes each) and become a part, which is durable and seen as soon as it is written; so each
    /// entry is written once, while those that come through [`Self::add`] piece by piece are merged later. Returns how many there were.
    ///
    /// # Errors
    /// As [`Self::add`]; [`Error::Cancelled`], after which the parts that were finished stay.
    pub fn add_stream(&self, entries: impl IntoIterator<Item = Entry>, cancel: &Cancel) -> Result<u64> {
        let (mut entries, mut count) = (entries.into_iter().fuse(), 0);
        loop {
            let mut some = Vec::new();
            while some.len() < PIECE {
                cancel.check()?;
                let before = some.len();
                some.extend(entries.by_ref().take((PIECE - before).min(1 << 20)));
                if some.len() == before {
                    break;
                }
            }
            count += some.len() as u64;
            if some.len() < BULK {
                self.add(&some)?;
                return Ok(count);
            }
            self.change(|txn| self.index.add_part(txn, some, cancel))?;
        }
    }

    /// Makes a change durable and takes it up.
    fn change(&self, change: impl FnOnce(&WriteTransaction) -> Result<()>) -> Result<()> {
        self.database.writing(|| {
            let txn = Quiet::new(self.database.begin_write()?);
            change(&txn)?;
            txn.into_inner().commit().map_err(|error| self.database.error(error))
        })?;
        self.index.refresh().map(drop)
    }

    /// As [`Index::merge`], and overwrites the free space of the database, so that nothing of removed hashes is left there either.
    ///
    /// # Errors
    /// As [`Index::merge`]; what was cancelled while the free space was overwritten has merged the parts.
    pub fn merge(&self, cancel: &Cancel) -> Result<()> {
        self.index.merge(cancel)?;
        self.database.writing(|| self.index.overwrite_free(cancel, |_| Ok(())))
    }

    /// Removes everything that `owner` has, durably and at once.
    ///
    /// # Errors
    /// As [`Self::add`], and [`Error::Option`] past [`EntryId::MAX_OWNER`](super::EntryId::MAX_OWNER).
    pub fn remove(&self, owner: u64) -> Result<()> {
        self.change(|txn| self.index.remove(txn, owner))
    }
}

impl Deref for DiskIndex {
    type Target = Index;
    fn deref(&self) -> &Index {
        &self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::index::EntryId;

    fn entry(owner: u64, ordinal: u32, hash: Hash) -> Entry {
        Entry { id: EntryId::new(owner, ordinal).unwrap(), hash }
    }

    #[test]
    fn the_names_of_an_index_are_durable_before_anything_is_added() {
        use crate::index::storage::tests::synced;
        let holder = tempfile::tempdir().unwrap();
        let folder = holder.path().join("index");
        let names = [folder.clone(), holder.path().to_path_buf()];
        for open in [DiskIndex::create, DiskIndex::create, DiskIndex::open] {
            synced();
            drop(open(&folder).unwrap());
            let synced = synced();
            assert!(names.iter().all(|name| synced.contains(name)), "{synced:?}");
        }
        synced();
        drop(DiskIndex::open_reader(&folder).unwrap());
        assert!(synced().is_empty());
    }

    #[test]
    fn owners_that_cannot_be_are_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(folder.path()).unwrap();
        index.add(&[entry(EntryId::MAX_OWNER, 0, Hash([7; 32])), entry(1, 0, Hash([7; 32]))]).unwrap();
        index.merge(&Cancel::new()).unwrap();
        for owner in [EntryId::MAX_OWNER + 1, u64::MAX] {
            assert!(matches!(index.remove(owner), Err(Error::Option { name: "owner", .. })));
        }
        index.remove(EntryId::MAX_OWNER).unwrap();
        assert_eq!((index.snapshot().len(), index.stats().tombstones), (1, 1));
        // One that was removed when that was not refused.
        for slot in &index.snapshot().parts {
            assert!(slot.part.as_ref().unwrap().of_owner(u64::MAX).unwrap().is_empty());
        }
    }

    #[test]
    fn what_comes_as_a_stream_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(folder.path()).unwrap();
        let hash = |owner: u64| Hash::from_words([owner; 4].map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        for (count, from) in [(0, 0), (1000, 0), (BULK as u64 + 5, 1000)] {
            // Not in the order of the ids.
            let stream = (from..from + count).rev().map(|owner| entry(owner, 0, hash(owner)));
            assert_eq!(index.add_stream(stream, &Cancel::new()).unwrap(), count);
        }
        assert_eq!((index.stats().entries, index.stats().parts), (BULK as u64 + 1005, 1));
        for owner in [0, 999, 1000, BULK as u64 + 1004] {
            assert_eq!(index.snapshot().search(&[hash(owner)], 0).unwrap().len(), 1, "{owner}");
        }
        let cancel = Cancel::new();
        cancel.cancel();
        assert!(matches!(index.add_stream([entry(7, 1, hash(7))], &cancel), Err(Error::Cancelled)));
        drop(index);
        assert_eq!(DiskIndex::open_reader(folder.path()).unwrap().stats().entries, BULK as u64 + 1005);
    }

    #[test]
    fn what_is_preloaded_is_whole_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(folder.path()).unwrap();
        let hash = |owner: u64| Hash::from_words([owner; 4].map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        for from in [0, 200_000] {
            let some: Vec<Entry> = (from..from + BULK as u64).map(|owner| entry(owner, 0, hash(owner))).collect();
            index.add(&some).unwrap();
        }
        index.preload(&Cancel::new()).unwrap();
        let parts: Vec<_> = index.snapshot().parts.iter().filter_map(|slot| slot.part.clone().ok()).collect();
        assert!(parts.len() == 2 && parts.iter().all(|part| part.has_sure_hashes() && part.has_sure_postings()));
        let path = parts[0].path().to_path_buf();
        let cancel = Cancel::new();
        cancel.cancel();
        assert!(matches!(index.preload(&cancel), Err(Error::Cancelled)));
        drop((index, parts));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[9000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let index = DiskIndex::open_reader(folder.path()).unwrap();
        let error = index.preload(&Cancel::new()).unwrap_err();
        assert!(matches!(&error, Error::Corrupt { path: named, .. } if *named == path), "{error}");
        let whole = |slot: &super::super::snapshot::Slot| slot.part.as_ref().is_ok_and(|part| part.has_sure_hashes());
        assert_eq!(index.snapshot().parts.iter().filter(|slot| whole(slot)).count(), 1, "the other one is there");
    }

    #[test]
    fn an_index_that_cannot_make_parts_refuses_more_before_it_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(folder.path()).unwrap();
        std::fs::remove_dir(folder.path().join(PARTS)).unwrap();
        std::fs::write(folder.path().join(PARTS), "in the way").unwrap();
        let hash = |owner: u64| Hash::from_words([owner; 4].map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let some =
            |from: u64| -> Vec<Entry> { (from..from + 70_000).map(|owner| entry(owner, 0, hash(owner))).collect() };
        index.add(&some(0)).unwrap();
        index.add(&some(70_000)).unwrap();
        for _ in 0..2 {
            let error = index.add(&some(140_000)[..1]).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
            assert_eq!(index.snapshot().len(), 140_000);
        }
        index.remove(7).unwrap();
        assert_eq!(index.snapshot().len(), 139_999);
        std::fs::remove_file(folder.path().join(PARTS)).unwrap();
        std::fs::create_dir_all(folder.path().join(PARTS)).unwrap();
        index.add(&some(140_000)[..1]).unwrap();
        assert_eq!((index.snapshot().len(), index.stats().delta), (140_000, 1));
    }

    #[test]
    fn a_reader_follows_the_writer_and_a_second_writer_is_locked_out() {
        let folder = tempfile::tempdir().unwrap();
        let writer = DiskIndex::create(folder.path()).unwrap();
        let reader = DiskIndex::open_reader(folder.path()).unwrap();
        assert!(matches!(DiskIndex::open(folder.path()), Err(Error::Locked { .. })));
        assert!(!reader.refresh().unwrap());

        let hash = Hash([7; 32]);
        writer.add(&[entry(1, 0, hash), entry(1, 1, hash.complement()), entry(2, 0, hash)]).unwrap();
        let before = reader.snapshot();
        assert!(reader.refresh().unwrap() && !reader.refresh().unwrap());
        assert!(before.is_empty());
        assert_eq!(reader.snapshot().search(&[hash], 0).unwrap().len(), 2);
        assert_eq!(reader.snapshot().nearest(&[hash, hash], 1, 0).unwrap().len(), 2);

        writer.remove(1).unwrap();
        writer.add(&[entry(1, 0, hash.complement())]).unwrap();
        reader.refresh().unwrap();
        assert_eq!(reader.snapshot().search(&[hash], 96).unwrap(), writer.snapshot().search(&[hash], 96).unwrap());
        assert_eq!(reader.stats().entries, 2);
        assert!(matches!(reader.add(&[entry(3, 0, hash)]), Err(Error::Option { .. })));
        assert!(matches!(reader.snapshot().search(&[hash], 97), Err(Error::Option { .. })));

        drop(writer);
        let writer = DiskIndex::open(folder.path()).unwrap();
        assert_eq!(writer.snapshot().search(&[hash.complement()], 0).unwrap().len(), 1);
    }
}
