//! Hamming distances, at the level given: buckets of 16-bit residues, hashes at positions, and blocks of 512 hashes
//! against many queries.
//!
//! The block scan is *bit-sliced*. A block of 512 hashes is turned into 256 planes, one for each bit; 512 lanes of
//! counters are then added up with full adders (two three-input logic instructions each on AVX-512), so that no
//! distance is ever counted for one hash alone. Planes are taken three at a time: the sum of three bits that the query
//! may turn over has a low bit that is one of two vectors and a high bit that is one of eight, so both are tabulated
//! once for a block and shared by the batch, and a query costs 170 full adders for 512 distances.

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::Level;
use crate::hash::Hash;

/// Which kernels to call; only made where the processor has what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernels(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
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
        let popcnt = is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("bmi1");
        let counts = is_x86_feature_detected!("avx512bitalg") && is_x86_feature_detected!("avx512vpopcntdq");
        Self(match level {
            Level::Avx512 if popcnt && counts => Kind::Avx512,
            Level::Avx512 | Level::Avx2 if popcnt => Kind::Avx2,
            _ => Kind::Scalar,
        })
    }

    /// The best kernels that need no more than `level`: plain code, which the compiler turns into NEON's counts itself.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn of(_: Level) -> Self {
        Self(Kind::Scalar)
    }
}

/// Hashes in a block of the sliced scan.
pub(crate) const BLOCK: usize = 512;
/// Groups of three planes; the last plane, 255, stands alone.
pub(super) const GROUPS: usize = 85;
/// Vectors of 512 bits in the table of a block: two and eight for each group, two for the last plane.
const TABLE: usize = GROUPS * 10 + 2;

/// One 512-bit vector, as memory.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Wide(pub(super) [u64; 8]);

/// Asks for the cache line at `at`, if `bytes` go that far.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(byte) = bytes.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch of any address is sound, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
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

/// A bucket to filter: `residues[start..start + len]` against `residue`, keeping distances up to `limit`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) residue: u16,
    pub(crate) limit: u16,
}

/// Appends `(bucket, position)` for every residue that passes its bucket's filter. `residues` are little-endian pairs of
/// bytes; a bucket that does not lie within them yields nothing.
#[inline]
pub(crate) fn filter(kernels: Kernels, residues: &[u8], buckets: &[Bucket], first: u32, out: &mut Vec<(u32, u32)>) {
    match kernels.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this kind is only given out where the processor has its features.
        Kind::Avx512 => unsafe { avx512::filter(residues, buckets, first, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kind::Avx2 => unsafe { avx2::filter(residues, buckets, first, out) },
        _ => scalar::filter(residues, buckets, first, out),
    }
}

/// Appends, for each pair of a query's number and a position, the distance of that query to that hash.
#[inline]
pub(crate) fn distances(kernels: Kernels, hashes: &[Hash], queries: &[Hash], pairs: &[(u32, u32)], out: &mut Vec<u16>) {
    match kernels.0 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above; both levels have `popcnt`.
        Kind::Avx512 | Kind::Avx2 => unsafe { avx2::distances(hashes, queries, pairs, out) },
        _ => scalar::distances(hashes, queries, pairs, out),
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
        _ => scalar::scan(hashes, query, limit, out),
    }
}

/// A query made ready for [`Sliced`].
#[derive(Debug, Clone)]
pub(crate) struct SlicedQuery {
    /// Where in the table, in bytes: for each group the low bit's vector and the high bit's, then the last plane's.
    /// Only [`Self::new`] writes here.
    pub(super) at: [u16; GROUPS * 2 + 1],
    /// The radius, inclusive.
    pub(super) limit: u32,
    /// The radius of the query's complement, if that is asked for as well.
    pub(super) complement: Option<u32>,
}

impl SlicedQuery {
    /// Asks for what is within `limit` of `hash` and, if given, within `complement` of its complement, both at most 96.
    pub(crate) fn new(hash: &Hash, limit: u32, complement: Option<u32>) -> Self {
        let mut at = [0; GROUPS * 2 + 1];
        for group in 0..GROUPS {
            let bits = (0..3).fold(0, |bits, i| bits | u16::from(hash.bit(group * 3 + i)) << i);
            let base = (group * 10) as u16;
            at[group * 2] = (base + (bits.count_ones() as u16 & 1)) * 64;
            at[group * 2 + 1] = (base + 2 + bits) * 64;
        }
        at[GROUPS * 2] = ((GROUPS * 10) as u16 + u16::from(hash.bit(255))) * 64;
        Self { at, limit, complement }
    }
}

