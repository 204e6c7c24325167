//! Hamming distances in plain code.

use super::Bucket;
use super::block::Mask;
use super::sliced::{DEPTHS, Depth, Lanes, Planes, SlicedQuery, Table, Wide, by_depth, load_at, within_at};
use crate::hash::Hash;

pub(super) fn filter(
    bytes: &[u8],
    buckets: &[Bucket],
    first: u32,
    mut meanwhile: impl FnMut(usize),
    out: &mut Vec<(u32, u32)>,
) {
    for (i, (number, bucket)) in (first..).zip(buckets).enumerate() {
        meanwhile(i);
        let Some(cells) = bucket.cells(bytes) else { continue };
        for (at, cell) in (0..).zip(cells) {
            if (u16::from_le_bytes(*cell) ^ bucket.residue).count_ones() <= u32::from(bucket.limit) {
                out.push((number, at));
            }
        }
    }
}

pub(super) fn distances(hashes: &[Hash], queries: &[Hash], pairs: &[(u32, u32)], out: &mut Vec<u16>) {
    out.extend(pairs.iter().map(|&(query, at)| queries[query as usize].distance(&hashes[at as usize]) as u16));
}

pub(super) fn scan(hashes: &[Hash], query: &Hash, limit: u32, out: &mut Vec<(u32, u32)>) {
    for (at, hash) in (0..).zip(hashes) {
        let distance = query.distance(hash);
        if distance <= limit {
            out.push((at, distance));
        }
    }
}

impl Lanes for u64 {
    const WIDTH: usize = 64;
    #[inline(always)]
    fn load(wide: &Wide, index: usize) -> Self {
        wide.0[index]
    }
    #[inline(always)]
    fn store(self, words: &mut [u64; 8], index: usize) {
        words[index] = self;
    }
    #[inline(always)]
    fn splat(set: bool) -> Self {
        if set { !0 } else { 0 }
    }
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        self ^ b ^ c
    }
    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        self & b | (self ^ b) & c
    }
    #[inline(always)]
    fn not(self) -> Self {
        !self
    }
    #[inline(always)]
    fn any(self) -> bool {
        self != 0
    }
    #[inline(always)]
    fn repeat(word: u64) -> Self {
        word
    }
    #[inline(always)]
    fn choose(self, a: Self, b: Self) -> Self {
        a & self | b & !self
    }
    #[inline(always)]
    fn up(self, by: u32) -> Self {
        self << by
    }
    #[inline(always)]
    fn down(self, by: u32) -> Self {
        self >> by
    }
}

pub(super) fn load(hashes: &[Hash], depth: Depth, planes: &mut [Planes; 4], table: &mut Table) {
    load_at::<u64>(hashes, depth, planes, table);
}

pub(super) fn within(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    by_depth!(query.depth, counted(table, query, masks))
}

#[inline(never)]
fn counted<const DEPTH: usize>(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    within_at::<u64>(table, query, const { DEPTHS[DEPTH] }, masks)
}
