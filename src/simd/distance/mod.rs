//! Hamming distances, at the level given: buckets of 16-bit residues, hashes at positions, and, in `block`, blocks of 512
//! hashes against many queries.

mod block;
mod scalar;
mod sliced;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod halves;
#[cfg(target_arch = "aarch64")]
mod neon;

pub(crate) use block::{BLOCK, Block, Pair, Sought, block_cost};

use super::Level;
use crate::hash::Hash;

/// Which kernels to call; only made where the processor has what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernels(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernels {
    /// The kernels of the process.
    pub(crate) fn current() -> Self {
        static CURRENT: std::sync::LazyLock<Kernels> = std::sync::LazyLock::new(|| Kernels::of(Level::current()));
        *CURRENT
    }

    /// The best kernels that need no more than `level` and that this processor can run.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn of(level: Level) -> Self {
        let level = level.min(Level::available().last().copied().unwrap_or(Level::Scalar));
        let popcnt =
            is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        let counts = is_x86_feature_detected!("avx512bitalg") && is_x86_feature_detected!("avx512vpopcntdq");
        Self(match level {
            Level::Avx512 if popcnt && counts => Kind::Avx512,
            Level::Avx512 | Level::Avx2 if popcnt => Kind::Avx2,
            _ => Kind::Scalar,
        })
    }

    /// The best kernels that need no more than `level`.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn of(level: Level) -> Self {
        Self(if level >= Level::Neon { Kind::Neon } else { Kind::Scalar })
    }

    /// The best kernels that need no more than `level`: there is plain code only.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn of(_: Level) -> Self {
        Self(Kind::Scalar)
    }
}

/// Asks for the cache line at `at` of `bytes`, to have it in the second-level cache: random lines were seen to arrive
/// there two to three times as fast as in the first.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch of any address is sound, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(bytes.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

/// As [`prefetch`], into the first-level cache.
#[inline(always)]
fn fetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

/// The hashes that lie one after another in `bytes`; what is left over is left out.
pub(crate) fn as_hashes(bytes: &[u8]) -> &[Hash] {
    let (rows, _) = bytes.as_chunks::<32>();
    // SAFETY: `Hash` is a transparent wrapper of 32 bytes.
    unsafe { std::slice::from_raw_parts(rows.as_ptr().cast::<Hash>(), rows.len()) }
}

/// A bucket to filter: `len` residues, little-endian pairs of bytes from byte `at` on, against `residue`, keeping
/// distances up to `limit`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) at: usize,
    pub(crate) len: u32,
    pub(crate) residue: u16,
    pub(crate) limit: u16,
}

/// Buckets that are asked for before they are filtered.
const AHEAD: usize = 40;
/// Buckets that are fetched from the second-level cache, or asked for again, before they are filtered: of what was asked for
/// when too much was under way already, some never came.
const NEXT: usize = 8;
/// Residues of a bucket that are asked for ahead at most; what follows comes in by itself.
const FAR: usize = 384;

/// Asks for the residues of the bucket [`AHEAD`] of number `at`, and for those of the one that is soon due; at the first one, for
/// all up to there.
#[inline(always)]
fn ask_ahead(bytes: &[u8], buckets: &[Bucket], at: usize) {
    let from = if at == 0 { 0 } else { at + AHEAD };
    for bucket in buckets.get(from..(at + AHEAD + 1).min(buckets.len())).unwrap_or_default() {
        bucket.lines(|line| prefetch(bytes, line));
    }
    if let Some(bucket) = buckets.get(at + NEXT) {
        bucket.lines(|line| fetch(bytes, line));
    }
}

impl Bucket {
    /// A byte of every cache line that [`Self::padded`] goes over, up to [`FAR`].
    #[inline(always)]
    fn lines(&self, mut each: impl FnMut(usize)) {
        let (from, len) = (self.at, (self.len as usize).min(FAR));
        // Most buckets are short, and end in the second line.
        each(from);
        each(from.wrapping_add(63));
        if len > 32 {
            for line in (from.wrapping_add(64)..from.wrapping_add(len * 2)).step_by(64) {
                each(line);
            }
            each(from.wrapping_add(len * 2 - 1));
        }
    }

