//! Hamming distances with AVX2: population counts by looking up half-bytes (Mula, Kurz, Lemire 2018).

use std::arch::x86_64::*;

use super::block::Mask;
use super::halves::{LANES, NEVER, Pair, STEP, TABLES, Turned};
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
    // Half of the bits nearly always tell what is too far for a narrow radius; for a wide one, nobody could guess.
    let narrow = limit <= 50;
    for (at, hash) in (0..).zip(hashes) {
        let h = hash.words();
        let half = (h[0] ^ q[0]).count_ones() + (h[1] ^ q[1]).count_ones();
        if narrow && half > limit {
            continue;
        }
        let distance = half + (h[2] ^ q[2]).count_ones() + (h[3] ^ q[3]).count_ones();
        if distance <= limit {
            out.push((at, distance));
        }
    }
}

/// Turns up to [`LANES`] hashes: 32 at a time, byte by byte, and then in halves, of which the first `count` are needed.
#[target_feature(enable = "avx2")]
pub(super) fn turn(hashes: &[Hash], count: usize, turned: &mut Turned) {
    for (hashes, lane) in hashes.chunks(32).zip((0..).step_by(32)) {
        let [first, second] = [0, 16].map(|from| {
            sort(std::array::from_fn(|i| {
                let hash = hashes.get(from + i).unwrap_or(&Hash([0; 32]));
                // SAFETY: a hash is 32 bytes.
                unsafe { _mm256_loadu_si256(hash.0.as_ptr().cast()) }
            }))
        });
        for i in 0..16 {
            // Each quarter is a byte of 16 hashes: byte `i` in the lower one, byte `i + 16` in the upper one.
            let bytes = _mm256_permute2x128_si256::<0x20>(first[i], second[i]);
            put(bytes, i, turned, lane);
            if i * 2 + 32 < count {
                let bytes = _mm256_permute2x128_si256::<0x31>(first[i], second[i]);
                put(bytes, i + 16, turned, lane);
            }
        }
    }
}

/// Both halves of a byte of 32 hashes.
#[inline]
#[target_feature(enable = "avx2")]
fn put(bytes: __m256i, byte: usize, turned: &mut Turned, lane: usize) {
    let low = _mm256_set1_epi8(15);
    let halves = [_mm256_and_si256(bytes, low), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low)];
    for (half, row) in halves.into_iter().zip(&mut turned.0[byte * 2..byte * 2 + 2]) {
        let Some(room) = row[lane..].first_chunk_mut::<32>() else { continue };
        // SAFETY: there is room for 32 bytes.
        unsafe { _mm256_storeu_si256(room.as_mut_ptr().cast(), half) };
    }
}

/// In each half of the vectors, 16 rows of 16 bytes to columns.
#[inline]
#[target_feature(enable = "avx2")]
fn sort(mut rows: [__m256i; 16]) -> [__m256i; 16] {
    // Row `i` and row `i + 8` are laid together byte by byte, four times over: each time a bit of a byte's row becomes one of its place.
    for _ in 0..4 {
        let mut next = rows;
        for i in 0..8 {
            next[i * 2] = _mm256_unpacklo_epi8(rows[i], rows[i + 8]);
            next[i * 2 + 1] = _mm256_unpackhi_epi8(rows[i], rows[i + 8]);
        }
        rows = next;
    }
    rows
}

/// See `halves`.
#[target_feature(enable = "avx2")]
pub(super) fn within(block: &[Turned; 4], pair: &Pair, masks: &mut [[Mask; 2]; 2]) -> [bool; 2] {
    const VECTORS: usize = LANES / 32;
    let (mut any, low) = ([0; 2], _mm256_set1_epi8(15));
    for (part, turned) in block.iter().enumerate() {
        let mut counts = [[_mm256_setzero_si256(); VECTORS]; 2];
        let (tables, rows) = (pair.tables.as_chunks::<STEP>().0, turned.0.as_chunks::<STEP>().0);
        for (tables, rows) in tables.iter().zip(rows).take(pair.count / STEP) {
            let tables = tables.map(|table| {
                // SAFETY: a table is 16 bytes.
                _mm256_broadcastsi128_si256(unsafe { _mm_load_si128(TABLES.0[usize::from(table)].as_ptr().cast()) })
            });
            let [first, second] = &mut counts;
            for (v, (first, second)) in first.iter_mut().zip(second).enumerate() {
                let off = |i: usize| {
                    // SAFETY: a row is as many bytes as there are lanes, and 64-byte aligned.
                    let halves = unsafe { _mm256_load_si256(rows[i].as_ptr().add(v * 32).cast()) };
                    _mm256_shuffle_epi8(tables[i], halves)
                };
                let both = _mm256_add_epi8(_mm256_add_epi8(off(0), off(1)), off(2));
                *first = _mm256_add_epi8(*first, _mm256_and_si256(both, low));
                *second = _mm256_add_epi8(*second, _mm256_and_si256(_mm256_srli_epi16::<4>(both), low));
            }
        }
        for (query, counts) in counts.iter().enumerate() {
            let near = _mm256_set1_epi8(pair.near[query] as i8);
            let near = counts.map(|count| _mm256_cmpeq_epi8(_mm256_min_epu8(count, near), count));
            any[query] |= u8::from(mark(near, &mut masks[query][0], part));
            if pair.far[query] != NEVER {
                let far = _mm256_set1_epi8(pair.far[query] as i8);
                let far = counts.map(|count| _mm256_cmpeq_epi8(_mm256_max_epu8(count, far), count));
                any[query] |= u8::from(mark(far, &mut masks[query][1], part));
            }
        }
    }
    any.map(|any| any != 0)
}

/// Puts down which lanes of part `part` were found; whether any was.
#[inline]
#[target_feature(enable = "avx2")]
fn mark(found: [__m256i; LANES / 32], mask: &mut Mask, part: usize) -> bool {
    let any = _mm256_or_si256(_mm256_or_si256(found[0], found[1]), _mm256_or_si256(found[2], found[3]));
    let Some(words) = mask[part * 2..].first_chunk_mut::<2>() else { return false };
    *words = [0; 2];
    if _mm256_testz_si256(any, any) != 0 {
        return false;
    }
    let bits = found.map(|found| u64::from(_mm256_movemask_epi8(found) as u32));
    *words = [bits[0] | bits[1] << 32, bits[2] | bits[3] << 32];
    true
}
