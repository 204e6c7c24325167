//! Blocks of 512 hashes against queries, *bit-sliced*: a block is turned into planes, one for each bit, and 512
//! lanes of counters are added up with full adders (two three-input logic instructions each on AVX-512), so that no
//! distance is ever counted for one hash alone.
//!
//! Planes are taken three at a time: the sum of three bits that the query may turn over has a low bit that is one of
//! two vectors and a high bit that is one of eight, so both are tabulated once for a block and shared by the batch.
//! Plane `k` of each of the first three words makes group `k`; the fourth word is only needed for wide radii, since a
//! hash that is already past the radius after 96, 144 or 192 bits needs no further counting. Such a count is a filter:
//! what passes is measured in full by the caller. That table of 64 groups also fits the first-level cache.

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::block::{Mask, Sought};
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::{Kernels, Kind, scalar};
use crate::hash::Hash;

/// All groups of three planes; the last plane, 255, stands alone.
const GROUPS: usize = 85;
/// Groups of the first three words.
const FIRST: usize = 64;
/// Vectors of 512 bits in the table of a block: two and eight for each group, two for the last plane.
const TABLE: usize = GROUPS * 10 + 2;
/// Which of eight neighbouring hashes each word of a vector belongs to: the order that sorting words leaves.
pub(super) const ORDER: [usize; 8] = [0, 2, 1, 3, 4, 6, 5, 7];

/// One 512-bit vector, as memory.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Wide(pub(super) [u64; 8]);

pub(super) type Table = [Wide; TABLE];
/// Planes of one word.
pub(super) type Planes = [Wide; 64];

/// How many groups are counted, the fewest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// 32 groups, 96 bits.
    Third,
    /// 48 groups, 144 bits.
    Half,
    /// 64 groups, 192 bits.
    Most,
    /// All 256 bits.
    All,
}

/// All depths, by number.
pub(super) const DEPTHS: [Depth; 4] = [Depth::Third, Depth::Half, Depth::Most, Depth::All];

/// Calls a function that is compiled for each depth, by its number.
macro_rules! by_depth {
    ($depth:expr, $counted:ident($($argument:expr),*)) => {
        match $depth {
            Depth::Third => $counted::<0>($($argument),*),
            Depth::Half => $counted::<1>($($argument),*),
            Depth::Most => $counted::<2>($($argument),*),
            Depth::All => $counted::<3>($($argument),*),
        }
    };
}
pub(super) use by_depth;

impl Depth {
    /// The depth at which few enough of 512 random hashes pass: about one in ten blocks has one, or measuring those
    /// that pass costs less than counting on.
    pub(super) fn of(limit: u32) -> Self {
        match limit {
            0..=31 => Self::Third,
            32..=50 => Self::Half,
            51..=78 => Self::Most,
            _ => Self::All,
        }
    }

    /// Bits counted.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Third => 96,
            Self::Half => 144,
            Self::Most => 192,
            Self::All => 256,
        }
    }
}

/// A query made ready for [`Sliced`].
#[derive(Debug, Clone)]
pub(super) struct SlicedQuery {
    /// Where in the table, in bytes: for each group the low bit's vector and the high bit's, then the last plane's.
    /// Only [`Self::new`] writes here.
    at: [u16; GROUPS * 2 + 1],
    /// The radius, inclusive.
    limit: u32,
    /// The radius of the query's complement, if that is asked for as well.
    complement: Option<u32>,
    pub(super) depth: Depth,
}

impl SlicedQuery {
    pub(super) fn new(sought: Sought<'_>) -> Self {
        let Sought { hash, limit, complement } = sought;
        let mut at = [0; GROUPS * 2 + 1];
        for group in 0..GROUPS {
            let bits = (0..3).fold(0, |bits, i| bits | u16::from(hash.bit(plane(group, i))) << i);
            let base = (group * 10) as u16;
            at[group * 2] = (base + (bits.count_ones() as u16 & 1)) * 64;
            at[group * 2 + 1] = (base + 2 + bits) * 64;
        }
        at[GROUPS * 2] = ((GROUPS * 10) as u16 + u16::from(hash.bit(255))) * 64;
        Self { at, limit, complement, depth: Depth::of(limit.max(complement.unwrap_or(0))) }
    }
}

/// The `i`-th plane of a group.
const fn plane(group: usize, i: usize) -> usize {
    if group < FIRST { i * 64 + group } else { group * 3 + i }
}

/// What the planes of a block of up to 512 hashes look like from any query's side.
pub(super) struct Sliced {
    table: Box<Table>,
    planes: Box<[Planes; 4]>,
    kernels: Kernels,
    depth: Depth,
}

/// Which hash of the block bit `bit` of word `word` of a mask stands for. The order is that in which turning the rows
/// into planes leaves them.
#[inline]
pub(super) fn position(word: usize, bit: usize) -> usize {
    bit * 8 + ORDER[word]
}

