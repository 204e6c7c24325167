//! An unchanging view of an index, and the questions that it answers.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::delta::Delta;
use super::part::Part;
use super::search::{Mih, Plan, Scan, TOGETHER, plan};
use super::tables::{Meta, Record};
use super::tombstones::Tombstones;
use super::{Hit, Query};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::simd::distance::Kernels;

/// The widest radius that can be asked for, inclusive.
pub const MAX_DISTANCE: u32 = 96;

/// Hashes that one thread scans at a time.
const ROWS: usize = 1 << 16;
/// Nanoseconds of work below which threads are not worth waking.
const ALONE: f64 = 200_000.0;
/// Nanoseconds of work that a task should hold at least.
const TASK: f64 = 100_000.0;
/// Nanoseconds that a hash and a query take in a scan, roughly.
const SCANNED: f64 = 0.5;
/// A capped search throws away what is over the cap whenever this many hits have gathered.
const GATHER: usize = 1 << 16;

/// An index as it was at one moment. It stays valid, and the same, whatever happens to the index afterwards.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) meta: Meta,
    pub(super) delta: Delta,
    pub(super) tombstones: Tombstones,
    pub(super) parts: Vec<Slot>,
    /// What of the database could not be taken up.
    pub(super) flaws: Vec<Flaw>,
    /// Whether the database is damaged as a whole; then that is one of the flaws.
    pub(super) unsound: bool,
    /// Buried entries of each part, once somebody asks.
    pub(super) dead: OnceLock<Vec<u64>>,
    pub(super) kernels: Option<Kernels>,
}

/// A listed part, open or unusable.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) record: Record,
    pub(super) part: Result<Arc<Part>, Arc<Error>>,
}

/// Something of the database that is damaged, so that entries may be missing, or found though they were removed.
#[derive(Debug, Clone)]
pub(super) struct Flaw {
    /// Under which number it came; `None` for what each look tells anew.
    pub(super) number: Option<u64>,
    pub(super) error: Arc<Error>,
}

/// The hits of a batch of queries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// Sorted by query, then distance, then id.
    pub hits: Vec<Hit>,
    /// The queries that had more hits than the cap, in order; their nearest are in `hits`.
    pub cut: Vec<u32>,
}

/// A piece of a search.
enum Task<'a> {
    /// Some queries through a part's postings.
    Mih(&'a Slot, Vec<(u32, &'a Query)>),
    /// Some rows of a part.
    Part(&'a Slot, Arc<Scan<'a>>, std::ops::Range<usize>),
    /// Some rows of a damaged part whose hashes are whole; hits whose ids are not are left out.
    Whole(&'a Slot, Arc<Scan<'a>>, std::ops::Range<usize>),
    /// One chunk of the delta.
    Chunk(usize, Arc<Scan<'a>>),
}

impl Snapshot {
    /// Every entry within `max_distance` (inclusive) of each query, sorted by query, distance, id.
    ///
    /// # Errors
    /// [`Error::Option`] for a radius over [`MAX_DISTANCE`]; [`Error::Corrupt`] naming a damaged file.
    pub fn search(&self, queries: &[Hash], max_distance: u32) -> Result<Vec<Hit>> {
        let queries: Vec<Query> = queries.iter().map(|&hash| Query::new(hash, max_distance)).collect();
        Ok(self.search_each(&queries, usize::MAX)?.hits)
    }

