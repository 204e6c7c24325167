//! Exact range search over 256-bit hashes in Hamming space.

mod anew;
pub(crate) mod database;
mod delta;
mod disk;
mod group;
mod join;
mod live;
mod map;
mod merge;
mod overlay;
mod pages;
mod part;
pub(crate) mod quiet;
pub(crate) mod rebuild;
mod search;
mod snapshot;
pub mod storage;
pub(crate) mod tables;
mod tombstones;
mod transient;
mod verify;

pub use disk::DiskIndex;
pub use join::Pair;
pub use live::Index;
pub(crate) use part::entry_bytes;
pub(crate) use snapshot::copy as copy_error;
pub use snapshot::{Hits, MAX_DISTANCE, Snapshot};
pub use verify::{Report, Salvaged};

use crate::hash::Hash;

/// Whose hash an entry is: the owner (a reference) and which of its hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(u64);

impl EntryId {
    /// The largest owner.
    pub const MAX_OWNER: u64 = (1 << 40) - 1;
    /// The largest ordinal.
    pub const MAX_ORDINAL: u32 = (1 << 24) - 1;

    /// The id of hash `ordinal` (up to [`Self::MAX_ORDINAL`]) of `owner` (up to [`Self::MAX_OWNER`]); `None` past either.
    pub const fn new(owner: u64, ordinal: u32) -> Option<Self> {
        if owner > Self::MAX_OWNER || ordinal > Self::MAX_ORDINAL {
            None
        } else {
            Some(Self(owner << 24 | ordinal as u64))
        }
    }

    /// The owner.
    pub const fn owner(self) -> u64 {
        self.0 >> 24
    }

    /// Which of the owner's hashes.
    pub const fn ordinal(self) -> u32 {
        (self.0 & Self::MAX_ORDINAL as u64) as u32
    }

    /// As one number: the owner in the upper 40 bits.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The inverse of [`Self::to_u64`].
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }
}

/// One hash in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Whose it is.
    pub id: EntryId,
    /// The hash.
    pub hash: Hash,
}

/// An entry within the radius of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hit {
    /// Which query of the batch, from 0.
    pub query: u32,
    /// Hamming distance, at most the radius asked for.
    pub distance: u32,
    /// The entry.
    pub id: EntryId,
}

/// What is asked: a hash, and how far from it.
///
/// [`Query::new`] asks for every entry within the radius. The time of that grows steeply with the radius. Where a few
/// entries may be missed, [`Query::certain`] bounds it: entries within a smaller radius are found for certain, those
/// further off if they come by on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Query {
    /// The hash.
    pub hash: Hash,
    /// The radius, inclusive, at most [`MAX_DISTANCE`]: nothing further off is found.
    pub max_distance: u32,
    /// Entries this near, inclusive, are found for certain, as far as they are within `max_distance`.
    pub certain: u32,
}

impl Query {
    /// Every entry within `max_distance`, inclusive.
    pub const fn new(hash: Hash, max_distance: u32) -> Self {
        Self { hash, max_distance, certain: max_distance }
    }

    /// The same question, where only what is within `certain`, inclusive, has to be found. Entries further off are found if
    /// they agree with the query in one of the bands of bits that they are stored by, up to as few bits as the search
    /// for the nearer ones tries out; in parts that are scanned, all are. So which of them are found may depend on how the
    /// index is laid out in parts, and, since these decide what is looked up, swept or scanned, on the other queries of the batch, the
    /// threads, and the processor's instructions; that nothing beyond `max_distance` is found does not.
    #[must_use]
    pub const fn certain(mut self, certain: u32) -> Self {
        self.certain = if certain < self.max_distance { certain } else { self.max_distance };
        self
    }

    /// Whether a long list finds `hash`: one of 400,000 to 2^24 entries in one part, not too many of which are alike.
    pub fn finds(&self, hash: &Hash) -> bool {
        search::finds(self, hash)
    }
}

/// What an index holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Entries that can be found.
    pub entries: u64,
    /// Part files.
    pub parts: u64,
    /// Bytes of the part files.
    pub bytes: u64,
    /// Owners that were removed and whose hashes may still be on disk, until a merge.
    pub tombstones: u64,
    /// Entries that are in the database and in no part yet, buried ones included.
    pub delta: u64,
}
