//! Copying the tables of a store out of a database whose pages are damaged. What cannot be gone through row by row is asked for by its keys, and
//! what other tables tell is made from them.

use std::path::Path;

use redb::{
    Key, ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition, TableHandle, Value,
    WriteTransaction,
};

use super::log::LogRecord;
use super::merge::REMOVED;
use super::open::{failed, fenced};
use super::records::{self, BANKS, FINGERPRINTS, FORMAT, LOG, META, NAMES, OPERATIONS, PLAIN, REFERENCES, REFUSED};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::index::database::Database;
use crate::index::quiet::Quiet;

/// Numbers that are asked for beyond the last one that the counter tells of, at most.
const BEYOND: u64 = 1 << 16;

/// Numbers that are asked for at most: the counter may be damaged too.
const MOST: u64 = 1 << 32;

type Rows = TableDefinition<'static, u64, &'static [u8]>;

/// Copies all tables but those of the index into a database that has none. What is lost is noted.
///
/// # Errors
/// [`Error::Corrupt`] if nothing is left of a table that the others rest on, [`Error::Cancelled`], [`Error::Io`].
pub(super) fn copy(from: &Database, to: &Database, cancel: &Cancel, lost: &mut Vec<Error>) -> Result<()> {
    let read = from.begin_read()?;
    let write = Quiet::new(to.begin_write()?);
    let copying = Copying { read: &read, write: &write, file: from.path(), fresh: to.path(), cancel };
    copying.all(lost)?;
    write.into_inner().commit().map_err(|error| failed(to.path(), error))
}

struct Copying<'c> {
    read: &'c ReadTransaction,
    write: &'c WriteTransaction,
    file: &'c Path,
    fresh: &'c Path,
    cancel: &'c Cancel,
}

