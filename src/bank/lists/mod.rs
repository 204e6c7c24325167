//! Hash lists: what platforms and clearing houses exchange, in and out.
//!
//! A list is input from outside: every line is bounded, a bad one is an error with its number, and the good ones are
//! imported in one transaction, all or none of them.

mod json;
pub(crate) mod lines;
mod text;
mod transfer;

use std::str::FromStr;

use super::reference::{Reference, State};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, FrameHash, MAX_BYTES};
use crate::hash::Hash;

pub use transfer::{ExportOptions, Exported, ImportOptions, Imported};

/// The longest line of a list in bytes: a film in JSON is one line.
pub const MAX_LINE: usize = 64 << 20;

/// The most hashes of one reference: a fingerprint of more could not be stored.
const MAX_HASHES: usize = MAX_BYTES / size_of::<FrameHash>();

/// Says that a reference has too many hashes.
fn too_many() -> Error {
    Error::limit("hashes of a reference", MAX_HASHES as u64, MAX_HASHES as u64 + 1)
}

/// The layout of a hash list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One PDQ hash a line, as `hash` or `hash,metadata`.
    Pdq,
    /// One film: a frame a line, as `frame number,quality,hash,seconds`.
    Vpdq,
    /// `python-threatexchange`: `type value` or CSV of `type,value`, with `pdq` and `vpdq` as types.
    ThreatExchange,
    /// One JSON object a line, a bank's policy or a reference with all its hashes, labels, source, metadata and state; without
    /// opinions, refusals, the time of its addition and the warnings of a film.
    JsonLines,
}

impl Format {
    /// The word used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pdq => "pdq",
            Self::Vpdq => "vpdq",
            Self::ThreatExchange => "threatexchange",
            Self::JsonLines => "jsonl",
        }
    }
}

impl FromStr for Format {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        [Self::Pdq, Self::Vpdq, Self::ThreatExchange, Self::JsonLines]
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| {
                Error::option("format", format!("expected one of pdq, vpdq, threatexchange, jsonl, got \"{text}\""))
            })
    }
}

/// One reference out of a list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Listed {
    /// What the list says about it; its bank is the list's if it names one, and empty otherwise.
    pub reference: Reference,
    /// Its hashes.
    pub fingerprint: Fingerprint,
    /// Whether it is to take part in matching.
    pub state: State,
}

/// The id of a reference that has none in its list: a digest, so that it stays the same when the list comes again and
/// the hash cannot be read from it in the change log.
fn id_of(hash: &Hash, metadata: &str) -> String {
    let mut digest = blake3::Hasher::new();
    digest.update(&hash.0).update(metadata.as_bytes());
    format!("pdq-{}", &digest.finalize().to_hex()[..24])
}
