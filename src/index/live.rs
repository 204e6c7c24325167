//! The index of a store: entries in the database's tables and in parts, seen through snapshots.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use redb::WriteTransaction;

use super::database::{Database, fenced};
use super::merge::FLUSH;
use super::part::{Built, Layout, Part};
use super::snapshot::{Flaw, Slot, Snapshot, copy};
use super::storage::{Folder, Storage};
use super::tables::{self, Meta, Record};
use super::{Entry, EntryId, Stats};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::hash::Hash;

/// From this many entries on, one add makes a part of its own.
pub(super) const BULK: usize = 1 << 17;
/// Most entries that are sorted at once.
pub(super) const PIECE: usize = 1 << 27;
/// A delta of this many times [`FLUSH`] makes whoever adds wait until it is a part.
const PATIENCE: usize = 8;
/// Tries to open a list of parts that a writer keeps changing.
const TRIES: usize = 20;

/// A durable index that shares a database, and its transactions, with the tables beside it.
///
/// One process writes, any number read; each holds [`Snapshot`]s and calls [`Self::refresh`] to see later commits. In the
/// writing process a thread in the background turns added entries into parts and merges parts; [`Self::merge`] does it
/// at once.
#[derive(Debug)]
pub struct Index {
    pub(super) shared: Arc<Shared>,
    background: Mutex<Option<JoinHandle<()>>>,
    automatic: bool,
    /// [`BULK`], or less in tests.
    pub(super) bulk: usize,
}

/// What the background thread shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) storage: Arc<dyn Storage>,
    current: RwLock<Arc<Snapshot>>,
    refreshing: Mutex<()>,
    /// What answers in the place of a part that has no postings yet, under that part's digest.
    pub(super) standing: Mutex<Option<([u8; 32], Arc<Part>)>>,
    /// Held by whoever changes the list of parts.
    pub(super) maintaining: Mutex<()>,
    pub(super) temporary: AtomicU64,
    pub(super) stop: Cancel,
    /// Whether what is damaged of the tables is left out and told by questions where the database is open for writing as well.
    bears: bool,
}

impl Index {
    /// The index whose tables are in `database` and whose parts are in `dir`, which a writer sweeps.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Format`], [`Error::Io`].
    pub(crate) fn open(database: &Database, dir: &Path) -> Result<Self> {
        Self::with(database, Arc::new(Folder(dir.to_path_buf())), true)
    }

    /// As [`Self::open`], but nothing is done in the background.
    pub(crate) fn open_still(database: &Database, dir: &Path) -> Result<Self> {
        Self::with(database, Arc::new(Folder(dir.to_path_buf())), false)
    }

    /// As [`Self::open_still`], but as whoever reads sees it, also if `database` is open for writing, and no file is swept away: what is damaged is
    /// left out. Nothing is to be written through it.
    pub(crate) fn open_bearing(database: &Database, dir: &Path) -> Result<Self> {
        let mut shared = Shared::new(database, Arc::new(Folder(dir.to_path_buf())));
        shared.bears = true;
        shared.refresh()?;
        Ok(Self { shared: Arc::new(shared), background: Mutex::default(), automatic: false, bulk: BULK })
    }

    /// As [`Self::open`], with parts in any storage. Without `automatic`, only [`Self::maintain`] and [`Self::merge`]
    /// make parts.
    pub(super) fn with(database: &Database, storage: Arc<dyn Storage>, automatic: bool) -> Result<Self> {
        let index = Self {
            shared: Arc::new(Shared::new(database, storage)),
            background: Mutex::default(),
            automatic,
            bulk: BULK,
        };
        index.shared.refresh()?;
        if database.is_writer() {
            // Before anything is begun in the background: a part is named before it is listed.
            index.shared.sweep();
            if automatic && (index.waiting() >= FLUSH || index.shared.unfinished().is_some()) {
                index.kick();
            }
        }
        Ok(index)
    }