    /// The residues.
    #[inline(always)]
    fn cells<'a>(&self, bytes: &'a [u8]) -> Option<&'a [[u8; 2]]> {
        let end = self.at.checked_add((self.len as usize).checked_mul(2)?)?;
        bytes.get(self.at..end).map(|cells| cells.as_chunks::<2>().0)
    }

    /// The first 32 residues and, for each further 64, a chunk of as many; whatever lies behind them fills the last one up.
    /// None if `bytes` end before that.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn padded<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8; 64], &'a [[u8; 128]])> {
        let (first, rest) = bytes.get(self.at..)?.split_first_chunk::<64>()?;
        let further = (self.len as usize).saturating_sub(32).div_ceil(64);
        Some((first, rest.as_chunks::<128>().0.get(..further)?))
    }
}

/// Appends `(bucket, number in it)` for every residue that passes its bucket's filter, the first bucket being `first`. A
/// bucket that does not lie within `bytes` yields nothing. Buckets are at random places, and asked for ahead.
#[inline]
pub(crate) fn filter(kernels: Kernels, bytes: &[u8], buckets: &[Bucket], first: u32, out: &mut Vec<(u32, u32)>) {
    filter_with(kernels, bytes, buckets, first, |at| ask_ahead(bytes, buckets, at), out);
}

/// As [`filter`], for buckets that are near already; `meanwhile` is called before each, with how many came before.
#[inline]
pub(crate) fn filter_with(
    kernels: Kernels,
    bytes: &[u8],
    buckets: &[Bucket],
    first: u32,
    meanwhile: impl FnMut(usize),
    out: &mut Vec<(u32, u32)>,
) {
    match kernels.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this kind is only given out where the processor has its features.
        Kind::Avx512 => unsafe { avx512::filter(bytes, buckets, first, meanwhile, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kind::Avx2 => unsafe { avx2::filter(bytes, buckets, first, meanwhile, out) },
        #[cfg(target_arch = "aarch64")]
        Kind::Neon => neon::filter(bytes, buckets, first, meanwhile, out),
        Kind::Scalar => scalar::filter(bytes, buckets, first, meanwhile, out),
    }
}

/// Appends, for each pair of a query's number and a position, the distance of that query to that hash.
#[inline]
pub(crate) fn distances(kernels: Kernels, hashes: &[Hash], queries: &[Hash], pairs: &[(u32, u32)], out: &mut Vec<u16>) {
    match kernels.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above; both kinds have `popcnt`.
        Kind::Avx512 | Kind::Avx2 => unsafe { avx2::distances(hashes, queries, pairs, out) },
        #[cfg(target_arch = "aarch64")]
        Kind::Neon => neon::distances(hashes, queries, pairs, out),
        Kind::Scalar => scalar::distances(hashes, queries, pairs, out),
    }
}

/// Nanoseconds that one query takes for each hash of [`scan`]; measured (NEON guessed), and only for choosing between ways to the
/// same answer.
pub(crate) fn row_cost(kernels: Kernels) -> f64 {
    match kernels.0 {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => 0.7,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => 1.6,
        #[cfg(target_arch = "aarch64")]
        Kind::Neon => 1.6,
        Kind::Scalar => 3.2,
    }
}

