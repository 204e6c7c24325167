//! Looking at a database whose pages may be damaged, without changing the file: redb checks a page when it repairs what a killed
//! writer left or is told to, and trusts it otherwise. Writing to a file with damaged pages, which closing it does as well, may overwrite what is whole.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, DatabaseError};

use super::database::{CACHE_BYTES, Database, Inner, builder, fenced, from_redb};
use super::overlay::{Overlay, SETTLED, Stamp};
use super::quiet::Quiet;
use super::snapshot::copy;
use crate::error::{Error, Result};

/// How often a file is looked at that somebody writes to.
const LOOKS: usize = 20;
/// The progress that redb tells of a repair once it has given up the last commit for the one before.
const FELL_BACK: std::ops::Range<f64> = 0.1..0.5;

impl Database {
    /// Compares all pages of the last commit of the file at `path` with their checksums. A repair of what a crash left is made in memory,
    /// as of all that is written.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if any page differs; [`Error::Locked`] while somebody writes to it again and again.
    pub(crate) fn check(path: &Path) -> Result<()> {
        if look(path, false)? { Ok(()) } else { Err(Error::Locked { path: path.into() }) }
    }

    /// As [`Self::check`], of the file that this database is in; what is written to all the while is not looked at.
    ///
    /// # Errors
    /// As [`Self::check`], but for [`Error::Locked`].
    pub(crate) fn check_pages(&self) -> Result<()> {
        if self.medium.is_some() {
            return Ok(());
        }
        match &*self.inner() {
            Inner::AsItLies(_, _, damage) => Err(copy(damage)),
            Inner::Repaired(..) => look(self.path(), false).map(drop),
            // A commit that a crash cut short was given up when it was opened.
            _ => look(self.path(), true).map(drop),
        }
    }

    /// Opens a database whose pages are damaged for reading: what is read may be wrong. The file stays as it is.
    pub(super) fn as_it_lies(path: &Path, damage: Error) -> Result<Inner> {
        fenced(path, || {
            let io = |source| Error::io(path, source);
            let stamp = Stamp::of(path).map_err(io)?;
            let overlay = Overlay::as_it_lies(path).map_err(io)?;
            let reader = builder().open_read_only_with_backend(overlay).map_err(|error| from_redb(path, error))?;
            Ok(Inner::AsItLies(Quiet::new(reader), stamp, Arc::new(damaged(path, damage))))
        })
    }

    /// As a writer would open it, while nobody else writes to it; but what is written stays in memory, and the file stays as it is. Pages are
    /// read unchecked.
    pub(crate) fn open_aside(path: &Path) -> Result<Self> {
        fenced(path, || {
            let overlay = Overlay::locking(path).map_err(|source| Error::io(path, source))?;
            let database = builder().create_with_backend(overlay).map_err(|error| from_redb(path, error))?;
            Ok(Self::new(Inner::Aside(Quiet::new(database)), path))
        })
        .or_else(|error| match error {
            // One that a writer cannot open without repairing it, which cannot be done: no writer can come in between.
            Error::Corrupt { .. } => Ok(Self::new(Self::as_it_lies(path, error)?, path)),
            error => Err(error),
        })
    }

    /// What is wrong with the file, if it is read as it lies.
    pub(super) fn damage(&self) -> Option<Arc<Error>> {
        match &*self.inner() {
            Inner::AsItLies(_, _, damage) => Some(Arc::clone(damage)),
            _ => None,
        }
    }
}

/// What redb found, for people.
fn damaged(path: &Path, error: Error) -> Error {
    match error {
        Error::Corrupt { detail, .. } => {
            let detail = format!(
                "the database's pages do not agree with their checksums, so that what is read may be wrong ({detail}); \
                 salvage it, or put a backup in its place"
            );
            Error::corrupt(path, detail)
        }
        error => error,
    }
}

/// Checks the pages of a file that others may write to. False if it never was at rest. With `strict` the last commit has to be whole, otherwise
/// the one before may be, as after a crash.
fn look(path: &Path, strict: bool) -> Result<bool> {
    for _ in 0..LOOKS {
        let stamp = Stamp::of(path).map_err(|source| Error::io(path, source))?;
        let settled = stamp.is_settled();
        match pages(path, strict) {
            Ok(()) => return Ok(true),
            Err(error) if settled && stamp.holds() => return Err(damaged(path, error)),
            Err(_) => std::thread::sleep(SETTLED),
        }
    }
    Ok(false)
}

