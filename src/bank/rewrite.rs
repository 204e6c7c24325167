//! Making the database of a store anew from one whose pages are damaged, with its index.
//!
//! redb writes to a file without looking at what it does not need, so that one with damaged pages is best not written to at all: what a damaged
//! page says is free may be in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::mend::{Policies, mend};
use super::open::{self, FILE, PARTS, SALVAGED, fenced};
use super::rescue::copy;
use super::salvage::{Salvaged, fill, old_index};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::index::database::Database;
use crate::index::storage::sync_folder;

/// What the damaged one is called afterwards, before a number.
const DAMAGED: &str = "store.redb.damaged-";

/// Puts a database with all that can be read, and with an index of it, in the place of the damaged one of the store in `dir`. Nobody can write to
/// either meanwhile.
///
/// # Errors
/// [`Error::Corrupt`] if too little of it can be read, [`Error::Locked`], [`Error::Cancelled`], [`Error::Io`]; the store is what it was.
pub(super) fn rewrite(dir: &Path, cancel: &Cancel) -> Result<Salvaged> {
    let (file, fresh) = (dir.join(FILE), dir.join(SALVAGED));
    let mut done = Salvaged::begun();
    let from = open::aside(dir)?;
    let remove = || match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    remove().map_err(|source| Error::io(&fresh, source))?; // of a salvage that was killed
    let made = fenced(&file, || make(&from, &fresh, &dir.join(PARTS), cancel, &mut done));
    let kept = made
        .and_then(|()| look_through(dir, &fresh))
        .and_then(|()| take_place(dir, &file, &fresh))
        .inspect_err(|_| _ = remove())?;
    done.replaced.push(kept);
    drop(from);
    // The parts of the index before go when it is opened for writing, now or by whoever was quicker.
    let _ = open::writer(dir).and_then(|database| Index::open_still(&database, &dir.join(PARTS)).map(drop));
    Ok(done)
}

fn make(from: &Database, fresh: &Path, parts: &Path, cancel: &Cancel, done: &mut Salvaged) -> Result<()> {
    let to = Database::create(fresh)?;
    copy(from, &to, cancel, &mut done.problems)?;
    let policies = Policies::read(&to, &mut done.problems)?;
    mend(&to, &policies, done)?;
    let old = old_index(from, parts, &mut done.damage)?;
    fill(&to, &policies, old.as_ref(), parts, cancel, done).map(drop)
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
