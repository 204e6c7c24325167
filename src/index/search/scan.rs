//! Every query against every hash, block by block.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::Emit;
use crate::error::Result;
use crate::hash::Hash;
use crate::index::Query;
use crate::simd::distance::{BLOCK, Kernels, Sliced, SlicedQuery, position, prefetch, scan};

/// From this many queries on it pays to turn a block into planes.
pub(in crate::index) const SLICED_FROM: usize = 8;

/// Queries made ready for a scan.
pub(in crate::index) struct Scan<'a> {
    kernels: Kernels,
    queries: Vec<(u32, &'a Query)>,
    groups: Vec<Group>,
}

/// A query, its complement, or both: one count of bits answers for the two.
struct Group {
    sliced: SlicedQuery,
    near: u32,
    far: Option<u32>,
}

impl<'a> Scan<'a> {
    /// Gets these queries ready; the number of each is given back with its hits.
    pub(in crate::index) fn new(kernels: Kernels, queries: Vec<(u32, &'a Query)>) -> Self {
        let mut groups: Vec<(usize, Option<usize>)> = Vec::new();
        if queries.len() >= SLICED_FROM {
            let mut waiting: HashMap<Hash, usize> = HashMap::new();
            for (i, (_, query)) in queries.iter().enumerate() {
                if let Some(group) = waiting.remove(&query.hash.complement()) {
                    groups[group].1 = Some(i);
                } else {
                    waiting.insert(query.hash, groups.len());
                    groups.push((i, None));
                }
            }
        }
        let ready = |(near, far): (usize, Option<usize>)| {
            let query = queries[near].1;
            let complement = far.map(|far| queries[far].1.max_distance);
            Group {
                sliced: SlicedQuery::new(&query.hash, query.max_distance, complement),
                near: near as u32,
                far: far.map(|far| far as u32),
            }
        };
        let groups = groups.into_iter().map(ready).collect();
        Self { kernels, queries, groups }
    }

    /// Scans `hashes`, the first of which is at position `first`.
    pub(in crate::index) fn run(&self, hashes: &[Hash], first: usize, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        if self.groups.is_empty() { self.rows(hashes, first, emit) } else { self.sliced(hashes, first, emit) }
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

    fn sliced(&self, hashes: &[Hash], first: usize, emit: &mut Emit<'_>) -> Result<ControlFlow<()>> {
        let mut sliced = Sliced::new(self.kernels, self.groups.iter().map(|group| &group.sliced));
        let mut masks = [[0; 8]; 2];
        // The next block comes in while this one is counted: two hashes share a cache line.
        let ahead = (BLOCK / 2).div_ceil(self.groups.len().max(1));
        for (block, at) in hashes.chunks(BLOCK).zip((first..).step_by(BLOCK)) {
            sliced.load(block);
            let next = hashes.get(at - first + BLOCK..).unwrap_or_default();
            let mut lines = next[..next.len().min(BLOCK)].chunks(2);
            for group in &self.groups {
                for line in lines.by_ref().take(ahead) {
                    prefetch(&line[0].0, 0);
                }
                if !sliced.within(&group.sliced, &mut masks) {
                    continue;
                }
                for (mask, query) in masks.into_iter().zip([Some(group.near), group.far]) {
                    let Some(query) = query else { continue };
                    let (number, query) = self.queries[query as usize];
                    for (word, mut bits) in mask.into_iter().enumerate() {
                        while bits != 0 {
                            let position = position(word, bits.trailing_zeros() as usize);
                            bits &= bits - 1;
                            let Some(hash) = block.get(position) else { continue };
                            let distance = query.hash.distance(hash);
                            if distance <= query.max_distance && emit(number, distance, at + position)?.is_break() {
                                return Ok(ControlFlow::Break(()));
                            }
                        }
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