impl Copying<'_> {
    fn all(&self, lost: &mut Vec<Error>) -> Result<()> {
        let meta = self.meta()?;
        self.whole(BANKS)?; // the log has those that are missing
        let log = self.numbered(LOG, "sequence")?;
        let references = self.numbered(REFERENCES, "number")?;
        self.numbered(FINGERPRINTS, "number")?; // each that is missing is told when the index is made
        if !meta {
            self.format()?;
        }
        let names = self.whole(NAMES)?;
        if !references || !names {
            self.names(lost)?;
        }
        if !names {
            lost.push(self.damaged("the names of references that cannot be read either are lost"));
        }
        if !log {
            self.gaps(lost)?;
        }
        if !self.whole(OPERATIONS)? {
            self.operations()?;
        }
        if !self.whole(REFUSED)? {
            self.refusals(lost)?;
        }
        Ok(())
    }

    fn damaged(&self, detail: impl Into<String>) -> Error {
        Error::corrupt(self.file, detail)
    }

    /// What is read of the damaged database, which may panic; `None` if that is damaged.
    fn reads<T>(&self, read: impl FnOnce() -> Result<T, redb::Error>) -> Result<Option<T>> {
        match fenced(self.file, || read().map_err(|error| failed(self.file, error))) {
            Err(Error::Corrupt { .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    fn target<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<Quiet<Table<'_, K, V>>> {
        self.write.open_table(definition).map(Quiet::new).map_err(|error| failed(self.fresh, error))
    }

    /// Copies a table row by row. False if that is not all of it.
    fn whole<K: Key + 'static, V: Value + 'static>(&self, definition: TableDefinition<'_, K, V>) -> Result<bool> {
        let mut to = self.target(definition)?;
        let Some(table) = self.reads(|| Ok(self.read.open_table(definition)?))? else { return Ok(false) };
        let Some((counted, mut rows)) = self.reads(|| Ok((table.len()?, table.iter()?)))? else { return Ok(false) };
        let mut copied = 0;
        loop {
            self.cancel.check()?;
            let step = || match rows.next() {
                Some(row) => {
                    let (key, value) = row?;
                    to.insert(key.value(), value.value())?;
                    Ok(true)
                }
                None => Ok(false),
            };
            match self.reads(step)? {
                Some(true) => copied += 1,
                Some(false) => break,
                None => return Ok(false),
            }
        }
        Ok(counted == copied && to.len().map_err(|error| failed(self.fresh, error))? == copied)
    }

    /// Copies a table of numbered rows, of which those that cannot be gone through are asked for by their numbers; `counter` counts them. False
    /// if some may be missing.
    fn numbered(&self, definition: Rows, counter: &str) -> Result<bool> {
        if self.whole(definition)? {
            return Ok(true);
        }
        let Some(table) = self.reads(|| Ok(self.read.open_table(definition)?))? else {
            return Err(self.damaged(format!("the table {} cannot be read", definition.name())));
        };
        let known = self.counter(counter)?;
        let last = self.reads(|| Ok(table.last()?.map(|(number, _)| number.value())))?.flatten();
        let mut to = self.target(definition)?;
        let most = match (last, known) {
            (Some(last), 0) => last,
            (Some(last), _) => last.min(known.saturating_add(BEYOND)),
            (None, _) => known.saturating_add(BEYOND),
        };
        let most = most.min(MOST);
        for number in 1..=most {
            self.cancel.check()?;
            self.reads(|| {
                if let Some(bytes) = table.get(number)? {
                    to.insert(number, bytes.value())?;
                }
                Ok(())
            })?;
        }
        let counted = self.reads(|| Ok(table.len()?))?.unwrap_or(0);
        if counted > 0 && to.is_empty().map_err(|error| failed(self.fresh, error))? {
            return Err(self.damaged(format!("nothing of the table {} can be read", definition.name())));
        }
        Ok(false)
    }

    /// The table `meta`; false if it cannot be read, and then it may have nothing.
    fn meta(&self) -> Result<bool> {
        if self.whole(META)? {
            return Ok(true);
        }
        let mut to = self.target(META)?;
        let Some(table) = self.reads(|| Ok(self.read.open_table(META)?))? else { return Ok(false) };
        for name in ["format", "algorithm", "sequence", "number", PLAIN, REMOVED] {
            let value = self.reads(|| Ok(table.get(name)?.map(|value| value.value())))?.flatten();
            if let Some(value) = value {
                to.insert(name, value).map_err(|error| failed(self.fresh, error))?;
            }
        }
        Ok(false)
    }

    /// What cannot be counted of a table `meta` that could not be read: every record has told that it is of this format.
    fn format(&self) -> Result<()> {
        let wrong = |error| failed(self.fresh, error);
        let (mut meta, fingerprints) = (self.target(META)?, self.target(FINGERPRINTS)?);
        meta.insert("format", FORMAT).map_err(wrong)?;
        meta.insert(REMOVED, 1).map_err(wrong)?;
        if meta.get("algorithm").map_err(wrong)?.is_some() {
            return Ok(());
        }
        for row in fingerprints.iter().map_err(wrong)? {
            let (_, bytes) = row.map_err(wrong)?;
            let fields = records::unseal(bytes.value(), self.file, "fingerprint");
            if let Ok(fingerprint) = fields.and_then(Fingerprint::from_bytes) {
                let code = u64::from(fingerprint.algorithm().code());
                return meta.insert("algorithm", code).map(drop).map_err(wrong);
            }
        }
        Err(self.damaged("the table meta cannot be read"))
    }

    /// A counter that was copied.
    fn counter(&self, name: &str) -> Result<u64> {
        let meta = self.target(META)?;
        let value = meta.get(name).map_err(|error| failed(self.fresh, error))?;
        Ok(value.map_or(0, |value| value.value()))
    }

    /// Names every reference that has none, and notes every name that is of none.
    fn names(&self, lost: &mut Vec<Error>) -> Result<()> {
        let wrong = |error| failed(self.fresh, error);
        let (references, mut names) = (self.target(REFERENCES)?, self.target(NAMES)?);
        for row in references.iter().map_err(wrong)? {
            let (number, bytes) = row.map_err(wrong)?;
            let Ok(record) = records::reference(bytes.value(), number.value(), self.file) else { continue };
            let name = (record.bank.as_str(), record.id.as_str());
            if names.get(name).map_err(wrong)?.is_none() {
                names.insert(name, record.number).map_err(wrong)?;
            }
        }
        for row in names.iter().map_err(wrong)? {
            let (name, number) = row.map_err(wrong)?;
            let ((bank, id), number) = (name.value(), number.value());
            if references.get(number).map_err(wrong)?.is_none() {
                lost.push(self.damaged(format!("reference {number} ({id:?} of {bank:?}) cannot be read")));
            }
        }
        Ok(())
    }

    /// Notes which records of the log are missing: they are numbered without gaps.
    fn gaps(&self, lost: &mut Vec<Error>) -> Result<()> {
        let wrong = |error| failed(self.fresh, error);
        let sequence = self.counter("sequence")?;
        let mut next = 1;
        let mut gap = |from: u64, to: u64| {
            if from < to {
                lost.push(self.damaged(format!("the log's records {from} to {} cannot be read", to - 1)));
            }
        };
        for row in self.target(LOG)?.iter().map_err(wrong)? {
            let number = row.map_err(wrong)?.0.value();
            gap(next, number);
            next = number.saturating_add(1);
        }
        gap(next, sequence.saturating_add(1));
        Ok(())
    }

    /// The callers' operation ids, as the log has them.
    fn operations(&self) -> Result<()> {
        let wrong = |error| failed(self.fresh, error);
        let (log, mut operations) = (self.target(LOG)?, self.target(OPERATIONS)?);
        for row in log.iter().map_err(wrong)? {
            let (sequence, bytes) = row.map_err(wrong)?;
            let record = records::decode::<LogRecord>(bytes.value(), self.file, "log record");
            if let Ok(LogRecord { operation, .. }) = record
                && !operation.starts_with('#')
            {
                operations.insert(operation.as_str(), sequence.value()).map_err(wrong)?;
            }
        }
        Ok(())
    }

    /// The refused pairs, reference by reference.
    fn refusals(&self, lost: &mut Vec<Error>) -> Result<()> {
        let wrong = |error| failed(self.fresh, error);
        let unread = || self.damaged("the table refused cannot be read");
        let table = self.reads(|| Ok(self.read.open_table(REFUSED)?))?.ok_or_else(unread)?;
        let (references, mut to) = (self.target(REFERENCES)?, self.target(REFUSED)?);
        for row in references.iter().map_err(wrong)? {
            let number = row.map_err(wrong)?.0.value();
            self.cancel.check()?;
            let copied = self.reads(|| {
                for row in table.range((number, "")..(number.saturating_add(1), ""))? {
                    let (key, value) = row?;
                    to.insert(key.value(), value.value())?;
                }
                Ok(())
            })?;
            if copied.is_none() {
                lost.push(self.damaged(format!("the refusals of reference {number} cannot be read")));
            }
        }
        Ok(())
    }
}
