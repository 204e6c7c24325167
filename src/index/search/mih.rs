//! Multi-index hashing (Norouzi, Punjani, Fleet 2012) with budgets for each band and a filter beside each posting.
//!
//! Work goes in stages over a batch of lookups, each stage asking for the memory that the next one reads: offsets,
//! residues, positions, hashes. A hit is reported once: by what came by before, or by the first band that finds it.

use std::cell::Cell;
use std::ops::ControlFlow;

use super::Emit;
use super::plan::{BANDS, MAX_BUDGET, Masks, cheapest, choose, lookup_cost, pass, scan_cost};
use super::reach::Reach;
use super::scan::Scan;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::index::Query;
use crate::index::part::{Band, Part};
use crate::simd::distance::{Bucket, Kernels, distances, filter, prefetch};

/// Lookups that are under way at once: enough to hide memory, few enough for what is known of them to stay in the cache.
pub(super) const LOOKUPS: usize = 1024;
/// A query of more lookups than this is planned from the real sizes of some buckets in any case.
pub(super) const WIDE: usize = 1 << 12;
/// A thread keeps buffers of up to this many candidates.
const KEEP: usize = 1 << 16;
/// Of up to this many that pass at once it is known which of them came by before; of more, which of them came by last. Fewer in
/// tests, which so meet both.
const KNOWN: usize = if cfg!(test) { 1 << 10 } else { 1 << 15 };
/// A query whose buckets hold this many times what was expected, and [`HEAVY_LEAST`] more, is planned anew.
const HEAVY: f64 = 4.0;
/// See [`HEAVY`].
const HEAVY_LEAST: f64 = 4096.0;

/// A search of one part. Its buffers stay with the thread for the search after it.
pub(in crate::index) struct Mih<'a> {
    pub(super) part: &'a Part,
    pub(super) kernels: Kernels,
    masks: [Option<&'static Masks>; BANDS],
    pub(super) room: Box<Room>,
    /// Queries that a sweep noticed on the way to have too many postings.
    #[cfg(test)]
    pub(super) noticed: Vec<u32>,
}

/// What a search needs to remember between its stages.
#[derive(Default)]
pub(super) struct Room {
    /// Which buckets to look up, run by run.
    keys: Vec<u32>,
    runs: Vec<Run>,
    pub(super) buckets: Vec<Bucket>,
    /// Where there are no runs: the query of each bucket, all in one band.
    pub(super) owners: Vec<u32>,
    pub(super) passed: Vec<(u32, u32)>,
    pairs: Vec<(u32, u32)>,
    bands: Vec<u8>,
    /// Which positions of which queries came by, and one more, by their slots; 0 where none did.
    known: Vec<u64>,
    distances: Vec<u16>,
    /// Query, distance and position of what is within the distance.
    hits: Vec<(u32, u16, u32)>,
}

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

impl Drop for Mih<'_> {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.room);
        if room.passed.capacity() <= KEEP {
            ROOM.with(|cell| cell.set(Some(room)));
        }
    }
}

/// What passed at once.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// Of this band alone; its buckets have owners.
    Band(u8),
    /// Of some buckets of the queries, which come in runs.
    Some,
    /// Of all of them, which come in runs.
    All,
}

/// Buckets to look up in one band, for one query.
#[derive(Clone, Copy)]
struct Run {
    /// The number of its first bucket, which is the query's own; its last is the one before the next run's first.
    first: u32,
    asked: u32,
    band: u8,
    residue: u16,
    /// How far a hash may be off in the band and its residue together.
    room: u16,
}

/// The buckets of run `i`, of `all`.
#[inline]
fn until_next(runs: &[Run], i: usize, all: usize) -> std::ops::Range<usize> {
    let first = |run: &Run| run.first as usize;
    runs.get(i).map_or(all, first)..runs.get(i + 1).map_or(all, first)
}

/// A query on its way through the bands.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) number: u32,
    pub(super) query: &'a Query,
    pub(super) words: [u64; 4],
    pub(super) reach: Reach,
    /// Buckets that it asks for.
    pub(super) lookups: usize,
    /// Postings in them.
    pub(super) load: u64,
}