/// What the planes of a block of up to 512 hashes look like from any query's side.
pub(crate) struct Sliced {
    pub(super) table: Box<[Wide; TABLE]>,
    /// The planes, and room for what becomes them.
    planes: Box<[Planes; 2]>,
    kernels: Kernels,
}

/// One bit for each hash of a block; [`position`] tells which.
pub(crate) type Mask = [u64; 8];

/// Which hash of the block bit `bit` of word `word` of a mask stands for. The order is that in which turning the rows
/// into planes leaves them.
#[inline]
pub(crate) fn position(word: usize, bit: usize) -> usize {
    word_of(word).0 * 128 + bit * 2 + word_of(word).1
}

/// Which of the four times 128 hashes a word of a plane is about, and whether the even (0) or odd (1) ones of them.
const fn word_of(word: usize) -> (usize, usize) {
    (word / 4 * 2 + word % 2, word / 2 % 2)
}

impl Sliced {
    /// Room for a block.
    pub(crate) fn new(kernels: Kernels) -> Self {
        Self { table: Box::new([Wide([0; 8]); TABLE]), planes: Box::new([[Wide([0; 8]); 256]; 2]), kernels }
    }

    /// Takes up `hashes`, at most [`BLOCK`] of them.
    pub(crate) fn load(&mut self, hashes: &[Hash]) {
        match self.kernels.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::load(hashes, &mut self.planes, &mut self.table) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { avx2::load(hashes, &mut self.planes, &mut self.table) },
            _ => scalar::load(hashes, &mut self.planes, &mut self.table),
        }
    }

    /// Which hashes of the block are within the query's radius, and which within its complement's. Lanes past the
    /// hashes that were loaded mean nothing. `None` if there are neither.
    #[inline]
    pub(crate) fn within(&self, query: &SlicedQuery) -> Option<(Mask, Mask)> {
        match self.kernels.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::within(&self.table, query) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { avx2::within(&self.table, query) },
            _ => scalar::within(&self.table, query),
        }
    }
}

pub(super) type Table = [Wide; TABLE];
pub(super) type Planes = [Wide; 256];

/// Vectors of bits, one lane for each hash; the levels differ in width only.
pub(super) trait Lanes: Copy {
    /// Bits.
    const WIDTH: usize;
    /// The `index`-th of the vectors that make up `wide`.
    fn load(wide: &Wide, index: usize) -> Self;
    fn store(self, words: &mut [u64], index: usize);
    /// All lanes set or none.
    fn splat(set: bool) -> Self;
    fn xor3(self, b: Self, c: Self) -> Self;
    fn majority(self, b: Self, c: Self) -> Self;
    fn not(self) -> Self;
    fn any(self) -> bool;
    /// `word` in every word.
    fn repeat(word: u64) -> Self;
    /// Bits of `a` where `self` is set, of `b` elsewhere.
    fn choose(self, a: Self, b: Self) -> Self;
    /// Every word shifted left.
    fn up(self, by: u32) -> Self;
    /// Every word shifted right.
    fn down(self, by: u32) -> Self;
    /// Words `w` and `4 + w` of each row, as [`position`] orders them, into vector `w`.
    #[inline(always)]
    fn sort(rows: [&Wide; 4]) -> [Wide; 4] {
        sort_words(rows)
    }
}

/// The body of every level's `within`.
#[inline(always)]
pub(super) fn within_at<V: Lanes>(table: &Table, query: &SlicedQuery) -> Option<(Mask, Mask)> {
    let mut masks = ([0; 8], [0; 8]);
    let mut any = false;
    for index in 0..512 / V::WIDTH {
        let count = Sum { table, at: &query.at, index, c: [V::splat(false); 9] }.count();
        let mut near = at_most(&count, query.limit);
        if near.any() {
            any = true;
            near.store(&mut masks.0, index);
        }
        if let Some(limit) = query.complement {
            // The complement is within `limit` where the query is at `256 - limit` or further.
            near = at_most(&count, 255 - limit).not();
            if near.any() {
                any = true;
                near.store(&mut masks.1, index);
            }
        }
    }
    any.then_some(masks)
}

/// Which lanes hold at most `limit`.
#[inline(always)]
fn at_most<V: Lanes>(count: &[V; 9], limit: u32) -> V {
    let mut at_most = V::splat(true);
    for (i, bit) in count.iter().enumerate() {
        at_most = at_most.majority(bit.not(), V::splat(limit >> i & 1 == 1));
    }
    at_most
}

/// The counters of 512 lanes on their way through a table, and the table. Bit `i` of the counts is `c[i]`.
struct Sum<'a, V> {
    table: &'a Table,
    at: &'a [u16; GROUPS * 2 + 1],
    index: usize,
    c: [V; 9],
}

