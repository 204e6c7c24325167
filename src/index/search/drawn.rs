//! Hashes for tests.

use crate::hash::Hash;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*seed ^ *seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
}

pub(super) fn hash(seed: &mut u64) -> Hash {
    Hash::from_words(std::array::from_fn(|_| random(seed)))
}

/// `hash` with so many bits turned over, all but the first `kept`.
pub(super) fn off(hash: &Hash, bits: usize, kept: u64, seed: &mut u64) -> Hash {
    let mut near = *hash;
    while (near.distance(hash) as usize) < bits {
        let bit = (kept + random(seed) % (256 - kept)) as usize;
        near.0[bit / 8] ^= 1 << (bit % 8);
    }
    near
}