impl Sliced {
    /// Room for a block that any of `queries` will be asked about.
    pub(super) fn new<'a>(kernels: Kernels, queries: impl Iterator<Item = &'a SlicedQuery>) -> Self {
        let depth = queries.map(|query| query.depth).max().unwrap_or(Depth::All);
        let (table, planes) = (Box::new([Wide([0; 8]); TABLE]), Box::new([[Wide([0; 8]); 64]; 4]));
        Self { table, planes, kernels, depth }
    }

    /// Takes up `hashes`, at most a block of them.
    pub(super) fn load(&mut self, hashes: &[Hash]) {
        let (depth, planes, table) = (self.depth, &mut *self.planes, &mut *self.table);
        match self.kernels.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this kind is only given out where the processor has its features.
            Kind::Avx512 => unsafe { avx512::load(hashes, depth, planes, table) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => neon::load(hashes, depth, planes, table),
            _ => scalar::load(hashes, depth, planes, table),
        }
    }

    /// Which hashes of the block may be within the query's radius, and which within its complement's: all that are, and
    /// for narrow radii a few more. Lanes past the hashes that were loaded mean nothing. False if there are neither, and
    /// then the masks are as they were. The query must be one of those that this was made for.
    #[inline]
    pub(super) fn within(&self, query: &SlicedQuery, masks: &mut [Mask; 2]) -> bool {
        debug_assert!(query.depth <= self.depth);
        match self.kernels.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::within(&self.table, query, masks) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => neon::within(&self.table, query, masks),
            _ => scalar::within(&self.table, query, masks),
        }
    }
}

/// Vectors of bits, one lane for each hash; the levels differ in width only.
pub(super) trait Lanes: Copy {
    /// Bits.
    const WIDTH: usize;
    /// The `index`-th of the vectors that make up `wide`.
    fn load(wide: &Wide, index: usize) -> Self;
    fn store(self, words: &mut [u64; 8], index: usize);
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
    /// The first word of eight hashes in the order of [`ORDER`], the second of each, and so on.
    #[inline(always)]
    fn sort(eight: &[Hash; 8]) -> [Wide; 4] {
        let words = eight.map(|hash| hash.words());
        std::array::from_fn(|w| Wide(ORDER.map(|hash| words[hash][w])))
    }
}