    /// Stages `entries` in `txn`; they are seen once it is committed and [`Self::refresh`] was called.
    ///
    /// The caller sees to it that no id is added twice without a [`Self::remove`] in between.
    pub(crate) fn add(&self, txn: &WriteTransaction, entries: &[Entry]) -> Result<()> {
        if entries.len() < self.bulk {
            return tables::add(&self.shared.database, txn, entries);
        }
        entries.chunks(PIECE).try_for_each(|some| self.add_part(txn, some.to_vec(), &Cancel::new()))
    }

    /// Stages `entries`, of which there are many, as a part of their own; if `txn` is never committed, the next open sweeps it away.
    pub(super) fn add_part(&self, txn: &WriteTransaction, entries: Vec<Entry>, cancel: &Cancel) -> Result<()> {
        let (mut ids, mut hashes) = (Vec::new(), Vec::new());
        super::merge::sorted(entries, &mut ids, &mut hashes);
        let layout = super::merge::layout(ids.len())?;
        let record = self.shared.write_part(&hashes, &ids, &layout, rayon::current_num_threads(), cancel)?;
        tables::list(&self.shared.database, txn, record)
    }

    /// Stages the removal of everything that `owner` has so far, in this transaction or before.
    pub(crate) fn remove(&self, txn: &WriteTransaction, owner: u64) -> Result<()> {
        if owner > EntryId::MAX_OWNER {
            return Err(Error::option("owner", format!("at most {}, got {owner}", EntryId::MAX_OWNER)));
        }
        tables::remove(&self.shared.database, txn, owner)
    }

    /// Takes up what was committed since the last call, by this process or another; true if there was anything.
    ///
    /// Costs microseconds when there was nothing, and otherwise as much as there is that is new. A part that is damaged or gone is
    /// an error of the questions that need it; each call looks whether it has come back.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`], also if a part cannot be opened now; the snapshot stays as it was.
    pub fn refresh(&self) -> Result<bool> {
        let changed = self.shared.refresh()?;
        if changed && self.automatic && self.waiting() >= FLUSH && self.shared.database.is_writer() {
            self.kick();
        }
        Ok(changed)
    }

    /// Added entries that are in no part yet.
    fn waiting(&self) -> usize {
        self.shared.snapshot().delta.len()
    }

    /// For whoever is about to add: waits until the background thread has caught up, if it is far behind.
    ///
    /// # Errors
    /// As [`Self::maintain`]; nothing should be added then, since more and more would have to be searched without postings.
    pub(crate) fn make_room(&self) -> Result<()> {
        if self.automatic && self.waiting() >= FLUSH * PATIENCE { self.maintain() } else { Ok(()) }
    }

