//! Hamming distances with NEON: its counts of bits in bytes, added up pairwise.

use std::arch::aarch64::*;

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
        let (whole, rest) = cells.as_chunks::<8>();
        let mut at = 0;
        for chunk in whole {
            // SAFETY: the chunk is 16 bytes long, and NEON is part of the baseline.
            let mut mask = unsafe {
                let cells = vreinterpretq_u8_u16(vdupq_n_u16(bucket.residue));
                let cells = veorq_u8(vld1q_u8(chunk.as_ptr().cast()), cells);
                let near = vcleq_u16(vpaddlq_u8(vcntq_u8(cells)), vdupq_n_u16(bucket.limit));
                // Eight bits for each cell, all set or none.
                vget_lane_u64::<0>(vreinterpret_u64_u8(vmovn_u16(near)))
            } & 0x0101_0101_0101_0101;
            while mask != 0 {
                out.push((number, at + mask.trailing_zeros() / 8));
                mask &= mask - 1;
            }
            at += 8;
        }
        for (at, cell) in (at..).zip(rest) {
            if (u16::from_le_bytes(*cell) ^ bucket.residue).count_ones() <= u32::from(bucket.limit) {
                out.push((number, at));
            }
        }
    }
}

/// The distance of a hash to the one that `query` holds.
#[inline]
fn distance(hash: &Hash, query: [uint8x16_t; 2]) -> u32 {
    // SAFETY: a hash is 32 bytes long, and NEON is part of the baseline.
    unsafe {
        let low = vcntq_u8(veorq_u8(vld1q_u8(hash.0.as_ptr()), query[0]));
        let high = vcntq_u8(veorq_u8(vld1q_u8(hash.0.as_ptr().add(16)), query[1]));
        u32::from(vaddlvq_u8(vaddq_u8(low, high))) // a byte holds at most 16
    }
}

#[inline]
fn load_query(query: &Hash) -> [uint8x16_t; 2] {
    // SAFETY: as above.
    unsafe { [vld1q_u8(query.0.as_ptr()), vld1q_u8(query.0.as_ptr().add(16))] }
}

pub(super) fn distances(hashes: &[Hash], queries: &[Hash], pairs: &[(u32, u32)], out: &mut Vec<u16>) {
    let each = |&(query, at): &(u32, u32)| distance(&hashes[at as usize], load_query(&queries[query as usize])) as u16;
    out.extend(pairs.iter().map(each));
}

pub(super) fn scan(hashes: &[Hash], query: &Hash, limit: u32, out: &mut Vec<(u32, u32)>) {
    let query = load_query(query);
    for (at, hash) in (0..).zip(hashes) {
        let distance = distance(hash, query);
        if distance <= limit {
            out.push((at, distance));
        }
    }
}

/// 128 lanes.
#[derive(Clone, Copy)]
struct Quarter(uint64x2_t);

// SAFETY of the calls below: NEON is part of the baseline.
impl Lanes for Quarter {
    const WIDTH: usize = 128;
    #[inline(always)]
    fn load(wide: &Wide, index: usize) -> Self {
        let words = &wide.0[index * 2..index * 2 + 2];
        // SAFETY: two words are 16 bytes.
        Self(unsafe { vld1q_u64(words.as_ptr()) })
    }
    #[inline(always)]
    fn store(self, words: &mut [u64; 8], index: usize) {
        let words = &mut words[index * 2..index * 2 + 2];
        // SAFETY: two words are 16 bytes.
        unsafe { vst1q_u64(words.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn splat(set: bool) -> Self {
        Self::repeat(if set { u64::MAX } else { 0 })
    }
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { veorq_u64(veorq_u64(self.0, b.0), c.0) })
    }
    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        // SAFETY: see above. Where the first two differ the third decides.
        Self(unsafe { vbslq_u64(veorq_u64(self.0, b.0), c.0, self.0) })
    }
    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { veorq_u64(self.0, vdupq_n_u64(u64::MAX)) })
    }
    #[inline(always)]
    fn any(self) -> bool {
        // SAFETY: see above.
        unsafe { vmaxvq_u32(vreinterpretq_u32_u64(self.0)) != 0 }
    }
    #[inline(always)]
    fn repeat(word: u64) -> Self {
        // SAFETY: see above.
        Self(unsafe { vdupq_n_u64(word) })
    }
    #[inline(always)]
    fn choose(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { vbslq_u64(self.0, a.0, b.0) })
    }
    #[inline(always)]
    fn up(self, by: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe { vshlq_u64(self.0, vdupq_n_s64(i64::from(by))) })
    }
    #[inline(always)]
    fn down(self, by: u32) -> Self {
        // SAFETY: see above; a negative count shifts right.
        Self(unsafe { vshlq_u64(self.0, vdupq_n_s64(-i64::from(by))) })
    }
}

pub(super) fn load(hashes: &[Hash], depth: Depth, planes: &mut [Planes; 4], table: &mut Table) {
    load_at::<Quarter>(hashes, depth, planes, table);
}

pub(super) fn within(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    by_depth!(query.depth, counted(table, query, masks))
}

#[inline(never)]
fn counted<const DEPTH: usize>(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    within_at::<Quarter>(table, query, const { DEPTHS[DEPTH] }, masks)
}
