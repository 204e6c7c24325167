//! Writing a part: straight through, from the first byte to the last.
//!
//! Memory: the entries (40 bytes each) and, for each thread, one band (18 bytes an entry and its offsets twice).

use std::io::{self, Write};

use rayon::prelude::*;

use super::layout::{BLOCK, Band, END, HEADER, LISTED, Layout};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::index::EntryId;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) struct Built {
    /// BLAKE3 of all bytes.
    pub(in crate::index) digest: [u8; 32],
    /// How many.
    pub(in crate::index) bytes: u64,
}

/// Writes the part of these entries, which are sorted by id and then hash, to `out`, laid out as `layout`, which is one
/// for as many entries. Several `threads` make bands at once; the bytes are the same for any number.
///
/// # Errors
/// [`Error::Io`] without a path, [`Error::Cancelled`].
pub(in crate::index) fn build(
    hashes: &[Hash],
    ids: &[EntryId],
    layout: &Layout,
    out: &mut dyn Write,
    threads: usize,
    cancel: &Cancel,
) -> Result<Built> {
    let io = |source| Error::io("", source);
    let mut writer =
        Writer { out, at: 0, digest: blake3::Hasher::new(), block: crc32fast::Hasher::new(), sums: Vec::new() };
    writer.write(&layout.header()).map_err(io)?;
    writer.pad(layout.hashes).map_err(io)?;
    for chunk in hashes.chunks(1 << 15) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|hash| hash.0).collect();
        writer.write(&bytes).map_err(io)?;
        cancel.check()?;
    }
    writer.pad(layout.ids).map_err(io)?;
    for chunk in ids.chunks(1 << 15) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|id| id.to_u64().to_le_bytes()).collect();
        writer.write(&bytes).map_err(io)?;
    }
    for bands in layout.bands.chunks(threads.max(1)) {
        cancel.check()?;
        let make = |band: &Band| sort(band, hashes, layout.position_bytes);
        let made: Vec<Sorted> = match bands {
            [one] => vec![make(one)],
            many => many.par_iter().map(make).collect(),
        };
        for (band, made) in bands.iter().zip(made) {
            for (at, bytes) in [(band.offsets, made.offsets), (band.postings, made.postings)] {
                writer.pad(at).map_err(io)?;
                writer.write(&bytes).map_err(io)?;
            }
        }
    }
    writer.pad(layout.checksums).map_err(io)?;
    writer.finish(layout).map_err(io)
}

/// One band's sections.
struct Sorted {
    offsets: Vec<u8>,
    postings: Vec<u8>,
}

/// Sorts positions into buckets by counting. Two rounds, the upper half of the key first, keep the writes of either
/// round within few enough cache lines.
fn sort(band: &Band, hashes: &[Hash], position_bytes: usize) -> Sorted {
    let buckets = 1usize << band.key_bits;
    let low_bits = band.key_bits / 2;
    let mut starts = vec![0u32; buckets + 1];
    let mut coarse = vec![0u32; (buckets >> low_bits) + 1];
    for hash in hashes {
        let key = band.key(&hash.words()) as usize;
        starts[key + 1] += 1;
        coarse[(key >> low_bits) + 1] += 1;
    }
    running(&mut starts);
    running(&mut coarse);
    let offsets = starts.iter().flat_map(|start| start.to_le_bytes()).collect();
    // Key and residue travel with the position, so that the second round reads straight through.
    let mut middle = vec![(0u32, 0u32, 0u16); hashes.len()];
    for (position, hash) in (0u32..).zip(hashes) {
        let words = hash.words();
        let key = band.key(&words);
        let slot = &mut coarse[(key >> low_bits) as usize];
        middle[*slot as usize] = (key, position, band.residue_of(&words));
        *slot += 1;
    }
    let mut postings = vec![0; hashes.len() * (2 + position_bytes) + 1];
    let mut next = starts.clone();
    for (key, position, residue) in middle {
        let (first, end) = (starts[key as usize] as usize, starts[key as usize + 1] as usize);
        let slot = &mut next[key as usize];
        let at = first * (2 + position_bytes) + (*slot as usize - first) * 2;
        postings[at..at + 2].copy_from_slice(&residue.to_le_bytes());
        let at = end * 2 + *slot as usize * position_bytes;
        postings[at..at + position_bytes].copy_from_slice(&position.to_le_bytes()[..position_bytes]);
        *slot += 1;
    }
    Sorted { offsets, postings }
}

fn running(counts: &mut [u32]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    at: usize,
    digest: blake3::Hasher,
    block: crc32fast::Hasher,
    sums: Vec<u32>,
}

impl Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.digest.update(bytes);
        let mut rest = bytes;
        if self.at < HEADER {
            // The header comes whole and has a checksum of its own.
            rest = &rest[(HEADER - self.at).min(rest.len())..];
            self.at += bytes.len() - rest.len();
        }
        while !rest.is_empty() {
            let room = BLOCK - (self.at - HEADER) % BLOCK;
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.block.update(now);
            self.at += now.len();
            if now.len() == room {
                self.sums.push(std::mem::take(&mut self.block).finalize());
            }
            rest = later;
        }
        Ok(())
    }

    /// Zeros up to `to`.
    fn pad(&mut self, to: usize) -> io::Result<()> {
        let missing = to.saturating_sub(self.at);
        self.write(&vec![0; missing])
    }

    fn finish(mut self, layout: &Layout) -> io::Result<Built> {
        if self.sums.len() < layout.blocks() {
            self.sums.push(std::mem::take(&mut self.block).finalize());
        }
        let sums: Vec<u8> = self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let lists: Vec<u8> = sums.chunks(LISTED * 4).flat_map(|list| crc32fast::hash(list).to_le_bytes()).collect();
        let last = crc32fast::hash(&lists).to_le_bytes();
        for bytes in [&sums[..], &lists, &last, &END] {
            self.out.write_all(bytes)?;
            self.digest.update(bytes);
        }
        Ok(Built { digest: *self.digest.finalize().as_bytes(), bytes: layout.file as u64 })
    }
}
