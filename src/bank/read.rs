//! The reading side: one consistent view of all tables.

use std::path::{Path, PathBuf};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use super::config::BankConfig;
use super::log::LogRecord;
use super::open::{failed, fenced};
use super::records::{self, BANKS, FINGERPRINTS, LOG, META, NAMES, PLAIN, REFERENCES, REFUSED};
use super::reference::ReferenceRecord;
use super::refuse::Refusal;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::hash::Algorithm;
use crate::index::database::Database;

/// Rows of a table of a file that may be damaged: after a panic of the database there is one error and no more.
struct Rows<I> {
    file: PathBuf,
    rows: Option<I>,
}

impl<T, I: Iterator<Item = Result<T>>> Iterator for Rows<I> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rows = self.rows.take()?;
        let next = fenced(&self.file, || {
            let next = rows.next();
            self.rows = Some(rows);
            Ok(next)
        });
        next.unwrap_or_else(|error| Some(Err(error)))
    }
}

/// What the store held at one moment.
pub(crate) struct Reading {
    file: PathBuf,
    read: ReadTransaction,
}

impl Reading {
    pub(crate) fn begin(database: &Database, file: &Path) -> Result<Self> {
        Ok(Self { file: file.to_path_buf(), read: database.begin_read()? })
    }

    fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        definition: redb::TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>> {
        self.read.open_table(definition).map_err(|error| failed(&self.file, error))
    }

    /// The sequence number of the last change, 0 if there was none.
    pub(crate) fn sequence(&self) -> Result<u64> {
        let found = self.table(META)?.get("sequence").map_err(|error| failed(&self.file, error))?;
        Ok(found.map_or(0, |value| value.value()))
    }

    /// Whether any reference is known by plain hashes, which only PDQ can be asked about.
    pub(crate) fn plain(&self) -> Result<bool> {
        let found = self.table(META)?.get(PLAIN).map_err(|error| failed(&self.file, error))?;
        Ok(found.is_some_and(|count| count.value() > 0))
    }

    /// The hash that the store is built on.
    pub(crate) fn algorithm(&self) -> Result<Algorithm> {
        let code = self.table(META)?.get("algorithm").map_err(|error| failed(&self.file, error))?;
        records::algorithm(code.map(|code| code.value()), &self.file)
    }

    pub(crate) fn banks(&self) -> Result<Vec<BankConfig>> {
        let mut banks = Vec::new();
        for row in self.table(BANKS)?.range::<&str>(..).map_err(|error| failed(&self.file, error))? {
            let (name, bytes) = row.map_err(|error| failed(&self.file, error))?;
            banks.push(records::decode(bytes.value(), &self.file, format_args!("bank {:?}", name.value()))?);
        }
        Ok(banks)
    }

    pub(crate) fn number(&self, bank: &str, id: &str) -> Result<Option<u64>> {
        let found = self.table(NAMES)?.get((bank, id)).map_err(|error| failed(&self.file, error))?;
        Ok(found.map(|number| number.value()))
    }

    /// The numbers of all references.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>> {
        let wrong = |error| failed(&self.file, error);
        let rows = self.table(REFERENCES)?.range::<u64>(..).map_err(wrong)?;
        rows.map(|row| Ok(row.map_err(wrong)?.0.value())).collect()
    }

    pub(crate) fn reference(&self, number: u64) -> Result<Option<ReferenceRecord>> {
        let found = self.table(REFERENCES)?.get(number).map_err(|error| failed(&self.file, error))?;
        found.map(|bytes| records::reference(bytes.value(), number, &self.file)).transpose()
    }

    /// The error for a reference whose hashes are in the index while it is nowhere.
    pub(crate) fn lost(&self, number: u64) -> Error {
        Error::corrupt(&self.file, format!("reference {number} is in the index and not in the tables"))
    }

    pub(crate) fn fingerprint(&self, number: u64) -> Result<Option<Fingerprint>> {
        let found = self.table(FINGERPRINTS)?.get(number).map_err(|error| failed(&self.file, error))?;
        found
            .map(|bytes| {
                let what = format!("fingerprint of reference {number}");
                let bytes = records::unseal(bytes.value(), &self.file, &what)?;
                Fingerprint::from_bytes(bytes).map_err(|error| match error {
                    Error::Corrupt { detail, .. } => Error::corrupt(&self.file, format!("{what}: {detail}")),
                    other => other.at(&self.file),
                })
            })
            .transpose()
    }

    pub(crate) fn refusals(&self, number: u64) -> Result<Vec<(String, Refusal)>> {
        let wrong = |error| failed(&self.file, error);
        let mut refusals = Vec::new();
        for row in self.table(REFUSED)?.range((number, "")..(number + 1, "")).map_err(wrong)? {
            let (key, bytes) = row.map_err(wrong)?;
            let refusal = records::decode(bytes.value(), &self.file, format_args!("refusal of reference {number}"))?;
            refusals.push((key.value().1.to_string(), refusal));
        }
        Ok(refusals)
    }

    pub(crate) fn counts(&self) -> Result<(u64, u64)> {
        let wrong = |error| failed(&self.file, error);
        Ok((self.table(REFERENCES)?.len().map_err(wrong)?, self.table(LOG)?.len().map_err(wrong)?))
    }

    /// All references in the order in which they were added, or those of one bank in the order of their ids.
    pub(crate) fn references(self, bank: Option<&str>) -> Result<Box<dyn Iterator<Item = Result<ReferenceRecord>>>> {
        let wrong = |error| failed(&self.file, error);
        let Some(bank) = bank.map(str::to_string) else {
            let rows = self.table(REFERENCES)?.range::<u64>(..).map_err(wrong)?;
            return Ok(
                self.rows(rows, |this, (number, bytes)| records::reference(bytes.value(), number.value(), &this.file))
            );
        };
        let rows = self.table(NAMES)?.range((bank.as_str(), "")..).map_err(wrong)?;
        let rows = rows.take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.value().0 == bank));
        Ok(self.rows(rows, |this, (key, number)| {
            this.reference(number.value())?.ok_or_else(|| {
                Error::corrupt(&this.file, format!("reference {:?} is named but not there", key.value()))
            })
        }))
    }

    fn rows<R: 'static, T: 'static>(
        self,
        rows: impl Iterator<Item = Result<R, redb::StorageError>> + 'static,
        read: impl Fn(&Self, R) -> Result<T> + 'static,
    ) -> Box<dyn Iterator<Item = Result<T>>> {
        let file = self.file.clone();
        let rows = rows.map(move |row| read(&self, row.map_err(|error| failed(&self.file, error))?));
        Box::new(Rows { file, rows: Some(rows) })
    }

    pub(crate) fn log(self, from: u64) -> Result<Box<dyn Iterator<Item = Result<LogRecord>>>> {
        let rows = self.table(LOG)?.range(from..).map_err(|error| failed(&self.file, error))?;
        Ok(self.rows(rows, |this, (sequence, bytes)| {
            records::decode(bytes.value(), &this.file, format_args!("log record {}", sequence.value()))
        }))
    }
}
