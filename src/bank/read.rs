//! The reading side: one consistent view of all tables.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata};

use super::config::BankConfig;
use super::log::LogRecord;
use super::merge::REMOVED;
use super::open::{failed, fenced};
use super::records::{self, BANKS, FINGERPRINTS, LOG, META, NAMES, PLAIN, REFERENCES, REFUSED};
use super::reference::ReferenceRecord;
use super::refuse::Refusal;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::hash::Algorithm;
use crate::index::database::Database;

/// Rows that are read at a time.
const TOGETHER: usize = 64;

/// The names of banks whose policies cannot be read, with what is wrong.
pub(crate) type Damaged = Vec<(String, Error)>;

/// A few rows, and the first key of those that follow; `None` at the end.
type Few<K, T> = (VecDeque<Result<T>>, Option<K>);

/// Rows of a table of a file that may be damaged: after an error of the database there are no more. They are of one moment, unless
/// the database could not be written meanwhile and was opened anew: then they go on after the last one, as of the last change.
struct Rows<K, T, F> {
    database: Database,
    reading: Option<Reading>,
    next: Option<K>,
    few: F,
    read: VecDeque<Result<T>>,
}

impl<K, T, F: Fn(&Reading, &K, usize) -> Result<Few<K, T>>> Rows<K, T, F> {
    fn few(&mut self, from: &K, most: usize) -> Result<Few<K, T>> {
        let Self { database, reading: held, few, .. } = self;
        fenced(database.path(), || {
            database.steady(|| {
                let reading = held.take().map_or_else(|| Reading::begin(database), Ok)?;
                let read = few(&reading, from, most)?;
                *held = Some(reading);
                Ok(read)
            })
        })
    }
}

impl<K, T, F: Fn(&Reading, &K, usize) -> Result<Few<K, T>>> Iterator for Rows<K, T, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() {
            let from = self.next.take()?;
            // Those before a damaged page come one by one.
            match self.few(&from, TOGETHER).or_else(|_| self.few(&from, 1)) {
                Ok(read) => (self.read, self.next) = read,
                Err(error) => return Some(Err(error)),
            }
        }
        self.read.pop_front()
    }
}

/// What the store held at one moment.
pub(crate) struct Reading {
    database: Database,
    read: ReadTransaction,
}

impl Reading {
    pub(crate) fn begin(database: &Database) -> Result<Self> {
        Ok(Self { read: database.begin_read()?, database: database.clone() })
    }

    fn file(&self) -> &Path {
        self.database.path()
    }

    fn failed(&self, error: impl Into<redb::Error>) -> Error {
        failed(self.file(), error)
    }

    fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        definition: redb::TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>> {
        self.read.open_table(definition).map_err(|error| self.failed(error))
    }

    /// A number of the table `meta`, 0 if it is not there.
    pub(crate) fn counter(&self, name: &str) -> Result<u64> {
        let found = self.table(META)?.get(name).map_err(|error| self.failed(error))?;
        Ok(found.map_or(0, |value| value.value()))
    }

    /// The sequence number of the last change, 0 if there was none.
    pub(crate) fn sequence(&self) -> Result<u64> {
        self.counter("sequence")
    }

    /// Whether any reference is known by plain hashes, which only PDQ can be asked about.
    pub(crate) fn plain(&self) -> Result<bool> {
        Ok(self.counter(PLAIN)? > 0)
    }

    /// Whether there may be something of removed references in the free space.
    pub(crate) fn removed(&self) -> Result<bool> {
        Ok(self.counter(REMOVED)? > 0)
    }

    /// The hash that the store is built on.
    pub(crate) fn algorithm(&self) -> Result<Algorithm> {
        let code = self.table(META)?.get("algorithm").map_err(|error| self.failed(error))?;
        records::algorithm(code.map(|code| code.value()), self.file())
    }

