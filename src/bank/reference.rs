//! A reference: one known medium in a bank.

use std::collections::BTreeMap;

use super::config::check_name;
use crate::error::{Error, Result};

/// The longest id, label, source or metadata in bytes.
pub const MAX_TEXT: usize = 64 << 10;
/// The largest number of labels of one reference.
pub const MAX_LABELS: usize = 1024;

/// A medium to be made a reference: what is said about it, beside its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(crate) id: String,
    pub(crate) bank: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) source: String,
    pub(crate) metadata: String,
}

impl Reference {
    /// A reference of this id, unique within its bank, in the bank `default` unless another is named.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            bank: "default".into(),
            labels: BTreeMap::new(),
            source: String::new(),
            metadata: String::new(),
        }
    }

    /// The bank; one that is not there yet is made with the default policy.
    #[must_use]
    pub fn bank(mut self, bank: impl Into<String>) -> Self {
        self.bank = bank.into();
        self
    }

    /// A label, as an incident or a category; a second value for a key replaces the first.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Who reported it, when, under which case number.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Anything that the caller wants back with a match; never looked into.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.bank)?;
        if self.id.is_empty() {
            return Err(Error::option("id", "a reference needs a name, got an empty one"));
        }
        if self.labels.len() > MAX_LABELS {
            return Err(Error::limit("labels", MAX_LABELS as u64, self.labels.len() as u64));
        }
        let texts = [("id", &self.id), ("source", &self.source), ("metadata", &self.metadata)];
        let labels = self.labels.iter().flat_map(|(key, value)| [("label", key), ("label", value)]);
        texts.into_iter().chain(labels).try_for_each(|(name, text)| check_text(name, text))
    }
}

pub(crate) fn check_text(name: &'static str, text: &str) -> Result<()> {
    if text.len() > MAX_TEXT { Err(Error::limit(name, MAX_TEXT as u64, text.len() as u64)) } else { Ok(()) }
}

/// Whether a reference takes part in matching.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// It does.
    #[default]
    Active,
    /// It is kept but matches nothing, and can be made active again.
    Withdrawn,
}

/// What a reference was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A still picture, or a plain hash.
    Image,
    /// A film or an animation.
    Video,
}

impl Kind {
    /// The word used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

/// What a party that shares the list thinks of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Opinion {
    /// It belongs into the bank.
    Agree,
    /// It does not.
    Dispute,
}

/// A reference as the store keeps it, without its hashes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub struct ReferenceRecord {
    /// Its number in this store, never used for another one.
    pub number: u64,
    /// Its bank.
    pub bank: String,
    /// Its id, unique within the bank.
    pub id: String,
    /// What it was made from.
    pub kind: Kind,
    /// Whether it takes part in matching.
    pub state: State,
    /// Milliseconds since 1970 (UTC) at which it was added.
    pub added: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Who reported it.
    pub source: String,
    /// What the caller wanted to be kept.
    pub metadata: String,
    /// Who thinks what of it.
    pub opinions: BTreeMap<String, Opinion>,
    /// Width of the upright picture in pixels, 0 if not known.
    pub width: u32,
    /// Height of the upright picture in pixels, 0 if not known.
    pub height: u32,
    /// Playing time in seconds, 0 for stills.
    pub duration: f64,
    /// How many of its hashes are in the index.
    pub hashes: u32,
    /// Whether it is known by plain hashes, as those of lists, which have no detail hash beside them.
    pub plain: bool,
}

/// What became of a reference that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Added {
    /// The reference's number.
    pub number: u64,
    /// Hashes that went into the index.
    pub hashes: u32,
    /// Hashes that have too little detail and stay out of it.
    pub skipped: u32,
    /// False if the same reference was there already and nothing was changed.
    pub new: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_references_are_refused() {
        assert!(Reference::new("case-12").bank("removed").label("k", "v").source("s").check().is_ok());
        assert!(matches!(Reference::new("").check(), Err(Error::Option { .. })));
        assert!(matches!(Reference::new("a").bank("").check(), Err(Error::Option { .. })));
        let long = "x".repeat(MAX_TEXT + 1);
        for reference in [
            Reference::new(long.clone()),
            Reference::new("a").label("k", long.clone()),
            Reference::new("a").source(long.clone()),
            Reference::new("a").metadata(long),
        ] {
            assert!(matches!(reference.check(), Err(Error::Limit { .. })));
        }
    }
}
