//! Making and opening the database of a store, with missing, locked, of another version and damaged told apart.
//!
//! A new store is made whole under another name and then linked to its place, so that a program killed meanwhile leaves
//! no half of one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::records::{BANKS, FINGERPRINTS, FORMAT, LOG, META, NAMES, OPERATIONS, REFERENCES, REFUSED};
use crate::error::{Error, Result};
use crate::hash::Algorithm;
use crate::index::database::Database;
pub(crate) use crate::index::database::{fenced, from_redb as failed};
use crate::index::storage::{make_folder, put_in_place, sync_folder, sync_holder};

/// The database within a store.
pub(crate) const FILE: &str = "store.redb";
/// The database that a salvage makes, until it is whole.
pub(crate) const SALVAGED: &str = "store.redb.salvage";
/// Within the name of a store that is being made.
const FRESH: &str = ".new";
/// The folder of the index's parts within a store.
pub(crate) const PARTS: &str = "parts";

/// Opens the database of the store in `dir` for writing.
pub(crate) fn writer(dir: &Path) -> Result<Database> {
    let database = checked(Database::open(&present(dir)?)?)?;
    sweep(dir);
    // Before anything is reported as added: whoever made the store may have been killed before its name was durable.
    sync_folder(dir).and_then(|()| sync_holder(dir)).map_err(|error| Error::io(dir, error))?;
    Ok(database)
}

/// Takes away stores that were being made or salvaged here when their programs were killed.
fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let begun = |name: &str| name.starts_with(FILE) && name.contains(FRESH) || name == SALVAGED;
        if name.to_str().is_some_and(begun) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Opens the database of the store in `dir` for reading only.
pub(crate) fn reader(dir: &Path) -> Result<Database> {
    checked(Database::open_reader(&present(dir)?)?)
}

/// Compares the pages of the database of the store in `dir` with their checksums, and changes nothing.
pub(crate) fn check(dir: &Path) -> Result<()> {
    Database::check(&present(dir)?)
}

/// Opens the database of the store in `dir` as [`Database::open_aside`] does. What cannot be read of it may be its format.
pub(crate) fn aside(dir: &Path) -> Result<Database> {
    let database = Database::open_aside(&present(dir)?)?;
    match check_format(&database) {
        Err(Error::Corrupt { .. }) => Ok(database),
        checked => checked.map(|()| database),
    }
}

/// Makes an empty store in `dir` unless there is one.
pub(crate) fn create(dir: &Path, algorithm: Algorithm) -> Result<()> {
    let file = dir.join(FILE);
    if is_there(dir)? {
        return Ok(());
    }
    make_folder(dir).map_err(|error| Error::io(dir, error))?;
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let fresh = dir.join(format!("{FILE}.{}-{count}{FRESH}", std::process::id()));
    let _ = fs::remove_file(&fresh); // half of one, by a process of this number
    let made =
        make(&fresh, algorithm).and_then(|()| put_in_place(&fresh, &file).map_err(|error| Error::io(&file, error)));
    let _ = fs::remove_file(&fresh);
    made
}

fn make(file: &Path, algorithm: Algorithm) -> Result<()> {
    let database = Database::create(file)?;
    let write = database.begin_write()?;
    write
        .open_table(META)
        .and_then(|mut meta| {
            meta.insert("format", FORMAT)?;
            Ok(meta.insert("algorithm", u64::from(algorithm.code())).map(|_| ())?)
        })
        .and_then(|()| write.open_table(BANKS).map(|_| ()))
        .and_then(|()| write.open_table(REFERENCES).map(|_| ()))
        .and_then(|()| write.open_table(NAMES).map(|_| ()))
        .and_then(|()| write.open_table(FINGERPRINTS).map(|_| ()))
        .and_then(|()| write.open_table(LOG).map(|_| ()))
        .and_then(|()| write.open_table(OPERATIONS).map(|_| ()))
        .and_then(|()| write.open_table(REFUSED).map(|_| ()))
        .map_err(|error| failed(file, error))?;
    write.commit().map_err(|error| failed(file, error))
}

/// Whether there is a store in `dir`.
pub(crate) fn is_there(dir: &Path) -> Result<bool> {
    let file = dir.join(FILE);
    file.try_exists().map_err(|error| Error::io(&file, error))
}

/// The database of the store in `dir`, which has to be there and not empty.
pub(crate) fn present(dir: &Path) -> Result<PathBuf> {
    let file = dir.join(FILE);
    let what = match fs::metadata(&file) {
        Ok(found) if found.len() > 0 => return Ok(file),
        Ok(_) => return Err(Error::corrupt(file, "the file is empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && dir.is_dir() => {
            "there is a folder, but no store in it"
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => "there is no store",
        Err(error) => return Err(Error::io(file, error)),
    };
    Err(Error::io(dir, io::Error::new(io::ErrorKind::NotFound, what)))
}

/// Refuses a database of another format, politely.
fn checked(database: Database) -> Result<Database> {
    check_format(&database).map(|()| database)
}

fn check_format(database: &Database) -> Result<()> {
    let file = database.path().to_path_buf();
    let other = |got: String| Error::Format { path: file.clone(), expected: format!("store format {FORMAT}"), got };
    let format = fenced(&file, || {
        let read = database.begin_read()?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_) | redb::TableError::TableTypeMismatch { .. }) => {
                return Err(other("another program's database".into()));
            }
            Err(error) => return Err(failed(&file, error)),
        };
        Ok(meta.get("format").map_err(|error| failed(&file, error))?.map(|found| found.value()))
    })?;
    match format {
        Some(FORMAT) => Ok(()),
        Some(newer) if newer > FORMAT => Err(other(format!("format {newer}, written by a newer program"))),
        Some(older) => Err(other(format!("format {older}, written by an older program"))),
        None => Err(other("none".into())),
    }
}