/// The body of every level's `within`, for a depth that is known when it is compiled: with all depths in one function, the
/// compiler fetches what they share before it knows which it is, and puts it aside for want of registers.
#[inline(always)]
pub(super) fn within_at<V: Lanes>(table: &Table, query: &SlicedQuery, depth: Depth, masks: &mut [Mask; 2]) -> bool {
    let mut any = false;
    let bits = depth.bits();
    for index in 0..512 / V::WIDTH {
        let sum = Sum { table, at: &query.at, index, c: [V::splat(false); 9] };
        let count = match depth {
            Depth::Third => sum.third(),
            Depth::Half => sum.half(),
            Depth::Most => sum.most(),
            Depth::All => sum.all(),
        };
        let near = at_most(&count, query.limit);
        // The complement is within its radius where the query differs in all bits but so many or fewer.
        let far = query.complement.map(|limit| at_most(&count, bits - 1 - limit).not());
        if near.any() || far.is_some_and(Lanes::any) {
            if !std::mem::replace(&mut any, true) {
                *masks = [[0; 8]; 2];
            }
            near.store(&mut masks[0], index);
            far.unwrap_or(V::splat(false)).store(&mut masks[1], index);
        }
    }
    any
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

    #[inline(always)]
    fn add_one(&mut self, bit: usize, a: V) -> V {
        self.add(bit, a, V::splat(false))
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

    /// Differing bits among the first 96, for every lane.
    #[inline(always)]
    fn third(mut self) -> [V; 9] {
        let w32 = self.thirty_two(0);
        let w64 = [self.add(5, w32[0], w32[1]), self.add_one(5, w32[2])];
        self.add(6, w64[0], w64[1]);
        self.c
    }

    /// Differing bits among 144.
    #[inline(always)]
    fn half(mut self) -> [V; 9] {
        let w32 = self.thirty_two(0);
        let w16 = self.sixteen(32);
        let more = [self.add(4, w16[0], w16[1]), self.add_one(4, w16[2])];
        let w64 = [self.add(5, w32[0], w32[1]), self.add(5, w32[2], more[0]), self.add_one(5, more[1])];
        let w128 = [self.add(6, w64[0], w64[1]), self.add_one(6, w64[2])];
        self.add(7, w128[0], w128[1]);
        self.c
    }

    /// Differing bits among the first 192.
    #[inline(always)]
    fn most(mut self) -> [V; 9] {
        let w64 = self.sixty_four();
        let w128 = [self.add(6, w64[0], w64[1]), self.add_one(6, w64[2])];
        self.add(7, w128[0], w128[1]);
        self.c
    }

    #[inline(always)]
    fn sixty_four(&mut self) -> [V; 3] {
        let (a, b) = (self.thirty_two(0), self.thirty_two(32));
        self.join(5, a, b)
    }

    /// The distance of every lane to the query.
    #[inline(always)]
    fn all(mut self) -> [V; 9] {
        let w64 = self.sixty_four();
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
pub(super) fn load_at<V: Lanes>(hashes: &[Hash], depth: Depth, planes: &mut [Planes; 4], table: &mut Table) {
    let words = if depth == Depth::All { 4 } else { 3 };
    sort::<V>(hashes, planes, words);
    for word in &mut planes[..words] {
        for index in 0..512 / V::WIDTH {
            for i in 0..8 {
                let rows = turn([32, 16, 8], fetch::<V, 8>(word, index, i));
                for (k, row) in rows.into_iter().enumerate() {
                    row.store(&mut word[(i + k * 8) % 64].0, index);
                }
            }
        }
    }
    // The second half of turning goes straight into the table.
    let [first, second, third, fourth] = planes;
    for index in 0..512 / V::WIDTH {
        for i in 0..8 {
            let a = turn([4, 2, 1], fetch::<V, 1>(first, index, i * 8));
            let b = turn([4, 2, 1], fetch::<V, 1>(second, index, i * 8));
            let c = turn([4, 2, 1], fetch::<V, 1>(third, index, i * 8));
            for k in 0..8 {
                tabulate([a[k], b[k], c[k]], table, i * 8 + k, index);
            }
        }
        if words == 4 {
            for i in 0..8 {
                let rows = turn([4, 2, 1], fetch::<V, 1>(fourth, index, i * 8));
                for (k, row) in rows.into_iter().enumerate() {
                    row.store(&mut fourth[(i * 8 + k) % 64].0, index);
                }
            }
            let (threes, last) = fourth.as_chunks::<3>();
            for (group, three) in (FIRST..).zip(threes) {
                tabulate(three.each_ref().map(|plane| V::load(plane, index)), table, group, index);
            }
            let last = V::load(&last[0], index);
            last.store(&mut table[GROUPS * 10].0, index);
            last.not().store(&mut table[GROUPS * 10 + 1].0, index);
        }
    }
}

/// What three planes look like from the side of each of eight queries.
#[inline(always)]
fn tabulate<V: Lanes>(straight: [V; 3], table: &mut Table, group: usize, index: usize) {
    let turned = [straight[0].not(), straight[1].not(), straight[2].not()];
    let Some(rows) = table[group * 10..].first_chunk_mut::<10>() else { return };
    let low = straight[0].xor3(straight[1], straight[2]);
    low.store(&mut rows[0].0, index);
    low.not().store(&mut rows[1].0, index);
    for bits in 0..8 {
        let a = if bits & 1 == 0 { straight[0] } else { turned[0] };
        let b = if bits & 2 == 0 { straight[1] } else { turned[1] };
        let c = if bits & 4 == 0 { straight[2] } else { turned[2] };
        a.majority(b, c).store(&mut rows[2 + bits].0, index);
    }
}

/// The same word of eight hashes into one vector, 64 times, for each word: eight matrices of 64x64 bits side by side.
#[inline(always)]
fn sort<V: Lanes>(hashes: &[Hash], planes: &mut [Planes; 4], words: usize) {
    let (eights, rest) = hashes.as_chunks::<8>();
    let mut row = 0;
    for eight in eights.iter().take(64) {
        let sorted = V::sort(eight);
        for (word, wide) in planes.iter_mut().zip(sorted).take(words) {
            word[row] = wide;
        }
        row += 1;
    }
    if row < 64 {
        let mut last = [Hash([0; 32]); 8];
        last[..rest.len()].copy_from_slice(rest);
        for row in row..64 {
            let sorted = V::sort(&last);
            for (word, wide) in planes.iter_mut().zip(sorted).take(words) {
                word[row] = wide;
            }
            last = [Hash([0; 32]); 8];
        }
    }
}

/// Eight rows from `from` on in steps of `STEP`.
#[inline(always)]
fn fetch<V: Lanes, const STEP: usize>(rows: &Planes, index: usize, from: usize) -> [V; 8] {
    std::array::from_fn(|i| V::load(&rows[(from + i * STEP) % 64], index))
}

/// Three rounds of turning matrices of 64x64 bits over, on eight rows: in each, the off-diagonal blocks of `by` x `by`
/// bits change places.
#[inline(always)]
fn turn<V: Lanes>(by: [u32; 3], mut eight: [V; 8]) -> [V; 8] {
    swap::<V, 4>(&mut eight, by[0]);
    swap::<V, 2>(&mut eight, by[1]);
    swap::<V, 1>(&mut eight, by[2]);
    eight
}

#[inline(always)]
fn swap<V: Lanes, const S: usize>(eight: &mut [V; 8], by: u32) {
    // The low `by` of every `2 * by` bits.
    let mask = V::repeat(u64::MAX / ((1 << by) + 1));
    for pair in 0..4 {
        let i = pair / S * 2 * S + pair % S;
        let (a, b) = (eight[i], eight[i + S]);
        eight[i] = mask.choose(a, b.up(by));
        eight[i + S] = mask.choose(a.down(by), b);
    }
}
