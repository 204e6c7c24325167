//! Which files are near each other: stills by the self-join of the index, films by the hits of their frames and then by
//! how much of them agrees in time.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::gather::{Gathered, Print};
use super::{Choice, Edge};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::index::{Entry, EntryId, MAX_DISTANCE, Query, Snapshot};
use crate::matching::align::{Agreement, compare};
use crate::matching::union;

/// The radius at which one hash is witness enough.
const ALONE: u32 = 31;
/// The radius between frames of films that are looked at closely.
const FRAMES: u32 = 31;
/// So many frames of two films must be near each other before they are looked at closely.
const HITS: u32 = 2;
/// So much farther apart than two stills two frames may be, since many of them have to agree in time.
const WIDER: u32 = 33;
/// Stills that ask for their turned copies together.
const BATCH: usize = 512;

/// Every pair of files that is near enough, each once, in no order. Equal hashes are joined by a star, not all with all:
/// a thousand copies of one file are a thousand pairs and not half a million.
pub(super) fn edges(gathered: &Gathered, choice: &Choice) -> Result<Vec<Edge>> {
    let folder = Temporary::new();
    let mut edges = stills(gathered, choice, &folder)?;
    edges.extend(films(gathered, choice, &folder)?);
    Ok(edges)
}

/// A folder for the index of very many files, gone when it is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("refrain-dedupe-{}-{number}", std::process::id())))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn too_many() -> Error {
    Error::limit("files", EntryId::MAX_OWNER, EntryId::MAX_OWNER + 1)
}

fn stills(gathered: &Gathered, choice: &Choice, folder: &Temporary) -> Result<Vec<Edge>> {
    let still = |at: usize| match &gathered.files[at].print {
        Print::Still { hash, detail, orientations } => Some((*hash, *detail, orientations.as_deref())),
        _ => None,
    };
    // files of one hash stand behind one of them, so that a heap of equal files is no square of pairs
    let mut first: HashMap<Hash, usize> = HashMap::new();
    let (mut edges, mut entries) = (Vec::new(), Vec::new());
    for at in 0..gathered.files.len() {
        let Some((hash, ..)) = still(at) else { continue };
        match first.get(&hash) {
            Some(&same) => edges.push(Edge { a: same as u32, b: at as u32, distance: 0, same: true }),
            None => {
                first.insert(hash, at);
                let id = EntryId::new(at as u64, 0).ok_or_else(too_many)?;
                entries.push(Entry { id, hash });
            }
        }
    }
    drop(first);
    let cancel = &choice.parallel.cancel;
    let snapshot = Snapshot::of_entries(&entries, &folder.folder("stills"), cancel)?;
    let near = |a: usize, b: usize, distance: u32| {
        distance <= ALONE || still(a).zip(still(b)).is_some_and(|(a, b)| a.1.distance(&b.1) <= choice.max_distance)
    };
    let found = Mutex::new(edges);
    let keep = |a: u64, b: u64, distance: u32| {
        let edge = Edge { a: a.min(b) as u32, b: a.max(b) as u32, distance, same: false };
        found.lock().unwrap_or_else(PoisonError::into_inner).push(edge);
    };
    snapshot.self_join(choice.max_distance, cancel, |pair| {
        let (a, b) = (pair.first.owner(), pair.second.owner());
        if near(a as usize, b as usize, pair.distance) {
            keep(a, b, pair.distance);
        }
        ControlFlow::Continue(())
    })?;
    if choice.turned {
        entries.par_chunks(BATCH).try_for_each(|batch| -> Result<()> {
            cancel.check()?;
            let (mut owners, mut queries) = (Vec::new(), Vec::new());
            for entry in batch {
                let owner = entry.id.owner();
                let Some((_, _, Some(all))) = still(owner as usize) else { continue };
                let all = all.all();
                // turned, then the negatives of all eight; without a witness no wider than one hash allows
                let hashes = all[1..].iter().copied().chain(all.iter().map(Hash::complement));
                let max_distance = choice.max_distance.min(ALONE);
                let asked: Vec<Query> = hashes.map(|hash| Query::new(hash, max_distance)).collect();
                owners.extend(asked.iter().map(|_| owner));
                queries.extend(asked);
            }
            for hit in snapshot.search_each(&queries, usize::MAX)?.hits {
                let (asked, found) = (owners[hit.query as usize], hit.id.owner());
                if asked < found {
                    keep(asked, found, hit.distance);
                }
            }
            Ok(())
        })?;
    }
    let mut edges = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if choice.turned {
        // found plainly and turned: the nearer way counts
        edges.sort_unstable_by_key(|edge| (edge.a, edge.b, edge.distance));
        edges.dedup_by_key(|edge| (edge.a, edge.b));
    }
    Ok(edges)
}

fn films(gathered: &Gathered, choice: &Choice, folder: &Temporary) -> Result<Vec<Edge>> {
    let film = |at: usize| match &gathered.files[at].print {
        Print::Film(film) => Some(film),
        _ => None,
    };
    let mut entries = Vec::new();
    for (at, film) in (0..gathered.files.len()).filter_map(|at| Some((at, film(at)?))) {
        let mut before = None;
        for (ordinal, frame) in (0..=EntryId::MAX_ORDINAL).zip(&film.frames) {
            let Some(hash) = frame.hash else { continue };
            // a scene without motion is one picture
            if before.is_some_and(|before: Hash| before.distance(&hash) <= 4) {
                continue;
            }
            before = Some(hash);
            let id = EntryId::new(at as u64, ordinal).ok_or_else(too_many)?;
            entries.push(Entry { id, hash });
        }
    }
    let cancel = &choice.parallel.cancel;
    let snapshot = Snapshot::of_entries(&entries, &folder.folder("films"), cancel)?;
    let hits: Mutex<HashMap<(u64, u64), u32>> = Mutex::default();
    snapshot.self_join(FRAMES, cancel, |pair| {
        let (a, b) = (pair.first.owner(), pair.second.owner());
        if a != b {
            let key = (a.min(b), a.max(b));
            *hits.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        }
        ControlFlow::Continue(())
    })?;
    let hits = hits.into_inner().unwrap_or_else(PoisonError::into_inner);
    let wider = (choice.max_distance + WIDER).min(MAX_DISTANCE);
    let agreement = Agreement { max_distance: wider, ..Agreement::default() };
    let candidates: Vec<(u64, u64)> =
        hits.into_iter().filter(|(_, hits)| *hits >= HITS).map(|(pair, _)| pair).collect();
    let edges: Vec<Option<Edge>> = candidates
        .par_iter()
        .map(|&(a, b)| {
            cancel.check()?;
            let Some((one, other)) = film(a as usize).zip(film(b as usize)) else { return Ok(None) };
            let segments = compare(one, other, &agreement);
            let one_is_longer = one.duration >= other.duration;
            let longer = one.duration.max(other.duration).max(0.1);
            let spans = segments.iter().map(|segment| if one_is_longer { segment.query } else { segment.reference });
            if union(spans) < choice.share * longer {
                return Ok(None);
            }
            let hits: f64 = segments.iter().map(|segment| f64::from(segment.hits)).sum();
            let sum: f64 = segments.iter().map(|segment| f64::from(segment.hits) * segment.distance).sum();
            let distance = (sum / hits.max(1.0)).round() as u32;
            Ok(Some(Edge { a: a as u32, b: b as u32, distance, same: false }))
        })
        .collect::<Result<_>>()?;
    Ok(edges.into_iter().flatten().collect())
}