// Methods rather than closures: they must be inlined into the function that enables the instructions.
impl<V: Lanes> Sum<'_, V> {
    #[inline(always)]
    fn vector(&self, i: usize) -> V {
        let wide = self.table.as_ptr().cast::<u8>().wrapping_add(usize::from(self.at[i])).cast::<Wide>();
        // SAFETY: `SlicedQuery::new` makes nothing but offsets of vectors of the table.
        V::load(unsafe { &*wide }, self.index)
    }

    #[inline(always)]
    fn low(&self, group: usize) -> V {
        self.vector(group * 2)
    }

    #[inline(always)]
    fn high(&self, group: usize) -> V {
        self.vector(group * 2 + 1)
    }

    /// Adds two vectors of weight `2^bit`; the carry is left over.
    #[inline(always)]
    fn add(&mut self, bit: usize, a: V, b: V) -> V {
        let sum = self.c[bit];
        self.c[bit] = sum.xor3(a, b);
        sum.majority(a, b)
    }

    /// Three carries out of six vectors.
    #[inline(always)]
    fn join(&mut self, bit: usize, a: [V; 3], b: [V; 3]) -> [V; 3] {
        [self.add(bit, a[0], a[1]), self.add(bit, a[2], b[0]), self.add(bit, b[1], b[2])]
    }

    /// Four groups have four low bits and four high ones: six high ones with the carries, three carries of weight 4.
    #[inline(always)]
    fn four(&mut self, g: usize) -> [V; 3] {
        let a = self.add(0, self.low(g), self.low(g + 1));
        let b = self.add(0, self.low(g + 2), self.low(g + 3));
        [
            self.add(1, self.high(g), self.high(g + 1)),
            self.add(1, self.high(g + 2), self.high(g + 3)),
            self.add(1, a, b),
        ]
    }

    #[inline(always)]
    fn eight(&mut self, g: usize) -> [V; 3] {
        let (a, b) = (self.four(g), self.four(g + 4));
        self.join(2, a, b)
    }

    #[inline(always)]
    fn sixteen(&mut self, g: usize) -> [V; 3] {
        let (a, b) = (self.eight(g), self.eight(g + 8));
        self.join(3, a, b)
    }

    #[inline(always)]
    fn thirty_two(&mut self, g: usize) -> [V; 3] {
        let (a, b) = (self.sixteen(g), self.sixteen(g + 16));
        self.join(4, a, b)
    }

    /// The distance of every lane to the query.
    #[inline(always)]
    fn count(mut self) -> [V; 9] {
        let (a, b) = (self.thirty_two(0), self.thirty_two(32));
        let w64 = self.join(5, a, b);
        let w16 = self.sixteen(64);
        let w4 = self.four(80);
        // One group and one plane are left.
        let carry = self.add(0, self.low(84), self.vector(GROUPS * 2));
        let carry = self.add(1, self.high(84), carry);
        let w8 = [self.add(2, w4[0], w4[1]), self.add(2, w4[2], carry)];
        let carry = self.add(3, w8[0], w8[1]);
        let w32 = [self.add(4, w16[0], w16[1]), self.add(4, w16[2], carry)];
        let carry = self.add(5, w32[0], w32[1]);
        let w128 = [self.add(6, w64[0], w64[1]), self.add(6, w64[2], carry)];
        self.c[8] = self.add(7, w128[0], w128[1]);
        self.c
    }
}

/// The body of every level's `load`.
#[inline(always)]
pub(super) fn load_at<V: Lanes>(hashes: &[Hash], [planes, turned]: &mut [Planes; 2], table: &mut Table) {
    slice::<V>(hashes, planes, turned);
    for index in 0..512 / V::WIDTH {
        for group in 0..GROUPS {
            let p = group * 3;
            let straight = [V::load(&planes[p], index), V::load(&planes[p + 1], index), V::load(&planes[p + 2], index)];
            let turned = [straight[0].not(), straight[1].not(), straight[2].not()];
            let low = straight[0].xor3(straight[1], straight[2]);
            let base = group * 10;
            low.store(&mut table[base].0, index);
            low.not().store(&mut table[base + 1].0, index);
            for bits in 0..8 {
                let a = if bits & 1 == 0 { straight[0] } else { turned[0] };
                let b = if bits & 2 == 0 { straight[1] } else { turned[1] };
                let c = if bits & 4 == 0 { straight[2] } else { turned[2] };
                a.majority(b, c).store(&mut table[base + 2 + bits].0, index);
            }
        }
        let last = V::load(&planes[255], index);
        last.store(&mut table[GROUPS * 10].0, index);
        last.not().store(&mut table[GROUPS * 10 + 1].0, index);
    }
}

