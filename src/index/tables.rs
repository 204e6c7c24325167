//! The index's tables in the database, and the records in them. `docs/format.md` has the bytes.
//!
//! Everything that changes the index takes the next number of one sequence: a batch of added entries, a tombstone.
//! A tombstone buries what its owner had under *smaller* numbers, so an owner may be added again later.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};

use super::database::Database;
use super::quiet::Quiet;
use super::{Entry, EntryId};
use crate::error::{Error, Result};
use crate::hash::Hash;

const META: TableDefinition<'static, &str, u64> = TableDefinition::new("index_meta");
const BATCHES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("index_batches");
const PARTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("index_parts");
const TOMBSTONES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("index_tombstones");

/// The version of these tables that this program reads and writes.
const VERSION: u64 = 1;
/// Most entries in one batch.
const BATCH_MAX: usize = 1 << 16;
/// Bytes of one entry in a batch.
const ENTRY_BYTES: usize = 40;

/// The counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// Goes up with every change of the tables.
    pub(super) generation: u64,
    /// The number the next batch or tombstone takes.
    pub(super) next: u64,
    /// Batches numbered less have gone into parts.
    pub(super) flushed: u64,
    /// Tombstones numbered less have been applied to everything.
    pub(super) cleared: u64,
}

/// A part as the tables know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// The largest number of what is in it.
    pub(super) number: u64,
    /// BLAKE3 of the file, and so its name.
    pub(super) digest: [u8; 32],
    /// Entries, buried ones included.
    pub(super) entries: u64,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Tombstones numbered less have been applied to it.
    pub(super) applied: u64,
}

impl Record {
    /// The file.
    pub(super) fn name(&self) -> String {
        format!("{}.part", blake3::Hash::from_bytes(self.digest).to_hex())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.digest.to_vec();
        for value in [self.entries, self.bytes, self.applied] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(number: u64, bytes: &[u8]) -> Option<Self> {
        let (rest, sum) = bytes.split_last_chunk::<4>()?;
        let (digest, values) = rest.split_first_chunk::<32>()?;
        let (&[entries, bytes, applied], []) = values.as_chunks::<8>() else { return None };
        let [entries, bytes, applied] = [entries, bytes, applied].map(u64::from_le_bytes);
        (*sum == crc32fast::hash(rest).to_le_bytes()).then_some(Self {
            number,
            digest: *digest,
            entries,
            bytes,
            applied,
        })
    }
}

impl Meta {
    pub(super) fn read(database: &Database, txn: &ReadTransaction) -> Result<Self> {
        match optional(database, txn.open_table(META))? {
            None => Ok(Self::default()),
            Some(table) => Self::of(database, &table),
        }
    }

    fn of(database: &Database, table: &impl ReadableTable<&'static str, u64>) -> Result<Self> {
        let get = |name: &str| -> Result<u64> {
            Ok(table.get(name).map_err(|e| database.error(e))?.map_or(0, |value| value.value()))
        };
        let version = get("version")?;
        if version > VERSION {
            return Err(Error::Format {
                path: database.path().to_path_buf(),
                expected: format!("index tables of version {VERSION} or less"),
                got: format!("version {version}"),
            });
        }
        let (generation, next) = (get("generation")?, get("next")?);
        Ok(Self { generation, next, flushed: get("flushed")?, cleared: get("cleared")? })
    }

