//! Blocks of 512 hashes against two queries at once, half a byte at a time.
//!
//! A block is turned so that the same four bits of 32 hashes lie in one vector, a byte for each. Such a vector is a list of
//! places in a table of 16 bytes, which a shuffle looks up: how many of the four bits a query has otherwise (as product
//! quantisation is searched by André, Kermarrec, Le Scouarnec 2015). A byte has room for what two queries say, four bits each: three half-bytes are added up before
//! the two are taken apart. Bits are counted in steps of three half-bytes, and only as many as rule out nearly everything: such a
//! count is a filter, and what passes is measured in full by the caller.

use super::avx2;
use super::block::{BLOCK, Mask, Sought};
use crate::hash::Hash;

/// Half-bytes that are counted together.
pub(super) const STEP: usize = 3;
/// Half-bytes that are counted at most: nothing that matters passes then, as the last test shows.
const MOST: usize = 63;
/// Hashes that are counted at once.
pub(super) const LANES: usize = 128;

/// The half-bytes of [`LANES`] hashes.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Turned(pub(super) [[u8; LANES]; 64]);

/// Of how many bits each half-byte is off from another one, and 16 times from a further one: by 16 times the further one and
/// the other one.
#[repr(align(64))]
pub(super) struct Tables(pub(super) [[u8; 16]; 256]);

/// See [`Tables`].
pub(super) static TABLES: Tables = {
    let mut tables = [[0; 16]; 256];
    let mut i = 0;
    while i < 256 * 16 {
        let (two, half) = (i / 16, i % 16);
        tables[two][half] = (((two % 16) ^ half).count_ones() + 16 * ((two / 16) ^ half).count_ones()) as u8;
        i += 1;
    }
    Tables(tables)
};

/// Two queries.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// Which table to look each half-byte up in.
    pub(super) tables: [u8; 64],
    /// Half-bytes that are counted, a multiple of [`STEP`].
    pub(super) count: usize,
    /// The most bits in which a hash differs from each query.
    pub(super) near: [u8; 2],
    /// The least, for its complement to be near; [`NEVER`] if that is not asked for.
    pub(super) far: [u8; 2],
}

/// More than can be counted.
pub(super) const NEVER: u8 = u8::MAX;

impl Pair {
    pub(super) fn new(first: Sought<'_>, second: Sought<'_>) -> Self {
        let tables = std::array::from_fn(|i| half(first.hash, i) | half(second.hash, i) << 4);
        let both = [first, second];
        let widest = both.map(|one| one.limit.max(one.complement.unwrap_or(0)));
        let count = counted(widest[0].max(widest[1]));
        let far = |one: Sought<'_>| one.complement.map_or(NEVER, |limit| (count * 4) as u8 - limit as u8);
        Self { tables, count, near: both.map(|one| one.limit as u8), far: both.map(far) }
    }
}

/// Half a byte of a hash, the lower one first.
#[inline]
fn half(hash: &Hash, i: usize) -> u8 {
    hash.0[i / 2] >> (i % 2 * 4) & 15
}

/// Half-bytes of which so many bits are usually off that hardly one random hash in a thousand passes.
pub(super) fn counted(limit: u32) -> usize {
    let enough = |count: &usize| {
        let bits = (count * 4) as f64;
        // Half of the bits are off, with a deviation of half of their number's root; and 3 of these less once in 740 times.
        bits / 2.0 - 3.0 * bits.sqrt() / 2.0 >= f64::from(limit) + 0.5
    };
    (STEP..=MOST).step_by(STEP).find(enough).unwrap_or(MOST)
}

/// A block of hashes, turned.
pub(super) struct Halves {
    turned: Box<[Turned; BLOCK / LANES]>,
    /// Half-bytes that any query counts.
    count: usize,
}

impl Halves {
    pub(super) fn new<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Self {
        let count = pairs.map(|pair| pair.count).max().unwrap_or(0);
        Self { turned: Box::new([Turned([[0; LANES]; 64]); BLOCK / LANES]), count }
    }

    pub(super) fn load(&mut self, hashes: &[Hash]) {
        for (hashes, turned) in hashes.chunks(LANES).zip(&mut *self.turned) {
            // SAFETY: blocks of this kind are only made where the processor has AVX2.
            unsafe { avx2::turn(hashes, self.count, turned) };
        }
    }

    #[inline]
    pub(super) fn within(&self, pair: &Pair, masks: &mut [[Mask; 2]; 2]) -> [bool; 2] {
        // SAFETY: as above.
        unsafe { avx2::within(&self.turned, pair, masks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_counted() {
        assert_eq!([0, 31, 48, 63, 64].map(counted), [3, 24, 33, 42, 42]);
        assert!((0..96).all(|limit| counted(limit) <= counted(limit + 1)));
        assert!(counted(96) < MOST);
        // A byte holds every count, and what tells that it is never enough.
        assert!(MOST.is_multiple_of(STEP) && MOST * 4 < usize::from(NEVER) && STEP * 4 < 16);
    }
}
