//! Reading a part out of any bytes: a mapped file, a buffer, a slice of something larger.
//!
//! Opening looks at the header and the last bytes only. A block is checked when something in it is first used,
//! and never again, so that a search never answers from a damaged block and opening takes no longer for a larger part.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::layout::{BLOCK, END, HEADER, LISTED, Layout, MAGIC, VERSION};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::index::EntryId;
use crate::index::map::will_need;
use crate::simd::distance::{as_hashes, prefetch};

/// Blocks that are fetched at once when all are looked at.
const AHEAD: usize = 512;
/// Of two blocks that lie so close together, those in between are fetched as well: one read of some pages takes less than two.
const NEAR: usize = 2;
/// Bytes of checksums that are fetched when a part is opened, at most: every search needs most of them.
const SUMS: usize = 1 << 24;

/// Bytes that a part lies in.
pub(in crate::index) type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// The blocks that a run of bytes lies in, and how many of them have not been checked yet.
struct Section {
    first: usize,
    last: usize,
    left: AtomicUsize,
}

impl Section {
    fn of(bytes: Range<usize>) -> Self {
        if bytes.is_empty() {
            return Self { first: usize::MAX, last: 0, left: AtomicUsize::new(0) };
        }
        let (first, last) = ((bytes.start - HEADER) / BLOCK, (bytes.end - 1 - HEADER) / BLOCK);
        Self { first, last, left: AtomicUsize::new(last + 1 - first) }
    }
}

/// An open part.
pub(in crate::index) struct Part {
    bytes: Bytes,
    path: PathBuf,
    pub(in crate::index) layout: Layout,
    /// One bit for each block that was found whole.
    checked: Vec<AtomicU64>,
    /// One bit for each block that was announced.
    announced: Vec<AtomicU64>,
    /// One bit for each list of checksums that was found whole.
    listed: Vec<AtomicU64>,
    in_hashes: Section,
    in_postings: Section,
    damaged: AtomicBool,
}

impl Part {
    /// Opens the part in `bytes`; `path` is its name in errors.
    ///
    /// # Errors
    /// [`Error::Corrupt`], or [`Error::Format`] for another version.
    pub(in crate::index) fn parse(bytes: Bytes, path: &Path) -> Result<Self> {
        let all: &[u8] = (*bytes).as_ref();
        // Both ends at once.
        will_need(&all[..HEADER.min(all.len())]);
        will_need(&all[all.len() - (all.len() / (LISTED * BLOCK) * 4 + BLOCK).min(all.len())..]);
        let corrupt = |detail: &str| Error::corrupt(path, detail);
        let header = all.get(..HEADER).ok_or_else(|| corrupt("shorter than its header"))?;
        if header[..8] != MAGIC {
            return Err(corrupt("it does not begin like a part of an index"));
        }
        if number(header, 8, 4) != VERSION as usize {
            let (expected, got) = (format!("a part of version {VERSION}"), format!("version {}", number(header, 8, 4)));
            return Err(Error::Format { path: path.to_path_buf(), expected, got });
        }
        if number(header, HEADER - 4, 4) != crc32fast::hash(&header[..HEADER - 4]) as usize {
            return Err(corrupt("header"));
        }
        let entries = number(header, 16, 8);
        let layouts = [Layout::new(entries), Layout::bare(entries)];
        #[cfg(test)]
        let layouts = layouts.into_iter().chain([Layout::wide(entries)]);
        let layout = layouts.into_iter().flatten().find(|layout| layout.header() == header);
        let part = Self::laid_out(bytes, path, layout.ok_or_else(|| corrupt("the header contradicts itself"))?)?;
        let (all, layout) = (part.raw(), &part.layout);
        let lists = &all[layout.lists()..layout.file - 8];
        if all[layout.file - 4..] != END || number(all, layout.file - 8, 4) != crc32fast::hash(lists) as usize {
            return Err(corrupt("checksums of the checksums"));
        }
        Ok(part)
    }