    /// All banks in the order of their names; and the names of those whose records are damaged, with what is wrong.
    pub(crate) fn banks(&self) -> Result<(Vec<BankConfig>, Damaged)> {
        let (mut banks, mut damaged) = (Vec::new(), Vec::new());
        for row in self.table(BANKS)?.range::<&str>(..).map_err(|error| self.failed(error))? {
            let (name, bytes) = row.map_err(|error| self.failed(error))?;
            let name = name.value();
            match records::decode::<BankConfig>(bytes.value(), self.file(), format_args!("bank {name:?}")) {
                Ok(bank) if bank.name == name => banks.push(bank),
                Ok(bank) => {
                    let detail = format!("bank {:?} is kept under the name {name:?}", bank.name);
                    damaged.push((name.to_string(), Error::corrupt(self.file(), detail)));
                }
                Err(error @ (Error::Corrupt { .. } | Error::Format { .. })) => damaged.push((name.to_string(), error)),
                Err(error) => return Err(error),
            }
        }
        Ok((banks, damaged))
    }

    /// The error for a bank whose policy is not there, although it has references or the log does not say that it was removed.
    pub(crate) fn bankless(&self, name: &str) -> Error {
        Error::corrupt(self.file(), format!("the policy of bank {name:?} is lost"))
    }

    pub(crate) fn number(&self, bank: &str, id: &str) -> Result<Option<u64>> {
        let found = self.table(NAMES)?.get((bank, id)).map_err(|error| self.failed(error))?;
        Ok(found.map(|number| number.value()))
    }

    /// The reference of this name.
    pub(crate) fn named(&self, bank: &str, id: &str) -> Result<Option<ReferenceRecord>> {
        let Some(number) = self.number(bank, id)? else { return Ok(None) };
        let record = self.reference(number)?.ok_or_else(|| self.unnamed(bank, id))?;
        records::is_named(&record, bank, id, self.file())?;
        Ok(Some(record))
    }

    /// The error for a name of no reference.
    fn unnamed(&self, bank: &str, id: &str) -> Error {
        Error::corrupt(self.file(), format!("reference {:?} is named but not there", (bank, id)))
    }

