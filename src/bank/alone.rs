//! One salvage of a store at a time. The lock is on a file of its own: that of the database goes with the file that a salvage puts another in
//! the place of.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::index::storage::identity;

/// What is locked, while a salvage goes on.
const LOCK: &str = "store.redb.salvaging";

/// Keeps other salvages of the store out until it is dropped.
pub(super) struct Alone {
    path: PathBuf,
    _locked: File,
}

impl Alone {
    /// # Errors
    /// [`Error::Locked`] while another process or thread salvages the store in `dir`, [`Error::Io`].
    pub(super) fn enter(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK);
        let io = |source| Error::io(&path, source);
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::Locked { path: dir.to_path_buf() }),
                // A file system without locks.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
            // The one before may have taken the file away between these two steps.
            if identity(file.metadata()) == identity(fs::metadata(&path)) {
                return Ok(Self { path, _locked: file });
            }
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_locked_out_until_the_first_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let first = Alone::enter(folder.path()).unwrap();
        assert!(matches!(Alone::enter(folder.path()), Err(Error::Locked { .. })));
        drop(first);
        drop(Alone::enter(folder.path()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }
}
