//! One open write transaction: the tables, and the single steps that mutations are made of.

use std::fmt::Display;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{ReadableTable, Table, WriteTransaction};

use super::config::BankConfig;
use super::log::{Change, LogRecord};
use super::merge::REMOVED;
use super::open::failed;
use super::records::{
    self, BANKS, FINGERPRINTS, LOG, META, NAMES, OPERATIONS, PLAIN, REFERENCES, REFUSED, same_algorithm,
};
use super::reference::ReferenceRecord;
use super::refuse::Refusal;
use crate::error::{Error, Result};
use crate::hash::Algorithm;
use crate::index::quiet::Quiet;
use crate::index::{Entry, Index};

/// Entries are handed to the index in portions of this size.
const PORTION: usize = 1 << 16;

/// Who does it, and under which id.
#[derive(Debug, Clone, Default)]
pub(crate) struct By {
    pub(crate) author: String,
    pub(crate) operation: Option<String>,
}

impl By {
    pub(crate) fn author(author: &str) -> Self {
        Self { author: author.to_string(), operation: None }
    }
}

/// A write transaction with all tables open.
pub(crate) struct Tx<'t> {
    file: &'t Path,
    write: &'t WriteTransaction,
    index: &'t Index,
    meta: Quiet<Table<'t, &'static str, u64>>,
    banks: Quiet<Table<'t, &'static str, &'static [u8]>>,
    references: Quiet<Table<'t, u64, &'static [u8]>>,
    names: Quiet<Table<'t, (&'static str, &'static str), u64>>,
    fingerprints: Quiet<Table<'t, u64, &'static [u8]>>,
    log: Quiet<Table<'t, u64, &'static [u8]>>,
    operations: Quiet<Table<'t, &'static str, u64>>,
    refused: Quiet<Table<'t, (u64, &'static str), &'static [u8]>>,
    entries: Vec<Entry>,
    /// Why nothing may be added, if the index could not keep up.
    full: Option<Error>,
    sequence: u64,
    number: u64,
    plain: u64,
    now: u64,
    changed: bool,
    removed: bool,
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A table that may be dropped while redb panics about another.
fn table<'t, K: redb::Key + 'static, V: redb::Value + 'static>(
    write: &'t WriteTransaction,
    definition: redb::TableDefinition<'_, K, V>,
    file: &Path,
) -> Result<Quiet<Table<'t, K, V>>> {
    write.open_table(definition).map(Quiet::new).map_err(|error| failed(file, error))
}

impl<'t> Tx<'t> {
    /// All tables; `room` says whether the index can take more: see [`Index::make_room`].
    pub(crate) fn open(
        write: &'t WriteTransaction,
        index: &'t Index,
        room: Result<()>,
        file: &'t Path,
    ) -> Result<Self> {
        let meta = table(write, META, file)?;
        let counter = |name| -> Result<u64> {
            Ok(meta.get(name).map_err(|error| failed(file, error))?.map_or(0, |value| value.value()))
        };
        Ok(Self {
            file,
            write,
            index,
            sequence: counter("sequence")?,
            number: counter("number")?,
            plain: counter(PLAIN)?,
            meta,
            banks: table(write, BANKS, file)?,
            references: table(write, REFERENCES, file)?,
            names: table(write, NAMES, file)?,
            fingerprints: table(write, FINGERPRINTS, file)?,
            log: table(write, LOG, file)?,
            operations: table(write, OPERATIONS, file)?,
            refused: table(write, REFUSED, file)?,
            entries: Vec::new(),
            full: room.err(),
            now: now(),
            changed: false,
            removed: false,
        })
    }

    /// Hands what is left to the index and the counters to their table. Returns whether there is anything to commit.
    pub(crate) fn close(mut self) -> Result<bool> {
        if !self.changed {
            return Ok(false);
        }
        self.flush()?;
        self.meta.insert("sequence", self.sequence).map_err(|error| failed(self.file, error))?;
        self.meta.insert("number", self.number).map_err(|error| failed(self.file, error))?;
        self.meta.insert(PLAIN, self.plain).map_err(|error| failed(self.file, error))?;
        if self.removed {
            self.meta.insert(REMOVED, 1).map_err(|error| failed(self.file, error))?;
        }
        Ok(true)
    }

