//! The transactional database of a store: opened once, shared by the index and by whatever keeps its tables beside it.
//!
//! One process writes, any number read beside it and follow its commits (redb's single-writer mode, which locks byte
//! ranges of the file). A second writer is told [`Error::Locked`]. A database that a killed writer left behind is
//! repaired by whoever opens it next, a reader included: in the file, or, where that may not be written, in memory.
//! Of a file whose pages are damaged nothing is repaired: it is read as it lies, and nobody writes to it (see `pages`).
//! One that could not be written is opened anew (see `anew`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{
    Builder, ConcurrencyMode, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition, WriteTransaction,
};

use super::anew::Hurried;
use super::overlay::{Overlay, Stamp, is_marked};
use super::quiet::{Quiet, abandon};
use super::snapshot::copy;
use super::storage::{Backend, Medium, identity, put_in_place};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Memory that redb may keep pages in.
pub(super) const CACHE_BYTES: usize = 64 << 20;

/// Files of at most so many bytes are compared with their checksums whenever they are opened for writing, which takes a third of a second
/// at most: redb writes to what was closed as it should be without a look at it, and over what a damaged page says is free.
const CHECKED: u64 = 256 << 20;

/// Begins the extension of a database that is being made.
const FRESH: &str = "new-";

const FILL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("fill");
/// A value that takes a page of the database for itself.
const PAGE_OF_NOTHING: [u8; 3_900] = [0; 3_900];

/// An open database. Clones share it; the file and its locks go when the last one does.
#[derive(Clone)]
pub(crate) struct Database {
    pub(super) inner: Arc<RwLock<Arc<Inner>>>,
    pub(super) path: Arc<Path>,
    /// What it lives in, if that is no file.
    pub(super) medium: Option<Arc<dyn Medium>>,
    pub(super) hurried: Arc<Hurried>,
}

pub(super) enum Inner {
    Writer(Quiet<redb::Database>),
    Reader(Quiet<redb::ReadOnlyDatabase>),
    /// What a killed writer left where nothing may be written, repaired in memory, and the file as it was then.
    Repaired(Quiet<redb::Database>, Stamp),
    /// What cannot be repaired, read as it lies, and the file as it was then, with what is wrong.
    AsItLies(Quiet<redb::ReadOnlyDatabase>, Stamp, Arc<Error>),
    /// A writer's of which the file sees nothing.
    Aside(Quiet<redb::Database>),
    /// A writer's, which could not be written since then, and could not be opened anew so far.
    Lost(Instant),
}

