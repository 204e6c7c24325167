//! Which files are near each other: stills by the self-join of the index, films by the hits of their frames and then by
//! how much of them agrees in time.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use super::gather::{Gathered, Print};
use super::{Choice, Edge};
use crate::error::{Error, Result};
use crate::fingerprint::VideoFingerprint;
use crate::hash::Hash;
use crate::index::{Entry, EntryId, MAX_DISTANCE, Query, Snapshot};
use crate::matching::align::{Agreement, compare};

/// The radius at which one hash is witness enough.
const ALONE: u32 = 31;
/// The radius between frames of films that are looked at closely.
const FRAMES: u32 = 31;
/// So many frames of two films must be near each other before they are looked at closely, or all that the shorter one has: a film
/// of one still picture has one.
const HITS: u32 = 2;
/// So much farther apart than two stills two frames may be, since many of them have to agree in time.
const WIDER: u32 = 33;
/// Stills that ask for their turned copies together.
const BATCH: usize = 512;

/// Every pair of files that is near enough, each once, in no order. Equal hashes are joined by a star, not all with all:
/// a thousand copies of one file are a thousand pairs and not half a million.
pub(super) fn edges(gathered: &Gathered, choice: &Choice) -> Result<Vec<Edge>> {
    let folder = Temporary::default();
    let mut edges = stills(gathered, choice, &folder)?;
    edges.extend(films(gathered, choice, &folder)?);
    Ok(edges)
}

/// A folder for the index of very many files, made when it is asked for and gone when this is dropped.
///
/// Nobody else may look into it or have made it: what lay in it would be taken for files that were listed.
#[derive(Default)]
struct Temporary(OnceLock<PathBuf>);

/// Names that are tried: one that is taken is a chance in 2^64, or somebody's doing.
const NAMES: usize = 16;

impl Temporary {
    fn folder(&self, name: &str) -> Result<PathBuf> {
        if let Some(made) = self.0.get() {
            return Ok(made.join(name));
        }
        let made = fresh(&std::env::temp_dir(), || RandomState::new().hash_one(std::process::id()))?;
        Ok(self.0.get_or_init(|| made).join(name))
    }
}

/// A new folder within `place` that only this user can enter, named by one of the numbers.
fn fresh(place: &Path, mut number: impl FnMut() -> u64) -> Result<PathBuf> {
    #[allow(unused_mut)] // where there are no modes
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for _ in 0..NAMES {
        let folder = place.join(format!("refrain-dedupe-{:016x}", number()));
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(folder, error)),
        }
    }
    let taken = io::Error::new(io::ErrorKind::AlreadyExists, "every name for a temporary folder is taken");
    Err(Error::io(place, taken))
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(folder) = self.0.get() {
            let _ = std::fs::remove_dir_all(folder);
        }
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
    let snapshot = Snapshot::of_entries_in(&entries, || folder.folder("stills"), cancel)?;
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
    // films of one fingerprint stand behind one of them, as stills do; so the very same bytes are grouped whatever they show
    let mut first: HashMap<[u8; 32], usize> = HashMap::new();
    let (mut edges, mut entries) = (Vec::new(), Vec::new());
    let mut counts = vec![0; gathered.files.len()];
    for (at, film) in (0..gathered.files.len()).filter_map(|at| Some((at, film(at)?))) {
        let same = *first.entry(digest(film)).or_insert(at);
        if same != at {
            edges.push(Edge { a: same as u32, b: at as u32, distance: 0, same: true });
            continue;
        }
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
            counts[at] += 1;
        }
    }
    drop(first);
    let cancel = &choice.parallel.cancel;
    let snapshot = Snapshot::of_entries_in(&entries, || folder.folder("films"), cancel)?;
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
    let enough = |&((a, b), hits): &((u64, u64), u32)| hits >= HITS.min(counts[a as usize]).min(counts[b as usize]);
    let candidates: Vec<(u64, u64)> = hits.into_iter().filter(enough).map(|(pair, _)| pair).collect();
    let near: Vec<Option<Edge>> = candidates
        .par_iter()
        .map(|&(a, b)| {
            cancel.check()?;
            let Some((one, other)) = film(a as usize).zip(film(b as usize)) else { return Ok(None) };
            let segments = compare(one, other, &agreement);
            let one_is_longer = one.duration >= other.duration;
            let longer = one.duration.max(other.duration).max(0.1);
            let mut spans: Vec<[f64; 2]> =
                segments.iter().map(|segment| if one_is_longer { segment.query } else { segment.reference }).collect();
            if covered(&mut spans) < choice.share * longer {
                return Ok(None);
            }
            let hits: f64 = segments.iter().map(|segment| f64::from(segment.hits)).sum();
            let sum: f64 = segments.iter().map(|segment| f64::from(segment.hits) * segment.distance).sum();
            let distance = (sum / hits.max(1.0)).round() as u32;
            Ok(Some(Edge { a: a as u32, b: b as u32, distance, same: false }))
        })
        .collect::<Result<_>>()?;
    edges.extend(near.into_iter().flatten());
    Ok(edges)
}

