//! The store: a directory that holds everything known. Banks with their policies, references with their fingerprints,
//! the index over all hashes, and the log of every change.
//!
//! One process writes, any number of others match at the same time. Every mutation is one transaction: after a crash it
//! has happened as a whole or not at all. See `docs/format.md` for what lies on disk.

mod alone;
mod ask;
mod config;
mod damage;
mod gather;
mod glance;
pub mod lists;
mod log;
mod mend;
mod merge;
mod open;
mod rates;
mod read;
mod records;
mod reference;
mod refuse;
mod rescue;
mod rewrite;
mod salvage;
mod store;
mod thin;
mod transaction;
mod uploads;
mod write;

pub use config::{Action, BankConfig};
pub use glance::Asked;
pub use log::{Change, LogRecord};
pub use records::FORMAT;
pub use reference::{Added, Kind, MAX_LABELS, MAX_TEXT, Opinion, Reference, ReferenceRecord, State};
pub use refuse::Upload;
pub use salvage::Salvaged;
pub use store::{AskOptions, Stats, Store, Verification};
pub use uploads::{Remembered, Retro};
pub use write::Writer;

pub(crate) use rates::Counted;

#[cfg(test)]
mod tests;
