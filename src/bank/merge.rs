//! Tidying up: what was removed leaves the disk.
//!
//! The database writes changed pages to new places and keeps the old ones as free space, with whatever stood in them. So
//! after a removal the free space is filled with nothing once, and given back.

use redb::TableDefinition;

use super::open::{failed, fenced};
use super::records::META;
use super::store::Store;
use crate::cancel::Cancel;
use crate::error::{Error, Result};

const FILL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("fill");
/// A value that takes a page of the database for itself.
const PAGE_OF_NOTHING: [u8; 3_900] = [0; 3_900];
/// Set in `meta` while there may be something of removed references in the free space.
pub(super) const REMOVED: &str = "removed";

impl Store {
    /// Makes one part of the index, without removed hashes, and overwrites what is left of removed references. Questions go on meanwhile.
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
        fenced(&self.file, || {
            self.index.merge(cancel)?;
            self.overwrite(cancel)
        })?;
        self.refresh().map(|_| ())
    }

    fn overwrite(&self, cancel: &Cancel) -> Result<()> {
        let wrong = |error| failed(&self.file, error);
        let removed = self.database.begin_read()?.open_table(META).map_err(|error| failed(&self.file, error))?;
        if removed.get(REMOVED).map_err(wrong)?.is_none_or(|removed| removed.value() == 0) {
            return Ok(());
        }
        drop(removed);
        // Two commits let go of what the last changes have left behind.
        for _ in 0..2 {
            let write = self.database.begin_write()?;
            write.commit().map_err(|error| failed(&self.file, error))?;
        }
        let write = self.database.begin_write()?;
        let stats = write.stats().map_err(wrong)?;
        let length = std::fs::metadata(&self.file).map_err(|error| Error::io(&self.file, error))?.len();
        let free = (length / stats.page_size() as u64).saturating_sub(stats.allocated_pages());
        {
            let mut fill = write.open_table(FILL).map_err(|error| failed(&self.file, error))?;
            for page in 0..free {
                if cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                fill.insert(page, PAGE_OF_NOTHING.as_slice()).map_err(wrong)?;
            }
        }
        write.commit().map_err(|error| failed(&self.file, error))?;
        let write = self.database.begin_write()?;
        write.delete_table(FILL).map_err(|error| failed(&self.file, error))?;
        write
            .open_table(META)
            .and_then(|mut meta| Ok(meta.insert(REMOVED, 0).map(|_| ())?))
            .map_err(|error| failed(&self.file, error))?;
        write.commit().map_err(|error| failed(&self.file, error))
    }
}