/// Rows to planes.
///
/// Two hashes make a row of eight words, 64 rows make eight matrices of 64x64 bits side by side, and those are turned
/// all at once; then the words, which belong to four different planes, are sorted.
#[inline(always)]
fn slice<V: Lanes>(hashes: &[Hash], planes: &mut Planes, turned: &mut Planes) {
    if hashes.len() < BLOCK {
        turned.fill(Wide([0; 8]));
    }
    for (row, two) in turned.iter_mut().zip(hashes.chunks(2)) {
        for (words, hash) in row.0.as_chunks_mut::<4>().0.iter_mut().zip(two) {
            *words = hash.words();
        }
    }
    for rows in turned.as_chunks_mut::<64>().0 {
        for index in 0..512 / V::WIDTH {
            turn::<V, 32>(rows, index, 0x0000_0000_ffff_ffff);
            turn::<V, 16>(rows, index, 0x0000_ffff_0000_ffff);
            turn::<V, 8>(rows, index, 0x00ff_00ff_00ff_00ff);
            turn::<V, 4>(rows, index, 0x0f0f_0f0f_0f0f_0f0f);
            turn::<V, 2>(rows, index, 0x3333_3333_3333_3333);
            turn::<V, 1>(rows, index, 0x5555_5555_5555_5555);
        }
    }
    for k in 0..64 {
        let sorted = V::sort([&turned[k], &turned[64 + k], &turned[128 + k], &turned[192 + k]]);
        for (w, plane) in sorted.into_iter().enumerate() {
            planes[w * 64 + k] = plane;
        }
    }
}

/// The body of [`Lanes::sort`] where there is no instruction for it.
#[inline(always)]
fn sort_words(rows: [&Wide; 4]) -> [Wide; 4] {
    let mut sorted = [Wide([0; 8]); 4];
    for (w, plane) in sorted.iter_mut().enumerate() {
        for (word, cell) in plane.0.iter_mut().enumerate() {
            let (row, half) = word_of(word);
            *cell = rows[row].0[half * 4 + w];
        }
    }
    sorted
}

/// Swaps the off-diagonal blocks of `S`x`S` bits in each word's matrix; `mask` has the low `S` of every `2 * S` bits.
#[inline(always)]
fn turn<V: Lanes, const S: u32>(rows: &mut [Wide; 64], index: usize, mask: u64) {
    let (mask, step) = (V::repeat(mask), S as usize);
    for pair in 0..32 {
        let i = pair / step * 2 * step + pair % step;
        let (a, b) = (V::load(&rows[i], index), V::load(&rows[(i + step) % 64], index));
        mask.choose(a, b.up(S)).store(&mut rows[i].0, index);
        mask.choose(a.down(S), b).store(&mut rows[(i + step) % 64].0, index);
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
                    start: random(&mut seed) as u32 % 900,
                    len,
                    residue: random(&mut seed) as u16,
                    limit,
                });
            }
        }
        buckets.push(Bucket { start: 1990, len: 10, residue: 7, limit: 16 });
        buckets.push(Bucket { start: 1990, len: 11, residue: 7, limit: 16 });
        buckets.push(Bucket { start: u32::MAX, len: u32::MAX, residue: 7, limit: 16 });
        let mut expected = Vec::new();
        for (number, bucket) in (5..).zip(&buckets) {
            for at in u64::from(bucket.start)..u64::from(bucket.start) + u64::from(bucket.len) {
                if u64::from(bucket.start) + u64::from(bucket.len) > 2000 {
                    break;
                }
                let cell = u16::from_le_bytes([residues[at as usize * 2], residues[at as usize * 2 + 1]]);
                if (cell ^ bucket.residue).count_ones() <= u32::from(bucket.limit) {
                    expected.push((number, at as u32));
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

                    let mut sliced = Sliced::new(kernels);
                    sliced.load(&hashes);
                    let (near, far) =
                        sliced.within(&SlicedQuery::new(&query, limit, Some(96 - limit))).unwrap_or_default();
                    for bit in 0..BLOCK {
                        let set = |mask: &Mask| mask[bit / 64] >> (bit % 64) & 1 == 1;
                        let i = position(bit / 64, bit % 64);
                        let Some(h) = hashes.get(i) else { continue };
                        assert_eq!(set(&near), h.distance(&query) <= limit, "{kernels:?} {i}");
                        assert_eq!(set(&far), h.complement().distance(&query) <= 96 - limit, "{kernels:?} {i}");
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