    fn write(&self, database: &Database, table: &mut Table<'_, &'static str, u64>) -> Result<()> {
        let values = [
            ("version", VERSION),
            ("generation", self.generation),
            ("next", self.next),
            ("flushed", self.flushed),
            ("cleared", self.cleared),
        ];
        for (name, value) in values {
            table.insert(name, value).map_err(|e| database.error(e))?;
        }
        Ok(())
    }
}

/// Changes the counters within `txn`, counting the generation up, if they do not contradict one another.
fn advance<T>(database: &Database, txn: &WriteTransaction, change: impl FnOnce(&mut Meta) -> T) -> Result<T> {
    let mut table = txn.open_table(META).map_err(|e| database.error(e))?;
    let meta = Meta::of(database, &table)?;
    let done = meta.flushed.max(meta.cleared);
    if meta.next < done {
        return Err(behind(database, meta.next, done));
    }
    put(database, &mut table, meta, change)
}

fn put<T>(
    database: &Database,
    table: &mut Table<'_, &'static str, u64>,
    mut meta: Meta,
    change: impl FnOnce(&mut Meta) -> T,
) -> Result<T> {
    let result = change(&mut meta);
    meta.generation += 1;
    meta.write(database, table)?;
    Ok(result)
}

/// The error for a counter that is behind what was numbered.
pub(super) fn behind(database: &Database, next: u64, used: u64) -> Error {
    Error::corrupt(database.path(), format!("the index's next number is {next}, and what is numbered goes to {used}"))
}

/// Stages `entries` in `txn`.
pub(super) fn add(database: &Database, txn: &WriteTransaction, entries: &[Entry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let count = entries.len().div_ceil(BATCH_MAX) as u64;
    let first = advance(database, txn, |meta| {
        meta.next += count;
        meta.next - count
    })?;
    let mut table = txn.open_table(BATCHES).map_err(|e| database.error(e))?;
    for (number, batch) in (first..).zip(entries.chunks(BATCH_MAX)) {
        let was = table.insert(number, encode(batch).as_slice()).map_err(|e| database.error(e))?;
        new_row(database, was.is_some(), "batch", number)?;
    }
    Ok(())
}

/// An error if there was a row under a number that is given once: the counter is older than what it counts.
fn new_row(database: &Database, was: bool, what: &str, number: u64) -> Result<()> {
    if was {
        return Err(Error::corrupt(database.path(), format!("there is an index {what} {number} already")));
    }
    Ok(())
}

/// Stages a tombstone for everything that `owner` has so far.
pub(super) fn remove(database: &Database, txn: &WriteTransaction, owner: u64) -> Result<()> {
    let number = advance(database, txn, |meta| {
        meta.next += 1;
        meta.next - 1
    })?;
    let mut value = [0; 12];
    value[..8].copy_from_slice(&owner.to_le_bytes());
    let sum = crc32fast::hash(&value[..8]);
    value[8..].copy_from_slice(&sum.to_le_bytes());
    let mut table = txn.open_table(TOMBSTONES).map_err(|e| database.error(e))?;
    let was = table.insert(number, value.as_slice()).map_err(|e| database.error(e))?;
    new_row(database, was.is_some(), "tombstone", number)
}

/// Calls `each` with every batch numbered `from` or more, or what is wrong with it.
pub(super) fn batches(
    database: &Database,
    txn: &ReadTransaction,
    from: u64,
    mut each: impl FnMut(u64, Result<Vec<Entry>>) -> Result<()>,
) -> Result<()> {
    let Some(table) = optional(database, txn.open_table(BATCHES))? else { return Ok(()) };
    for row in table.range(from..).map_err(|e| database.error(e))? {
        let (number, bytes) = row.map_err(|e| database.error(e))?;
        let entries = decode(bytes.value())
            .ok_or_else(|| Error::corrupt(database.path(), format!("index batch {}", number.value())));
        each(number.value(), entries)?;
    }
    Ok(())
}

/// Calls `each` with number and owner of every tombstone numbered `from` or more, or what is wrong with it.
pub(super) fn tombstones(
    database: &Database,
    txn: &ReadTransaction,
    from: u64,
    mut each: impl FnMut(u64, Result<u64>) -> Result<()>,
) -> Result<()> {
    let Some(table) = optional(database, txn.open_table(TOMBSTONES))? else { return Ok(()) };
    for row in table.range(from..).map_err(|e| database.error(e))? {
        let (number, bytes) = row.map_err(|e| database.error(e))?;
        let owner = tombstone(bytes.value())
            .ok_or_else(|| Error::corrupt(database.path(), format!("index tombstone {}", number.value())));
        each(number.value(), owner)?;
    }
    Ok(())
}

/// Calls `each` with every part, by number, or what is wrong with its record.
pub(super) fn parts(
    database: &Database,
    txn: &ReadTransaction,
    mut each: impl FnMut(Result<Record>) -> Result<()>,
) -> Result<()> {
    let Some(table) = optional(database, txn.open_table(PARTS))? else { return Ok(()) };
    for row in table.range::<u64>(..).map_err(|e| database.error(e))? {
        let (number, bytes) = row.map_err(|e| database.error(e))?;
        let record = Record::decode(number.value(), bytes.value())
            .ok_or_else(|| Error::corrupt(database.path(), format!("record of index part {}", number.value())));
        each(record)?;
    }
    Ok(())
}

/// A change of the list of parts.
#[derive(Debug, Default)]
pub(super) struct Swap {
    /// Parts that go, by number.
    pub(super) old: Vec<u64>,
    /// The part that comes.
    pub(super) new: Option<Record>,
    /// Batches numbered less are in the new part.
    pub(super) flushed: u64,
}

/// Stages a change of the list of parts, and drops the batches and tombstones that are no longer needed.
pub(super) fn swap(database: &Database, txn: &WriteTransaction, swap: &Swap) -> Result<()> {
    let error = |e: redb::StorageError| database.error(e);
    let mut table = Quiet::new(txn.open_table(PARTS).map_err(|e| database.error(e))?);
    for number in &swap.old {
        table.remove(number).map_err(error)?;
    }
    if let Some(record) = &swap.new {
        let was = table.insert(record.number, record.encode().as_slice()).map_err(error)?;
        new_row(database, was.is_some(), "part", record.number)?;
    }
    let mut applied = u64::MAX;
    for row in table.iter().map_err(error)? {
        let (number, bytes) = row.map_err(error)?;
        // A damaged record keeps the tombstones.
        applied = applied.min(Record::decode(number.value(), bytes.value()).map_or(0, |record| record.applied));
    }
    let (flushed, cleared) = advance(database, txn, |meta| {
        meta.flushed = meta.flushed.max(swap.flushed);
        meta.cleared = meta.cleared.max(applied.min(meta.flushed));
        (meta.flushed, meta.cleared)
    })?;
    for (definition, below) in [(BATCHES, flushed), (TOMBSTONES, cleared)] {
        let mut table = txn.open_table(definition).map_err(|e| database.error(e))?;
        table.retain_in(..below, |_, _| false).map_err(error)?;
    }
    Ok(())
}

/// Stages the listing of these parts in the place of everything that there is.
pub(super) fn replace(database: &Database, txn: &WriteTransaction, parts: &[Record]) -> Result<()> {
    let mut used = 0;
    for definition in [PARTS, BATCHES, TOMBSTONES] {
        let mut table = txn.open_table(definition).map_err(|e| database.error(e))?;
        let last = table.last().map_err(|e| database.error(e))?.map(|(number, _)| number.value());
        used = used.max(last.map_or(0, |last| last.saturating_add(1)));
        table.retain(|_, _| false).map_err(|e| database.error(e))?;
    }
    let next = {
        // No number is given twice, whatever the counters say.
        let mut table = txn.open_table(META).map_err(|e| database.error(e))?;
        let meta = Meta::of(database, &table)?;
        let used = used.max(meta.flushed).max(meta.cleared);
        put(database, &mut table, meta, |meta| {
            meta.next = meta.next.max(used) + parts.len() as u64;
            (meta.flushed, meta.cleared) = (meta.next, meta.next);
            meta.next
        })?
    };
    let mut table = txn.open_table(PARTS).map_err(|e| database.error(e))?;
    for (number, part) in (next - parts.len() as u64..).zip(parts) {
        let record = Record { number, applied: next, ..*part };
        table.insert(number, record.encode().as_slice()).map_err(|e| database.error(e))?;
    }
    Ok(())
}

/// Stages the listing of a part of entries that were never in a batch; `record` gets its number.
pub(super) fn list(database: &Database, txn: &WriteTransaction, mut record: Record) -> Result<()> {
    record.number = advance(database, txn, |meta| {
        meta.next += 1;
        meta.next - 1
    })?;
    record.applied = record.number;
    let mut table = txn.open_table(PARTS).map_err(|e| database.error(e))?;
    let was = table.insert(record.number, record.encode().as_slice()).map_err(|e| database.error(e))?;
    new_row(database, was.is_some(), "part", record.number)
}

fn tombstone(bytes: &[u8]) -> Option<u64> {
    let (owner, sum) = bytes.split_first_chunk::<8>()?;
    (sum == crc32fast::hash(owner).to_le_bytes()).then(|| u64::from_le_bytes(*owner))
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + entries.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&[0; 4]);
    for entry in entries {
        bytes.extend_from_slice(&entry.id.to_u64().to_le_bytes());
        bytes.extend_from_slice(&entry.hash.0);
    }
    let sum = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (sum, rest) = bytes.split_first_chunk::<4>()?;
    if *sum != crc32fast::hash(rest).to_le_bytes() {
        return None;
    }
    let (rows, left) = rest.as_chunks::<ENTRY_BYTES>();
    if !left.is_empty() {
        return None;
    }
    let entry = |row: &[u8; ENTRY_BYTES]| {
        let (id, hash) = row.split_first_chunk::<8>()?;
        Some(Entry { id: EntryId::from_u64(u64::from_le_bytes(*id)), hash: Hash(hash.try_into().ok()?) })
    };
    rows.iter().map(entry).collect()
}

/// A table that nobody has written to yet is an empty one.
fn optional<T>(database: &Database, table: Result<T, TableError>) -> Result<Option<T>> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(database.error(error)),
    }
}