    /// As [`Self::search`], with a radius for each query, and at most `cap` hits a query: the nearest, ties by id. A query with
    /// a smaller [`Query::certain`] has the hits that it finds.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn search_each(&self, queries: &[Query], cap: usize) -> Result<Hits> {
        self.search_among(queries, cap, &[])
    }

    /// As [`Self::search_each`] among what is whole, and what is damaged or missing of what was to be looked at. A part in which
    /// damage was met is scanned, which takes longer; every entry in it whose hash and id are whole is found as ever. Without
    /// damage this is [`Self::search_each`].
    ///
    /// # Errors
    /// As [`Self::search_each`] but for [`Error::Corrupt`]; [`Error::Format`] for a part of another version.
    pub fn search_whole(&self, queries: &[Query], cap: usize) -> Result<(Hits, Vec<Error>)> {
        // Every damaged file is met once; then all of them are known.
        let mut damage: Vec<Error> = self.flaws.iter().map(|flaw| copy(&flaw.error)).collect();
        loop {
            match self.search_among(queries, cap, &damage) {
                Ok(hits) => return Ok((hits, damage)),
                Err(error) if is_damage(&error) && !names(&damage, &error) => damage.push(error),
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`Self::search_each`], in the files that these errors name among what is whole.
    fn search_among(&self, queries: &[Query], cap: usize, damage: &[Error]) -> Result<Hits> {
        let (tasks, cost) = self.tasks(queries, damage)?;
        let work = |task: &Task<'_>| -> Result<Vec<Hit>> {
            let mut hits = Vec::new();
            let mut limit = GATHER;
            let _ = self.run(task, &mut |hit| {
                hits.push(hit);
                if cap != usize::MAX && hits.len() >= limit {
                    trim(&mut hits, cap.saturating_add(1));
                    limit = hits.len() * 2 + GATHER;
                }
                ControlFlow::Continue(())
            })?;
            Ok(hits)
        };
        let alone = cost < ALONE || tasks.len() < 2 || rayon::current_num_threads() < 2;
        let mut hits: Vec<Hit> = if alone {
            let mut all = Vec::new();
            for task in &tasks {
                all.append(&mut work(task)?);
            }
            all
        } else {
            let all: Vec<Vec<Hit>> = tasks.par_iter().map(work).collect::<Result<_>>()?;
            all.concat()
        };
        sort(&mut hits);
        let cut = trim_sorted(&mut hits, cap);
        Ok(Hits { hits, cut })
    }

    /// The `k` nearest entries of each query that are within `max_distance`, sorted by query, distance, id.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub fn nearest(&self, queries: &[Hash], k: usize, max_distance: u32) -> Result<Vec<Hit>> {
        if max_distance > MAX_DISTANCE {
            return Err(too_wide(max_distance));
        }
        // Most have their neighbours close by: ask narrowly first, and again only for those that have not enough.
        let mut waiting: Vec<u32> = (0..).take(queries.len()).collect();
        let mut found = Vec::new();
        for radius in [7, 15, 31, 47, MAX_DISTANCE].map(|radius| radius.min(max_distance)) {
            let asked: Vec<Query> = waiting.iter().map(|&query| Query::new(queries[query as usize], radius)).collect();
            let hits = self.search_each(&asked, k)?.hits;
            let mut counts = vec![0; waiting.len()];
            hits.iter().for_each(|hit| counts[hit.query as usize] += 1);
            let enough = |query: u32| counts[query as usize] >= k || radius == max_distance;
            found.extend(hits.into_iter().filter(|hit| enough(hit.query)).map(|hit| {
                let query = waiting[hit.query as usize];
                Hit { query, ..hit }
            }));
            waiting = (0..).zip(waiting).filter(|&(i, _)| !enough(i)).map(|(_, query)| query).collect();
            if waiting.is_empty() {
                break;
            }
        }
        sort(&mut found);
        Ok(found)
    }

    /// Calls `each` with every hit that [`Self::search_each`] has, each once, in no particular order, until it breaks. Nothing is gathered in memory.
    ///
    /// # Errors
    /// As [`Self::search`]; what was visited before the error stands.
    pub fn visit(&self, queries: &[Query], mut each: impl FnMut(Hit) -> ControlFlow<()>) -> Result<()> {
        for task in &self.tasks(queries, &[])?.0 {
            if self.run(task, &mut each)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The work, in pieces, and the nanoseconds that all of it may take. Files that `damage` names are only scanned, as far as they are
    /// whole.
    fn tasks<'a>(&'a self, queries: &'a [Query], damage: &[Error]) -> Result<(Vec<Task<'a>>, f64)> {
        if let Some(query) = queries.iter().find(|query| query.max_distance > MAX_DISTANCE) {
            return Err(too_wide(query.max_distance));
        }
        self.ensure_sound(damage)?;
        let (kernels, threads) = (self.kernels(), rayon::current_num_threads());
        let (mut tasks, mut total) = (Vec::new(), 0.0);
        let mut everything = None;
        let mut all = || {
            let numbered = || (0..).zip(queries).collect();
            Arc::clone(everything.get_or_insert_with(|| Arc::new(Scan::new(kernels, numbered()))))
        };
        if queries.is_empty() {
            return Ok((tasks, total));
        }
        for chunk in 0..self.delta.chunks.len() {
            total += self.delta.chunks[chunk].ids.len() as f64 * queries.len() as f64 * SCANNED;
            tasks.push(Task::Chunk(chunk, all()));
        }
        let mut sorted: BTreeMap<[u32; 2], Vec<(u32, &Query)>> = BTreeMap::new();
        for (number, query) in (0..).zip(queries) {
            sorted
                .entry([query.certain.min(query.max_distance), query.max_distance])
                .or_default()
                .push((number, query));
        }
        for slot in &self.parts {
            let part = match &slot.part {
                Ok(part) if damage.iter().any(|error| file(error) == Some(part.path())) => {
                    for rows in whole_rows(part) {
                        total += SCANNED * (rows.len() * queries.len()) as f64;
                        tasks.push(Task::Whole(slot, all(), rows));
                    }
                    continue;
                }
                Ok(part) => part,
                Err(error) if names(damage, error) => continue,
                Err(error) => return Err(copy(error)),
            };
            let mut scanned = Vec::new();
            for (&[certain, radius], group) in &sorted {
                let (way, cost) = plan(&part.layout, certain, radius, queries.len(), kernels);
                total += cost * group.len() as f64;
                match way {
                    Plan::Mih => {
                        // Many queries are swept together, as many as the threads leave.
                        let size = ((TASK / cost) as usize).max(group.len().div_ceil(threads)).clamp(8, TOGETHER);
                        tasks.extend(group.chunks(size).map(|some| Task::Mih(slot, some.to_vec())));
                    }
                    Plan::Scan => scanned.extend_from_slice(group),
                }
            }
            if scanned.is_empty() {
                continue;
            }
            let scan = if scanned.len() == queries.len() { all() } else { Arc::new(Scan::new(kernels, scanned)) };
            for from in (0..part.len()).step_by(ROWS) {
                tasks.push(Task::Part(slot, Arc::clone(&scan), from..(from + ROWS).min(part.len())));
            }
        }
        Ok((tasks, total))
    }

    /// An error if something of the database is damaged, unless `damage` names it.
    pub(super) fn ensure_sound(&self, damage: &[Error]) -> Result<()> {
        let flaw = self.flaws.iter().find(|flaw| !names(damage, &flaw.error));
        flaw.map_or(Ok(()), |flaw| Err(copy(&flaw.error)))
    }

    fn run(&self, task: &Task<'_>, each: &mut dyn FnMut(Hit) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let mut in_part = |slot: &Slot, part: &Part, query: u32, distance: u32, at: usize| {
            let id = part.id(at)?;
            if self.tombstones.bury(id.owner(), slot.record.number) {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(each(Hit { query, distance, id }))
        };
        match task {
            Task::Mih(slot, queries) => {
                let part = slot.part.as_ref().map_err(|error| copy(error))?;
                Mih::new(part, self.kernels()).run(queries, &mut |q, d, at| in_part(slot, part, q, d, at))
            }
            Task::Part(slot, scan, rows) => {
                let part = slot.part.as_ref().map_err(|error| copy(error))?;
                part.ensure_hashes(rows.start, rows.len())?;
                let hashes = &part.hashes()[rows.clone()];
                scan.run(hashes, rows.start, &mut |q, d, at| in_part(slot, part, q, d, at))
            }
            Task::Whole(slot, scan, rows) => {
                let part = slot.part.as_ref().map_err(|error| copy(error))?;
                scan.run(&part.hashes()[rows.clone()], rows.start, &mut |query, distance, at| match part.id(at) {
                    Ok(_) => in_part(slot, part, query, distance, at),
                    Err(_) => Ok(ControlFlow::Continue(())),
                })
            }
            Task::Chunk(chunk, scan) => {
                let chunk = &self.delta.chunks[*chunk];
                scan.run(&chunk.hashes, 0, &mut |query, distance, at| {
                    let id = chunk.ids[at];
                    if self.tombstones.bury(id.owner(), chunk.numbers[at]) {
                        return Ok(ControlFlow::Continue(()));
                    }
                    Ok(each(Hit { query, distance, id }))
                })
            }
        }
    }

    pub(super) fn kernels(&self) -> Kernels {
        self.kernels.unwrap_or_else(Kernels::current)
    }

    /// Buried entries of each part. A part that cannot be read counts none.
    pub(super) fn dead(&self) -> &[u64] {
        self.dead.get_or_init(|| {
            let count = |slot: &Slot| -> u64 {
                let Ok(part) = &slot.part else { return 0 };
                let buried = self.tombstones.iter().filter(|(_, number)| slot.record.number < *number);
                buried.map(|(owner, _)| part.of_owner(owner).map_or(0, |range| range.len() as u64)).sum()
            };
            self.parts.iter().map(count).collect()
        })
    }

    /// Entries that can be found.
    pub fn len(&self) -> u64 {
        let in_parts: u64 = self.parts.iter().map(|slot| slot.record.entries).sum();
        if self.tombstones.is_empty() {
            return in_parts + self.delta.len() as u64;
        }
        let live = |chunk: &super::delta::Chunk| {
            chunk.ids.iter().zip(&chunk.numbers).filter(|(id, n)| !self.tombstones.bury(id.owner(), **n)).count()
        };
        let in_delta: u64 = self.delta.chunks.iter().map(|chunk| live(chunk) as u64).sum();
        in_parts - self.dead().iter().sum::<u64>() + in_delta
    }

    /// Whether nothing can be found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows of a part whose hashes are whole, in pieces of at most [`ROWS`].
fn whole_rows(part: &Part) -> Vec<std::ops::Range<usize>> {
    const STEP: usize = 128; // hashes of a block
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for from in (0..part.len()).step_by(STEP) {
        let rows = from..(from + STEP).min(part.len());
        if part.ensure_hashes(rows.start, rows.len()).is_ok() {
            match runs.last_mut().filter(|run| run.end == from && run.len() < ROWS) {
                Some(run) => run.end = rows.end,
                None => runs.push(rows),
            }
        }
    }
    runs
}

/// Whether a file has changed or is gone since it was written, the rest being as good as ever.
pub(super) fn is_damage(error: &Error) -> bool {
    match error {
        Error::Corrupt { .. } => true,
        Error::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// The file that is damaged.
fn file(error: &Error) -> Option<&std::path::Path> {
    match error {
        Error::Corrupt { path, .. } | Error::Io { path, .. } => Some(path),
        _ => None,
    }
}

/// Whether the file that `error` is about is known to be damaged.
fn names(damage: &[Error], error: &Error) -> bool {
    damage.iter().any(|known| file(known) == file(error))
}

/// Keeps the nearest `keep` hits of each query.
fn trim(hits: &mut Vec<Hit>, keep: usize) {
    sort(hits);
    trim_sorted(hits, keep);
}

/// In the order of [`Hit`], by one number: a third of the time that comparing field by field takes.
fn sort(hits: &mut [Hit]) {
    hits.sort_unstable_by_key(|hit| {
        u128::from(hit.query) << 96 | u128::from(hit.distance) << 64 | u128::from(hit.id.to_u64())
    });
}

/// As [`trim`], for sorted hits; returns the queries that lost any.
fn trim_sorted(hits: &mut Vec<Hit>, keep: usize) -> Vec<u32> {
    let (mut query, mut count) = (None, 0);
    let mut cut = Vec::new();
    hits.retain(|hit| {
        count = if query == Some(hit.query) { count + 1 } else { 1 };
        query = Some(hit.query);
        if count > keep && cut.last() != query.as_ref() {
            cut.push(hit.query);
        }
        count <= keep
    });
    cut
}

pub(super) fn too_wide(got: u32) -> Error {
    Error::option("max_distance", format!("at most {MAX_DISTANCE}, got {got}"))
}

/// Errors cannot be cloned; one that is kept is told again.
pub(crate) fn copy(error: &Error) -> Error {
    match error {
        Error::Corrupt { path, detail } => Error::corrupt(path, detail),
        Error::Format { path, expected, got } => {
            Error::Format { path: path.clone(), expected: expected.clone(), got: got.clone() }
        }
        Error::Io { path, source } => Error::io(path, std::io::Error::new(source.kind(), source.to_string())),
        Error::Locked { path } => Error::Locked { path: path.clone() },
        Error::Option { name, detail } => Error::Option { name, detail: detail.clone() },
        Error::Limit { path, limit, max, got } => Error::Limit { path: path.clone(), limit, max: *max, got: *got },
        Error::Cancelled => Error::Cancelled,
        other => Error::corrupt("", other.to_string()),
    }
}