/// What tells films apart: all that they are compared by.
fn digest(film: &VideoFingerprint) -> [u8; 32] {
    let mut digest = blake3::Hasher::new();
    digest.update(&film.duration.to_bits().to_le_bytes());
    for frame in &film.frames {
        digest.update(&frame.time.to_bits().to_le_bytes());
        for hash in [frame.hash, frame.detail.as_ref().map(|detail| detail.hash)] {
            digest.update(&[u8::from(hash.is_some())]);
            digest.update(&hash.unwrap_or_default().0);
        }
    }
    *digest.finalize().as_bytes()
}

/// The seconds that lie in one of the intervals or more.
fn covered(spans: &mut [[f64; 2]]) -> f64 {
    spans.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (mut sum, mut end) = (0.0, f64::NEG_INFINITY);
    for &mut [from, to] in spans {
        sum += (to - from.max(end)).max(0.0);
        end = end.max(to);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_new_private_and_gone_afterwards() {
        let place = tempfile::tempdir().unwrap();
        let taken = place.path().join(format!("refrain-dedupe-{:016x}", 0));
        std::fs::create_dir(&taken).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&taken, place.path().join(format!("refrain-dedupe-{:016x}", 1))).unwrap();
        let mut numbers = 0..;
        let made = fresh(place.path(), || numbers.next().unwrap_or_default()).unwrap();
        assert_eq!(made, place.path().join(format!("refrain-dedupe-{:016x}", if cfg!(unix) { 2 } else { 1 })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
        }
        let error = fresh(place.path(), || 0).unwrap_err();
        assert!(error.to_string().contains(&*place.path().to_string_lossy()), "{error}");

        let (one, other) = (Temporary::default(), Temporary::default());
        let folders = [one.folder("films").unwrap(), one.folder("stills").unwrap(), other.folder("films").unwrap()];
        assert_eq!(folders[0].parent(), folders[1].parent());
        assert_ne!(folders[0].parent(), folders[2].parent());
        drop((one, other, Temporary::default()));
        assert!(folders.iter().all(|folder| !folder.parent().unwrap().exists()));
    }

    fn gathered(films: &[Vec<Hash>]) -> Gathered {
        use crate::dedupe::FileInfo;
        use crate::dedupe::gather::File;
        use crate::fingerprint::{FrameHash, Role, View};
        let file = |(at, hashes): (usize, &Vec<Hash>)| {
            let frame = |(second, &hash): (usize, &Hash)| {
                FrameHash::of_hashes(second as f64, Role::Frame, View::Full, hash, Some(hash))
            };
            let frames = hashes.iter().enumerate().map(frame).collect();
            let film = VideoFingerprint::of_frames(hashes.len() as f64, frames);
            let info = FileInfo {
                path: format!("{at}.mp4").into(),
                links: Vec::new(),
                kind: "video",
                width: 320,
                height: 240,
                duration: film.duration,
                bytes: 1000,
                modified: None,
                reference: false,
                warnings: Vec::new(),
            };
            File { info, print: Print::Film(film) }
        };
        Gathered { files: films.iter().enumerate().map(file).collect(), failed: Vec::new() }
    }

    #[test]
    fn films_of_one_still_picture_are_near_one_another() {
        let hash = |seed: u64| {
            Hash::from_words([1, 2, 3, 4].map(|word: u64| (seed * 4 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        };
        let mut bent = hash(1);
        bent.0[3] ^= 7;
        let scenes = |seeds: std::ops::Range<u64>| seeds.flat_map(|seed| [hash(seed); 3]).collect::<Vec<_>>();
        let films = [
            vec![hash(1); 12],
            vec![hash(1); 12],
            vec![bent; 12],
            vec![hash(2); 12],
            scenes(10..16),
            scenes(10..16),
            // it shows the still picture for a moment
            [scenes(20..30), vec![hash(1); 3]].concat(),
        ];
        let mut edges = edges(&gathered(&films), &Choice::default()).unwrap();
        edges.sort_by_key(|edge| (edge.a, edge.b));
        let told: Vec<_> = edges.iter().map(|edge| (edge.a, edge.b, edge.same)).collect();
        assert_eq!(told, [(0, 1, true), (0, 2, false), (4, 5, true)]);
        assert_eq!(crate::dedupe::complete_linkage(films.len(), &edges), [vec![0, 1, 2], vec![4, 5]]);
    }

    #[test]
    fn overlapping_spans_count_once() {
        assert_eq!(covered(&mut []), 0.0);
        assert_eq!(covered(&mut [[4.0, 6.0], [0.0, 2.0], [1.0, 3.0], [1.5, 2.5]]), 5.0);
    }
}
