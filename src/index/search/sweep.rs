//! Multi-index hashing for so many queries that they ask for most buckets: band after band, each from its first bucket to its last.
//!
//! A band is cut into *stretches* of neighbouring buckets. The queries are sorted by the high bits of their keys, so that all
//! that fall into a stretch are known when it is due; while one is filtered, the next comes in from memory, in the order
//! in which it lies there.

use std::ops::ControlFlow;

use super::Emit;
use super::mih::{Asked, LOOKUPS, Mih, Of, WIDE, two_words};
use super::plan::Masks;
use super::reach::Reach;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::index::Query;
use crate::simd::distance::{Bucket, filter, filter_with, prefetch};

/// Queries that are swept together at most: what is known of them stays in the cache.
pub(in crate::index) const TOGETHER: usize = 8192;
/// Bytes of residues in a stretch, at most twice as many.
const STRETCH: usize = 1 << 18;
/// Residues that are filtered at a time, if no single bucket has more: all of them may pass.
const FILTERED: usize = 1 << 20;
/// Residues of a bucket that are asked for before it is due, at most.
const MOST_AHEAD: u32 = 1024;

/// What a sweep knows of its queries, for the band that it is in.
#[derive(Default)]
struct Sorted {
    keys: Vec<u32>,
    residues: Vec<u16>,
    /// The queries, those of the first stretch first.
    order: Vec<u32>,
    /// Where the queries of each stretch begin in `order`.
    starts: Vec<u32>,
}

impl Sorted {
    /// Sorts the queries by the bits of their keys from `low` on, of which there are `high`.
    fn sort(&mut self, low: u32, high: u32) {
        self.starts.clear();
        self.starts.resize((1 << high) + 2, 0);
        // Counted two places on, so that placing, which moves each on, leaves them where they belong.
        for key in &self.keys {
            self.starts[(key >> low) as usize + 2] += 1;
        }
        for i in 2..self.starts.len() {
            self.starts[i] += self.starts[i - 1];
        }
        self.order.resize(self.keys.len(), 0);
        for (number, key) in (0..).zip(&self.keys) {
            let at = &mut self.starts[(key >> low) as usize + 1];
            self.order[*at as usize] = number;
            *at += 1;
        }
    }

    /// The queries whose own bucket is in this stretch.
    fn of(&self, stretch: u32) -> &[u32] {
        &self.order[self.starts[stretch as usize] as usize..self.starts[stretch as usize + 1] as usize]
    }
}

/// How many of these buckets are filtered at once.
fn at_once(buckets: &[Bucket]) -> usize {
    let mut residues = 0;
    let fits = |bucket: &&Bucket| {
        residues += bucket.len as usize;
        residues <= FILTERED
    };
    buckets.iter().take_while(fits).count().max(1)
}

