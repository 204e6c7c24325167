//! The files to compare: each once by whatever names, with the hashes that the comparison needs and nothing else.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::slice::ParallelSliceMut;

use super::{Choice, FileInfo};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Options, VideoFingerprint, View, ViewSet};
use crate::hash::Hash;
use crate::hash::pdq::Orientations;
use crate::matching::Outcome;
use crate::report::json::Failure;
use crate::scan::{Item, Listing, Meter, Progress, fingerprint_cached, ordered};

/// Hashes of less than this are not compared.
const MIN_QUALITY: u8 = 50;
const MIN_STABILITY: f32 = 0.5;

/// A file and what it is compared by.
#[derive(Debug)]
pub(super) struct File {
    pub(super) info: FileInfo,
    pub(super) print: Print,
}

/// What a file is compared by.
#[derive(Debug)]
pub(super) enum Print {
    /// A still: PDQ, the detail hash, and for turned copies all eight orientations of PDQ.
    Still { hash: Hash, detail: Hash, orientations: Option<Box<Orientations>> },
    /// A film.
    Film(VideoFingerprint),
    /// Too little detail.
    Plain,
}

#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// In the order of the listing.
    pub(super) files: Vec<File>,
    pub(super) failed: Vec<(PathBuf, Failure)>,
}

impl Gathered {
    /// The files with too little detail.
    pub(super) fn plain(&self) -> Vec<usize> {
        (0..self.files.len()).filter(|&at| matches!(self.files[at].print, Print::Plain)).collect()
    }
}

/// A file that was listed, by all its names.
pub(super) struct Named<'a> {
    /// By the name that was met first.
    pub(super) item: &'a Item,
    /// Its other names.
    pub(super) links: Vec<PathBuf>,
    /// Whether one of its names lies in a reference folder.
    pub(super) reference: bool,
}

impl Named<'_> {
    /// The file with what is known of it now.
    pub(super) fn info(&self, shape: Shape) -> FileInfo {
        let (bytes, modified) = self.item.found.as_ref().map_or((0, None), |file| (file.size, file.modified));
        FileInfo {
            path: self.item.path.clone(),
            links: self.links.clone(),
            kind: shape.kind,
            width: shape.width,
            height: shape.height,
            duration: shape.duration,
            bytes,
            modified,
            reference: self.reference,
            warnings: shape.warnings,
        }
    }
}

/// Every file once: hard links and links that were followed are names of one file, never its copies.
pub(super) fn distinct<'a>(listing: &'a Listing, choice: &Choice) -> Vec<Named<'a>> {
    let references: Vec<PathBuf> = choice.references.iter().filter_map(|dir| fs::canonicalize(dir).ok()).collect();
    let identity = |item: &Item| item.found.as_ref().ok().and_then(|file| file.identity);
    let mut several = several(listing.items.iter().filter_map(identity));
    let mut named: Vec<Named<'_>> = Vec::with_capacity(listing.items.len());
    let mut place = Place::default();
    for item in &listing.items {
        let known = if several.is_empty() { None } else { identity(item).and_then(|it| several.get_mut(&it)) };
        match known {
            Some(&mut Some(at)) if named[at].item.path == item.path => {}
            Some(&mut Some(at)) => {
                named[at].reference |= place.within(&item.path, &references);
                named[at].links.push(item.path.clone());
            }
            first => {
                first.map(|first| first.replace(named.len()));
                named.push(Named { item, links: Vec::new(), reference: place.within(&item.path, &references) });
            }
        }
    }
    named
}

/// Those that are there more than once, with room for the place of the first.
fn several(identities: impl Iterator<Item = (u64, u64)>) -> HashMap<(u64, u64), Option<usize>> {
    let mut identities: Vec<_> = identities.collect();
    identities.par_sort_unstable();
    let pairs = identities.windows(2).filter(|pair| pair[0] == pair[1]);
    pairs.map(|pair| (pair[0], None)).collect()
}

