//! Entries that are in the database but in no part yet, held in memory.
//!
//! Small batches are gathered into chunks, so that ten thousand adds of one entry search like one add of ten thousand,
//! and a snapshot shares all chunks but the last with the one before it.

use std::sync::Arc;

use super::{Entry, EntryId};
use crate::hash::Hash;

/// A chunk takes no further batch once it holds this many entries.
const CHUNK: usize = 1024;

/// The entries of one or more batches, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub(super) hashes: Vec<Hash>,
    pub(super) ids: Vec<EntryId>,
    /// The number of the batch that each entry came with; never falls.
    pub(super) numbers: Vec<u64>,
}

/// All chunks, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Delta {
    pub(super) chunks: Vec<Arc<Chunk>>,
    entries: usize,
}

impl Delta {
    /// Appends a batch, whose number is larger than any before it.
    pub(super) fn push(&mut self, number: u64, entries: &[Entry]) {
        self.entries += entries.len();
        let room = self.chunks.last().is_some_and(|chunk| chunk.ids.len() < CHUNK);
        if !room {
            self.chunks.push(Arc::default());
        }
        if let Some(last) = self.chunks.last_mut() {
            let chunk = Arc::make_mut(last); // copies what an older snapshot still holds: at most CHUNK entries
            chunk.hashes.extend(entries.iter().map(|entry| entry.hash));
            chunk.ids.extend(entries.iter().map(|entry| entry.id));
            chunk.numbers.resize(chunk.ids.len(), number);
        }
    }

    /// Drops what came under numbers below `flushed`.
    pub(super) fn drop_below(&mut self, flushed: u64) {
        self.chunks.retain(|chunk| chunk.numbers.last().is_some_and(|last| *last >= flushed));
        if let Some(first) = self.chunks.first_mut()
            && first.numbers.first().is_some_and(|number| *number < flushed)
        {
            let gone = first.numbers.partition_point(|number| *number < flushed);
            let chunk = Arc::make_mut(first);
            chunk.hashes.drain(..gone);
            chunk.ids.drain(..gone);
            chunk.numbers.drain(..gone);
        }
        self.entries = self.chunks.iter().map(|chunk| chunk.ids.len()).sum();
    }

    /// Entries, buried ones included.
    pub(super) fn len(&self) -> usize {
        self.entries
    }
}
