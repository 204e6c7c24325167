//! Hamming distances with AVX2: population counts by looking up half-bytes (Mula, Kurz, Lemire 2018).

use std::arch::x86_64::*;

use super::sliced::{DEPTHS, Depth, Lanes, Mask, Planes, SlicedQuery, Table, Wide, by_depth, load_at, within_at};
use super::{Bucket, scalar};
use crate::hash::Hash;

/// The number of bits set in each 16-bit cell.
#[inline]
#[target_feature(enable = "avx2")]
fn count16(cells: __m256i) -> __m256i {
    let counts = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let low = _mm256_set1_epi8(0x0f);
    let bytes = _mm256_add_epi8(
        _mm256_shuffle_epi8(counts, _mm256_and_si256(cells, low)),
        _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16::<4>(cells), low)),
    );
    _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1))
}

/// One bit for each of the 32 residues that are less than `over` off `wanted`.
#[inline]
#[target_feature(enable = "avx2")]
fn near(cells: &[u8; 64], wanted: __m256i, over: __m256i) -> u32 {
    let half = |at: usize| {
        // SAFETY: the cells are 64 bytes long, and `at` is 0 or 32.
        let cells = unsafe { _mm256_loadu_si256(cells.as_ptr().add(at).cast()) };
        _mm256_cmpgt_epi16(over, count16(_mm256_xor_si256(cells, wanted)))
    };
    // Packing goes by halves of a register: the two quarters in the middle change places.
    let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(half(0), half(32)));
    _mm256_movemask_epi8(bytes) as u32
}

#[target_feature(enable = "avx2,popcnt,bmi1")]
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
        let wanted = _mm256_set1_epi16(bucket.residue as i16);
        let over = _mm256_set1_epi16(bucket.limit as i16 + 1);
        let valid = |len: u32| if len < 32 { (1 << len) - 1 } else { u32::MAX };
        let mut push = |at: u32, mut mask: u32| {
            while mask != 0 {
                out.push((number, at + mask.trailing_zeros()));
                mask &= mask - 1;
            }
        };
        push(0, near(start, wanted, over) & valid(bucket.len));
        for (at, half) in (32..).step_by(32).zip(further.as_flattened().as_chunks::<64>().0) {
            push(at, near(half, wanted, over) & valid(bucket.len.saturating_sub(at)));
        }
    }
}

#[target_feature(enable = "popcnt")]
pub(super) fn distances(hashes: &[Hash], queries: &[Hash], pairs: &[(u32, u32)], out: &mut Vec<u16>) {
    out.extend(pairs.iter().map(|&(query, at)| {
        let (a, b) = (queries[query as usize].words(), hashes[at as usize].words());
        (0..4).map(|i| (a[i] ^ b[i]).count_ones()).sum::<u32>() as u16
    }));
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn scan(hashes: &[Hash], query: &Hash, limit: u32, out: &mut Vec<(u32, u32)>) {
    let q = query.words();
    for (at, hash) in (0..).zip(hashes) {
        let h = hash.words();
        let half = (h[0] ^ q[0]).count_ones() + (h[1] ^ q[1]).count_ones();
        if half <= limit {
            let distance = half + (h[2] ^ q[2]).count_ones() + (h[3] ^ q[3]).count_ones();
            if distance <= limit {
                out.push((at, distance));
            }
        }
    }
}

/// 256 lanes.
#[derive(Clone, Copy)]
struct Half(__m256i);

// SAFETY of the calls below: this type is only named by functions that enable AVX2, into which its methods are inlined.
impl Lanes for Half {
    const WIDTH: usize = 256;
    #[inline(always)]
    fn load(wide: &Wide, index: usize) -> Self {
        let words = &wide.0[index * 4..index * 4 + 4];
        // SAFETY: four words are 32 bytes.
        Self(unsafe { _mm256_loadu_si256(words.as_ptr().cast()) })
    }
    #[inline(always)]
    fn store(self, words: &mut [u64; 8], index: usize) {
        let words = &mut words[index * 4..index * 4 + 4];
        // SAFETY: four words are 32 bytes.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), self.0) }
    }
    #[inline(always)]
    fn splat(set: bool) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_epi64x(if set { -1 } else { 0 }) })
    }
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_xor_si256(_mm256_xor_si256(self.0, b.0), c.0) })
    }
    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe {
            let differ = _mm256_xor_si256(self.0, b.0);
            _mm256_or_si256(_mm256_and_si256(self.0, b.0), _mm256_and_si256(differ, c.0))
        })
    }
    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_xor_si256(self.0, _mm256_set1_epi64x(-1)) })
    }
    #[inline(always)]
    fn any(self) -> bool {
        // SAFETY: see above.
        unsafe { _mm256_testz_si256(self.0, self.0) == 0 }
    }
    #[inline(always)]
    fn repeat(word: u64) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_set1_epi64x(word as i64) })
    }
    #[inline(always)]
    fn choose(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_or_si256(_mm256_and_si256(self.0, a.0), _mm256_andnot_si256(self.0, b.0)) })
    }
    #[inline(always)]
    fn up(self, by: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sll_epi64(self.0, _mm_cvtsi32_si128(by as i32)) })
    }
    #[inline(always)]
    fn down(self, by: u32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_srl_epi64(self.0, _mm_cvtsi32_si128(by as i32)) })
    }
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn load(hashes: &[Hash], depth: Depth, planes: &mut [Planes; 4], table: &mut Table) {
    load_at::<Half>(hashes, depth, planes, table);
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn within(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    by_depth!(query.depth, counted(table, query, masks))
}

#[inline(never)]
#[target_feature(enable = "avx2,popcnt")]
fn counted<const DEPTH: usize>(table: &Table, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
    within_at::<Half>(table, query, const { DEPTHS[DEPTH] }, masks)
}
