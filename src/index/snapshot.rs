//! An unchanging view of an index, and the questions that it answers.

use std::ops::ControlFlow;

use super::delta::Delta;
use super::tables::Meta;
use super::tombstones::Tombstones;
use super::{Hit, Query};
use crate::error::{Error, Result};
use crate::hash::Hash;

/// The widest radius that can be asked for, inclusive.
pub const MAX_DISTANCE: u32 = 96;

/// An index as it was at one moment. It stays valid, and the same, whatever happens to the index afterwards.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) meta: Meta,
    pub(super) delta: Delta,
    pub(super) tombstones: Tombstones,
}

/// The hits of a batch of queries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// Sorted by query, then distance, then id.
    pub hits: Vec<Hit>,
    /// The queries that had more hits than the cap; their nearest are in `hits`.
    pub cut: Vec<u32>,
}

impl Snapshot {
    /// Every entry within `max_distance` (inclusive) of each query, sorted by query, distance, id.
    ///
    /// # Errors
    /// [`Error::Option`] for a radius over [`MAX_DISTANCE`]; [`Error::Corrupt`] naming a damaged file.
    pub fn search(&self, queries: &[Hash], max_distance: u32) -> Result<Vec<Hit>> {
        let queries: Vec<Query> = queries.iter().map(|&hash| Query { hash, max_distance }).collect();
        Ok(self.search_each(&queries, usize::MAX)?.hits)
    }

    /// As [`Self::search`], with a radius for each query, and at most `cap` hits a query: the nearest, ties by id.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn search_each(&self, queries: &[Query], cap: usize) -> Result<Hits> {
        let mut found = Hits::default();
        self.visit(queries, |hit| {
            found.hits.push(hit);
            ControlFlow::Continue(())
        })?;
        found.hits.sort_unstable();
        let mut kept = (u32::MAX, 0);
        let cut = &mut found.cut;
        found.hits.retain(|hit| {
            kept = if kept.0 == hit.query { (hit.query, kept.1 + 1) } else { (hit.query, 1) };
            if kept.1 > cap && cut.last() != Some(&hit.query) {
                cut.push(hit.query);
            }
            kept.1 <= cap
        });
        Ok(found)
    }

    /// The `k` nearest entries of each query that are within `max_distance`, sorted by query, distance, id.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn nearest(&self, queries: &[Hash], k: usize, max_distance: u32) -> Result<Vec<Hit>> {
        let queries: Vec<Query> = queries.iter().map(|&hash| Query { hash, max_distance }).collect();
        Ok(self.search_each(&queries, k)?.hits)
    }

    /// Calls `each` with every hit, each once, in no particular order, until it breaks. Nothing is gathered in memory.
    ///
    /// # Errors
    /// As [`Self::search`]; what was visited before the error stands.
    pub fn visit(&self, queries: &[Query], mut each: impl FnMut(Hit) -> ControlFlow<()>) -> Result<()> {
        if let Some(query) = queries.iter().find(|query| query.max_distance > MAX_DISTANCE) {
            let detail = format!("at most {MAX_DISTANCE}, got {}", query.max_distance);
            return Err(Error::option("max_distance", detail));
        }
        for chunk in &self.delta.chunks {
            for ((hash, &id), &number) in chunk.hashes.iter().zip(&chunk.ids).zip(&chunk.numbers) {
                for (i, query) in (0..).zip(queries) {
                    let distance = query.hash.distance(hash);
                    if distance <= query.max_distance
                        && !self.tombstones.bury(id.owner(), number)
                        && each(Hit { query: i, distance, id }).is_break()
                    {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Entries that can be found.
    pub fn len(&self) -> u64 {
        if self.tombstones.is_empty() {
            return self.delta.len() as u64;
        }
        let live = |chunk: &super::delta::Chunk| {
            chunk.ids.iter().zip(&chunk.numbers).filter(|(id, n)| !self.tombstones.bury(id.owner(), **n)).count()
        };
        self.delta.chunks.iter().map(|chunk| live(chunk) as u64).sum()
    }

    /// Whether nothing can be found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