    /// The numbers of all references.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>> {
        let wrong = |error| self.failed(error);
        let rows = self.table(REFERENCES)?.range::<u64>(..).map_err(wrong)?;
        rows.map(|row| Ok(row.map_err(wrong)?.0.value())).collect()
    }

    /// The numbers of all references, those that are named and not there among them.
    pub(crate) fn known_numbers(&self) -> Result<BTreeSet<u64>> {
        let mut numbers: BTreeSet<u64> = self.numbers()?.into_iter().collect();
        for row in self.table(NAMES)?.range::<(&str, &str)>(..).map_err(|error| self.failed(error))? {
            numbers.insert(row.map_err(|error| self.failed(error))?.1.value());
        }
        Ok(numbers)
    }

    /// How many references are named.
    pub(crate) fn names(&self) -> Result<u64> {
        self.table(NAMES)?.len().map_err(|error| self.failed(error))
    }

    pub(crate) fn reference(&self, number: u64) -> Result<Option<ReferenceRecord>> {
        let found = self.table(REFERENCES)?.get(number).map_err(|error| self.failed(error))?;
        found.map(|bytes| records::reference(bytes.value(), number, self.file())).transpose()
    }

    /// The error for a reference whose hashes are in the index while it is nowhere.
    pub(crate) fn lost(&self, number: u64) -> Error {
        Error::corrupt(self.file(), format!("reference {number} is in the index and not in the tables"))
    }

    pub(crate) fn fingerprint(&self, number: u64) -> Result<Option<Fingerprint>> {
        let found = self.table(FINGERPRINTS)?.get(number).map_err(|error| self.failed(error))?;
        found
            .map(|bytes| {
                let what = format!("fingerprint of reference {number}");
                let bytes = records::unseal(bytes.value(), self.file(), &what)?;
                Fingerprint::from_bytes(bytes).map_err(|error| match error {
                    Error::Corrupt { detail, .. } => Error::corrupt(self.file(), format!("{what}: {detail}")),
                    other => other.at(self.file()),
                })
            })
            .transpose()
    }

    pub(crate) fn refusals(&self, number: u64) -> Result<Vec<(String, Refusal)>> {
        let wrong = |error| self.failed(error);
        let mut refusals = Vec::new();
        for row in self.table(REFUSED)?.range((number, "")..(number + 1, "")).map_err(wrong)? {
            let (key, bytes) = row.map_err(wrong)?;
            let refusal = records::decode(bytes.value(), self.file(), format_args!("refusal of reference {number}"))?;
            refusals.push((key.value().1.to_string(), refusal));
        }
        Ok(refusals)
    }

    pub(crate) fn counts(&self) -> Result<(u64, u64)> {
        let wrong = |error| self.failed(error);
        Ok((self.table(REFERENCES)?.len().map_err(wrong)?, self.table(LOG)?.len().map_err(wrong)?))
    }

    /// All references in the order in which they were added, or those of one bank in the order of their ids.
    pub(crate) fn references(self, bank: Option<&str>) -> Result<Box<dyn Iterator<Item = Result<ReferenceRecord>>>> {
        let Some(bank) = bank.map(str::to_string) else {
            return Ok(self.rows(0, |this, from, most| {
                let rows = this.table(REFERENCES)?.range(*from..).map_err(|error| this.failed(error))?;
                this.few(rows, most, |(number, bytes)| {
                    let number = number.value();
                    Ok(Some((number.checked_add(1), records::reference(bytes.value(), number, this.file()))))
                })
            }));
        };
        Ok(self.rows(String::new(), move |this, from, most| {
            let rows =
                this.table(NAMES)?.range((bank.as_str(), from.as_str())..).map_err(|error| this.failed(error))?;
            this.few(rows, most, |(key, number)| {
                let (found, id) = key.value();
                if found != bank {
                    return Ok(None);
                }
                let record = this.reference(number.value()).and_then(|record| {
                    let record = record.ok_or_else(|| this.unnamed(found, id))?;
                    records::is_named(&record, found, id, this.file())?;
                    Ok(record)
                });
                Ok(Some((Some(format!("{id}\0")), alone(record)?))) // the least name after it
            })
        }))
    }

    pub(crate) fn log(self, from: u64) -> Result<Box<dyn Iterator<Item = Result<LogRecord>>>> {
        Ok(self.rows(from, |this, from, most| {
            let rows = this.table(LOG)?.range(*from..).map_err(|error| this.failed(error))?;
            this.few(rows, most, |(sequence, bytes)| {
                let sequence = sequence.value();
                let record = records::decode(bytes.value(), this.file(), format_args!("log record {sequence}"));
                Ok(Some((sequence.checked_add(1), record)))
            })
        }))
    }

    /// The rows from a key on, a few at a time.
    fn rows<K: 'static, T: 'static>(
        self,
        from: K,
        few: impl Fn(&Self, &K, usize) -> Result<Few<K, T>> + 'static,
    ) -> Box<dyn Iterator<Item = Result<T>>> {
        let database = self.database.clone();
        Box::new(Rows { database, reading: Some(self), next: Some(from), few, read: VecDeque::new() })
    }

    /// Each of at most so many rows as `each` reads it, with the key after it; `None` ends them.
    fn few<R, K, T>(
        &self,
        rows: impl Iterator<Item = Result<R, redb::StorageError>>,
        most: usize,
        each: impl Fn(R) -> Result<Option<(Option<K>, Result<T>)>>,
    ) -> Result<Few<K, T>> {
        let (mut read, mut next) = (VecDeque::new(), None);
        for row in rows.take(most) {
            let Some((after, record)) = each(row.map_err(|error| self.failed(error))?)? else { break };
            read.push_back(record);
            next = after;
        }
        let full = read.len() == most;
        Ok((read, next.filter(|_| full)))
    }
}

/// Damage of one record, after which others can be read.
fn alone<T>(record: Result<T>) -> Result<Result<T>> {
    match record {
        Err(error @ (Error::Corrupt { .. } | Error::Format { .. })) => Ok(Err(error)),
        record => record.map(Ok),
    }
}