fn pages(path: &Path, strict: bool) -> Result<()> {
    fenced(path, || {
        let io = |source| Error::io(path, source);
        if std::fs::metadata(path).map_err(io)?.len() == 0 {
            return Err(Error::corrupt(path, "the file is empty"));
        }
        let overlay = Overlay::new(path).map_err(io)?;
        let closed = !overlay.is_marked().map_err(|source| from_redb(path, redb::Error::Io(source)))?;
        let fell_back = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&fell_back);
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        builder.set_repair_callback(move |repair| {
            if strict && FELL_BACK.contains(&repair.progress()) {
                noted.store(true, Ordering::Relaxed);
                repair.abort();
            }
        });
        match builder.create_with_backend(overlay) {
            Ok(database) => drop(Quiet::new(database)),
            Err(DatabaseError::RepairAborted) if fell_back.load(Ordering::Relaxed) => {
                return Err(Error::corrupt(path, "the last commit is damaged"));
            }
            Err(error) => return Err(from_redb(path, error)),
        }
        if !closed {
            return Ok(());
        }
        // That has made the list of free pages anew, which whoever opens a file that was closed takes as it is.
        let overlay = Overlay::new(path).map_err(io)?;
        let opened = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(overlay);
        let mut database = Quiet::new(opened.map_err(|error| from_redb(path, error))?);
        match database.check_integrity() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::corrupt(path, "pages that are in use are listed as free, or free ones as in use")),
            Err(error) => Err(from_redb(path, error)),
        }
    })
}

#[cfg(test)]
mod tests {
    use redb::{ReadableTableMetadata, TableDefinition};

    use super::*;

    const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");

    fn made(path: &Path) {
        let database = Database::create(path).unwrap();
        for round in 0..3u64 {
            let write = database.begin_write().unwrap();
            {
                let mut rows = write.open_table(ROWS).unwrap();
                (0..50).for_each(|key| drop(rows.insert(round * 50 + key, [round as u8; 300].as_slice()).unwrap()));
            }
            write.commit().unwrap();
        }
    }

    #[test]
    fn looking_at_a_database_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.redb");
        made(&path);
        let whole = std::fs::read(&path).unwrap();
        Database::check(&path).unwrap();
        let aside = Database::open_aside(&path).unwrap();
        assert!(matches!(Database::open(&path), Err(Error::Locked { .. })));
        assert!(matches!(Database::open_aside(&path), Err(Error::Locked { .. })));
        let rows = |database: &Database| database.begin_read().unwrap().open_table(ROWS).unwrap().len().unwrap();
        assert_eq!((rows(&aside), rows(&Database::open_reader(&path).unwrap())), (150, 150));
        assert!(matches!(aside.begin_write(), Err(Error::Option { .. })));
        drop(aside);
        assert!(std::fs::read(&path).unwrap() == whole, "the file is as it was");
        // One that a killed writer left: it is marked as open.
        let mut marked = whole.clone();
        marked[9] |= 2;
        std::fs::write(&path, &marked).unwrap();
        Database::check(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == marked);
        assert_eq!(rows(&Database::open(&path).unwrap()), 150);
        // With damage it is read as it lies, and nobody writes to it.
        let at = marked.windows(300).rposition(|bytes| bytes == [1; 300]).unwrap();
        marked[at + 7] ^= 1;
        std::fs::write(&path, &marked).unwrap();
        let reader = Database::open_reader(&path).unwrap();
        assert!(reader.damage().is_some() && matches!(reader.check_pages(), Err(Error::Corrupt { .. })));
        assert_eq!((rows(&reader), rows(&Database::open_aside(&path).unwrap())), (150, 150));
        for error in [Database::check(&path).unwrap_err(), Database::open(&path).map(drop).unwrap_err()] {
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        }
        assert!(std::fs::read(&path).unwrap() == marked);
        assert!(matches!(reader.begin_write(), Err(Error::Corrupt { .. })));
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(Database::check(&path), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_check_beside_a_writer_tells_no_damage_that_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.redb");
        made(&path);
        let writer = Database::open(&path).unwrap();
        let reader = Database::open_reader(&path).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0.. {
                    let write = writer.begin_write().unwrap();
                    write.open_table(ROWS).unwrap().insert(round % 150, [round as u8; 900].as_slice()).unwrap();
                    write.commit().unwrap();
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let looked: Vec<_> = (0..5).map(|_| (reader.check_pages(), writer.check_pages())).collect();
            over.store(true, Ordering::Relaxed);
            assert!(looked.iter().all(|(reader, writer)| reader.is_ok() && writer.is_ok()), "{looked:?}");
        });
    }
}
