//! Looking for damage, and saving what is whole.

use std::io::Read;
use std::sync::Arc;

use super::Index;
use super::database::fenced;
use super::tables::{self, Meta};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// What [`Index::verify`] found.
#[derive(Debug, Default)]
pub struct Report {
    /// Parts looked at.
    pub parts: u64,
    /// Entries in the parts and in the database that are whole or lie in a part that is.
    pub entries: u64,
    /// Every damage: which file, and what in it.
    pub damage: Vec<Error>,
}

impl Report {
    /// Whether there is no damage.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }
}

/// What [`Index::salvage`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Entries that were written anew.
    pub saved: u64,
    /// Entries that are gone.
    pub lost: u64,
}

/// Bytes that are read at once, as many as a large page has.
const PIECE: usize = 1 << 21;

impl Index {
    /// Brings all parts into memory and compares them with their checksums, so that no later question waits for either: for a process that
    /// will ask many, right after it has opened the index. On Linux what is read so comes in large pages, in which look-ups are up to
    /// twice as fast as in what questions bring in themselves; what they have brought in before stays as it is. Needs as much free memory as the parts have bytes
    /// ([`Stats::bytes`](super::Stats::bytes)), and is of no use with less.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; otherwise the first of what cannot be read or is damaged, after all else was brought in.
    pub fn preload(&self, cancel: &Cancel) -> Result<()> {
        let (mut first, mut piece) = (Ok(()), vec![0; PIECE]);
        for slot in &self.snapshot().parts {
            let path = self.shared.storage.path(&slot.record.name());
            let mut through = || -> Result<()> {
                let part = slot.part.as_ref().map_err(|error| super::snapshot::copy(error))?;
                let io = |source| Error::io(&path, source);
                if let Some(mut file) = self.shared.storage.through(&slot.record.name()).map_err(io)? {
                    while file.read(&mut piece).map_err(io)? > 0 {
                        cancel.check()?;
                    }
                }
                let mut damage = part.damage();
                let met = damage.next();
                damage.for_each(drop);
                met.map_or(Ok(()), Err)
            };
            match through() {
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                outcome => first = first.and(outcome),
            }
        }
        first
    }

    /// Reads everything and compares it with its checksums, names and order.
    ///
    /// The database's own pages are checked when it is opened after a crash, and by
    /// [`DiskIndex::check`](super::DiskIndex::check).
    ///
    /// # Errors
    /// [`Error::Io`] if the database cannot be read at all; damage is in the report.
    pub fn verify(&self) -> Result<Report> {
        let mut report = Report::default();
        // What is damaged of the tables is told below.
        match self.refresh() {
            Err(error) if !matches!(error, Error::Corrupt { .. }) => report.damage.push(error),
            _ => {}
        }
        let snapshot = self.snapshot();
        for slot in &snapshot.parts {
            report.parts += 1;
            let part = match &slot.part {
                Ok(part) => part,
                Err(error) => {
                    report.damage.push(super::snapshot::copy(error));
                    continue;
                }
            };
            // While a merge makes postings, what answers is in memory: look at the file.
            let file;
            let part = if part.raw().len() as u64 == slot.record.bytes {
                part
            } else {
                match self.shared.open_part(&slot.record) {
                    Ok(opened) => {
                        file = Arc::new(opened);
                        &file
                    }
                    Err(error) => {
                        report.damage.push(error);
                        continue;
                    }
                }
            };
            let before = report.damage.len();
            report.damage.extend(part.damage());
            if report.damage.len() == before {
                if let Err(error) = part.check_contents() {
                    report.damage.push(error);
                } else if blake3::hash(part.raw()).as_bytes() != &slot.record.digest {
                    report.damage.push(Error::corrupt(part.path(), "it is not what its name says"));
                } else {
                    report.entries += slot.record.entries;
                }
            }
        }
        let database = &self.shared.database;
        fenced(database.path(), || database.steady(|| database.begin_read()))?;
        let tables = fenced(database.path(), || {
            database.steady(|| {
                let txn = database.begin_read()?;
                let (mut entries, mut damage, mut used) = (0, Vec::new(), 0);
                let meta = Meta::read(database, &txn)?;
                tables::batches(database, &txn, 0, |number, batch| {
                    used = used.max(number.saturating_add(1));
                    batch.map_or_else(|error| damage.push(error), |batch| entries += batch.len() as u64);
                    Ok(())
                })?;
                tables::tombstones(database, &txn, 0, |number, owner| {
                    used = used.max(number.saturating_add(1));
                    damage.extend(owner.err());
                    Ok(())
                })?;
                tables::parts(database, &txn, |record| {
                    used = used.max(record.as_ref().map_or(0, |record| record.number.saturating_add(1)));
                    damage.extend(record.err());
                    Ok(())
                })?;
                used = used.max(meta.flushed).max(meta.cleared);
                if meta.next < used {
                    damage.push(tables::behind(database, meta.next, used));
                }
                Ok((entries, damage))
            })
        });
        match tables {
            Ok((entries, damage)) => {
                report.entries += entries;
                report.damage.extend(damage);
            }
            Err(error) => report.damage.push(error),
        }
        Ok(report)
    }

    /// Writes what is whole of each damaged part into a new one and forgets the rest. Of a part that is gone, cut or lengthened
    /// nothing is whole.
    ///
    /// # Errors
    /// [`Error::Option`] in a process that only reads; [`Error::Io`] or [`Error::Format`] if a part cannot be opened now or is of
    /// another version, and then nothing was forgotten.
    pub fn salvage(&self) -> Result<Salvaged> {
        let (saved, lost) = self.shared.database.writing(|| self.shared.salvage())?;
        Ok(Salvaged { saved, lost })
    }
}