    fn flush(&mut self) -> Result<()> {
        if !self.entries.is_empty() {
            self.index.add(self.write, &self.entries)?;
            self.entries.clear();
        }
        Ok(())
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// The record of an operation that was applied before.
    pub(crate) fn applied(&self, by: &By) -> Result<Option<LogRecord>> {
        let Some(operation) = &by.operation else { return Ok(None) };
        if operation.is_empty() || operation.starts_with('#') {
            return Err(Error::option("operation", "an id is not empty and does not begin with #"));
        }
        let Some(sequence) = self.operations.get(operation.as_str()).map_err(|error| failed(self.file, error))? else {
            return Ok(None);
        };
        let sequence = sequence.value();
        let record = self.logged(sequence)?.filter(|record| record.operation == *operation);
        record.map(Some).ok_or_else(|| {
            Error::corrupt(
                self.file,
                format!("operation {operation:?} points at record {sequence}, which is not its own"),
            )
        })
    }

    /// One record of the log.
    pub(crate) fn logged(&self, sequence: u64) -> Result<Option<LogRecord>> {
        let record = self.log.get(sequence).map_err(|error| failed(self.file, error))?;
        record
            .map(|record| records::decode(record.value(), self.file, format_args!("log record {sequence}")))
            .transpose()
    }

    /// Writes one mutation into the log.
    pub(crate) fn record(&mut self, by: &By, change: Change) -> Result<u64> {
        let wrong = |error| failed(self.file, error);
        let sequence = self.sequence + 1;
        let operation = match &by.operation {
            Some(operation) => {
                let was = self.operations.insert(operation.as_str(), sequence).map_err(wrong)?.is_some();
                self.is_new(was, format_args!("operation {operation:?}"))?;
                operation.clone()
            }
            None => format!("#{sequence}"),
        };
        let record = LogRecord { sequence, operation, author: by.author.clone(), time: self.now, change };
        let was = self.log.insert(sequence, records::encode(&record)?.as_slice()).map_err(wrong)?.is_some();
        self.is_new(was, format_args!("log record {sequence}"))?;
        self.sequence = sequence;
        self.changed = true;
        Ok(sequence)
    }

    /// An error if there was a row that is written once: what counts such rows is older than they are, or a name points elsewhere. The
    /// transaction is given up then, so that the row stays.
    fn is_new(&self, was: bool, what: impl Display) -> Result<()> {
        if was { Err(Error::corrupt(self.file, format!("there is a {what} already"))) } else { Ok(()) }
    }

    /// Refuses hashes of another algorithm than the store's.
    pub(crate) fn takes(&self, algorithm: Algorithm) -> Result<()> {
        let code = self.meta.get("algorithm").map_err(|error| failed(self.file, error))?;
        same_algorithm(records::algorithm(code.map(|code| code.value()), self.file)?, algorithm)
    }

    pub(crate) fn bank(&self, name: &str) -> Result<Option<BankConfig>> {
        self.banks
            .get(name)
            .map_err(|error| failed(self.file, error))?
            .map(|bytes| records::decode(bytes.value(), self.file, format_args!("bank {name:?}")))
            .transpose()
    }

    pub(crate) fn put_bank(&mut self, config: &BankConfig) -> Result<()> {
        self.banks
            .insert(config.name.as_str(), records::encode(config)?.as_slice())
            .map_err(|error| failed(self.file, error))?;
        Ok(())
    }

    pub(crate) fn drop_bank(&mut self, name: &str) -> Result<()> {
        self.banks.remove(name).map_err(|error| failed(self.file, error))?;
        Ok(())
    }

    pub(crate) fn ids_of(&self, bank: &str) -> Result<Vec<String>> {
        let wrong = |error| failed(self.file, error);
        let mut ids = Vec::new();
        for row in self.names.range((bank, "")..).map_err(wrong)? {
            let (key, _) = row.map_err(wrong)?;
            let (found, id) = key.value();
            if found != bank {
                break;
            }
            ids.push(id.to_string());
        }
        Ok(ids)
    }

    pub(crate) fn reference(&self, bank: &str, id: &str) -> Result<Option<ReferenceRecord>> {
        let wrong = |error| failed(self.file, error);
        let Some(number) = self.names.get((bank, id)).map_err(wrong)?.map(|number| number.value()) else {
            return Ok(None);
        };
        let bytes = self.references.get(number).map_err(wrong)?.ok_or_else(|| {
            Error::corrupt(self.file, format!("reference {number} ({id:?} of {bank:?}) is named but not there"))
        })?;
        let record = records::reference(bytes.value(), number, self.file)?;
        records::is_named(&record, bank, id, self.file)?;
        Ok(Some(record))
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.number + 1
    }

    pub(crate) fn put_reference(&mut self, record: &ReferenceRecord) -> Result<()> {
        let wrong = |error| failed(self.file, error);
        let &ReferenceRecord { number, plain, .. } = record;
        // A number is given once: what has one already is changed, and counted.
        let new = number > self.number;
        let name = (record.bank.as_str(), record.id.as_str());
        let named = self.names.insert(name, number).map_err(wrong)?.map(|named| named.value());
        let was = self.references.insert(number, records::encode(record)?.as_slice()).map_err(wrong)?.is_some();
        if new {
            self.is_new(named.is_some(), format_args!("reference {:?} of {:?}", record.id, record.bank))?;
            self.is_new(was, format_args!("reference {number}"))?;
        }
        self.plain += u64::from(plain && new);
        self.number = self.number.max(number);
        Ok(())
    }

    pub(crate) fn put_hashes(&mut self, number: u64, fingerprint: &[u8], entries: &[Entry]) -> Result<()> {
        let was = self.fingerprints.insert(number, records::seal(fingerprint).as_slice());
        let was = was.map_err(|error| failed(self.file, error))?.is_some();
        self.is_new(was, format_args!("fingerprint of reference {number}"))?;
        if let Some(full) = self.full.take_if(|_| !entries.is_empty()) {
            return Err(full);
        }
        self.entries.extend_from_slice(entries);
        if self.entries.len() >= PORTION { self.flush() } else { Ok(()) }
    }

    pub(crate) fn same_fingerprint(&self, number: u64, fingerprint: &[u8]) -> Result<bool> {
        let found = self.fingerprints.get(number).map_err(|error| failed(self.file, error))?;
        Ok(found.is_some_and(|found| found.value() == records::seal(fingerprint)))
    }

    /// Takes everything about a reference out of all tables but the log, whether its record can be read or not. Returns its number, or
    /// `None` if there is no such name. One that is kept under another's name stays, with an error.
    pub(crate) fn drop_reference(&mut self, bank: &str, id: &str) -> Result<Option<u64>> {
        let wrong = |error| failed(self.file, error);
        let Some(number) = self.names.get((bank, id)).map_err(wrong)?.map(|number| number.value()) else {
            return Ok(None);
        };
        let record = self.references.get(number).map_err(wrong)?;
        let record = record.map(|bytes| records::reference(bytes.value(), number, self.file)).transpose();
        let plain = match record {
            // Of one too many nothing worse comes than a search for nothing.
            Err(Error::Corrupt { .. } | Error::Format { .. }) | Ok(None) => false,
            Err(error) => return Err(error),
            Ok(Some(record)) => {
                records::is_named(&record, bank, id, self.file)?;
                record.plain
            }
        };
        self.flush()?;
        let wrong = |error| failed(self.file, error);
        self.names.remove((bank, id)).map_err(wrong)?;
        self.references.remove(number).map_err(wrong)?;
        self.fingerprints.remove(number).map_err(wrong)?;
        self.refused.retain_in((number, "")..(number + 1, ""), |_, _| false).map_err(wrong)?;
        self.removed = true;
        self.plain = self.plain.saturating_sub(u64::from(plain));
        self.index.remove(self.write, number)?;
        Ok(Some(number))
    }

    /// Whether the pair was not refused before.
    pub(crate) fn put_refusal(&mut self, number: u64, upload: &str, refusal: &Refusal) -> Result<()> {
        let bytes = records::encode(refusal)?;
        self.refused.insert((number, upload), bytes.as_slice()).map_err(|error| failed(self.file, error))?;
        Ok(())
    }

    pub(crate) fn has_refusal(&self, number: u64, upload: &str) -> Result<bool> {
        Ok(self.refused.get((number, upload)).map_err(|error| failed(self.file, error))?.is_some())
    }

    pub(crate) fn drop_refusal(&mut self, number: u64, upload: &str) -> Result<()> {
        self.refused.remove((number, upload)).map_err(|error| failed(self.file, error))?;
        self.removed = true;
        Ok(())
    }

    /// The sequence number that the next record gets.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence + 1
    }
}