impl Database {
    /// Opens `path` for writing, creating it if it is not there.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process writes to it, [`Error::Corrupt`], [`Error::Format`], [`Error::Io`].
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if !path.exists() {
            // Made whole under another name first: a crash half-way would leave what cannot be told from a foreign file.
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let new = path.with_extension(format!("{FRESH}{}-{count}", std::process::id()));
            let _ = std::fs::remove_file(&new); // half of one, by a process of this number
            let made = Self::writer(&new, |builder| builder.create(&new)).map(drop);
            made.inspect_err(|_| _ = std::fs::remove_file(&new))?;
            let named = put_in_place(&new, path);
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            named.and_then(|()| super::storage::sync_folder(folder)).map_err(|source| Error::io(path, source))?;
        }
        let database = Self::writer(path, |builder| builder.create(path))?;
        sweep(path);
        Ok(database)
    }

    /// Opens `path`, which must be there, for writing. Errors as [`Self::create`].
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::writer(path, |builder| builder.open(path))
    }

    /// Opens a database that lives in `medium`, which no other process can see; `path` is its name in errors.
    pub(crate) fn in_medium(path: &Path, medium: Arc<dyn Medium>) -> Result<Self> {
        let backend = Backend(Arc::clone(&medium));
        // A crash while it was made leaves a length without the magic number, which is written last.
        let unmade = || -> std::io::Result<bool> {
            let mut magic = [0; 4];
            Ok(backend.len()? > 4 && backend.read(0, &mut magic).is_ok() && magic == [0; 4])
        };
        if unmade().map_err(|source| Error::io(path, source))? {
            backend.set_len(0).map_err(|source| Error::io(path, source))?;
        }
        let database = Self { medium: Some(medium), ..Self::new(Inner::Lost(Instant::now()), path) };
        database.reopen()?;
        Ok(database)
    }

    pub(super) fn new(inner: Inner, path: &Path) -> Self {
        Self { inner: Arc::new(RwLock::new(Arc::new(inner))), path: path.into(), medium: None, hurried: Arc::default() }
    }

    pub(super) fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens `path`, which must be there, for reading beside any other process.
    ///
    /// # Errors
    /// As [`Self::create`] but for [`Error::Locked`].
    pub(crate) fn open_reader(path: &Path) -> Result<Self> {
        fenced(path, || {
            let reader = match builder().open_read_only(path) {
                Ok(reader) => reader,
                // The last writer was killed: become a writer for a moment, which repairs it.
                Err(redb::DatabaseError::RepairAborted) => {
                    match fenced(path, || checking().open(path).map_err(|error| from_redb(path, error))) {
                        Ok(repaired) => drop(Quiet::new(repaired)),
                        Err(Error::Locked { .. }) => {} // somebody else is at it
                        Err(Error::Io { source, .. }) if may_not_be_written(&source) => return Self::repaired(path),
                        Err(error @ Error::Corrupt { .. }) => {
                            return Ok(Self::new(Self::as_it_lies(path, error)?, path));
                        }
                        Err(error) => return Err(error),
                    }
                    builder().open_read_only(path).map_err(|error| from_redb(path, error))?
                }
                Err(error) => return Err(from_redb(path, error)),
            };
            Ok(Self::new(Inner::Reader(Quiet::new(reader)), path))
        })
    }

    /// Opens what a killed writer left, without changing the file.
    fn repaired(path: &Path) -> Result<Self> {
        let io = |source| Error::io(path, source);
        let stamp = Stamp::of(path).map_err(io)?;
        let overlay = Overlay::new(path).map_err(io)?;
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = fenced(path, || builder.create_with_backend(overlay).map_err(|error| from_redb(path, error)));
        let inner = match database {
            Err(error @ Error::Corrupt { .. }) => Self::as_it_lies(path, error)?,
            database => Inner::Repaired(Quiet::new(database?), stamp),
        };
        Ok(Self::new(inner, path))
    }

    fn writer(path: &Path, open: impl Fn(&Builder) -> Result<redb::Database, redb::DatabaseError>) -> Result<Self> {
        let open = || {
            fenced(path, || {
                // What a killed writer left is checked before anything is written, and so is whatever does not take long.
                let small = std::fs::metadata(path).is_ok_and(|found| found.len() <= CHECKED);
                let builder = if small || is_marked(path) { checking() } else { builder() };
                open(&builder).map(Quiet::new).map_err(|error| from_redb(path, error))
            })
        };
        loop {
            let before = identity(std::fs::metadata(path));
            let opened = open();
            if before.is_none() || before == identity(std::fs::metadata(path)) {
                return Ok(Self::new(Inner::Writer(opened?), path));
            }
            // A salvage has put another file in the place of the one that was opened, to which nothing is written any more.
            if let Ok(database) = opened {
                abandon(Arc::new(database), Duration::ZERO);
            }
        }
    }

    /// Whether this handle may write.
    pub(crate) fn is_writer(&self) -> bool {
        matches!(&*self.inner(), Inner::Writer(_) | Inner::Lost(_))
    }

    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A view of the last commit, of this process or another. If the file could not be written before, it is opened anew first.
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction> {
        self.begin(|inner| match inner {
            Inner::Writer(database) => Ok(database.begin_read()),
            Inner::Reader(database) => Ok(database.begin_read()),
            Inner::Aside(database) => Ok(database.begin_read()),
            Inner::Repaired(database, stamp) if stamp.holds() => Ok(database.begin_read()),
            Inner::AsItLies(database, stamp, _) if stamp.holds() => Ok(database.begin_read()),
            Inner::Lost(_) => Ok(Err(redb::StorageError::PreviousIo.into())),
            Inner::Repaired(..) | Inner::AsItLies(..) => {
                let source =
                    std::io::Error::other("somebody has written to it since it was repaired in memory; open it anew");
                Err(Error::io(&*self.path, source))
            }
        })
    }

    /// A transaction; waits for the one before it to end. If the file could not be written before, it is opened anew first.
    ///
    /// # Errors
    /// [`Error::Option`] for a handle opened for reading.
    pub(crate) fn begin_write(&self) -> Result<WriteTransaction> {
        let begin = || {
            self.begin(|inner| match inner {
                Inner::Writer(database) => Ok(database.begin_write()),
                Inner::Lost(_) => Ok(Err(redb::StorageError::PreviousIo.into())),
                Inner::AsItLies(_, _, damage) => Err(copy(damage)),
                Inner::Reader(_) | Inner::Repaired(..) | Inner::Aside(_) => {
                    Err(Error::option("store", "it was opened for reading; open it for writing"))
                }
            })
        };
        let begun = begin()?;
        if !self.hurried.any() {
            return Ok(begun);
        }
        drop(begun);
        self.hurried.let_go_first();
        begin()
    }

    fn begin<T>(&self, begin: impl Fn(&Inner) -> Result<std::result::Result<T, redb::TransactionError>>) -> Result<T> {
        let mut begun = begin(&self.inner())?;
        if matches!(&begun, Err(redb::TransactionError::Storage(redb::StorageError::PreviousIo))) {
            self.reopen()?;
            begun = begin(&self.inner())?;
        }
        begun.map_err(|error| self.error(error))
    }

    /// Two commits that let go of what the last changes have left behind, if nobody reads it any more.
    pub(crate) fn let_go(&self) -> Result<()> {
        for _ in 0..2 {
            self.begin_write()?.commit().map_err(|error| self.error(error))?;
        }
        Ok(())
    }

    /// Overwrites the free space of the file with nothing, but for what has not been [let go](Self::let_go). The database writes changed pages to new places and keeps the old ones as free
    /// space, with whatever stood in them. One of the transactions that this takes, after all is overwritten, is also `last`'s.
    ///
    /// Pages that somebody still reads are left out.
    ///
    /// # Errors
    /// [`Error::Cancelled`] with nothing changed, and those of the database.
    pub(crate) fn overwrite_free(
        &self,
        cancel: &Cancel,
        last: impl FnOnce(&WriteTransaction) -> Result<()>,
    ) -> Result<()> {
        let commit = |write: WriteTransaction| write.commit().map_err(|error| self.error(error));
        let write = self.begin_write()?;
        let stats = write.stats().map_err(|error| self.error(error))?;
        let length = match &self.medium {
            Some(medium) => medium.len(),
            None => std::fs::metadata(&self.path).map(|found| found.len()),
        };
        let length = length.map_err(|source| Error::io(&*self.path, source))?;
        let free = (length / stats.page_size() as u64).saturating_sub(stats.allocated_pages());
        {
            let mut fill = write.open_table(FILL).map_err(|error| self.error(error))?;
            for page in 0..free {
                cancel.check()?;
                fill.insert(page, PAGE_OF_NOTHING.as_slice()).map_err(|error| self.error(error))?;
            }
        }
        commit(write)?;
        let write = self.begin_write()?;
        write.delete_table(FILL).map_err(|error| self.error(error))?;
        commit(write)?;
        // That took a little more than there was, for which the file grew to twice its length, and what these transactions
        // wrote lies where it grew. Once the filling is free space again they go back to the front, and a commit gives half of
        // what is free at the end back.
        self.let_go()?;
        let write = self.begin_write()?;
        last(&write)?;
        commit(write)?;
        for _ in 0..3 {
            commit(self.begin_write()?)?;
        }
        Ok(())
    }

    /// What redb says, in this crate's words, with the file's name.
    pub(crate) fn error(&self, error: impl Into<redb::Error>) -> Error {
        from_redb(&self.path, error)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.path).field("writer", &self.is_writer()).finish()
    }
}

