//! The tables of the database, and the encoding of the small records in them: one byte of version, four of CRC-32, then
//! the fields as `bincode` lays them out, under a size limit. Byte by byte in `docs/format.md`.

use std::path::Path;

use redb::TableDefinition;

use super::ReferenceRecord;
use crate::error::{Error, Result};
use crate::hash::Algorithm;

/// The format of a whole store, in the table `meta` under `format`. A program reads the one that it writes.
pub const FORMAT: u64 = 6;
/// The version of each record's encoding.
const RECORD: u8 = 1;
/// The longest encoded record in bytes, fingerprints aside.
const MAX_RECORD: usize = 256 << 20;
/// Version and checksum.
const HEAD: usize = 5;

/// The algorithm that a code in `meta` stands for.
pub(crate) fn algorithm(code: Option<u64>, file: &Path) -> Result<Algorithm> {
    code.and_then(Algorithm::of_code)
        .ok_or_else(|| Error::corrupt(file, format!("hash algorithm {code:?} is not known")))
}

/// Refuses hashes of another algorithm than the store's.
pub(crate) fn same_algorithm(stores: Algorithm, got: Algorithm) -> Result<()> {
    if stores == got {
        return Ok(());
    }
    Err(Error::option("algorithm", format!("the store is built on {stores}, and the fingerprint holds {got} hashes")))
}

/// `format`; `algorithm`, by its [code](crate::hash::Algorithm::code); `sequence`, the last one of the log; `number`, the
/// last one of a reference; [`PLAIN`].
pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// In `meta`, how many references are [plain](ReferenceRecord::plain).
pub(crate) const PLAIN: &str = "plain";
/// Name to [`BankConfig`](super::BankConfig).
pub(crate) const BANKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("banks");
/// Number to [`ReferenceRecord`].
pub(crate) const REFERENCES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("references");
/// Bank and id to number.
pub(crate) const NAMES: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("names");
/// Number to [`Fingerprint`](crate::Fingerprint), without query orientations.
pub(crate) const FINGERPRINTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("fingerprints");
/// Sequence to [`LogRecord`](super::LogRecord).
pub(crate) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// The caller's operation id to sequence.
pub(crate) const OPERATIONS: TableDefinition<'_, &str, u64> = TableDefinition::new("operations");
/// Reference number and upload to [`Refusal`](super::refuse::Refusal).
pub(crate) const REFUSED: TableDefinition<'_, (u64, &str), &[u8]> = TableDefinition::new("refused");

/// Puts version and checksum before the bytes of a record.
pub(crate) fn seal(fields: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + fields.len());
    bytes.push(RECORD);
    bytes.extend_from_slice(&crc32fast::hash(fields).to_le_bytes());
    bytes.extend_from_slice(fields);
    bytes
}

/// The bytes that [`seal`] was given, checked.
pub(crate) fn unseal<'a>(bytes: &'a [u8], file: &Path, what: impl std::fmt::Display) -> Result<&'a [u8]> {
    if bytes.first().is_some_and(|&version| version != RECORD) {
        return Err(Error::Format {
            path: file.to_path_buf(),
            expected: format!("{what} in record version {RECORD}"),
            got: format!("version {}", bytes[0]),
        });
    }
    let Some((head, fields)) = bytes.split_at_checked(HEAD) else {
        return Err(Error::corrupt(file, format!("{what} is cut short after {} bytes", bytes.len())));
    };
    if crc32fast::hash(fields).to_le_bytes() != head[1..] {
        return Err(Error::corrupt(file, format!("{what} does not have its checksum")));
    }
    Ok(fields)
}

fn config() -> bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<MAX_RECORD>,
> {
    bincode::config::standard().with_limit::<MAX_RECORD>()
}

/// Encodes a record.
pub(crate) fn encode<T: bincode::Encode>(record: &T) -> Result<Vec<u8>> {
    bincode::encode_to_vec(record, config())
        .map(|fields| seal(&fields))
        .map_err(|error| Error::option("record", format!("cannot be encoded: {error}")))
}

/// Decodes a record; `what` and `file` are named if it is damaged.
pub(crate) fn decode<T: bincode::Decode<()>>(bytes: &[u8], file: &Path, what: impl std::fmt::Display) -> Result<T> {
    let fields = unseal(bytes, file, &what)?;
    match bincode::decode_from_slice(fields, config()) {
        Ok((record, used)) if used == fields.len() => Ok(record),
        Ok((_, used)) => Err(Error::corrupt(file, format!("{what} ends after {used} of {} bytes", fields.len()))),
        Err(error) => Err(Error::corrupt(file, format!("{what}: {error}"))),
    }
}

/// Decodes the record of reference `number`. The checksum is of the record alone: its key may be damaged.
pub(crate) fn reference(bytes: &[u8], number: u64, file: &Path) -> Result<ReferenceRecord> {
    let record: ReferenceRecord = decode(bytes, file, format_args!("reference {number}"))?;
    if record.number != number {
        return Err(Error::corrupt(file, format!("reference {} is kept under the number {number}", record.number)));
    }
    Ok(record)
}

/// An error if what a name stands for is a reference of another name, to which nothing should be done under this one.
pub(crate) fn is_named(record: &ReferenceRecord, bank: &str, id: &str, file: &Path) -> Result<()> {
    if record.bank == bank && record.id == id {
        return Ok(());
    }
    let ReferenceRecord { number, bank: other_bank, id: other, .. } = record;
    let detail = format!("{id:?} of {bank:?} stands for reference {number}, which is {other:?} of {other_bank:?}");
    Err(Error::corrupt(file, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::BankConfig;

    #[test]
    fn damage_is_told_from_another_version() {
        let file = Path::new("store.redb");
        let whole = encode(&BankConfig::new("removed")).unwrap();
        assert_eq!(decode::<BankConfig>(&whole, file, "bank").unwrap(), BankConfig::new("removed"));
        for cut in 0..whole.len() {
            assert!(matches!(decode::<BankConfig>(&whole[..cut], file, "bank"), Err(Error::Corrupt { .. })), "{cut}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            let error = decode::<BankConfig>(&flipped, file, "bank").unwrap_err();
            assert_eq!(error.code(), if at == 0 { "format" } else { "corrupt" }, "{at}");
            assert!(error.to_string().starts_with("store.redb"), "{error}");
        }
    }
}
