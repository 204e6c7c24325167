//! An index against itself: every pair of entries that are near each other, each once.
//!
//! The smaller a source (a chunk of the delta, a part) the earlier it asks, and it asks itself and those after it, so
//! that few entries ask many and not the other way round. Work is cut into blocks of one source; what a block finds
//! goes straight to the visitor, so memory stays what a block takes, however many pairs there are.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::delta::Chunk;
use super::part::Part;
use super::search::{Mih, Plan, Scan, TOGETHER, plan};
use super::snapshot::{MAX_DISTANCE, Snapshot, copy, too_wide};
use super::{EntryId, Query};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::hash::Hash;

/// Entries that ask together at least: of a long source more do, so that they are swept through the postings of others.
const BLOCK: usize = 512;
/// See [`BLOCK`].
const MOST: usize = TOGETHER / 4;
/// Hashes that are scanned between two looks at whether to stop.
const ROWS: usize = 1 << 16;

/// Two entries within the radius of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// The one with the smaller id.
    pub first: EntryId,
    /// The other one.
    pub second: EntryId,
    /// Hamming distance, at most the radius asked for.
    pub distance: u32,
}

/// Where entries come from, and the number that tombstones are held against.
enum Source<'a> {
    Chunk(&'a Chunk),
    Part(&'a Part, u64),
}

impl Source<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Chunk(chunk) => chunk.ids.len(),
            Self::Part(part, _) => part.len(),
        }
    }

    fn hashes(&self) -> &[Hash] {
        match self {
            Self::Chunk(chunk) => &chunk.hashes,
            Self::Part(part, _) => part.hashes(),
        }
    }

    /// The id of entry `at`; `None` if it is buried.
    fn id(&self, snapshot: &Snapshot, at: usize) -> Result<Option<EntryId>> {
        let (id, number) = match self {
            Self::Chunk(chunk) => (chunk.ids[at], chunk.numbers[at]),
            Self::Part(part, number) => (part.id(at)?, *number),
        };
        Ok((!snapshot.tombstones.bury(id.owner(), number)).then_some(id))
    }
}

impl Snapshot {
    /// Calls `each` with every pair of entries within `max_distance` (inclusive) of each other, each pair once, in no
    /// particular order, until it breaks.
    ///
    /// Entries that are removed are left out; two entries of one owner are a pair like any other. Runs on rayon's
    /// threads and calls `each` from all of them, without gathering anything: memory does not grow with the pairs.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::sync::Mutex;
    /// use refrain::{Cancel, Hash};
    /// use refrain::index::{DiskIndex, Entry, EntryId};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let index = DiskIndex::create(folder.path())?;
    /// let entry = |owner, byte| EntryId::new(owner, 0).map(|id| Entry { id, hash: Hash([byte; 32]) });
    /// index.add(&[entry(1, 0), entry(2, 1), entry(3, 255)].into_iter().flatten().collect::<Vec<_>>())?;
    /// let pairs = Mutex::new(Vec::new());
    /// index.snapshot().self_join(32, &Cancel::new(), |pair| {
    ///     pairs.lock().map_or(ControlFlow::Break(()), |mut pairs| {
    ///         pairs.push((pair.first.owner(), pair.second.owner(), pair.distance));
    ///         ControlFlow::Continue(())
    ///     })
    /// })?;
    /// assert_eq!(pairs.into_inner()?, [(1, 2, 32)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Option`](crate::Error::Option) for a radius over [`MAX_DISTANCE`],
    /// [`Error::Cancelled`](crate::Error::Cancelled), [`Error::Corrupt`](crate::Error::Corrupt) naming a damaged file;
    /// what was visited before stands.
    pub fn self_join(
        &self,
        max_distance: u32,
        cancel: &Cancel,
        each: impl Fn(Pair) -> ControlFlow<()> + Sync,
    ) -> Result<()> {
        if max_distance > MAX_DISTANCE {
            return Err(too_wide(max_distance));
        }
        self.ensure_sound(&[])?;
        let mut sources: Vec<Source<'_>> = self.delta.chunks.iter().map(|chunk| Source::Chunk(chunk)).collect();
        for slot in &self.parts {
            let part = slot.part.as_ref().map_err(|error| copy(error))?;
            sources.push(Source::Part(part, slot.record.number));
        }
        sources.sort_by_key(Source::len);
        let stop = AtomicBool::new(false);
        for (rank, source) in sources.iter().enumerate() {
            let size = (source.len() / (rayon::current_num_threads() * 4)).clamp(BLOCK, MOST);
            (0..source.len().div_ceil(size)).into_par_iter().try_for_each(|block| -> Result<()> {
                let from = block * size;
                let block = from..(from + size).min(source.len());
                self.join_block(&sources[rank..], block, max_distance, cancel, &stop, &each)
            })?;
        }
        Ok(())
    }

