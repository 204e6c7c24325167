//! Where everything lies in a part: a function of the number of entries alone.

/// The first bytes of every part.
pub(super) const MAGIC: [u8; 8] = *b"REFRPART";
/// The last bytes of every part.
pub(super) const END: [u8; 4] = *b"END.";
/// The version of the format that this program writes, and the only one it reads.
pub(super) const VERSION: u32 = 3;
/// Bytes before the first section.
pub(super) const HEADER: usize = 4096;
/// Bytes that share a checksum: a page, since a disk gives two pages that lie apart in less time than 16 KiB.
pub(super) const BLOCK: usize = 1 << 12;
/// Checksums that share a checksum of their own.
pub(super) const LISTED: usize = BLOCK / 4;
/// Sections begin at multiples of this.
const ALIGN: usize = 64;
/// Parts of fewer entries have no postings: a scan of them is as fast.
const POSTINGS_FROM: usize = 1 << 15;
/// From here on 13 bands of 19 or 20 bits take the place of 16 of 16, and positions take four bytes rather than three.
const WIDE_FROM: usize = 1 << 24;
/// See [`WIDE_FROM`].
const WIDE_BANDS: usize = 13;
/// Most entries of a part.
pub(in crate::index) const MAX_ENTRIES: usize = u32::MAX as usize;

/// One of the disjoint runs of bits that hashes are looked up by.
///
/// A band owns the bits from `start` on; the lowest `key_bits` of them choose the bucket. Beside each posting stand the
/// first 16 bits of the next band, the residue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) struct Band {
    /// The first bit.
    pub(in crate::index) start: u16,
    /// Bits that choose the bucket.
    pub(in crate::index) key_bits: u8,
    /// The first bit of the residue.
    pub(in crate::index) residue: u16,
    /// Where the offsets are: `2^key_bits + 1` numbers of four bytes, the first posting of each bucket.
    pub(in crate::index) offsets: usize,
    /// Where the buckets are, one after another: first the residues of its postings, two bytes each, then the positions
    /// of their hashes, three or four bytes each. So both are on one page, mostly.
    pub(in crate::index) postings: usize,
}

impl Band {
    /// The bucket of a hash with these words.
    #[inline]
    pub(in crate::index) fn key(&self, words: &[u64; 4]) -> u32 {
        bits(words, self.start) & ((1 << self.key_bits) - 1)
    }

    /// The residue of a hash with these words.
    #[inline]
    pub(in crate::index) fn residue_of(&self, words: &[u64; 4]) -> u16 {
        bits(words, self.residue) as u16
    }
}

/// 32 bits from bit `start` on; what is past the end is zero.
#[inline]
fn bits(words: &[u64; 4], start: u16) -> u32 {
    let (word, shift) = (usize::from(start / 64), start % 64);
    let next = if word < 3 && shift > 0 { words[word + 1] << (64 - shift) } else { 0 };
    (words[word] >> shift | next) as u32
}

/// Where everything lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::index) struct Layout {
    /// Entries.
    pub(in crate::index) entries: usize,
    /// Bytes of a posting's position.
    pub(in crate::index) position_bytes: usize,
    /// None, 16 or 13.
    pub(in crate::index) bands: Vec<Band>,
    /// Where the hashes are: 32 bytes each, in the order of the ids.
    pub(in crate::index) hashes: usize,
    /// Where the ids are: eight bytes each, never falling.
    pub(in crate::index) ids: usize,
    /// Where the checksums are, and the end of what they cover.
    pub(super) checksums: usize,
    /// Bytes of the file.
    pub(in crate::index) file: usize,
}

impl Layout {
    /// The layout of a part of `entries` entries; `None` for more than fit.
    pub(in crate::index) fn new(entries: usize) -> Option<Self> {
        let bands = match entries {
            0..POSTINGS_FROM => 0,
            POSTINGS_FROM..WIDE_FROM => 16,
            _ => WIDE_BANDS,
        };
        // No more buckets than a sixth of the entries: their offsets would outgrow what they save.
        Self::with_bands(entries, bands, (entries / 6).checked_ilog2().unwrap_or(0))
    }

    /// The same without postings, however many entries there are: what a merge keeps while it makes them.
    pub(in crate::index) fn bare(entries: usize) -> Option<Self> {
        Self::with_bands(entries, 0, 0)
    }

    /// The layout of a part of 2^24 entries or more, with as many buckets, for fewer.
    #[cfg(test)]
    pub(in crate::index) fn wide(entries: usize) -> Option<Self> {
        Self::with_bands(entries, WIDE_BANDS, u32::MAX)
    }

