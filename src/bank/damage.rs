//! What a question does about a store that is damaged: it fails, or, if it may, goes on with the rest and says so.

use super::store::AskOptions;
use crate::error::{Error, Result};
use crate::index::{Hit, Query, Snapshot};

/// Of more damage than this a question only says that there is more.
const TOLD: usize = 8;

/// The damage that a question has met.
pub(super) struct Damage {
    bears: bool,
    met: Vec<String>,
    more: bool,
}

impl Damage {
    /// None so far.
    pub(super) fn of(options: &AskOptions) -> Self {
        Self { bears: options.despite_damage, met: Vec::new(), more: false }
    }

    /// Every hit, or every one in what is whole.
    pub(super) fn search(&mut self, snapshot: &Snapshot, queries: &[Query]) -> Result<Vec<Hit>> {
        if !self.bears {
            return Ok(snapshot.search_each(queries, usize::MAX)?.hits);
        }
        let (found, damage) = snapshot.search_whole(queries, usize::MAX)?;
        damage.iter().for_each(|error| self.note(error));
        Ok(found.hits)
    }

    /// `None` for what cannot be told because of damage that may be borne.
    pub(super) fn bear<T>(&mut self, told: Result<T>) -> Result<Option<T>> {
        match told {
            Err(error @ (Error::Corrupt { .. } | Error::Format { .. })) if self.bears => {
                self.note(&error);
                Ok(None)
            }
            told => told.map(Some),
        }
    }

    /// What a question that was part of this one has met.
    pub(super) fn meet(&mut self, met: Vec<String>) {
        met.into_iter().for_each(|met| self.add(met));
    }

    fn note(&mut self, error: &Error) {
        self.add(error.to_string());
    }

    fn add(&mut self, error: String) {
        if !self.met.contains(&error) {
            if self.met.len() < TOLD {
                self.met.push(error);
            } else {
                self.more = true;
            }
        }
    }

    /// Whether there was any.
    pub(super) fn is_there(&self) -> bool {
        !self.met.is_empty()
    }

    /// All of it, for people.
    pub(super) fn told(mut self) -> Vec<String> {
        if self.more {
            self.met.push("there is more damage than that".into());
        }
        self.met
    }
}