#[cfg(test)]
mod tests {
    use redb::{TableDefinition, TypeName, Value};

    use crate::bank::Reference;
    use crate::hash::Hash;
    use crate::{Error, Store};

    /// redb asks for the name of a type while it holds the lock that every table takes as it is dropped.
    #[derive(Debug)]
    struct Panics;

    impl Value for Panics {
        type SelfType<'a> = ();
        type AsBytes<'a> = [u8; 0];
        fn fixed_width() -> Option<usize> {
            Some(0)
        }
        fn from_bytes<'a>(_: &'a [u8])
        where
            Self: 'a,
        {
        }
        fn as_bytes<'a, 'b: 'a>((): &'a ()) -> [u8; 0]
        where
            Self: 'b,
        {
            []
        }
        fn type_name() -> TypeName {
            panic!("as on a damaged page")
        }
    }

    #[test]
    fn a_panic_of_the_database_ends_a_change_and_not_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create_or_open(folder.path()).unwrap();
        let add = |id: &str, byte: u8| store.add_hash(&Reference::new(id).bank("b"), Hash([byte; 32]), None);
        add("a", 1).unwrap();
        let error = store
            .write(|tx| {
                tx.drop_reference("b", "a")?;
                drop(tx.write.open_table(TableDefinition::<u64, Panics>::new("other")));
                Ok(())
            })
            .unwrap_err();
        assert!(matches!(&error, Error::Corrupt { path, .. } if path.starts_with(folder.path())), "{error}");
        // Nothing of it has happened, and as the file is whole it is written to again.
        assert!(store.reference("b", "a").unwrap().is_some());
        add("c", 2).unwrap();
        drop(store);
        let found = Store::check(folder.path()).unwrap();
        assert!(found.references == 2 && found.problems.is_empty(), "{found:?}");
    }
}