    /// With `count` bands, whose keys have `most` bits at most.
    fn with_bands(entries: usize, count: usize, most: u32) -> Option<Self> {
        if entries > MAX_ENTRIES {
            return None;
        }
        let position_bytes = if entries < WIDE_FROM && count != WIDE_BANDS { 3 } else { 4 };
        let mut at = HEADER;
        let mut take = |len: usize| {
            let from = at;
            at = (at + len).next_multiple_of(ALIGN);
            from
        };
        let (hashes, ids) = (take(entries * 32), take(entries * 8));
        let mut bands = Vec::with_capacity(count);
        for band in 0..count {
            let start = |band: usize| (256 * (band % count) / count) as u16;
            let width = 256 * (band + 1) / count - 256 * band / count;
            let key_bits = width.min(most as usize);
            bands.push(Band {
                start: start(band),
                key_bits: key_bits as u8,
                residue: start(band + 1),
                offsets: take(((1 << key_bits) + 1) * 4),
                // One byte more, so that four can be read at every position.
                postings: take(entries * (2 + position_bytes) + 1),
            });
        }
        let checksums = at;
        let blocks = (checksums - HEADER).div_ceil(BLOCK);
        let file = checksums + blocks * 4 + blocks.div_ceil(LISTED) * 4 + 8;
        Some(Self { entries, position_bytes, bands, hashes, ids, checksums, file })
    }

    /// Where the postings begin, or what comes in their place.
    pub(super) fn postings(&self) -> usize {
        self.bands.first().map_or(self.checksums, |band| band.offsets)
    }

    /// Bytes of a posting: its residue and its position.
    #[inline]
    pub(in crate::index) fn posting_bytes(&self) -> usize {
        2 + self.position_bytes
    }

    /// Checksummed blocks.
    pub(super) fn blocks(&self) -> usize {
        (self.checksums - HEADER).div_ceil(BLOCK)
    }

    /// Where the checksums of the checksums are, one for each [`LISTED`].
    pub(super) fn lists(&self) -> usize {
        self.checksums + self.blocks() * 4
    }

    /// The checksums of blocks `list * LISTED` and so many more.
    pub(super) fn list(&self, list: usize) -> std::ops::Range<usize> {
        let from = self.checksums + list * LISTED * 4;
        from..(from + LISTED * 4).min(self.lists())
    }

    /// The bytes that block `block` covers.
    pub(super) fn block(&self, block: usize) -> std::ops::Range<usize> {
        let from = HEADER + block * BLOCK;
        from..(from + BLOCK).min(self.checksums)
    }

    /// The header.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&(HEADER as u32).to_le_bytes());
        for value in [self.entries, self.file, self.hashes, self.ids, self.checksums] {
            header.extend_from_slice(&(value as u64).to_le_bytes());
        }
        for value in [BLOCK, self.position_bytes, self.bands.len(), 0] {
            header.extend_from_slice(&(value as u32).to_le_bytes());
        }
        for band in &self.bands {
            for value in [band.start, u16::from(band.key_bits), band.residue, 16] {
                header.extend_from_slice(&value.to_le_bytes());
            }
            for value in [band.offsets, band.postings, 0] {
                header.extend_from_slice(&(value as u64).to_le_bytes());
            }
        }
        header.resize(HEADER - 4, 0);
        let sum = crc32fast::hash(&header);
        header.extend_from_slice(&sum.to_le_bytes());
        header
    }
}

/// Bytes of an entry in a part of so many, all that the file holds included.
pub(crate) fn entry_bytes(entries: usize) -> f64 {
    let entries = entries.clamp(1, MAX_ENTRIES);
    Layout::new(entries).map_or(0.0, |layout| layout.file as f64 / entries as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_at_most_132_bytes_at_any_size() {
        let mut n = 1000;
        while n < 400_000_000 {
            let layout = Layout::new(n).unwrap();
            let bytes = (layout.file - HEADER) as f64 / n as f64;
            assert!(bytes <= 132.0, "{n}: {bytes}");
            n = n * 11 / 10;
        }
        assert!(Layout::new(MAX_ENTRIES + 1).is_none());
    }

    #[test]
    fn bytes_of_an_entry_are_those_of_the_file() {
        let (few, million) = (entry_bytes(10_000), entry_bytes(1_000_000));
        // A hash and an id, and sixteen residues and positions of three bytes; the rest is offsets and checksums.
        assert!((40.0..41.0).contains(&few) && (120.0..126.0).contains(&million), "{few} {million}");
        assert!(entry_bytes(0) > 0.0 && entry_bytes(usize::MAX) > 40.0);
    }

    #[test]
    fn bands_are_disjoint_and_their_residues_are_within_the_next() {
        for n in [40_000, 1 << 20, 1 << 25] {
            let bands = Layout::new(n).unwrap().bands;
            for (band, next) in bands.iter().zip(bands.iter().cycle().skip(1)) {
                let room = (256 + next.start - band.start - 1) % 256 + 1;
                assert!(u16::from(band.key_bits) <= room && band.residue == next.start, "{n} {band:?}");
                assert!(room >= 16);
            }
        }
    }

    #[test]
    fn bits_are_taken_from_where_they_are() {
        let words = [0x1111_2222_3333_4444, 0x5555_6666_7777_8888, 0x9999_aaaa_bbbb_cccc, 0xdddd_eeee_ffff_0123];
        assert_eq!(bits(&words, 0), 0x3333_4444);
        assert_eq!(bits(&words, 16), 0x2222_3333);
        assert_eq!(bits(&words, 48), 0x8888_1111);
        assert_eq!(bits(&words, 236) & 0xfffff, 0xdddde);
        assert_eq!(bits(&words, 60), 0x7778_8881);
    }
}