/// Appends `(position, distance)` of every hash within `limit` of `query`, in order.
#[inline]
pub(crate) fn scan(kernels: Kernels, hashes: &[Hash], query: &Hash, limit: u32, out: &mut Vec<(u32, u32)>) {
    match kernels.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kind::Avx512 => unsafe { avx512::scan(hashes, query, limit, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kind::Avx2 => unsafe { avx2::scan(hashes, query, limit, out) },
        #[cfg(target_arch = "aarch64")]
        Kind::Neon => neon::scan(hashes, query, limit, out),
        Kind::Scalar => scalar::scan(hashes, query, limit, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Kernels> {
        Level::available().into_iter().map(Kernels::of).collect()
    }

    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn hash(seed: &mut u64) -> Hash {
        Hash::from_words(std::array::from_fn(|_| random(seed)))
    }

    /// Hashes at every distance from `centre`, and a few anywhere.
    fn around(centre: &Hash, count: usize, seed: &mut u64) -> Vec<Hash> {
        (0..count)
            .map(|i| {
                let mut near = *centre;
                while near.distance(centre) < i as u32 % 257 {
                    let bit = random(seed) as usize % 256;
                    if near.bit(bit) == centre.bit(bit) {
                        near.0[bit / 8] ^= 1 << (bit % 8);
                    }
                }
                near
            })
            .collect()
    }

    #[test]
    fn every_level_filters_buckets_alike() {
        let mut seed = 1;
        let residues: Vec<u8> = (0..4000).map(|_| random(&mut seed) as u8).collect();
        let mut buckets = Vec::new();
        for len in (0..100).chain([1000]) {
            for limit in [0, 1, 3, 8, 16] {
                buckets.push(Bucket {
                    at: random(&mut seed) as usize % 1800,
                    len,
                    residue: random(&mut seed) as u16,
                    limit,
                });
            }
        }
        buckets.push(Bucket { at: 3980, len: 10, residue: 7, limit: 16 });
        buckets.push(Bucket { at: 3980, len: 11, residue: 7, limit: 16 });
        buckets.push(Bucket { at: 3981, len: 10, residue: 7, limit: 16 });
        buckets.push(Bucket { at: usize::MAX, len: u32::MAX, residue: 7, limit: 16 });
        let mut expected = Vec::new();
        for (number, bucket) in (5..).zip(&buckets) {
            for i in 0..bucket.len {
                if bucket.at.saturating_add(bucket.len as usize * 2) > residues.len() {
                    break;
                }
                let at = bucket.at + i as usize * 2;
                let cell = u16::from_le_bytes([residues[at], residues[at + 1]]);
                if (cell ^ bucket.residue).count_ones() <= u32::from(bucket.limit) {
                    expected.push((number, i));
                }
            }
        }
        for kernels in all() {
            let mut got = Vec::new();
            filter(kernels, &residues, &buckets, 5, &mut got);
            assert_eq!(got, expected, "{kernels:?}");
        }
        println!("kernels: {:?}", all());
    }

    #[test]
    fn every_level_measures_alike() {
        let mut seed = 2;
        let query = hash(&mut seed);
        for count in [0, 1, 2, 3, 7, 8, 9, 257, 511, 512] {
            let hashes = around(&query, count, &mut seed);
            for kernels in all() {
                for limit in [0, 1, 31, 47, 48, 63, 64, 95, 96] {
                    let expected: Vec<(u32, u32)> =
                        (0..).zip(&hashes).map(|(i, h)| (i, h.distance(&query))).filter(|p| p.1 <= limit).collect();
                    let mut got = Vec::new();
                    scan(kernels, &hashes, &query, limit, &mut got);
                    assert_eq!(got, expected, "{kernels:?} {count} {limit}");

                    // A pair, one of which asks for its complement too, and one by itself.
                    let turned = query.complement();
                    let both = Sought { hash: &query, limit, complement: Some(96 - limit) };
                    let other = Sought { hash: &turned, limit: 96 - limit, complement: None };
                    for (first, second) in [(both, Some(other)), (other, Some(both)), (both, None), (other, None)] {
                        let pair = Pair::new(kernels, first, second);
                        let mut block = Block::new(kernels, [&pair].into_iter());
                        block.load(&hashes);
                        let mut masks = [[[0; 8]; 2]; 2];
                        let any = block.within(&pair, &mut masks);
                        let mut more = 0;
                        for (word, bit) in (0..BLOCK).map(|bit| (bit / 64, bit % 64)) {
                            let i = block.position(word, bit);
                            let Some(h) = hashes.get(i) else { continue };
                            for (number, sought) in [Some(first), second].into_iter().enumerate() {
                                let Some(Sought { hash, limit, complement }) = sought else { continue };
                                let sides =
                                    [(h.distance(hash), Some(limit)), (h.complement().distance(hash), complement)];
                                for (mask, (d, limit)) in masks[number].iter().zip(sides) {
                                    let passed = any[number] && mask[word] >> bit & 1 == 1;
                                    // A filter: nothing that is within may be missing, and little else may pass.
                                    let within = limit.is_some_and(|limit| d <= limit);
                                    assert!(passed || !within, "{kernels:?} {i}: {d} within {limit:?}");
                                    assert!(!passed || limit.is_some(), "{kernels:?} {i}: nobody asked");
                                    more += usize::from(passed && !within);
                                }
                            }
                        }
                        assert!(more <= count, "{kernels:?}: {more} of {count} too many");
                    }
                }
                let pairs: Vec<(u32, u32)> = (0..count as u32).map(|i| (i % 2, i)).collect();
                let queries = [query, query.complement()];
                let mut got = Vec::new();
                distances(kernels, &hashes, &queries, &pairs, &mut got);
                for ((q, i), d) in pairs.iter().zip(&got) {
                    assert_eq!(u32::from(*d), queries[*q as usize].distance(&hashes[*i as usize]));
                }
            }
        }
    }
}
