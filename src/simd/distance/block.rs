//! Blocks of 512 hashes against many queries, two at a time, in whichever of two ways the level does faster: `sliced` counts
//! with logic alone, `halves` looks half-bytes up in tables.

#[cfg(target_arch = "x86_64")]
use super::halves::{self, Halves};
use super::sliced::{self, Depth, Sliced, SlicedQuery};
use super::{Kernels, Kind};
use crate::hash::Hash;

/// Hashes in a block.
pub(crate) const BLOCK: usize = 512;

/// Nanoseconds that a query within `limit` of it takes for each hash of a block, and that taking up a block takes for
/// each hash; measured (NEON guessed), and only for choosing between ways to the same answer.
pub(crate) fn block_cost(limit: u32, kernels: Kernels) -> [f64; 2] {
    let depth = Depth::of(limit);
    let (share, turn) = (f64::from(depth.bits()) / 256.0, if depth == Depth::All { 1.3 } else { 1.0 });
    match kernels.0 {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => [0.015 + 0.105 * share, 3.5 * turn],
        #[cfg(target_arch = "x86_64")]
        // On a Zen 3, a third more; but there looking up takes two to three times what the plan reckons with, so that less tells the
        // cheaper way better.
        Kind::Avx2 => [0.015 + 0.001 * (halves::counted(limit) * 4) as f64, 2.5],
        #[cfg(target_arch = "aarch64")]
        Kind::Neon => [0.1 + 0.8 * share, 12.0 * turn],
        Kind::Scalar => [0.1 + 1.5 * share, 20.0 * turn],
    }
}

/// One bit for each hash of a block; [`Block::position`] tells which.
pub(crate) type Mask = [u64; 8];

/// What is asked about: what is within a radius of a hash and, if given, within another one of its complement, both inclusive
/// and at most 96.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) hash: &'a Hash,
    pub(crate) limit: u32,
    pub(crate) complement: Option<u32>,
}

/// One or two queries made ready for [`Block::within`].
#[derive(Debug, Clone)]
pub(crate) struct Pair(Ready);

#[derive(Debug, Clone)]
enum Ready {
    Sliced(Box<[Option<SlicedQuery>; 2]>),
    #[cfg(target_arch = "x86_64")]
    Halves(halves::Pair),
}

impl Pair {
    /// Makes queries ready for these kernels.
    pub(crate) fn new(kernels: Kernels, first: Sought<'_>, second: Option<Sought<'_>>) -> Self {
        #[cfg(target_arch = "x86_64")]
        if kernels.0 == Kind::Avx2 {
            return Self(Ready::Halves(halves::Pair::new(first, second.unwrap_or(first))));
        }
        let _ = kernels;
        Self(Ready::Sliced(Box::new([Some(SlicedQuery::new(first)), second.map(SlicedQuery::new)])))
    }
}

/// A block of up to [`BLOCK`] hashes, ready to be held against queries.
pub(crate) struct Block(Rows);

enum Rows {
    Sliced(Sliced),
    #[cfg(target_arch = "x86_64")]
    Halves(Halves),
}

impl Block {
    /// Room for a block that any of `pairs` will be asked about, which were made for the same kernels.
    pub(crate) fn new<'a>(kernels: Kernels, pairs: impl Iterator<Item = &'a Pair> + Clone) -> Self {
        #[cfg(target_arch = "x86_64")]
        if kernels.0 == Kind::Avx2 {
            let all = pairs.filter_map(|pair| if let Ready::Halves(pair) = &pair.0 { Some(pair) } else { None });
            return Self(Rows::Halves(Halves::new(all)));
        }
        let all = pairs.filter_map(|pair| match &pair.0 {
            Ready::Sliced(two) => Some(two.iter().flatten()),
            #[cfg(target_arch = "x86_64")]
            Ready::Halves(_) => None,
        });
        Self(Rows::Sliced(Sliced::new(kernels, all.flatten())))
    }

    /// Takes up `hashes`, at most [`BLOCK`] of them.
    pub(crate) fn load(&mut self, hashes: &[Hash]) {
        match &mut self.0 {
            Rows::Sliced(block) => block.load(hashes),
            #[cfg(target_arch = "x86_64")]
            Rows::Halves(block) => block.load(hashes),
        }
    }

    /// For each of the two queries, which hashes of the block may be within its radius, and which within its complement's: all
    /// that are, and a few more. Lanes past the hashes that were loaded mean nothing. False if there are neither, and then the masks
    /// mean nothing. The pair must be one of those that this was made for.
    #[inline]
    pub(crate) fn within(&self, pair: &Pair, masks: &mut [[Mask; 2]; 2]) -> [bool; 2] {
        match (&self.0, &pair.0) {
            (Rows::Sliced(block), Ready::Sliced(two)) => {
                let mut each = two.iter().zip(masks);
                std::array::from_fn(|_| {
                    each.next()
                        .is_some_and(|(query, masks)| query.as_ref().is_some_and(|query| block.within(query, masks)))
                })
            }
            #[cfg(target_arch = "x86_64")]
            (Rows::Halves(block), Ready::Halves(pair)) => block.within(pair, masks),
            #[cfg(target_arch = "x86_64")]
            _ => {
                debug_assert!(false, "a pair made for other kernels");
                *masks = [[[u64::MAX; 8]; 2]; 2];
                [true; 2]
            }
        }
    }

    /// Which hash of the block bit `bit` of word `word` of a mask stands for.
    #[inline]
    pub(crate) fn position(&self, word: usize, bit: usize) -> usize {
        match &self.0 {
            Rows::Sliced(_) => sliced::position(word, bit),
            #[cfg(target_arch = "x86_64")]
            Rows::Halves(_) => word * 64 + bit,
        }
    }
}
