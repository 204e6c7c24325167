//! Making the database of a store anew, row by row, from one whose pages are damaged.
//!
//! redb writes to a file without looking at what it does not need, so that one with damaged pages is best not written to at all: what a damaged
//! page says is free may be in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::open::{self, FILE, PARTS, SALVAGED, failed, fenced};
use super::records::{BANKS, FINGERPRINTS, LOG, META, NAMES, OPERATIONS, REFERENCES, REFUSED};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::index::database::Database;
use crate::index::quiet::Quiet;
use crate::index::storage::sync_folder;
use crate::index::tables;

/// What the damaged one is called afterwards, before a number.
const DAMAGED: &str = "store.redb.damaged-";

/// Puts a database with all that can be read in the place of the damaged one of the store in `dir`. Returns where the damaged one is.
/// Nobody can write to either meanwhile.
///
/// # Errors
/// [`Error::Corrupt`] if it cannot be read whole, [`Error::Locked`], [`Error::Io`]; the store is what it was.
pub(super) fn rewrite(dir: &Path) -> Result<PathBuf> {
    let (file, fresh) = (dir.join(FILE), dir.join(SALVAGED));
    let io = |source| Error::io(&fresh, source);
    let from = open::aside(dir)?;
    let remove = || match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    remove().map_err(io)?; // of a salvage that was killed
    let made = fenced(&file, || copy(&from, &fresh)).and_then(|()| look_through(dir, &fresh));
    made.and_then(|()| take_place(dir, &file, &fresh)).inspect_err(|_| _ = remove())
}

/// Copies all tables into a new database; those of the index only if all of them can be read, since it can be made anew.
fn copy(from: &Database, fresh: &Path) -> Result<()> {
    let to = Database::create(fresh)?;
    let file = from.path();
    let read = from.begin_read()?;
    let write = Quiet::new(to.begin_write()?);
    tables::copy_table(&read, &write, META)
        .and_then(|()| tables::copy_table(&read, &write, BANKS))
        .and_then(|()| tables::copy_table(&read, &write, REFERENCES))
        .and_then(|()| tables::copy_table(&read, &write, NAMES))
        .and_then(|()| tables::copy_table(&read, &write, FINGERPRINTS))
        .and_then(|()| tables::copy_table(&read, &write, LOG))
        .and_then(|()| tables::copy_table(&read, &write, OPERATIONS))
        .and_then(|()| tables::copy_table(&read, &write, REFUSED))
        .map_err(|error| failed(file, error))?;
    write.into_inner().commit().map_err(|error| failed(fresh, error))?;
    let write = Quiet::new(to.begin_write()?);
    let carried = fenced(file, || tables::carry(&read, &write).map_err(|error| failed(file, error)));
    match carried {
        Ok(()) => write.into_inner().commit().map_err(|error| failed(fresh, error)),
        Err(Error::Corrupt { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the new database opens and is whole.
fn look_through(dir: &Path, fresh: &Path) -> Result<()> {
    Database::check(fresh)?;
    let database = Database::open_reader(fresh)?;
    Index::open_still(&database, &dir.join(PARTS)).map(drop)
}

/// Gives the new database the place of the old one, which is kept under another name.
fn take_place(dir: &Path, file: &Path, fresh: &Path) -> Result<PathBuf> {
    let kept = (1..).map(|number: u32| dir.join(format!("{DAMAGED}{number}"))).find(|path| !path.exists());
    let kept = kept.unwrap_or_else(|| dir.join(DAMAGED));
    // At no moment there is none in its place.
    fs::hard_link(file, &kept)
        .or_else(|_| fs::copy(file, &kept).and_then(|_| fs::File::open(&kept)?.sync_all()))
        .and_then(|()| sync_folder(dir))
        .and_then(|()| fs::rename(fresh, file))
        .and_then(|()| sync_folder(dir))
        .map_err(|source| Error::io(file, source))?;
    Ok(kept)
}