    /// The entries of `block` of the first source against those after them in it and against all other sources.
    fn join_block(
        &self,
        sources: &[Source<'_>],
        block: std::ops::Range<usize>,
        max_distance: u32,
        cancel: &Cancel,
        stop: &AtomicBool,
        each: &(impl Fn(Pair) -> ControlFlow<()> + Sync),
    ) -> Result<()> {
        let Some(own) = sources.first() else { return Ok(()) };
        if let Source::Part(part, _) = own {
            part.ensure_hashes(block.start, block.len())?;
        }
        // Numbered by their place in the source; the buried do not ask.
        let (mut ids, mut queries) = (Vec::with_capacity(block.len()), Vec::with_capacity(block.len()));
        for at in block.clone() {
            let id = own.id(self, at)?;
            ids.push(id);
            if id.is_some() {
                queries.push((at as u32, Query::new(own.hashes()[at], max_distance)));
            }
        }
        let asked: Vec<(u32, &Query)> = queries.iter().map(|(at, query)| (*at, query)).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let kernels = self.kernels();
        let mut scans: Vec<Scan<'_>> = Vec::new();
        for (rank, target) in sources.iter().enumerate() {
            let mut emit = |query: u32, distance: u32, at: usize| {
                cancel.check()?;
                if stop.load(Ordering::Relaxed) {
                    return Ok(ControlFlow::Break(()));
                }
                if rank == 0 && at <= query as usize {
                    return Ok(ControlFlow::Continue(()));
                }
                let (Some(asker), Some(other)) = (ids[query as usize - block.start], target.id(self, at)?) else {
                    return Ok(ControlFlow::Continue(()));
                };
                let (first, second) = (asker.min(other), asker.max(other));
                let flow = each(Pair { first, second, distance });
                if flow.is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
                Ok(flow)
            };
            cancel.check()?;
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if let Source::Part(part, _) = target
                && plan(&part.layout, max_distance, max_distance, asked.len(), kernels).0 == Plan::Mih
            {
                let mut mih = Mih::new(part, kernels);
                let together = if mih.pays_to_sweep(&asked) { asked.len() } else { BLOCK };
                for some in asked.chunks(together) {
                    cancel.check()?;
                    if mih.run(some, &mut emit)?.is_break() {
                        return Ok(());
                    }
                }
                continue;
            }
            if scans.is_empty() {
                scans.extend(asked.chunks(BLOCK).map(|some| Scan::new(kernels, some.to_vec())));
            }
            let start = if rank == 0 { block.start } else { 0 };
            for from in (start..target.len()).step_by(ROWS) {
                cancel.check()?;
                let rows = from..(from + ROWS).min(target.len());
                if let Source::Part(part, _) = target {
                    part.ensure_hashes(rows.start, rows.len())?;
                }
                for scan in &scans {
                    if scan.run(&target.hashes()[rows.clone()], from, &mut emit)?.is_break() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}
