//! Groups of near-duplicates within folders, and which copy of each group is the best one. Nothing is ever deleted here:
//! what comes out is a plan for a person.
//!
//! Files become fingerprints, near ones become pairs (by the self-join of the index), pairs become groups (by
//! [`complete_linkage`]), and a group gets an order.

mod gather;
mod group;
mod near;
mod plan;
mod remember;

pub use group::{Edge, complete_linkage};
pub use plan::{Group, Member, Role, Why, script};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::fingerprint::{Options, ViewSet};
use crate::report::json::Failure;
use crate::scan::{Cache, Listing, Parallel, Progress};

/// How duplicates are looked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Choice {
    /// The largest distance between two files of a group, 0..=[`Choice::MAX_DISTANCE`]. Beyond 31 the detail hashes have to
    /// be as close as well, since pictures that share a template come near each other by one hash alone.
    pub max_distance: u32,
    /// Mirrored, turned and negative stills count as copies.
    pub turned: bool,
    /// The share of the longer of two films that has to agree, above 0.0 and up to 1.0.
    pub share: f64,
    /// Folders whose files are never proposed for removal. What lies in them is only looked at if it is listed.
    pub references: Vec<PathBuf>,
    /// How files are decoded; the views are not looked at.
    pub media: Options,
    /// Threads, window and cancellation. The flag is shared with the decoders.
    pub parallel: Parallel,
    /// Fingerprints of files that have been read before.
    pub cache: Option<Arc<Cache>>,
}

impl Default for Choice {
    fn default() -> Self {
        let media = Options { views: ViewSet::Whole, ..Options::default() };
        Self {
            max_distance: 31,
            turned: false,
            share: 0.8,
            references: Vec::new(),
            media,
            parallel: Parallel::default(),
            cache: None,
        }
    }
}

impl Choice {
    /// The widest choice.
    pub const MAX_DISTANCE: u32 = 64;

    fn check(&self) -> Result<()> {
        if self.max_distance > Self::MAX_DISTANCE {
            let detail = format!("at most {}, got {}", Self::MAX_DISTANCE, self.max_distance);
            return Err(Error::option("max_distance", detail));
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(Error::option("share", format!("above 0 and up to 1, got {}", self.share)));
        }
        Ok(())
    }
}

/// One file, by all the names that it has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FileInfo {
    /// The name that was met first.
    pub path: PathBuf,
    /// Other names of the same file: hard links, and links that were followed.
    pub links: Vec<PathBuf>,
    /// `image` or `video`.
    pub kind: &'static str,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// Playing time in seconds, 0 for stills.
    pub duration: f64,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was last written, if the file system says so.
    pub modified: Option<SystemTime>,
    /// Whether one of its names lies in a reference folder.
    pub reference: bool,
    /// What was wrong with a film of which nevertheless this much could be used, for people.
    pub warnings: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Found {
    /// Groups of two files or more, in the order of their first file in the listing.
    pub groups: Vec<Group>,
    /// Files that could not be read.
    pub failed: Vec<(PathBuf, Failure)>,
    /// Files with too little detail to be compared by what they show; only those with the very same bytes are grouped.
    pub plain: Vec<PathBuf>,
    /// Films of which only a part could be used, in a group or not, and what was wrong with them.
    pub warned: Vec<(PathBuf, Vec<String>)>,
    /// Pairs that were near enough.
    pub pairs: u64,
}

/// Looks for duplicates among the files of `listing`. `progress` is called after each file that was fingerprinted.
///
/// With a cache, what was found is remembered too: where neither the listing nor the choice has changed since, nothing is
/// compared again, and `progress` is not called.
///
/// # Errors
/// [`Error::Option`] for a choice that makes no sense, [`Error::Cancelled`], [`Error::Io`] if no temporary folder can be had for
/// very many files. What is wrong with a single file is in [`Found::failed`].
pub fn dedupe(listing: &Listing, choice: &Choice, mut progress: impl FnMut(&Progress)) -> Result<Found> {
    choice.check()?;
    let named = gather::distinct(listing, choice);
    let memory = remember::Memory::of(&named, choice);
    if let Some(memory) = &memory
        && let Some(found) = memory.recall()?
    {
        return Ok(found);
    }
    let gathered = gather::gather(&named, choice, &mut progress)?;
    let cancel = &choice.parallel.cancel;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(choice.parallel.pool())
        .build()
        .map_err(|error| Error::io("threads", std::io::Error::other(error)))?;
    let edges = pool.install(|| near::edges(&gathered, choice))?;
    cancel.check()?;
    let clusters = complete_linkage(gathered.files.len(), &edges);
    let mut groups: Vec<Group> =
        clusters.iter().map(|cluster| plan::arrange(cluster, &gathered, choice)).collect::<Result<_>>()?;
    groups.extend(plan::same_bytes(&gathered, choice)?);
    groups.sort_by_key(|group| group.first);
    let name = |index: &usize| gathered.files[*index].info.path.clone();
    let plain = gathered.plain().iter().map(name).collect();
    let files = gathered.files.iter().map(|file| &file.info);
    let warned = files.filter(|file| !file.warnings.is_empty()).map(|file| (file.path.clone(), file.warnings.clone()));
    let warned = warned.collect();
    let found = Found { groups, plain, warned, failed: gathered.failed, pairs: edges.len() as u64 };
    if let Some(memory) = &memory {
        memory.keep(&found);
    }
    Ok(found)
}
