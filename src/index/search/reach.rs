//! How far a search of the postings goes for a query, and what it finds on the way.

use std::sync::LazyLock;

use super::plan::{BANDS, budgets, leeway};
use crate::hash::Hash;
use crate::index::Query;
use crate::index::part::{Band, Layout};

/// Entries from which on every bit of a band chooses the bucket.
const LONG: usize = 6 << 16;

/// How far a search goes for one query.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// In each band, a hash is off by fewer bits.
    pub(super) budgets: [u8; BANDS],
    /// How far it may be off in a band and its residue together, at least: see [`leeway`].
    pub(super) leeway: usize,
    /// For bands of 16 bits, 16 bits for each: what has to be added to how far a hash is off for the uppermost bit to be set
    /// if that is too far, in the band, and in the band and its residue together.
    too_far: [[u64; 4]; 2],
}

impl Reach {
    /// When nothing is known of the buckets.
    pub(super) fn of(layout: &Layout, query: &Query) -> Self {
        let certain = query.certain.min(query.max_distance);
        let budgets = budgets(layout, certain, query.max_distance);
        Self::new(budgets, leeway(certain, query.max_distance), &layout.bands)
    }

    pub(super) fn new(budgets: [u8; BANDS], leeway: usize, bands: &[Band]) -> Self {
        let mut reach = Self { budgets, leeway, too_far: [[0; 4]; 2] };
        for band in 0..bands.len() {
            let (own, room) = reach.room(bands, band);
            for (too_far, least) in reach.too_far.iter_mut().zip([own, room + 1]) {
                too_far[band / 4] |= (0x8000 - least as u64) << (band % 4 * 16);
            }
        }
        reach
    }

    /// A band's budget, and how far a hash may be off in the band and in its residue together.
    #[inline]
    pub(super) fn room(&self, bands: &[Band], band: usize) -> (usize, usize) {
        let own = usize::from(self.budgets[band]);
        let next = usize::from(self.budgets[if band + 1 < bands.len() { band + 1 } else { 0 }]);
        (own, (own + next).saturating_sub(1).max(self.leeway))
    }

    /// Whether one of the bands before `band` finds one hash for another, by the words of both.
    #[inline]
    pub(super) fn finds_before(&self, bands: &[Band], band: usize, asked: &[u64; 4], words: &[u64; 4]) -> bool {
        if band == 0 {
            return false;
        }
        if bands.len() != BANDS {
            return (0..band).any(|band| self.finds(bands, band, asked, words));
        }
        // Bands of 16 bits, of which the key may leave some out: four at once.
        let off: [u64; 4] = std::array::from_fn(|i| asked[i] ^ words[i]);
        let key = u64::from(u16::MAX >> (16 - bands[0].key_bits)) * EACH;
        let (all, own) = (off.map(ones), off.map(|off| ones(off & key)));
        let mut found = 0;
        for i in 0..4 {
            let next = all[i] >> 16 | all[(i + 1) % 4] << 48;
            let too_far = (own[i] + self.too_far[0][i]) | (own[i] + next + self.too_far[1][i]);
            let before = (band * 16).saturating_sub(i * 64).min(64);
            let before = if before < 64 { (1 << before) - 1 } else { u64::MAX };
            found |= !too_far & (EACH << 15) & before;
        }
        found != 0
    }

    /// Whether a band finds one hash for another, by the words of both.
    pub(super) fn finds(&self, bands: &[Band], band: usize, asked: &[u64; 4], words: &[u64; 4]) -> bool {
        let (own, room) = self.room(bands, band);
        let band = &bands[band];
        let distance = (band.key(words) ^ band.key(asked)).count_ones() as usize;
        let further = (band.residue_of(words) ^ band.residue_of(asked)).count_ones() as usize;
        distance < own && distance + further <= room
    }
}

/// A one in each 16 bits.
const EACH: u64 = 0x0001_0001_0001_0001;

/// How many bits of each 16 are set.
#[inline]
fn ones(word: u64) -> u64 {
    let pairs = word - (word >> 1 & (0x5555 * EACH));
    let fours = (pairs & (0x3333 * EACH)) + (pairs >> 2 & (0x3333 * EACH));
    let bytes = (fours + (fours >> 4)) & (0x0f0f * EACH);
    (bytes + (bytes >> 8)) & (0x001f * EACH)
}

/// Whether a search finds `hash` in a long list: in a part of [`LONG`] to 2^24 entries whose buckets are of usual sizes.
pub(in crate::index) fn finds(query: &Query, hash: &Hash) -> bool {
    static LAYOUT: LazyLock<Option<Layout>> = LazyLock::new(|| Layout::new(LONG));
    let Some(layout) = &*LAYOUT else { return false };
    let (reach, asked, words) = (Reach::of(layout, query), query.hash.words(), hash.words());
    query.hash.distance(hash) <= query.max_distance
        && (0..layout.bands.len()).any(|band| reach.finds(&layout.bands, band, &asked, &words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::search::drawn::{hash, off, random};

    #[test]
    fn bands_that_found_a_hash_before_are_known_all_at_once() {
        let mut seed = 9;
        for entries in [40_000, 100_000, 1 << 20, 1 << 23, 1 << 25] {
            let layout = Layout::new(entries).unwrap();
            for round in 0..4000 {
                let asked = hash(&mut seed);
                let other = off(&asked, round as usize % 80, 0, &mut seed);
                let query = Query::new(asked, round % 97).certain(random(&mut seed) as u32 % 97);
                let reach = Reach::of(&layout, &query);
                let (asked, other) = (asked.words(), other.words());
                for band in 0..=layout.bands.len() {
                    let one_by_one = (0..band).any(|band| reach.finds(&layout.bands, band, &asked, &other));
                    assert_eq!(reach.finds_before(&layout.bands, band, &asked, &other), one_by_one, "{entries} {band}");
                }
            }
        }
    }
}
