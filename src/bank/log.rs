//! The change log: every mutation of a store as one small record. It is the audit trail, and what replicas follow. No
//! record holds a hash, so that a removed reference leaves none behind.

use std::collections::BTreeMap;

use super::config::BankConfig;
use super::reference::{Kind, Opinion, State};

/// One mutation: when, by whom, under which id, and what.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub struct LogRecord {
    /// Its place in the log, from 1, without gaps and never used twice.
    pub sequence: u64,
    /// The id that the caller gave, or `#` and the sequence number.
    pub operation: String,
    /// Who did it; empty if the caller did not say.
    pub author: String,
    /// Milliseconds since 1970 (UTC).
    pub time: u64,
    /// What was done.
    pub change: Change,
}

/// What a [`LogRecord`] did.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode)]
#[serde(tag = "what", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A bank was made or its policy changed.
    BankSet {
        /// The bank as it is from now on.
        config: BankConfig,
    },
    /// A bank was removed; its references before it, each with its own record.
    BankRemoved {
        /// Its name.
        name: String,
    },
    /// A reference was added, as an active one: of one that a list has as withdrawn, that follows.
    ReferenceAdded {
        /// Its bank.
        bank: String,
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
        /// What it was made from.
        kind: Kind,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Who reported it.
        source: String,
        /// Hashes that went into the index.
        hashes: u32,
        /// Hashes that stayed out of it.
        skipped: u32,
    },
    /// What is said about a reference was replaced.
    ReferenceEdited {
        /// Its bank.
        bank: String,
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
        /// Its labels from now on.
        labels: BTreeMap<String, String>,
        /// Who reported it.
        source: String,
    },
    /// A reference was withdrawn or made active again.
    ReferenceState {
        /// Its bank.
        bank: String,
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
        /// Its state from now on.
        state: State,
    },
    /// A party agreed or disagreed with a reference.
    ReferenceOpinion {
        /// Its bank.
        bank: String,
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
        /// Who.
        party: String,
        /// What they think.
        opinion: Opinion,
    },
    /// A reference was removed with all its hashes.
    ReferenceRemoved {
        /// Its bank.
        bank: String,
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
    },
    /// A person said that an upload does not show the reference.
    PairRefused {
        /// The reference's bank.
        bank: String,
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
        /// The upload's name, empty if it was named by its hash only.
        upload: String,
    },
    /// The refusal was taken back.
    PairRestored {
        /// The reference's bank.
        bank: String,
        /// Its id.
        id: String,
        /// Its number.
        number: u64,
        /// The upload's name, empty if it was named by its hash only.
        upload: String,
    },
}
