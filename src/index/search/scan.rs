//! Every query against every hash, block by block.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::Emit;
use crate::error::Result;
use crate::hash::Hash;
use crate::index::Query;
use crate::simd::distance::{BLOCK, Block, Kernels, Pair, Sought, prefetch, scan};

/// From this many queries on it pays to turn a block.
pub(in crate::index) const TURNED_FROM: usize = 8;

/// Queries made ready for a scan.
pub(in crate::index) struct Scan<'a> {
    kernels: Kernels,
    queries: Vec<(u32, &'a Query)>,
    groups: Vec<Group>,
}

/// Two that are counted together.
struct Group {
    pair: Pair,
    each: [Option<Counted>; 2],
}

/// A query, its complement, or both: one count of bits answers for the two.
#[derive(Clone, Copy)]
struct Counted {
    near: u32,
    far: Option<u32>,
}

impl<'a> Scan<'a> {
    /// Gets these queries ready; the number of each is given back with its hits.
    pub(in crate::index) fn new(kernels: Kernels, queries: Vec<(u32, &'a Query)>) -> Self {
        let mut counted: Vec<Counted> = Vec::new();
        if queries.len() >= TURNED_FROM {
            let mut waiting: HashMap<Hash, usize> = HashMap::new();
            for (i, (_, query)) in (0..).zip(&queries) {
                if let Some(at) = waiting.remove(&query.hash.complement()) {
                    counted[at].far = Some(i);
                } else {
                    waiting.insert(query.hash, counted.len());
                    counted.push(Counted { near: i, far: None });
                }
            }
        }
        let query = |i: u32| queries[i as usize].1;
        let sought = |counted: Counted| Sought {
            hash: &query(counted.near).hash,
            limit: query(counted.near).max_distance,
            complement: counted.far.map(|far| query(far).max_distance),
        };
        let ready = |two: &[Counted]| {
            let each = [two.first().copied(), two.get(1).copied()];
            Group { pair: Pair::new(kernels, sought(two[0]), each[1].map(sought)), each }
        };
        let groups = counted.chunks(2).map(ready).collect();
        Self { kernels, queries, groups }
    }

    /// Scans `hashes`, the first of which is at position `first`.
    pub(in crate::index) fn run(&self, hashes: &[Hash], first: usize, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        if self.groups.is_empty() { self.rows(hashes, first, emit) } else { self.blocks(hashes, first, emit) }
    }

    fn rows(&self, hashes: &[Hash], first: usize, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let mut found = Vec::new();
        for (chunk, at) in hashes.chunks(BLOCK).zip((first..).step_by(BLOCK)) {
            for (number, query) in &self.queries {
                found.clear();
                scan(self.kernels, chunk, &query.hash, query.max_distance, &mut found);
                for &(position, distance) in &found {
                    if emit(*number, distance, at + position as usize)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn blocks(&self, hashes: &[Hash], first: usize, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let mut block = Block::new(self.kernels, self.groups.iter().map(|group| &group.pair));
        let mut masks = [[[0; 8]; 2]; 2];
        // The next block comes in while this one is counted: two hashes share a cache line.
        let ahead = (BLOCK / 2).div_ceil(self.groups.len().max(1));
        for (rows, at) in hashes.chunks(BLOCK).zip((first..).step_by(BLOCK)) {
            block.load(rows);
            let next = hashes.get(at - first + BLOCK..).unwrap_or_default();
            let mut lines = next[..next.len().min(BLOCK)].chunks(2);
            for group in &self.groups {
                for line in lines.by_ref().take(ahead) {
                    prefetch(&line[0].0, 0);
                }
                let any = block.within(&group.pair, &mut masks);
                for ((masks, counted), _) in masks.iter().zip(group.each).zip(any).filter(|(_, any)| *any) {
                    let Some(Counted { near, far }) = counted else { continue };
                    for (mask, query) in masks.iter().zip([Some(near), far]) {
                        let Some(query) = query else { continue };
                        let (number, query) = self.queries[query as usize];
                        for (word, mut bits) in (0..).zip(*mask) {
                            while bits != 0 {
                                let position = block.position(word, bits.trailing_zeros() as usize);
                                bits &= bits - 1;
                                let Some(hash) = rows.get(position) else { continue };
                                let distance = query.hash.distance(hash);
                                if distance <= query.max_distance && emit(number, distance, at + position)?.is_break() {
                                    return Ok(ControlFlow::Break(()));
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