    /// Opens the part in `bytes`, of which is known from elsewhere how it is laid out, whatever stands at its two ends.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is longer or shorter, or of no entry.
    pub(in crate::index) fn laid_out(bytes: Bytes, path: &Path, layout: Layout) -> Result<Self> {
        let all: &[u8] = (*bytes).as_ref();
        if layout.entries == 0 {
            return Err(Error::corrupt(path, "it holds no entry"));
        }
        if all.len() != layout.file {
            return Err(Error::corrupt(path, format!("{} bytes long instead of {}", all.len(), layout.file)));
        }
        // Nobody waits for these.
        will_need(&all[layout.checksums..layout.lists().min(layout.checksums + SUMS)]);
        let none = |bits: usize| (0..bits.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let (checked, announced) = (none(layout.blocks()), none(layout.blocks()));
        let listed = none(layout.blocks().div_ceil(LISTED));
        let in_hashes = Section::of(layout.hashes..layout.ids);
        let in_postings = Section::of(layout.postings()..layout.checksums);
        let path = path.to_path_buf();
        let damaged = AtomicBool::new(false);
        Ok(Self { bytes, path, layout, checked, announced, listed, in_hashes, in_postings, damaged })
    }

    /// All bytes, checked or not.
    #[inline]
    pub(in crate::index) fn raw(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// The file.
    pub(in crate::index) fn path(&self) -> &Path {
        &self.path
    }

    /// Entries, buried ones included.
    pub(in crate::index) fn len(&self) -> usize {
        self.layout.entries
    }

    /// Whether all postings were found whole, so that none has to be announced or made sure of any more.
    #[inline]
    pub(in crate::index) fn has_sure_postings(&self) -> bool {
        self.in_postings.left.load(Ordering::Acquire) == 0
    }

    /// As [`Self::has_sure_postings`], of the hashes.
    #[inline]
    pub(in crate::index) fn has_sure_hashes(&self) -> bool {
        self.in_hashes.left.load(Ordering::Acquire) == 0
    }

    /// Makes sure that `len` bytes at `at` are as they were written.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the file and what the damaged block holds.
    #[inline]
    pub(in crate::index) fn ensure(&self, at: usize, len: usize) -> Result<()> {
        let (first, last) = ((at - HEADER) / BLOCK, (at + len.max(1) - 1 - HEADER) / BLOCK);
        if first == last && self.knows(first) { Ok(()) } else { self.ensure_blocks(first, last) }
    }

    /// Says that these `(at, len)` bytes will be asked for soon, so that all can come from the disk at once: in the order in which
    /// they lie there, and what is next to one another in one go.
    pub(in crate::index) fn announce(&self, bytes: impl Iterator<Item = (usize, usize)>) {
        let blocks = bytes.flat_map(|(at, len)| (at - HEADER) / BLOCK..=(at + len.max(1) - 1 - HEADER) / BLOCK);
        let mut fresh: Vec<usize> = blocks.filter(|&block| !self.knows(block) && self.is_news(block)).collect();
        fresh.sort_unstable();
        if self.layout.lists() - self.layout.checksums > SUMS {
            // Their checksums did not all come when the part was opened.
            for one in fresh.chunk_by(|block, next| block / LISTED == next / LISTED).filter_map(<[usize]>::first) {
                will_need(&self.raw()[self.layout.list(one / LISTED)]);
            }
        }
        for run in fresh.chunk_by(|block, next| next - block <= NEAR) {
            if let (Some(&first), Some(&last)) = (run.first(), run.last()) {
                self.fetch(first, last);
            }
        }
    }

    /// Whether a block is announced for the first time.
    fn is_news(&self, block: usize) -> bool {
        let bit = 1 << (block % 64);
        self.announced.get(block / 64).is_some_and(|a| a.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    fn fetch(&self, first: usize, last: usize) {
        will_need(&self.raw()[self.layout.block(first).start..self.layout.block(last).end]);
    }

    #[inline]
    fn knows(&self, block: usize) -> bool {
        self.checked.get(block / 64).is_some_and(|bits| bits.load(Ordering::Relaxed) >> (block % 64) & 1 == 1)
    }

    #[inline(never)]
    fn ensure_blocks(&self, first: usize, last: usize) -> Result<()> {
        if (first..=last).all(|block| self.knows(block)) {
            return Ok(());
        }
        if (first..=last).fold(false, |news, block| self.is_news(block) | news) {
            self.fetch(first, last);
        }
        (first..=last).filter(|&block| !self.knows(block)).try_for_each(|block| self.check(block))
    }

    /// Checks the checksums of [`LISTED`] blocks.
    #[cold]
    fn check_list(&self, list: usize) -> Result<()> {
        let sum = number(self.raw(), self.layout.lists() + list * 4, 4);
        if crc32fast::hash(&self.raw()[self.layout.list(list)]) as usize != sum {
            self.damaged.store(true, Ordering::Relaxed);
            let (first, holds) = (list * LISTED, self.holds(list * LISTED));
            let last = (first + LISTED).min(self.layout.blocks()) - 1;
            return Err(Error::corrupt(&self.path, format!("checksums of blocks {first} to {last} ({holds})")));
        }
        self.listed[list / 64].fetch_or(1 << (list % 64), Ordering::Relaxed);
        Ok(())
    }

    /// Checks one block.
    #[cold]
    fn check(&self, block: usize) -> Result<()> {
        let list = block / LISTED;
        if self.listed[list / 64].load(Ordering::Relaxed) >> (list % 64) & 1 == 0 {
            self.check_list(list)?;
        }
        let sum = number(self.raw(), self.layout.checksums + block * 4, 4);
        if crc32fast::hash(&self.raw()[self.layout.block(block)]) as usize != sum {
            self.damaged.store(true, Ordering::Relaxed);
            return Err(Error::corrupt(&self.path, format!("block {block} ({})", self.holds(block))));
        }
        let bit = 1 << (block % 64);
        if self.checked[block / 64].fetch_or(bit, Ordering::Release) & bit == 0 {
            for section in [&self.in_hashes, &self.in_postings] {
                if (section.first..=section.last).contains(&block) {
                    section.left.fetch_sub(1, Ordering::Release);
                }
            }
        }
        Ok(())
    }

    /// What is damaged, block by block; all are looked at, whatever was found before. Of blocks whose checksums are damaged
    /// nothing can be said, so they are named together.
    pub(in crate::index) fn damage(&self) -> impl Iterator<Item = Error> {
        let blocks = self.layout.blocks();
        (0..blocks.div_ceil(LISTED)).flat_map(move |list| {
            let in_list = list * LISTED..((list + 1) * LISTED).min(blocks);
            let bad = self.check_list(list).err();
            let whole = if bad.is_none() { in_list } else { 0..0 };
            bad.into_iter().chain(whole.filter_map(move |block| {
                if block % AHEAD == 0 {
                    self.fetch(block, (block + AHEAD).min(blocks) - 1);
                }
                self.check(block).err()
            }))
        })
    }

    /// Whether a damaged block has been met.
    pub(in crate::index) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// What a block begins with, for people.
    fn holds(&self, block: usize) -> &'static str {
        let at = HEADER + block * BLOCK;
        if at < self.layout.ids {
            "hashes"
        } else if self.layout.bands.first().is_none_or(|band| at < band.offsets) {
            "ids"
        } else {
            "postings"
        }
    }

    /// Every hash, not checked: see [`Self::ensure_hashes`].
    #[inline]
    pub(in crate::index) fn hashes(&self) -> &[Hash] {
        as_hashes(&self.raw()[self.layout.hashes..self.layout.hashes + self.layout.entries * 32])
    }

    /// Makes sure of `len` hashes from number `at` on.
    #[inline]
    pub(in crate::index) fn ensure_hashes(&self, at: usize, len: usize) -> Result<()> {
        self.ensure(self.layout.hashes + at * 32, len * 32)
    }

    /// The id of entry `at`.
    #[inline]
    pub(in crate::index) fn id(&self, at: usize) -> Result<EntryId> {
        self.ensure(self.layout.ids + at * 8, 8)?;
        Ok(self.raw_id(at))
    }

    /// As [`Self::announce`], of the ids of entries.
    pub(in crate::index) fn announce_ids(&self, entries: impl Iterator<Item = usize>) {
        self.announce(entries.map(|at| (self.layout.ids + at * 8, 8)));
    }

    #[inline]
    fn raw_id(&self, at: usize) -> EntryId {
        EntryId::from_u64(number(self.raw(), self.layout.ids + at * 8, 8) as u64)
    }

    /// The entries of `owner`: ids never fall, so they lie together.
    pub(in crate::index) fn of_owner(&self, owner: u64) -> Result<std::ops::Range<usize>> {
        let search = |owner: u64| -> Result<usize> {
            let (mut low, mut high) = (0, self.len());
            while low < high {
                let middle = usize::midpoint(low, high);
                if self.id(middle)?.owner() < owner {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            Ok(low)
        };
        Ok(search(owner)?..search(owner.saturating_add(1))?)
    }

    /// Calls `each` with every entry whose hash and id are whole; returns how many are not.
    pub(in crate::index) fn salvage(&self, mut each: impl FnMut(EntryId, Hash)) -> usize {
        let mut lost = 0;
        for (at, hash) in self.hashes().iter().enumerate() {
            match self.ensure_hashes(at, 1).and_then(|()| self.id(at)) {
                Ok(id) => each(id, *hash),
                Err(_) => lost += 1,
            }
        }
        lost
    }

    /// Whether the contents make sense: ids in order, buckets in order, every posting where its hash belongs.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first thing that does not.
    pub(in crate::index) fn check_contents(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::corrupt(&self.path, what));
        self.ensure(HEADER, self.layout.checksums - HEADER)?;
        if (1..self.len()).any(|at| self.raw_id(at - 1) > self.raw_id(at)) {
            return wrong("ids out of order");
        }
        let (raw, hashes) = (self.raw(), self.hashes());
        for band in &self.layout.bands {
            let offset = |bucket: usize| number(raw, band.offsets + bucket * 4, 4);
            let buckets = 1 << band.key_bits;
            if offset(0) != 0 || offset(buckets) != self.len() || (0..buckets).any(|b| offset(b) > offset(b + 1)) {
                return wrong("buckets out of order");
            }
            let mut posted = 0u64;
            for bucket in 0..buckets {
                let (start, end) = (offset(bucket), offset(bucket + 1));
                let first = band.postings + start * self.layout.posting_bytes();
                let width = self.layout.position_bytes;
                let position = |posting: usize| number(raw, first + (end - start) * 2 + posting * width, width);
                (0..end - start).for_each(|posting| prefetch(raw, self.layout.hashes + position(posting) * 32));
                for posting in 0..end - start {
                    let residue = number(raw, first + posting * 2, 2);
                    let position = position(posting);
                    let words = hashes.get(position).map(Hash::words);
                    if !words
                        .is_some_and(|w| band.key(&w) as usize == bucket && usize::from(band.residue_of(&w)) == residue)
                    {
                        return wrong("a posting that is not its hash's");
                    }
                    posted += position as u64;
                }
            }
            if posted != (self.len() as u64) * (self.len() as u64).saturating_sub(1) / 2 {
                return wrong("a hash that is posted twice");
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("path", &self.path).field("entries", &self.len()).finish_non_exhaustive()
    }
}

/// The little-endian number of `len` bytes, at most 8, at `at`.
#[inline]
pub(super) fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    let mut value = [0; 8];
    value[..len].copy_from_slice(&bytes[at..at + len]);
    u64::from_le_bytes(value) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_no_entry_is_refused() {
        let layout = Layout::new(0).unwrap();
        let mut bytes = layout.header();
        bytes.extend_from_slice(&crc32fast::hash(&[]).to_le_bytes());
        bytes.extend_from_slice(&END);
        assert_eq!(bytes.len(), layout.file);
        let error = Part::parse(Box::new(bytes), Path::new("none.part")).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains("none.part"), "{error}");
    }
}