impl<'a> Mih<'a> {
    /// A search of `part`, which has postings.
    pub(in crate::index) fn new(part: &'a Part, kernels: Kernels) -> Self {
        let band = |i| part.layout.bands.get(i).map(|band: &Band| Masks::of(band.key_bits));
        let room = ROOM.with(|room| room.take()).unwrap_or_default();
        let masks = std::array::from_fn(band);
        Self {
            part,
            kernels,
            masks,
            room,
            #[cfg(test)]
            noticed: Vec::new(),
        }
    }

    /// Answers `queries`, giving the number of each back with its hits.
    pub(in crate::index) fn run(&mut self, queries: &[(u32, &Query)], emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        if !self.pays_to_sweep(queries) {
            return self.step(queries, emit);
        }
        let mut crowded = Vec::new();
        if self.sweep(queries, &mut crowded, emit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.step(&crowded, emit)
    }

    /// A few queries at a time, in all bands at once.
    fn step(&mut self, queries: &[(u32, &Query)], emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let mut batch: Vec<Asked<'_>> = Vec::new();
        let mut lookups = 0;
        let mut known: Option<(u32, u32, Reach, usize)> = None;
        for &(number, query) in queries {
            let (certain, radius) = (query.certain, query.max_distance);
            let (.., reach, more) = match known {
                Some(last) if (last.0, last.1) == (certain, radius) => last,
                _ => {
                    let reach = Reach::of(&self.part.layout, query);
                    (certain, radius, reach, self.lookups(&reach))
                }
            };
            known = Some((certain, radius, reach, more));
            if !batch.is_empty() && lookups + more > LOOKUPS {
                if self.batch(&mut batch, true, emit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                batch.clear();
                lookups = 0;
            }
            lookups += more;
            batch.push(Asked { number, query, words: query.hash.words(), reach, lookups: more, load: 0 });
        }
        self.batch(&mut batch, true, emit)
    }

    pub(super) fn lookups(&self, reach: &Reach) -> usize {
        let of = |(band, budget): (&Band, &u8)| {
            (0..u32::from(*budget)).map(|d| choose(u32::from(band.key_bits), d)).sum::<f64>()
        };
        self.part.layout.bands.iter().zip(&reach.budgets).map(of).sum::<f64>() as usize
    }

    /// All bands for a batch. With `adapt`, queries that fell into heavy buckets are set aside and planned one by one.
    fn batch(&mut self, batch: &mut [Asked<'_>], adapt: bool, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let hashes: Vec<Hash> = batch.iter().map(|asked| asked.query.hash).collect();
        let lookups: usize = batch.iter().map(|asked| asked.lookups).sum();
        if adapt && lookups > WIDE {
            // Too many buckets to look at all of their sizes first: plan from those close by.
            for asked in batch.iter() {
                let flow = self.again(asked, emit)?;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            return Ok(ControlFlow::Continue(()));
        }
        let most = if adapt { usize::MAX } else { LOOKUPS };
        let mut whole = true;
        self.clear();
        for band in 0..self.part.layout.bands.len() {
            for number in 0..batch.len() {
                self.enlist(band, number as u32, &batch[number]);
                if self.room.keys.len() >= most {
                    self.resolve(batch)?;
                    if self.finish(batch, &hashes, false, emit)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    whole = false;
                    self.clear();
                }
            }
        }
        self.resolve(batch)?;
        let heavy = if adapt { self.set_aside(batch) } else { Vec::new() };
        if self.finish(batch, &hashes, whole, emit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        for number in heavy {
            let asked = &batch[number as usize];
            let flow = self.again(asked, emit)?;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The queries whose buckets hold far more than was expected, in order; their buckets are emptied.
    fn set_aside(&mut self, batch: &[Asked<'_>]) -> Vec<u32> {
        let is_heavy = |asked: &Asked<'_>| asked.load as f64 > self.heavy(asked.lookups);
        let heavy: Vec<u32> = (0u32..).zip(batch).filter(|(_, asked)| is_heavy(asked)).map(|(i, _)| i).collect();
        if !heavy.is_empty() {
            // Empty buckets answer nothing; their queries are asked again.
            for (i, run) in self.room.runs.iter().enumerate() {
                if heavy.binary_search(&run.asked).is_ok() {
                    let of_run = until_next(&self.room.runs, i, self.room.buckets.len());
                    self.room.buckets[of_run].iter_mut().for_each(|bucket| bucket.len = 0);
                }
            }
        }
        heavy
    }

    /// The postings in so many buckets that are far more than was expected.
    pub(super) fn heavy(&self, lookups: usize) -> f64 {
        let bits = self.part.layout.bands.first().map_or(16, |band| band.key_bits);
        lookups as f64 * self.part.len() as f64 / f64::from(1u32 << bits) * HEAVY + HEAVY_LEAST
    }

    /// One query, planned anew from the real sizes of the buckets near it.
    pub(super) fn again(&mut self, asked: &Asked<'_>, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let (budgets, cost) = self.adapted(asked)?;
        let reach = Reach::new(budgets, asked.reach.leeway, &self.part.layout.bands);
        let (number, query) = (asked.number, asked.query);
        if cost > scan_cost(self.part.len(), query.max_distance, 1, self.kernels) {
            return self.scan(number, query, emit);
        }
        self.batch(&mut [Asked { reach, lookups: self.lookups(&reach), load: 0, ..*asked }], false, emit)
    }

    pub(super) fn clear(&mut self) {
        self.room.owners.clear();
        self.room.keys.clear();
        self.room.runs.clear();
        self.room.buckets.clear();
    }

    /// Lists the buckets that a query asks for in a band, and asks for their offsets.
    #[inline]
    fn enlist(&mut self, band: usize, number: u32, asked: &Asked<'_>) {
        let (part, raw) = (self.part, self.part.raw());
        let Some(masks) = self.masks[band] else { return };
        let (own, room) = asked.reach.room(&part.layout.bands, band);
        let at = &part.layout.bands[band];
        let (key, first) = (at.key(&asked.words), self.room.keys.len());
        let residue = at.residue_of(&asked.words);
        self.room.runs.push(Run { first: first as u32, asked: number, band: band as u8, residue, room: room as u16 });
        self.room.keys.extend(masks.below(own).iter().map(|mask| key ^ mask));
        for key in &self.room.keys[first..] {
            prefetch(raw, at.offsets + *key as usize * 4);
        }
    }

    /// Offsets to buckets.
    fn resolve(&mut self, batch: &mut [Asked<'_>]) -> Result<()> {
        let (part, raw, sure) = (self.part, self.part.raw(), self.part.has_sure_postings());
        let (width, entries) = (part.layout.posting_bytes(), part.len() as u32);
        if !sure {
            part.announce(self.room.runs.iter().enumerate().flat_map(|(i, run)| {
                let offsets = part.layout.bands[usize::from(run.band)].offsets;
                self.room.keys[until_next(&self.room.runs, i, self.room.keys.len())]
                    .iter()
                    .map(move |key| (offsets + *key as usize * 4, 8))
            }));
        }
        for (i, run) in self.room.runs.iter().enumerate() {
            let band = &part.layout.bands[usize::from(run.band)];
            let keys = &self.room.keys[until_next(&self.room.runs, i, self.room.keys.len())];
            if !sure {
                keys.iter().try_for_each(|key| part.ensure(band.offsets + *key as usize * 4, 8))?;
            }
            let table = &raw[band.offsets..band.offsets + (4 << band.key_bits) + 4];
            let (mut load, mut ordered) = (0, true);
            let own = keys.first().copied().unwrap_or_default();
            self.room.buckets.extend(keys.iter().map(|key| {
                let [start, end] = two_words(table, *key as usize * 4);
                ordered &= start <= end && end <= entries;
                let len = end.wrapping_sub(start);
                load += u64::from(len);
                let limit = run.room - (key ^ own).count_ones() as u16;
                Bucket { at: band.postings + start as usize * width, len, residue: run.residue, limit }
            }));
            if !ordered {
                return Err(Error::corrupt(part.path(), "buckets out of order"));
            }
            batch[run.asked as usize].load += load;
        }
        Ok(())
    }

    /// Buckets to hits. `whole` if these are all buckets that the queries ask for.
    fn finish(
        &mut self,
        batch: &[Asked<'_>],
        hashes: &[Hash],
        whole: bool,
        emit: &mut Emit<'_>,
    ) -> Result<ControlFlow<()>> {
        self.fill()?;
        self.room.passed.clear();
        filter(self.kernels, self.part.raw(), &self.room.buckets, 0, &mut self.room.passed);
        self.check(if whole { Of::All } else { Of::Some }, batch, hashes, emit)
    }

    /// Has the buckets checked, where they were not yet.
    pub(super) fn fill(&mut self) -> Result<()> {
        let (part, posting) = (self.part, self.part.layout.posting_bytes());
        if !part.has_sure_postings() {
            let full = || self.room.buckets.iter().filter(|bucket| bucket.len > 0);
            part.announce(full().map(|bucket| (bucket.at, bucket.len as usize * posting)));
            full().try_for_each(|bucket| part.ensure(bucket.at, bucket.len as usize * posting))?;
        }
        Ok(())
    }

    /// What passed to hits.
    pub(super) fn check(
        &mut self,
        of: Of,
        batch: &[Asked<'_>],
        hashes: &[Hash],
        emit: &mut Emit<'_>,
    ) -> Result<ControlFlow<()>> {
        let once = self.name(of)?;
        let (part, raw) = (self.part, self.part.raw());
        let (stored, ids) = (part.hashes(), part.layout.ids);
        self.room.distances.clear();
        distances(self.kernels, stored, hashes, &self.room.pairs, &mut self.room.distances);
        self.room.hits.clear();
        for ((&(asked, position), &distance), &band) in
            self.room.pairs.iter().zip(&self.room.distances).zip(&self.room.bands)
        {
            let of = &batch[asked as usize];
            if u32::from(distance) <= of.query.max_distance {
                let found_before = || {
                    let words = stored[position as usize].words();
                    of.reach.finds_before(&part.layout.bands, band.into(), &of.words, &words)
                };
                if once || !found_before() {
                    prefetch(raw, ids + position as usize * 8);
                    self.room.hits.push((asked, distance, position));
                }
            }
        }
        part.announce_ids(self.room.hits.iter().map(|hit| hit.2 as usize));
        for &(asked, distance, position) in &self.room.hits {
            if emit(batch[asked as usize].number, u32::from(distance), position as usize)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What passed to positions, and has their hashes fetched. True if each is named once and is not named again for the
    /// same query; otherwise the same position is rarely named twice, but it may be.
    fn name(&mut self, of: Of) -> Result<bool> {
        let (part, raw) = (self.part, self.part.raw());
        let width = part.layout.position_bytes;
        let room = &mut *self.room;
        // Ask for the positions of those that passed, which lie behind the bucket's residues.
        let at = |buckets: &[Bucket], (bucket, passed): (u32, u32)| {
            let bucket = &buckets[bucket as usize];
            bucket.at + bucket.len as usize * 2 + passed as usize * width
        };
        for &passed in &room.passed {
            prefetch(raw, at(&room.buckets, passed));
        }
        // Copies come by in many bands, and each has to be looked at once. Nobody comes by twice in one band.
        let (only, all) = match of {
            Of::Band(band) => (Some(band), false),
            Of::Some => (None, false),
            Of::All => (None, room.passed.len() <= KNOWN),
        };
        let slots = if only.is_some() { 1 } else { (2 * room.passed.len().min(KNOWN)).next_power_of_two() };
        room.known.clear();
        room.known.resize(slots, 0);
        let shift = 32 - slots.ilog2();
        room.pairs.resize(room.passed.len(), (0, 0));
        room.bands.resize(room.passed.len(), 0);
        let mut kept = 0;
        let mut runs = room.runs.iter().peekable();
        let (mut band, mut asked) = (only.unwrap_or_default(), 0);
        for &passed in &room.passed {
            if only.is_some() {
                asked = room.owners[passed.0 as usize];
            }
            while let Some(run) = runs.next_if(|run| run.first <= passed.0) {
                (band, asked) = (run.band, run.asked);
            }
            let position = word(raw, at(&room.buckets, passed)) & (u32::MAX >> (32 - 8 * width));
            if position as usize >= part.len() {
                return Err(Error::corrupt(part.path(), "a posting past the last hash"));
            }
            prefetch(raw, part.layout.hashes + position as usize * 32);
            (room.pairs[kept], room.bands[kept]) = ((asked, position), band);
            let name = (u64::from(asked) << 32 | u64::from(position)) + 1;
            let mut slot = (u64::from((asked ^ position).wrapping_mul(0x9e37_79b9)) >> shift) as usize;
            while all && room.known[slot] != 0 && room.known[slot] != name {
                slot = (slot + 1) & (slots - 1);
            }
            kept += usize::from(std::mem::replace(&mut room.known[slot], name) != name);
        }
        room.pairs.truncate(kept);
        room.bands.truncate(kept);
        if !part.has_sure_hashes() {
            let places = || room.pairs.iter().map(|&(_, position)| position as usize);
            part.announce(places().map(|position| (part.layout.hashes + position * 32, 32)));
            places().try_for_each(|position| part.ensure_hashes(position, 1))?;
        }
        Ok(all)
    }

    /// Budgets that go round the heavy buckets near a query, and what they will cost.
    fn adapted(&self, asked: &Asked<'_>) -> Result<([u8; BANDS], f64)> {
        let (part, raw) = (self.part, self.part.raw());
        let mut costs = [[0.0; MAX_BUDGET + 1]; BANDS];
        let certain = asked.query.certain.min(asked.query.max_distance);
        let room = (2 * (certain as usize + 1) / part.layout.bands.len()).saturating_sub(1).max(asked.reach.leeway);
        if !part.has_sure_postings() {
            let near = |(number, band): (usize, &'a Band)| {
                let (key, offsets) = (band.key(&asked.words), band.offsets);
                let masks = self.masks[number].map_or(&[][..], |masks| masks.below(3));
                masks.iter().map(move |mask| (offsets + (key ^ mask) as usize * 4, 8))
            };
            part.announce(part.layout.bands.iter().enumerate().flat_map(near));
        }
        for (number, band) in part.layout.bands.iter().enumerate() {
            let key = band.key(&asked.words);
            let bits = u32::from(band.key_bits);
            let average = part.len() as f64 / f64::from(1u32 << bits);
            let (mut cost, mut excess) = (0.0, 1.0f64);
            for distance in 0..MAX_BUDGET {
                let count = choose(bits, distance as u32);
                if distance <= 2 {
                    let mut here = 0.0;
                    for mask in self.masks[number].map_or(&[][..], |masks| masks.with(distance)) {
                        let at = band.offsets + (key ^ mask) as usize * 4;
                        part.ensure(at, 8)?;
                        here += f64::from(word(raw, at + 4).saturating_sub(word(raw, at)));
                    }
                    excess = (here / (count * average)).max(1.0);
                }
                let usual = count * average;
                let beyond = (usual * excess).min(part.len() as f64) - usual;
                cost += lookup_cost(count, usual, beyond.max(0.0), pass(room.saturating_sub(distance)));
                costs[number][distance + 1] = cost;
            }
        }
        Ok(cheapest(part.layout.bands.len(), certain, |band, budget| costs[band][budget]))
    }

    /// The last resort: past every hash.
    fn scan(&self, number: u32, query: &Query, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        self.part.ensure_hashes(0, self.part.len())?;
        Scan::new(self.kernels, vec![(number, query)]).run(self.part.hashes(), 0, emit)
    }
}

/// The eight bytes at `at`.
#[inline]
pub(super) fn two_words(bytes: &[u8], at: usize) -> [u32; 2] {
    let mut words = [0; 8];
    words.copy_from_slice(&bytes[at..at + 8]);
    let words = u64::from_le_bytes(words);
    [words as u32, (words >> 32) as u32]
}

/// The four bytes at `at`.
#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cancel;
    use crate::index::EntryId;
    use crate::index::part::{Layout, build};
    use crate::index::search::drawn::{hash, off};
    use crate::simd::Level;

    /// Parts of 2^24 entries and more have 13 bands of 19 or 20 bits; here one of fewer is laid out like that.
    #[test]
    fn wide_parts_find_all_that_is_near_each_once_and_nothing_else() {
        let mut seed = 3;
        let centres: Vec<Hash> = (0..40).map(|_| hash(&mut seed)).collect();
        let mut hashes: Vec<Hash> = (0..20_000).map(|_| hash(&mut seed)).collect();
        for i in 0..6000 {
            hashes.push(off(&centres[i % 40], i / 60, 0, &mut seed));
        }
        // A crowd in one bucket of each band, and equal ones.
        hashes.extend((0..4000).map(|i| off(&centres[0], i % 8, 0, &mut seed)));
        hashes.extend([centres[1]; 500]);
        let ids: Vec<EntryId> = (0..hashes.len() as u64).filter_map(|owner| EntryId::new(owner, 0)).collect();
        let layout = Layout::wide(hashes.len()).unwrap();
        assert!(layout.bands.len() == 13 && layout.bands.iter().all(|band| matches!(band.key_bits, 19 | 20)));
        let mut bytes = Vec::new();
        build(&hashes, &ids, &layout, &mut bytes, 1, &Cancel::new()).unwrap();
        let part = Part::parse(Box::new(bytes), std::path::Path::new("wide.part")).unwrap();
        part.check_contents().unwrap();

        let mut asked: Vec<Hash> = (0..40).map(|i| off(&hashes[i * 400], i, 0, &mut seed)).collect();
        asked.extend(&centres);
        asked.extend((0..60).map(|i| off(&centres[i % 4], i, 0, &mut seed)));
        for radius in [0, 1, 11, 12, 13, 24, 25, 26, 31, 38, 39, 48, 51, 52, 63, 64, 77, 90, 96] {
            for certain in [radius, radius / 2] {
                let queries: Vec<Query> = asked.iter().map(|&hash| Query::new(hash, radius).certain(certain)).collect();
                let queries: Vec<(u32, &Query)> = (5..).zip(&queries).collect();
                let mut naive: Vec<(u32, u32, usize)> = queries
                    .iter()
                    .flat_map(|&(number, query)| {
                        let near = move |(at, hash): (usize, &Hash)| (number, hash.distance(&query.hash), at);
                        hashes.iter().enumerate().map(near).filter(|(_, distance, _)| *distance <= radius)
                    })
                    .collect();
                naive.sort_unstable();
                for kernels in Level::available().into_iter().map(Kernels::of) {
                    for way in ["all", "singly", "swept"] {
                        let mut found = Vec::new();
                        let mut emit = |number, distance, at| {
                            found.push((number, distance, at));
                            Ok(ControlFlow::Continue(()))
                        };
                        let mut mih = Mih::new(&part, kernels);
                        match way {
                            "all" => assert!(mih.run(&queries, &mut emit).unwrap().is_continue()),
                            "singly" => {
                                queries.iter().for_each(|query| assert!(mih.run(&[*query], &mut emit).is_ok()));
                            }
                            // More look-ups than this are never swept.
                            _ if mih.lookups(&Reach::of(&part.layout, queries[0].1)) > WIDE => continue,
                            _ => {
                                let mut crowded = Vec::new();
                                assert!(mih.sweep(&queries, &mut crowded, &mut emit).unwrap().is_continue());
                                assert!(mih.step(&crowded, &mut emit).unwrap().is_continue());
                            }
                        }
                        found.sort_unstable();
                        assert!(found.windows(2).all(|two| two[0] != two[1]), "twice: {radius} {certain} {way}");
                        let near = |all: &[(u32, u32, usize)]| -> Vec<_> {
                            all.iter().filter(|(_, distance, _)| *distance <= certain).copied().collect()
                        };
                        assert!(near(&found) == near(&naive), "missed: {radius} {certain} {way} {kernels:?}");
                        assert!(found.iter().all(|hit| naive.binary_search(hit).is_ok()), "{radius} {certain} {way}");
                    }
                }
            }
        }
    }
}
