//! The transactional database of a store: opened once, shared by the index and by whatever keeps its tables beside it.
//!
//! One process writes, any number read beside it and follow its commits (redb's single-writer mode, which locks byte
//! ranges of the file). A second writer is told [`Error::Locked`]. A database that a killed writer left behind is
//! repaired by whoever opens it next, a reader included: in the file, or, where that may not be written, in memory.
//! redb trusts a file no more that could not be written once, as that of a full disk; so a writer opens it anew, which
//! is what a killed one would do, and goes on from the last commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redb::{
    Builder, ConcurrencyMode, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition, WriteTransaction,
};

use super::overlay::{Overlay, Stamp};
use super::storage::{Backend, Medium};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Memory that redb may keep pages in.
const CACHE_BYTES: usize = 64 << 20;

/// How often a writer looks whether everybody has let go of a database that is to be opened anew.
const PATIENCE: u32 = 1000;

const FILL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("fill");
/// A value that takes a page of the database for itself.
const PAGE_OF_NOTHING: [u8; 3_900] = [0; 3_900];

/// An open database. Clones share it; the file and its locks go when the last one does.
#[derive(Clone)]
pub(crate) struct Database {
    inner: Arc<RwLock<Arc<Inner>>>,
    path: Arc<Path>,
    /// What it lives in, if that is no file.
    medium: Option<Arc<dyn Medium>>,
}

enum Inner {
    Writer(Quiet<redb::Database>),
    Reader(Quiet<redb::ReadOnlyDatabase>),
    /// What a killed writer left where nothing may be written, repaired in memory, and the file as it was then.
    Repaired(Quiet<redb::Database>, Stamp),
    /// A writer's, which could not be written, and could not be opened anew so far.
    Lost,
}

/// What may panic once more while it is dropped after the database gave up on a damaged file; that says nothing new.
struct Quiet<T>(Option<T>);

impl<T> Quiet<T> {
    fn new(inner: T) -> Self {
        Self(Some(inner))
    }
}

impl<T> std::ops::Deref for Quiet<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("only dropping takes it")
    }
}

impl<T> Drop for Quiet<T> {
    fn drop(&mut self) {
        let inner = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(inner)));
    }
}

impl Database {
    /// Opens `path` for writing, creating it if it is not there.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process writes to it, [`Error::Corrupt`], [`Error::Format`], [`Error::Io`].
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if !path.exists() {
            // Made whole under another name first: a crash half-way would leave what cannot be told from a foreign file.
            let new = path.with_extension(format!("new-{}", std::process::id()));
            drop(Self::writer(&new, |builder| builder.create(&new))?);
            let named = match std::fs::hard_link(&new, path) {
                Ok(()) => std::fs::remove_file(&new),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => std::fs::remove_file(&new),
                Err(_) => std::fs::rename(&new, path), // a file system without links
            };
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            named.and_then(|()| super::storage::sync_folder(folder)).map_err(|source| Error::io(path, source))?;
        }
        Self::writer(path, |builder| builder.create(path))
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
        let database = Self { medium: Some(medium), ..Self::new(Inner::Lost, path) };
        database.reopen()?;
        Ok(database)
    }

    fn new(inner: Inner, path: &Path) -> Self {
        Self { inner: Arc::new(RwLock::new(Arc::new(inner))), path: path.into(), medium: None }
    }

    fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets go of a writer's database, if it is one that has failed, and opens it anew.
    fn reopen(&self) -> Result<()> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match &**inner {
            Inner::Writer(database) => match database.try_begin_write() {
                Err(redb::TransactionError::Storage(_)) => {}
                _ => return Ok(()), // another thread was first
            },
            Inner::Lost => {}
            Inner::Reader(_) | Inner::Repaired(..) => return Ok(()),
        }
        let mut old = std::mem::replace(&mut *inner, Arc::new(Inner::Lost));
        // Who is about to begin a transaction holds it for a moment.
        for _ in 0..PATIENCE {
            match Arc::try_unwrap(old) {
                Ok(last) => {
                    drop(last);
                    let builder = builder();
                    let opened = fenced(&self.path, || {
                        match &self.medium {
                            Some(medium) => Builder::new()
                                .set_cache_size(CACHE_BYTES)
                                .create_with_backend(Backend(Arc::clone(medium))),
                            None => builder.open(&self.path),
                        }
                        .map_err(|error| from_redb(&self.path, error))
                    })?;
                    *inner = Arc::new(Inner::Writer(Quiet::new(opened)));
                    return Ok(());
                }
                Err(held) => old = held,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        *inner = old;
        Err(Error::io(&*self.path, std::io::Error::other("it could not be written, and is still read: try again")))
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
                    match builder().open(path) {
                        Ok(repaired) => drop(repaired),
                        Err(redb::DatabaseError::DatabaseAlreadyOpen) => {} // somebody else is at it
                        Err(error) => match from_redb(path, error) {
                            Error::Io { source, .. } if may_not_be_written(&source) => return Self::repaired(path),
                            error => return Err(error),
                        },
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
        let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(overlay);
        let database = database.map_err(|error| from_redb(path, error))?;
        Ok(Self::new(Inner::Repaired(Quiet::new(database), stamp), path))
    }

    fn writer(path: &Path, open: impl FnOnce(&Builder) -> Result<redb::Database, redb::DatabaseError>) -> Result<Self> {
        fenced(path, || {
            let database = open(&builder()).map_err(|error| from_redb(path, error))?;
            Ok(Self::new(Inner::Writer(Quiet::new(database)), path))
        })
    }

    /// Checks the database file from end to end, repairing what a crash left.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if any page differs from its checksum; [`Error::Locked`] while somebody writes to it.
    pub(crate) fn check(path: &Path) -> Result<()> {
        fenced(path, || {
            let mut database = builder().open(path).map_err(|error| from_redb(path, error))?;
            match database.check_integrity() {
                Ok(_) => Ok(()),
                Err(error) => Err(from_redb(path, error)),
            }
        })
    }

    /// Whether this handle may write.
    pub(crate) fn is_writer(&self) -> bool {
        matches!(&*self.inner(), Inner::Writer(_) | Inner::Lost)
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
            Inner::Repaired(database, stamp) if stamp.holds() => Ok(database.begin_read()),
            Inner::Lost => Ok(Err(redb::StorageError::PreviousIo.into())),
            Inner::Repaired(..) => {
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
        self.begin(|inner| match inner {
            Inner::Writer(database) => Ok(database.begin_write()),
            Inner::Lost => Ok(Err(redb::StorageError::PreviousIo.into())),
            Inner::Reader(_) | Inner::Repaired(..) => {
                Err(Error::option("store", "it was opened for reading; open it for writing"))
            }
        })
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

fn may_not_be_written(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter).set_cache_size(CACHE_BYTES);
    builder
}

/// redb may panic on a file that was altered behind its back; that becomes [`Error::Corrupt`].
pub(crate) fn fenced<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::corrupt(path, "the database's pages contradict one another")))
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
        other => Error::Io { path, source: std::io::Error::other(other) },
    }
}