impl Mih<'_> {
    /// Whether these queries, all of one kind, look at so many buckets that most are looked at.
    pub(in crate::index) fn pays_to_sweep(&self, queries: &[(u32, &Query)]) -> bool {
        let (Some(&(_, first)), Some(band)) = (queries.first(), self.part.layout.bands.first()) else { return false };
        let lookups = self.lookups(&Reach::of(&self.part.layout, first));
        let same = |query: &Query| (query.certain, query.max_distance) == (first.certain, first.max_distance);
        lookups <= WIDE
            && queries.len() * lookups >= (self.part.layout.bands.len() << band.key_bits) / 2
            && queries.iter().all(|(_, query)| same(query))
    }

    /// Answers `queries`, all of one kind, but for those that fell among copies of one picture, which are added to `crowded`.
    pub(super) fn sweep<'q>(
        &mut self,
        queries: &[(u32, &'q Query)],
        crowded: &mut Vec<(u32, &'q Query)>,
        emit: &mut Emit<'_>,
    ) -> Result<ControlFlow<()>> {
        for some in queries.chunks(queries.len().div_ceil(queries.len().div_ceil(TOGETHER)).max(1)) {
            let Some(&(_, first)) = some.first() else { continue };
            let reach = Reach::of(&self.part.layout, first);
            let lookups = self.lookups(&reach);
            let ask = |&(number, query): &(u32, &'q Query)| {
                let words = query.hash.words();
                Asked { number, query, words, reach, lookups, load: 0 }
            };
            let mut batch: Vec<Asked<'q>> = some.iter().map(ask).collect();
            self.leave_out(&mut batch, crowded)?;
            if self.together(&batch, emit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Moves the queries whose own buckets hold so much that all of their buckets together may hold far more than was expected.
    fn leave_out<'q>(&self, batch: &mut Vec<Asked<'q>>, crowded: &mut Vec<(u32, &'q Query)>) -> Result<()> {
        let (part, raw) = (self.part, self.part.raw());
        for band in &part.layout.bands {
            let place = |asked: &Asked<'_>| band.offsets + band.key(&asked.words) as usize * 4;
            batch.iter().for_each(|asked| prefetch(raw, place(asked)));
            let sure = part.has_sure_postings();
            if !sure {
                part.announce(batch.iter().map(|asked| (place(asked), 8)));
            }
            for asked in batch.iter_mut() {
                let at = place(asked);
                if !sure {
                    part.ensure(at, 8)?;
                }
                let [start, end] = two_words(raw, at);
                asked.load += u64::from(end.saturating_sub(start));
            }
        }
        let Some(first) = batch.first() else { return Ok(()) };
        let heavy = self.heavy(first.lookups) * part.layout.bands.len() as f64 / first.lookups.max(1) as f64;
        batch.retain(|asked| {
            let most = asked.load as f64 <= heavy;
            if !most {
                crowded.push((asked.number, asked.query));
            }
            most
        });
        Ok(())
    }

    fn together(&mut self, batch: &[Asked<'_>], emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let Some(&Asked { reach, lookups, .. }) = batch.first() else { return Ok(ControlFlow::Continue(())) };
        let part = self.part;
        let hashes: Vec<Hash> = batch.iter().map(|asked| asked.query.hash).collect();
        let heavy = self.heavy(lookups) as u64;
        // Postings in each query's buckets; and those who had too many, with the bands that they were asked in.
        let (mut loads, mut sorted) = (vec![0; batch.len()], Sorted::default());
        let mut heavies: Vec<(u32, usize)> = Vec::new();
        for number in 0..part.layout.bands.len() {
            if self.band(number, batch, &hashes, &mut sorted, &mut loads, emit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            for (i, load) in (0..).zip(&mut loads) {
                if *load != u64::MAX && *load > heavy {
                    *load = u64::MAX;
                    heavies.push((i, number + 1));
                    #[cfg(test)]
                    self.noticed.push(batch[i as usize].number);
                }
            }
        }
        for (i, bands_asked) in heavies {
            let asked = batch[i as usize];
            // Without what was found before.
            let mut rest = |number: u32, distance: u32, position: usize| {
                let (bands, words) = (&part.layout.bands, part.hashes()[position].words());
                if reach.finds_before(bands, bands_asked, &asked.words, &words) {
                    return Ok(ControlFlow::Continue(()));
                }
                emit(number, distance, position)
            };
            if self.again(&asked, &mut rest)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One band for all queries of a batch, but for those whose load is known to be too much.
    fn band(
        &mut self,
        number: usize,
        batch: &[Asked<'_>],
        hashes: &[Hash],
        sorted: &mut Sorted,
        loads: &mut [u64],
        emit: &mut Emit<'_>,
    ) -> Result<ControlFlow<()>> {
        let Some(&Asked { reach, .. }) = batch.first() else { return Ok(ControlFlow::Continue(())) };
        let part = self.part;
        let at = &part.layout.bands[number];
        let (own, room) = reach.room(&part.layout.bands, number);
        let bits = u32::from(at.key_bits);
        // Stretches of some LOOKUPS lookups.
        let lookups = batch.len() * Masks::of(at.key_bits).below(own).len();
        let high = (lookups / LOOKUPS).max(part.len() * 2 / STRETCH).max(1).ilog2().min(bits);
        let low = bits - high;
        let (high_masks, low_masks) = (Masks::of(high as u8), Masks::of(low as u8));
        sorted.keys.clear();
        sorted.keys.extend(batch.iter().map(|asked| at.key(&asked.words)));
        sorted.residues.clear();
        sorted.residues.extend(batch.iter().map(|asked| at.residue_of(&asked.words)));
        sorted.sort(low, high);
        self.clear();
        for stretch in 0..1u32 << high {
            for &mask in high_masks.below(own) {
                let off = mask.count_ones() as usize;
                let (masks, room) = (low_masks.below(own - off), (room - off) as u16);
                for &asked in sorted.of(stretch ^ mask) {
                    let i = asked as usize;
                    if loads[i] == u64::MAX {
                        continue;
                    }
                    let (key, residue) = (sorted.keys[i] ^ (mask << low), sorted.residues[i]);
                    self.room.buckets.extend(masks.iter().map(|mask| {
                        let limit = room - mask.count_ones() as u16;
                        Bucket { at: (key ^ mask) as usize, len: 0, residue, limit }
                    }));
                    self.room.owners.resize(self.room.buckets.len(), asked);
                    if self.room.buckets.len() >= LOOKUPS * 4 {
                        let flow = self.flush(number, stretch, low, batch, hashes, loads, emit)?;
                        if flow.is_break() {
                            return Ok(flow);
                        }
                    }
                }
            }
            let flow = self.flush(number, stretch, low, batch, hashes, loads, emit)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Answers what is asked of a stretch.
    #[expect(clippy::too_many_arguments)]
    fn flush(
        &mut self,
        number: usize,
        stretch: u32,
        low: u32,
        batch: &[Asked<'_>],
        hashes: &[Hash],
        loads: &mut [u64],
        emit: &mut Emit<'_>,
    ) -> Result<ControlFlow<()>> {
        let (part, raw) = (self.part, self.part.raw());
        self.find(number, loads)?;
        self.fill()?;
        let (band, width) = (&part.layout.bands[number], part.layout.posting_bytes());
        // Meanwhile the residues of the next stretch come in, evenly.
        let table = &raw[band.offsets..band.offsets + (4 << band.key_bits) + 4];
        let (mut next, size) = ((stretch as usize + 1) << low, 1 << low);
        let (first, end) = (next, (next + size).min(1 << band.key_bits));
        let pace = (size << 16) / self.room.buckets.len().max(1) + 1;
        let mut meanwhile = |at: usize| {
            let due = (first + (((at + 1) * pace) >> 16)).min(end);
            while next < due {
                let [start, end] = two_words(table, next * 4);
                let from = band.postings + start as usize * width;
                let until = from + end.wrapping_sub(start).min(MOST_AHEAD) as usize * 2;
                (from..until).step_by(64).for_each(|line| prefetch(raw, line));
                prefetch(raw, until.wrapping_sub(1));
                next += 1;
            }
        };
        let sure = part.has_sure_postings();
        let mut from = 0;
        while from < self.room.buckets.len() {
            let rest = &self.room.buckets[from..];
            let some = &rest[..at_once(rest)];
            let passed = &mut self.room.passed;
            passed.clear();
            if sure {
                filter_with(self.kernels, raw, some, from as u32, |at| meanwhile(from + at), passed);
            } else {
                filter(self.kernels, raw, some, from as u32, passed);
            }
            from += some.len();
            if self.check(Of::Band(number as u8), batch, hashes, emit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.clear();
        Ok(ControlFlow::Continue(()))
    }

    /// Buckets that hold their keys get to know where they are.
    fn find(&mut self, band: usize, loads: &mut [u64]) -> Result<()> {
        let (part, raw) = (self.part, self.part.raw());
        let (width, entries) = (part.layout.posting_bytes(), part.len() as u32);
        let band = &part.layout.bands[band];
        if !part.has_sure_postings() {
            let offsets = || self.room.buckets.iter().map(|bucket| band.offsets + bucket.at * 4);
            part.announce(offsets().map(|at| (at, 8)));
            offsets().try_for_each(|at| part.ensure(at, 8))?;
        }
        let table = &raw[band.offsets..band.offsets + (4 << band.key_bits) + 4];
        let mut ordered = true;
        for (bucket, &asked) in self.room.buckets.iter_mut().zip(&self.room.owners) {
            let [start, end] = two_words(table, bucket.at * 4);
            ordered &= start <= end && end <= entries;
            bucket.len = end.wrapping_sub(start);
            bucket.at = band.postings + start as usize * width;
            loads[asked as usize] = loads[asked as usize].saturating_add(u64::from(bucket.len)).min(u64::MAX - 1);
        }
        if !ordered {
            return Err(Error::corrupt(part.path(), "buckets out of order"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::search::drawn::{hash, off};
    use crate::index::{DiskIndex, Entry, EntryId};
    use crate::simd::Level;
    use crate::simd::distance::Kernels;

    #[test]
    fn sweeping_finds_what_asking_step_by_step_finds() {
        let mut seed = 1;
        let centres: Vec<Hash> = (0..4).map(|_| hash(&mut seed)).collect();
        let mut hashes: Vec<Hash> = (0..45_000).map(|_| hash(&mut seed)).collect();
        // Copies in the buckets of the first centre; and, beside the second one's first bucket, so many that it is noticed on the way.
        hashes.extend((0..12_000).map(|i| off(&centres[0], i % 60, 0, &mut seed)));
        for i in 0..14_000 {
            let near = if i % 256 == 0 { off(&centres[1], i / 256, 16, &mut seed) } else { hash(&mut seed) };
            let [first, second, ..] = centres[1].0;
            hashes.push(Hash(std::array::from_fn(|byte| match byte {
                0 => first ^ 1,
                1 => second,
                _ => near.0[byte],
            })));
        }
        hashes.extend((0..600).map(|i| off(&centres[2 + i % 2], i / 6, 0, &mut seed)));
        let entry = |(owner, &hash)| EntryId::new(owner, 0).map(|id| Entry { id, hash });
        let entries: Vec<Entry> = (1..).zip(&hashes).filter_map(entry).collect();
        let folder = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(folder.path()).unwrap();
        index.add(&entries).unwrap();
        index.merge(&crate::Cancel::new()).unwrap();
        let snapshot = index.snapshot();
        let part = snapshot.parts[0].part.as_ref().unwrap();

        let mut asked: Vec<Hash> = (0..500).map(|i| off(&hashes[i * 90], i % 70, 0, &mut seed)).collect();
        asked.extend((0..500).map(|i| off(&centres[i % 4], i / 10, 16, &mut seed)));
        for (radius, certain) in [(31, 31), (33, 33), (48, 48), (64, 31), (50, 40)] {
            let queries: Vec<Query> = asked.iter().map(|&hash| Query::new(hash, radius).certain(certain)).collect();
            let queries: Vec<(u32, &Query)> = (7..).zip(&queries).collect();
            let mut naive: Vec<(u32, u32, usize)> = queries
                .iter()
                .flat_map(|&(number, query)| {
                    let near = move |(at, hash): (usize, &Hash)| (number, hash.distance(&query.hash), at);
                    part.hashes().iter().enumerate().map(near).filter(|(_, distance, _)| *distance <= certain)
                })
                .collect();
            naive.sort_unstable();
            for kernels in Level::available().into_iter().map(Kernels::of) {
                let mut swept = Vec::new();
                let mut mih = Mih::new(part, kernels);
                // What is filtered at once is held to its bound: a few buckets, or one that is longer.
                let long = |len| Bucket { at: 0, len, residue: 0, limit: 0 };
                assert_eq!(at_once(&[long(FILTERED as u32 - 9), long(9), long(1)]), 2);
                assert_eq!(at_once(&[long(FILTERED as u32 + 1), long(0)]), 1);
                assert!(mih.pays_to_sweep(&queries), "{radius} {certain}");
                let mut crowded = Vec::new();
                let mut emit = |number, distance, at| {
                    swept.push((number, distance, at));
                    Ok(ControlFlow::Continue(()))
                };
                assert!(mih.sweep(&queries, &mut crowded, &mut emit).unwrap().is_continue());
                // Most of those beside the first centre are left to others, and few beside the second one.
                let left: Vec<u32> = crowded.iter().map(|(number, _)| *number).collect();
                let beside =
                    |centre| left.iter().filter(|number| **number >= 507 && (**number - 507) % 4 == centre).count();
                assert!(beside(0) > 60 && beside(1) < 60, "{} and {}", beside(0), beside(1));
                // Of the latter, most are noticed on the way where their one bucket is much of what is expected.
                let noticed = mih.noticed.iter().filter(|number| **number >= 507 && (**number - 507) % 4 == 1).count();
                assert!(certain > 31 || noticed > 60, "{noticed} noticed");
                swept.sort_unstable();
                assert!(swept.windows(2).all(|two| two[0] != two[1]), "found twice");
                assert!(swept.iter().all(|(number, ..)| !left.contains(number)));
                swept.retain(|(_, distance, _)| *distance <= certain);
                let expected: Vec<_> = naive.iter().filter(|(number, ..)| !left.contains(number)).copied().collect();
                assert!(swept == expected, "{} of {}: {radius} {certain} {kernels:?}", swept.len(), expected.len());
                let mut all = Vec::new();
                let mut emit = |number, distance, at| {
                    all.push((number, distance, at));
                    Ok(ControlFlow::Continue(()))
                };
                assert!(mih.run(&queries, &mut emit).unwrap().is_continue());
                all.retain(|(_, distance, _)| *distance <= certain);
                all.sort_unstable();
                assert!(all == naive, "{} of {}", all.len(), naive.len());
            }
        }
    }
}
