//! What a person decided in the report, read back: a refused pair is not shown again.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Cache, fingerprint_cached, named};
use crate::bank::{Store, Upload};
use crate::error::{Error, Result};
use crate::fingerprint::Options;

/// The version of the file.
const VERSION: u32 = 1;
/// The longest file that is read.
const MAX_BYTES: u64 = 256 << 20;

/// What was decided about a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ruling {
    /// The upload shows the reference.
    Confirmed,
    /// It does not.
    Refused,
}

/// A pair and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The upload's file, as the scan printed it.
    pub path: String,
    /// The path's own bytes in hexadecimal if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The reference's bank.
    pub bank: String,
    /// The reference.
    pub reference: String,
    /// What was decided.
    pub decision: Ruling,
}

/// The file that the report saves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    refrain_decisions: u32,
    /// The folder in which the scan ran: paths that are not absolute are seen from there.
    #[serde(default)]
    folder: String,
    /// In the order in which they were shown.
    pub decisions: Vec<Decision>,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decided {
    /// It is kept from now on.
    Kept,
    /// It was so already.
    Known,
    /// The reference is not there any more.
    NoReference,
}

impl Decisions {
    /// Reads what the report saved.
    ///
    /// # Errors
    /// [`Error::Format`] for anything else or another version, [`Error::Limit`], [`Error::Io`].
    pub fn read(reader: impl Read, name: &Path) -> Result<Self> {
        let mut text = Vec::new();
        reader.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| Error::io(name, error))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(Error::limit("bytes", MAX_BYTES, text.len() as u64).at(name));
        }
        let format = |got: String| Error::Format {
            path: name.into(),
            expected: format!("decisions saved by a report, version {VERSION}"),
            got,
        };
        let read: Self = serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        if read.refrain_decisions != VERSION {
            return Err(format(format!("version {}", read.refrain_decisions)));
        }
        Ok(read)
    }

    /// The upload's file.
    pub fn file(&self, decision: &Decision) -> PathBuf {
        let path = match decision.raw.as_deref().and_then(super::journal::unhex) {
            Some(bytes) => super::walk::path_of(bytes).unwrap_or_else(|_| PathBuf::from(&decision.path)),
            None => PathBuf::from(&decision.path),
        };
        // an absolute path stays as it is
        Path::new(&self.folder).join(path)
    }

    /// Keeps one decision. The upload is known by its fingerprint from now on, so that it may be moved or renamed (and, a
    /// still, encoded anew) and yet is not shown again beside a reference that it was refused for.
    ///
    /// # Errors
    /// Those of reading the file, which must be there still; those of the store.
    pub fn keep(
        &self,
        decision: &Decision,
        store: &Store,
        author: &str,
        options: &Options,
        cache: Option<&Cache>,
    ) -> Result<Decided> {
        if store.reference(&decision.bank, &decision.reference)?.is_none() {
            return Ok(Decided::NoReference);
        }
        let print = fingerprint_cached(&named(&self.file(decision)), options, cache)?;
        let (writer, upload) = (store.writer().author(author), Upload::Fingerprint(&print));
        let before = store.sequence();
        let there = match decision.decision {
            Ruling::Refused => writer.refuse(&upload, &decision.bank, &decision.reference)?,
            Ruling::Confirmed => {
                writer.restore(&upload, &decision.bank, &decision.reference)?;
                true
            }
        };
        Ok(match there {
            false => Decided::NoReference,
            true if store.sequence() == before => Decided::Known,
            true => Decided::Kept,
        })
    }
}