/// How files are decoded, where so many are.
pub(super) fn media(choice: &Choice, files: usize) -> Options {
    let mut media = Options { views: ViewSet::Whole, ..choice.media.clone() };
    media.cancel = choice.parallel.cancel.clone();
    media.threads = choice.parallel.share(files);
    media
}

/// Fingerprints every file.
pub(super) fn gather(named: &[Named<'_>], choice: &Choice, progress: &mut impl FnMut(&Progress)) -> Result<Gathered> {
    let media = media(choice, named.len());
    let mut meter = Meter::new(named.iter().map(|named| named.item));
    let mut gathered = Gathered::default();
    ordered(
        &choice.parallel,
        named,
        |Named { item, .. }| {
            let begun = Instant::now();
            let print = fingerprint_cached(item, &media, choice.cache.as_deref());
            (print.map(|print| reduced(print, choice.turned)), begun.elapsed())
        },
        |Named { item, .. }, (print, busy)| {
            let (outcome, seconds) = match print {
                Ok((shape, Print::Plain)) => (Outcome::TooLittleDetail, shape.duration),
                Ok((shape, _)) => (Outcome::NoMatch, shape.duration),
                Err(Error::Cancelled) => return Ok(()),
                Err(Error::TooLittleDetail { .. }) => (Outcome::TooLittleDetail, 0.0),
                Err(_) => (Outcome::Unreadable, 0.0),
            };
            meter.add(item, outcome, Some(seconds), Some(*busy));
            progress(&meter.so_far);
            Ok::<_, Error>(())
        },
        |named, (print, _)| {
            let (shape, print) = match print {
                Ok(done) => done,
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(Error::TooLittleDetail { .. }) => (Shape::default(), Print::Plain),
                Err(error) => {
                    gathered.failed.push((named.item.path.clone(), (&error).into()));
                    return Ok(());
                }
            };
            gathered.files.push(File { info: named.info(shape), print });
            Ok(())
        },
    )?;
    Ok(gathered)
}

/// What is known of a file beside its hashes.
pub(super) struct Shape {
    pub(super) kind: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) duration: f64,
    /// What was wrong with a film of which nevertheless this much could be used.
    pub(super) warnings: Vec<String>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { kind: "image", width: 0, height: 0, duration: 0.0, warnings: Vec::new() }
    }
}

fn reduced(print: Fingerprint, turned: bool) -> (Shape, Print) {
    let kind = print.kind();
    match print {
        Fingerprint::Image(image) => {
            let shape = Shape { kind, width: image.width, height: image.height, ..Shape::default() };
            let clear = |quality, stability| quality >= MIN_QUALITY && stability >= MIN_STABILITY;
            let whole = image.views.into_iter().find(|view| view.view == View::Full);
            let print =
                whole.filter(|view| clear(view.quality, view.stability)).map_or(Print::Plain, |view| Print::Still {
                    hash: view.hash,
                    detail: view.detail.map_or(view.hash, |detail| detail.hash),
                    orientations: view.orientations.filter(|_| turned),
                });
            (shape, print)
        }
        Fingerprint::Video(film) => {
            let warnings = film.warnings.clone();
            let shape = Shape { kind, width: film.width, height: film.height, duration: film.duration, warnings };
            let mut film = film.into_reference();
            film.frames.retain(|frame| {
                frame.view == View::Full && frame.quality >= MIN_QUALITY && frame.stability >= MIN_STABILITY
            });
            film.frames.shrink_to_fit();
            (shape, if film.frames.is_empty() { Print::Plain } else { Print::Film(film) })
        }
    }
}

/// Where files really lie; the last folder is remembered.
#[derive(Default)]
struct Place {
    folder: PathBuf,
    within: bool,
    known: bool,
}

impl Place {
    fn within(&mut self, path: &Path, references: &[PathBuf]) -> bool {
        if references.is_empty() {
            return false;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !self.known || self.folder != folder {
            let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
            self.within = references.iter().any(|reference| real.starts_with(reference));
            (self.folder, self.known) = (folder.to_path_buf(), true);
        }
        // a link to a file inside counts as well
        self.within || fs::canonicalize(path).is_ok_and(|real| references.iter().any(|at| real.starts_with(at)))
    }
}