/// Takes away what was to become the database at `path` when its process was killed, or the disk was full.
fn sweep(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(stem), Ok(entries)) = (path.file_stem().and_then(|stem| stem.to_str()), std::fs::read_dir(folder)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('.'));
        if rest.is_some_and(|rest| rest.starts_with(FRESH)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn may_not_be_written(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied)
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter).set_cache_size(CACHE_BYTES);
    builder
}

/// As [`builder`], for a file that may be damaged: every page is compared with its checksum before anything is written.
pub(super) fn checking() -> Builder {
    let mut builder = builder();
    builder.set_check_integrity_on_open(true);
    builder
}

/// redb may panic on a file that was altered behind its back; that becomes [`Error::Corrupt`].
pub(crate) fn fenced<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(contradicts(path)))
}

pub(super) fn contradicts(path: &Path) -> Error {
    Error::corrupt(path, "the database's pages contradict one another")
}

/// What redb says, in this crate's words.
pub(crate) fn from_redb(path: &Path, error: impl Into<redb::Error>) -> Error {
    let path = PathBuf::from(path);
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => Error::Locked { path },
        redb::Error::Io(source) => match source.kind() {
            // How redb reports a file that does not begin with its magic number.
            std::io::ErrorKind::InvalidData => {
                Error::Format { path, expected: "a redb database".into(), got: "something else".into() }
            }
            std::io::ErrorKind::UnexpectedEof => Error::corrupt(path, "the file ends before what should be in it"),
            _ => Error::Io { path, source },
        },
        redb::Error::UpgradeRequired(version) => Error::Format {
            path,
            expected: "a database of redb 4".into(),
            got: format!("one of file format version {version}"),
        },
        redb::Error::LockProtocolMismatch => Error::Format {
            path,
            expected: "processes of one version".into(),
            got: "another process with another locking protocol".into(),
        },
        redb::Error::Corrupted(detail) => Error::Corrupt { path, detail },
        redb::Error::RepairAborted => {
            Error::Corrupt { path, detail: "its writer was killed, and it cannot be repaired here".into() }
        }
        redb::Error::TableTypeMismatch { table, .. } => {
            Error::Format { path, expected: format!("the table {table} of this version"), got: "other types".into() }
        }
        // What this program never writes.
        other @ (redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TableDoesNotExist(_)) => Error::Corrupt { path, detail: other.to_string() },
        other => Error::Io { path, source: std::io::Error::other(other) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_database_is_in_nobody_s_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.redb");
        let half = |name: String| std::fs::write(folder.path().join(name), [7; 4096]).unwrap();
        half(format!("index.new-{}", std::process::id()));
        (0..64).for_each(|count| half(format!("index.new-{}-{count}", std::process::id())));
        half("index.new-1-0".into());
        half("index.newer".into());
        drop(Database::create(&path).unwrap());
        let names: std::collections::BTreeSet<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["index.newer", "index.redb"].map(Into::into).into());
        // Nothing is left of one that cannot be made either.
        let error = Database::create(&folder.path().join("missing/index.redb")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_takes_the_place_of_a_file_that_is_opened_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("index.redb"), folder.path().join("other.redb"));
        let table: TableDefinition<'_, u64, u64> = TableDefinition::new("rows");
        for (path, row) in [(&path, 1), (&other, 2)] {
            let database = Database::create(path).unwrap();
            let write = database.begin_write().unwrap();
            write.open_table(table).unwrap().insert(row, row).unwrap();
            write.commit().unwrap();
        }
        let before = std::fs::read(&path).unwrap();
        let kept = folder.path().join("kept.redb");
        // As a salvage does it, between the moments at which a writer opens the file and is let in.
        let replaced = std::cell::Cell::new(false);
        let database = Database::writer(&path, |builder| {
            let opened = builder.open(&path);
            if !replaced.replace(true) {
                std::fs::hard_link(&path, &kept).unwrap();
                std::fs::rename(&other, &path).unwrap();
            }
            opened
        });
        let read = database.unwrap().begin_read().unwrap().open_table(table).unwrap();
        assert!(read.get(1).unwrap().is_none() && read.get(2).unwrap().is_some());
        assert_eq!(std::fs::read(&kept).unwrap().len(), before.len());
    }

    #[test]
    fn tables_that_this_program_never_makes_are_damage() {
        let path = Path::new("some/store.redb");
        let name = || "names".to_string();
        let changed =
            redb::TableError::TypeDefinitionChanged { name: redb::TypeName::new("&str"), alignment: 1, width: Some(0) };
        let errors = [
            changed,
            redb::TableError::TableDoesNotExist(name()),
            redb::TableError::TableIsMultimap(name()),
            redb::TableError::TableIsNotMultimap(name()),
        ];
        for error in errors {
            let error = from_redb(path, error);
            assert!(matches!(&error, Error::Corrupt { path: named, .. } if named == path), "{error:?}");
        }
    }
}