    /// Has the background thread at work.
    fn kick(&self) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        if background.as_ref().is_none_or(JoinHandle::is_finished) {
            let shared = Arc::clone(&self.shared);
            let work = move || {
                // What fails here fails again, aloud, before a later add, in `maintain` or `merge`.
                let _ = shared.database.writing(|| shared.maintain(&shared.stop));
            };
            *background = std::thread::Builder::new().name("refrain-index".into()).spawn(work).ok();
        }
    }

    /// Does at once what the background thread would do by and by: makes a part of the entries that were added since the
    /// last one, if they are many, and merges parts of like size.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`]; the index stays as it was.
    pub fn maintain(&self) -> Result<()> {
        self.shared.database.writing(|| self.shared.maintain(&Cancel::new()))
    }

    /// Makes one part of everything; removed hashes are gone from the parts afterwards, and whoever has the database overwrites its
    /// free space ([`DiskIndex::merge`](super::DiskIndex::merge), [`Store::merge`](crate::Store::merge)). Searches go on beside it.
    ///
    /// While it runs the disk never holds more than 1.5 times the parts, the old or the new ones, whichever are larger
    /// (parts of less than 2^15 entries, 1.3 MB, aside): it makes a copy of the hashes, drops the old parts, and
    /// writes the new one. Meanwhile this process answers from memory; other processes that take up the copy before the
    /// new part is there scan it, and so does this one past 2^24 entries. Snapshots that are held keep the old files.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::Io`], [`Error::Corrupt`]; the index stays as it was.
    pub fn merge(&self, cancel: &Cancel) -> Result<()> {
        self.shared.database.writing(|| self.shared.merge_all(cancel))
    }

    /// As [`Database::overwrite_free`], of what nobody but this index has read lately.
    pub(crate) fn overwrite_free(
        &self,
        cancel: &Cancel,
        last: impl FnOnce(&WriteTransaction) -> Result<()>,
    ) -> Result<()> {
        let _alone = Shared::lock(&self.shared.maintaining);
        {
            let _unread = Shared::lock(&self.shared.refreshing);
            self.shared.database.let_go()?;
        }
        self.shared.database.overwrite_free(cancel, last)
    }

    /// The index as of the last [`Self::refresh`].
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// What the index holds, as of the last [`Self::refresh`].
    pub fn stats(&self) -> Stats {
        let snapshot = self.snapshot();
        Stats {
            entries: snapshot.len(),
            parts: snapshot.parts.len() as u64,
            bytes: snapshot.parts.iter().map(|slot| slot.record.bytes).sum(),
            tombstones: snapshot.tombstones.len() as u64,
            delta: snapshot.delta.len() as u64,
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        let thread = self.background.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// With nothing looked at yet.
    pub(super) fn new(database: &Database, storage: Arc<dyn Storage>) -> Self {
        Self {
            database: database.clone(),
            storage,
            current: RwLock::default(),
            refreshing: Mutex::default(),
            standing: Mutex::default(),
            maintaining: Mutex::default(),
            temporary: AtomicU64::new(0),
            stop: Cancel::new(),
            bears: false,
        }
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refresh(&self) -> Result<bool> {
        let _one_at_a_time = Self::lock(&self.refreshing);
        fenced(self.database.path(), || self.database.steady(|| self.take_up()))
    }

    fn take_up(&self) -> Result<bool> {
        let before = self.snapshot();
        for attempt in 1.. {
            let txn = self.database.begin_read()?;
            let meta = Meta::read(&self.database, &txn)?;
            let unsound = self.database.damage();
            let as_sound = unsound.is_some() == before.unsound;
            if meta == before.meta && as_sound && before.parts.iter().all(|slot| slot.part.is_ok()) {
                return Ok(false);
            }
            // Who writes puts the new beside the old, and has to know all of it; who reads answers from the rest.
            let bears = self.bears || !self.database.is_writer();
            let mut flaws = before.flaws.clone();
            flaws.retain(|flaw| flaw.number.is_some_and(|number| number >= meta.flushed.min(meta.cleared)));
            let mut note = |number: Option<u64>, error: Error| match error {
                Error::Corrupt { .. } if bears => {
                    flaws.push(Flaw { number, error: Arc::new(error) });
                    Ok(())
                }
                error => Err(error),
            };
            if let Some(damage) = &unsound {
                note(None, copy(damage))?;
            }
            let mut next = Snapshot {
                meta,
                delta: before.delta.clone(),
                tombstones: before.tombstones.clone(),
                parts: Vec::new(),
                flaws: Vec::new(),
                unsound: unsound.is_some(),
                dead: OnceLock::new(),
                kernels: before.kernels,
            };
            if meta.flushed > before.meta.flushed {
                next.delta.drop_below(meta.flushed);
            }
            let new = before.meta.next;
            let batches = tables::batches(&self.database, &txn, new, |number, entries| {
                entries.map_or_else(
                    |error| note(Some(number), error),
                    |entries| {
                        next.delta.push(number, &entries);
                        Ok(())
                    },
                )
            });
            batches.or_else(|error| note(Some(new), error))?;
            let tombstones = tables::tombstones(&self.database, &txn, new, |number, owner| {
                owner.map_or_else(
                    |error| note(Some(number), error),
                    |owner| {
                        next.tombstones.insert(owner, number);
                        Ok(())
                    },
                )
            });
            tombstones.or_else(|error| note(Some(new), error))?;
            if meta.cleared > before.meta.cleared {
                next.tombstones.drop_below(meta.cleared);
            }
            let (mut gone, mut refused, mut records) = (false, None, Vec::new());
            let parts = tables::parts(&self.database, &txn, |record| {
                record.map_or_else(
                    |error| note(None, error),
                    |record| {
                        records.push(record);
                        Ok(())
                    },
                )
            });
            parts.or_else(|error| note(None, error))?;
            next.flaws = flaws;
            for record in records {
                let usable = |slot: &&Slot| slot.part.as_ref().is_ok_and(|part| !part.is_damaged());
                let known = before.parts.iter().filter(usable).find(|slot| slot.record.digest == record.digest);
                let part = match known {
                    Some(slot) => slot.part.clone(),
                    None => match self.standing(&record) {
                        Some(part) => Ok(part),
                        None => self.open_part(&record).map(Arc::new).map_err(Arc::new),
                    },
                };
                match &part {
                    Err(error) if is_missing(error) => gone = true,
                    // Too many open files, no memory: that passes.
                    Err(error) if matches!(**error, Error::Io { .. }) => refused = Some(copy(error)),
                    _ => {}
                }
                next.parts.push(Slot { record, part });
            }
            // A part that is not there was merged away since the list was read, or is lost.
            if (gone || refused.is_some()) && attempt < TRIES {
                drop(txn);
                let now = Meta::read(&self.database, &self.database.begin_read()?)?;
                if now != meta {
                    continue;
                }
            }
            if let Some(error) = refused {
                return Err(error);
            }
            let mut pairs = before.parts.iter().zip(&next.parts);
            if meta == before.meta && as_sound && pairs.all(|(old, new)| old.part.is_ok() == new.part.is_ok()) {
                return Ok(false);
            }
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
            break;
        }
        Ok(true)
    }

    fn standing(&self, record: &Record) -> Option<Arc<Part>> {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.as_ref().filter(|(digest, _)| *digest == record.digest).map(|(_, part)| Arc::clone(part))
    }

    pub(super) fn open_part(&self, record: &Record) -> Result<Part> {
        let name = record.name();
        let path = self.storage.path(&name);
        let bytes = self.storage.open(&name).map_err(|source| Error::io(&path, source))?;
        let part = Part::parse(bytes, &path)?;
        if part.len() as u64 != record.entries {
            return Err(Error::corrupt(path, format!("{} entries instead of {}", part.len(), record.entries)));
        }
        if part.raw().len() as u64 != record.bytes {
            return Err(Error::corrupt(path, format!("{} bytes instead of {}", part.raw().len(), record.bytes)));
        }
        Ok(part)
    }

    /// Writes a part under its final name, durably; it is not listed yet.
    pub(super) fn write_part(
        &self,
        hashes: &[Hash],
        ids: &[EntryId],
        layout: &Layout,
        threads: usize,
        cancel: &Cancel,
    ) -> Result<Record> {
        let build = |sink: &mut dyn Write| super::part::build(hashes, ids, layout, sink, threads, cancel);
        self.write_file(ids.len(), build)
    }

    /// As [`Self::write_part`], with whatever writes the bytes.
    pub(super) fn write_file(
        &self,
        entries: usize,
        build: impl FnOnce(&mut dyn Write) -> Result<Built>,
    ) -> Result<Record> {
        let temporary = format!("new-{}.tmp", self.temporary.fetch_add(1, Ordering::Relaxed));
        let path = self.storage.path(&temporary);
        let io = |source| Error::io(&path, source);
        let write = || -> Result<Record> {
            let mut sink = self.storage.create(&temporary).map_err(io)?;
            let built = build(&mut sink).map_err(|error| error.at(&path))?;
            sink.sync().map_err(io)?;
            drop(sink);
            let record =
                Record { number: 0, digest: built.digest, entries: entries as u64, bytes: built.bytes, applied: 0 };
            if self.holds(&record) {
                self.storage.remove(&temporary).map_err(io)?;
            } else {
                self.storage.rename(&temporary, &record.name()).map_err(io)?;
            }
            self.storage.sync().map_err(io)?;
            Ok(record)
        };
        write().inspect_err(|_| {
            let _ = self.storage.remove(&temporary); // what cannot be removed is swept at the next open
        })
    }

    /// Whether the very file is there: one of the same entries that somebody still reads. Not every system lets an open file be
    /// replaced.
    fn holds(&self, record: &Record) -> bool {
        let found = self.storage.open(&record.name());
        found.is_ok_and(|bytes| *blake3::hash((*bytes).as_ref()).as_bytes() == record.digest)
    }

    /// Removes what is not listed: left by a crash, or by a system that would not remove an open file.
    pub(super) fn sweep(&self) {
        let _alone = Self::lock(&self.maintaining);
        let listed: Vec<String> = self.snapshot().parts.iter().map(|slot| slot.record.name()).collect();
        for name in self.storage.list().unwrap_or_default() {
            let ours = name.ends_with(".part") || name.ends_with(".tmp");
            if ours && !listed.contains(&name) {
                let _ = self.storage.remove(&name); // tried again at the next open
            }
        }
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::{Duration, Instant};

    use super::super::storage::Sink;
    use super::*;

    /// A folder in which things go wrong.
    #[derive(Debug)]
    struct Odd {
        folder: Folder,
        /// Whether a list of names waits until there is a part, or for half a second.
        slow: bool,
        /// Parts cannot be opened.
        shut: Mutex<Option<io::ErrorKind>>,
    }

    impl Odd {
        fn at(dir: &Path) -> Self {
            Self { folder: Folder(dir.to_path_buf()), slow: false, shut: Mutex::default() }
        }

        fn shut(&self, kind: impl Into<Option<io::ErrorKind>>) {
            *self.shut.lock().unwrap() = kind.into();
        }
    }

    impl Storage for Odd {
        fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
            self.folder.create(name)
        }
        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.folder.rename(from, to)
        }
        fn sync(&self) -> io::Result<()> {
            self.folder.sync()
        }
        fn remove(&self, name: &str) -> io::Result<()> {
            self.folder.remove(name)
        }
        fn list(&self) -> io::Result<Vec<String>> {
            let begun = Instant::now();
            loop {
                let names = self.folder.list()?;
                let done = begun.elapsed() > Duration::from_millis(500);
                if !self.slow || done || names.iter().any(|name| name.ends_with(".part")) {
                    return Ok(names);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        fn open(&self, name: &str) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
            self.shut.lock().unwrap().map_or_else(|| self.folder.open(name), |kind| Err(kind.into()))
        }
        fn path(&self, name: &str) -> std::path::PathBuf {
            self.folder.path(name)
        }
    }

    fn some(from: u64, count: u64) -> Vec<Entry> {
        let hash = |owner: u64| Hash::from_words([owner; 4].map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        (from..from + count).map(|owner| Entry { id: EntryId::new(owner, 0).unwrap(), hash: hash(owner) }).collect()
    }

    fn put(index: &Index, entries: &[Entry]) {
        let database = &index.shared.database;
        let txn = database.begin_write().unwrap();
        index.add(&txn, entries).unwrap();
        txn.commit().unwrap();
    }

    #[test]
    fn what_is_made_while_an_index_is_opened_is_not_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::create(&dir.path().join("index.redb")).unwrap();
        let parts = dir.path().join("parts");
        std::fs::create_dir(&parts).unwrap();
        std::fs::write(parts.join("left.tmp"), "by a crash").unwrap();
        let many = some(0, FLUSH as u64 + 5);
        put(&Index::with(&database, Arc::new(Odd::at(&parts)), false).unwrap(), &many);
        let index = Index::with(&database, Arc::new(Odd { slow: true, ..Odd::at(&parts) }), true).unwrap();
        assert!(!parts.join("left.tmp").exists());
        let begun = Instant::now();
        while index.stats().parts == 0 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!((index.stats().parts, index.stats().delta), (1, 0), "it is made in the background");
        assert!(parts.join(index.snapshot().parts[0].record.name()).exists());
        drop(index);
        let index = Index::with(&database, Arc::new(Odd::at(&parts)), false).unwrap();
        assert!(index.verify().unwrap().is_whole());
        assert_eq!(index.snapshot().search(&[many[3].hash], 0).unwrap().len(), 1);
    }

    #[test]
    fn a_part_that_cannot_be_opened_now_costs_nothing_once_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::create(&dir.path().join("index.redb")).unwrap();
        let parts = dir.path().join("parts");
        let many = some(0, FLUSH as u64 + 5);
        let writer = Index::with(&database, Arc::new(Odd::at(&parts)), false).unwrap();
        let odd = Arc::new(Odd::at(&parts));
        let reader = Index::with(&database, Arc::clone(&odd) as Arc<dyn Storage>, false).unwrap();
        put(&writer, &many);
        writer.maintain().unwrap();
        let found = |index: &Index| index.snapshot().search(&[many[3].hash], 0).map(|hits| hits.len());
        // Too many open files, no memory, no permission: the snapshot stays as it was.
        for kind in [io::ErrorKind::Other, io::ErrorKind::OutOfMemory, io::ErrorKind::PermissionDenied] {
            odd.shut(kind);
            let error = reader.refresh().unwrap_err();
            assert!(matches!(&error, Error::Io { source, .. } if source.kind() == kind), "{error}");
            assert!(error.to_string().contains(".part"), "{error}");
            assert_eq!(found(&reader).unwrap(), 0);
            let opened = Index::with(&database, Arc::clone(&odd) as Arc<dyn Storage>, false);
            assert!(matches!(opened, Err(Error::Io { .. })));
        }
        odd.shut(None);
        assert!(reader.refresh().unwrap());
        assert_eq!(found(&reader).unwrap(), 1);
        // What is gone is told by questions, and taken up when it is back, although nothing was committed.
        let file = parts.join(writer.snapshot().parts[0].record.name());
        let away = dir.path().join("away");
        std::fs::rename(&file, &away).unwrap();
        let reader = Index::with(&database, Arc::clone(&odd) as Arc<dyn Storage>, false).unwrap();
        assert!(matches!(found(&reader), Err(Error::Io { .. })));
        assert!(!reader.refresh().unwrap());
        odd.shut(io::ErrorKind::Other);
        assert!(matches!(reader.refresh(), Err(Error::Io { .. })));
        odd.shut(None);
        std::fs::rename(&away, &file).unwrap();
        assert!(reader.refresh().unwrap() && !reader.refresh().unwrap());
        assert_eq!(found(&reader).unwrap(), 1);
    }

    #[test]
    fn a_salvage_gives_up_only_what_is_damaged_or_gone() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::create(&dir.path().join("index.redb")).unwrap();
        let parts = dir.path().join("parts");
        let many = some(0, FLUSH as u64 + 5);
        let index = Index::with(&database, Arc::new(Odd::at(&parts)), false).unwrap();
        put(&index, &many);
        index.maintain().unwrap();
        let file = parts.join(index.snapshot().parts[0].record.name());
        let whole = std::fs::read(&file).unwrap();
        drop(index);
        // The file as it lies on the disk, under another mapping.
        let put_file = |bytes: &[u8]| {
            std::fs::write(dir.path().join("other"), bytes).unwrap();
            std::fs::rename(dir.path().join("other"), &file).unwrap();
        };
        let open = || {
            let odd = Arc::new(Odd::at(&parts));
            (Index::with(&database, Arc::clone(&odd) as Arc<dyn Storage>, false).unwrap(), odd)
        };
        // One that cannot be opened now, whatever was known of it before.
        put_file(&whole[..100]);
        let (index, odd) = open();
        odd.shut(io::ErrorKind::Other);
        assert!(matches!(index.salvage(), Err(Error::Io { .. })) && file.exists());
        // One of a newer version.
        let mut newer = whole.clone();
        newer[8] = 9;
        put_file(&newer);
        assert!(matches!(open().0.salvage(), Err(Error::Format { .. })));
        assert_eq!(std::fs::read(&file).unwrap(), newer);
        // Whole but for a bit at either end.
        for at in [2000, whole.len() - 1, whole.len() - 6] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            put_file(&flipped);
            let (index, _) = open();
            assert!(index.snapshot().search(&[many[3].hash], 0).is_err());
            let done = index.salvage().unwrap();
            assert_eq!((done.saved, done.lost), (many.len() as u64, 0), "{at}");
            assert!(index.verify().unwrap().is_whole());
            assert_eq!(std::fs::read(&file).unwrap(), whole);
        }
        // Gone.
        std::fs::remove_file(&file).unwrap();
        let (index, _) = open();
        let done = index.salvage().unwrap();
        assert_eq!((done.saved, done.lost, index.stats().parts), (0, many.len() as u64, 0));
    }
}
