//! Hamming distances with AVX-512: population counts of whole vectors, any logic of three inputs in one instruction.

use std::arch::x86_64::*;

use super::block::Mask;
use super::sliced::{DEPTHS, Depth, Lanes, Planes, SlicedQuery, Table, Wide, by_depth, load_at, within_at};
use super::{Bucket, scalar};
use crate::hash::Hash;

/// One bit for each of the 32 residues that are within `limit` of `wanted`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bitalg")]
fn near(cells: &[u8; 64], wanted: __m512i, limit: __m512i) -> u32 {
    // SAFETY: the cells are 64 bytes long.
    let cells = unsafe { _mm512_loadu_si512(cells.as_ptr().cast()) };
    _mm512_cmple_epu16_mask(_mm512_popcnt_epi16(_mm512_xor_si512(cells, wanted)), limit)
}

#[target_feature(enable = "avx512f,avx512bw,avx512bitalg,popcnt,bmi1,bmi2")]
pub(super) fn filter(
    bytes: &[u8],
    buckets: &[Bucket],
    first: u32,
    mut meanwhile: impl FnMut(usize),
    out: &mut Vec<(u32, u32)>,
) {
    for (i, (number, bucket)) in (first..).zip(buckets).enumerate() {
        meanwhile(i);
        let Some((start, further)) = bucket.padded(bytes) else {
            scalar::filter(bytes, &[*bucket], number, |_| (), out);
            continue;
        };
        let wanted = _mm512_set1_epi16(bucket.residue as i16);
        let limit = _mm512_set1_epi16(bucket.limit as i16);
        let mut mask = near(start, wanted, limit) & _bzhi_u32(u32::MAX, bucket.len.min(32));
        while mask != 0 {
            out.push((number, mask.trailing_zeros()));
            mask &= mask - 1;
        }
        for (at, chunk) in (32..).step_by(64).zip(further) {
            let (low, high) = chunk.split_at(64);
            let (Some(low), Some(high)) = (low.first_chunk(), high.first_chunk()) else { continue };
            let near = u64::from(near(low, wanted, limit)) | u64::from(near(high, wanted, limit)) << 32;
            let mut mask = near & _bzhi_u64(u64::MAX, (bucket.len - at).min(64));
            while mask != 0 {
                out.push((number, at + mask.trailing_zeros()));
                mask &= mask - 1;
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt,bmi1")]
pub(super) fn scan(hashes: &[Hash], query: &Hash, limit: u32, out: &mut Vec<(u32, u32)>) {
    let q = query.words();
    let twice = _mm512_set_epi64(
        q[3] as i64,
        q[2] as i64,
        q[1] as i64,
        q[0] as i64,
        q[3] as i64,
        q[2] as i64,
        q[1] as i64,
        q[0] as i64,
    );
    let (eights, rest) = hashes.as_chunks::<8>();
    let most = _mm512_set1_epi64(i64::from(limit));
    let mut at = 0;
    for eight in eights {
        let pair = |i: usize| {
            // SAFETY: eight hashes are four vectors long.
            let two = unsafe { _mm512_loadu_si512(eight.as_ptr().cast::<__m512i>().add(i)) };
            _mm512_popcnt_epi64(_mm512_xor_si512(two, twice))
        };
        let [a, b, c, d] = [pair(0), pair(1), pair(2), pair(3)];
        // Words 0 + 1 and 2 + 3 of each hash: a0 b0 a0' b0' | ... in 128-bit lanes, then both halves.
        let ab = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
        let cd = _mm512_add_epi64(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
        let sums = _mm512_add_epi64(_mm512_shuffle_i64x2::<0x88>(ab, cd), _mm512_shuffle_i64x2::<0xdd>(ab, cd));
        if _mm512_cmple_epu64_mask(sums, most) != 0 {
            for (at, hash) in (at..).zip(eight) {
                let distance = query.distance(hash);
                if distance <= limit {
                    out.push((at, distance));
                }
            }
        }
        at += 8;
    }
    for (at, hash) in (at..).zip(rest) {
        let distance = query.distance(hash);
        if distance <= limit {
            out.push((at, distance));
        }
    }
}

/// 512 lanes.
#[derive(Clone, Copy)]
struct Full(__m512i);

// SAFETY of the calls below: this type is only named by functions that enable AVX-512, into which its methods are inlined.
impl Lanes for Full {
    const WIDTH: usize = 512;
    #[inline(always)]
    fn load(wide: &Wide, _: usize) -> Self {
        // SAFETY: eight words are 64 bytes.
        Self(unsafe { _mm512_load_si512(wide.0.as_ptr().cast()) })
    }
    #[inline(always)]
    fn store(self, words: &mut [u64; 8], _: usize) {
        // SAFETY: eight words are 64 bytes.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) }
    }
    #[inline(always)]
    fn splat(set: bool) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_epi64(if set { -1 } else { 0 }) })
    }
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ternarylogic_epi64::<0x96>(self.0, b.0, c.0) })
    }
    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ternarylogic_epi64::<0xe8>(self.0, b.0, c.0) })
    }
    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ternarylogic_epi64::<0x0f>(self.0, self.0, self.0) })
    }
    #[inline(always)]
    fn any(self) -> bool {
        // SAFETY: see above.
        unsafe { _mm512_test_epi64_mask(self.0, self.0) != 0 }
    }
    #[inline(always)]
    fn repeat(word: u64) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_epi64(word as i64) })
    }
    #[inline(always)]
    fn choose(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_ternarylogic_epi64::<0xca>(self.0, a.0, b.0) })
    }
    #[inline(always)]
    fn up(self, by: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sll_epi64(self.0, _mm_cvtsi32_si128(by as i32)) })
    }
    #[inline(always)]
    fn down(self, by: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_srl_epi64(self.0, _mm_cvtsi32_si128(by as i32)) })
    }
    #[inline(always)]
    fn sort(eight: &[Hash; 8]) -> [Wide; 4] {
        let mut sorted = [Wide([0; 8]); 4];
        // SAFETY: eight hashes are four vectors long; for the features see above.
        let vectors = unsafe {
            let at = eight.as_ptr().cast::<__m512i>();
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| _mm512_loadu_si512(at.add(i)));
            let (ab, cd) = (_mm512_unpacklo_epi64(a, b), _mm512_unpacklo_epi64(c, d));
            let (ab_odd, cd_odd) = (_mm512_unpackhi_epi64(a, b), _mm512_unpackhi_epi64(c, d));
            [
                _mm512_shuffle_i64x2::<0x88>(ab, cd),
                _mm512_shuffle_i64x2::<0x88>(ab_odd, cd_odd),
                _mm512_shuffle_i64x2::<0xdd>(ab, cd),
                _mm512_shuffle_i64x2::<0xdd>(ab_odd, cd_odd),
            ]
        };
        for (wide, vector) in sorted.iter_mut().zip(vectors) {
            Self(vector).store(&mut wide.0, 0);
        }
        sorted
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(super) fn load(hashes: &[Hash], depth: Depth, planes: &mut [Planes; 4], table: &mut Table) {
    load_at::<Full>(hashes, depth, planes, table);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(super) fn within(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    by_depth!(query.depth, counted(table, query, masks))
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
fn counted<const DEPTH: usize>(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    within_at::<Full>(table, query, const { DEPTHS[DEPTH] }, masks)
}
