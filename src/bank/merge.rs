//! Tidying up: what was removed leaves the disk.
//!
//! The database keeps pages that it does not need any more as free space, with whatever stood in them. So after a removal the
//! free space is overwritten once.

use super::open::failed;
use super::records::META;
use super::store::Store;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// Set in `meta` while there may be something of removed references in the free space.
pub(super) const REMOVED: &str = "removed";

impl Store {
    /// Makes one part of the index, without removed hashes, and overwrites what is left of removed references; of earlier uploads as well. Questions go on meanwhile.
    ///
    /// Pages that another process still reads are left to the next merge.
    ///
    /// # Errors
    /// [`Error::Option`] for a store opened for reading, [`Error::Cancelled`] with the store as it was, and those of the
    /// database.
    pub fn merge(&self, cancel: &Cancel) -> Result<()> {
        if !self.writes() {
            return Err(Error::option("store", "opened for reading; open it for writing to merge"));
        }
        self.database.writing(|| {
            self.index.merge(cancel)?;
            self.overwrite(cancel)
        })?;
        if let Some(uploads) = self.uploads(false)? {
            uploads.merge(cancel)?;
        }
        self.refresh().map(|_| ())
    }

    fn overwrite(&self, cancel: &Cancel) -> Result<()> {
        let removed = self.steady(|| self.reading()?.removed())?;
        if !removed {
            return Ok(());
        }
        self.index.overwrite_free(cancel, |write| {
            write
                .open_table(META)
                .and_then(|mut meta| Ok(meta.insert(REMOVED, 0).map(|_| ())?))
                .map_err(|error| failed(&self.file, error))
        })
    }
}
