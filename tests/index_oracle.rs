//! Search finds what comparing everything finds: on random, clustered and adversarial hashes, at every radius, through
//! postings and scans, in one part and in many.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::ops::ControlFlow;

use index_support::{Random, ask, entries, naive};
use refrain::index::{DiskIndex, Entry, Hit, Query};
use refrain::{Cancel, Hash};

/// Hashes around a few thousand centres, some of which are far more popular than others.
fn clustered(random: &mut Random, count: usize) -> Vec<Hash> {
    let centres: Vec<Hash> = (0..count / 20).map(|_| random.hash()).collect();
    (0..count)
        .map(|_| {
            let popular = random.below(centres.len() as u64 + 1);
            let centre = centres[random.below(popular + 1) as usize % centres.len()];
            let distance = random.below(60) as u32;
            random.at(&centre, distance)
        })
        .collect()
}

/// All that differ in nothing but the upper half: every bucket of the lower bands is one bucket.
fn one_bucket(random: &mut Random, count: usize) -> Vec<Hash> {
    (0..count).map(|_| Hash::from_words([0, 0, random.next(), random.next()])).collect()
}

fn sets(random: &mut Random, count: usize) -> [(&'static str, Vec<Hash>); 3] {
    let uniform = (0..count).map(|_| random.hash()).collect();
    [("uniform", uniform), ("clustered", clustered(random, count)), ("one bucket", one_bucket(random, count))]
}

/// An index of these entries in one part, and its folder.
fn merged(entries: &[Entry]) -> (tempfile::TempDir, DiskIndex) {
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    index.add(entries).unwrap();
    index.merge(&Cancel::new()).unwrap();
    (folder, index)
}

fn check(index: &DiskIndex, entries: &[Entry], queries: &[Query]) {
    let expected = naive(entries, queries);
    let found = index.snapshot().search_each(queries, usize::MAX).unwrap();
    assert!(found.hits == expected && found.cut.is_empty(), "{} hits instead of {}", found.hits.len(), expected.len());
    let mut visited = Vec::new();
    let visit = |hit: Hit| {
        visited.push(hit);
        ControlFlow::Continue(())
    };
    index.snapshot().visit(queries, visit).unwrap();
    visited.sort_unstable();
    assert_eq!(visited, expected);
}

/// Queries on, near and far from what is there.
fn queries(random: &mut Random, hashes: &[Hash], count: usize) -> Vec<Hash> {
    (0..count)
        .map(|i| match i % 4 {
            0 => random.hash(),
            1 => hashes[random.below(hashes.len() as u64) as usize].complement(),
            _ => {
                let hash = hashes[random.below(hashes.len() as u64) as usize];
                let distance = random.below(100) as u32;
                random.at(&hash, distance)
            }
        })
        .collect()
}

#[test]
fn what_is_found_is_what_comparing_everything_finds() {
    let mut random = Random(1);
    let count = 50_000;
    for (name, hashes) in sets(&mut random, count) {
        println!("{name}");
        let entries = entries(0, &hashes);
        let (_folder, index) = merged(&entries);
        let stats = index.stats();
        assert_eq!((stats.parts, stats.delta, stats.entries), (1, 0, count as u64));
        assert!(stats.bytes <= 132 * count as u64 + 8192, "{} bytes", stats.bytes);
        let hashes = queries(&mut random, &hashes, 40);
        // Band edges: where a band's budget changes, and where the planner goes over from postings to scans.
        for radius in [0, 1, 14, 15, 16, 17, 30, 31, 32, 33, 46, 47, 48, 49, 62, 63, 64, 79, 80, 95, 96] {
            for batch in [1, 5, 40] {
                check(&index, &entries, &ask(&hashes[..batch], radius));
            }
        }
        let mixed: Vec<Query> = (0..).zip(&hashes).map(|(i, &hash)| Query::new(hash, i * 7 % 97)).collect();
        check(&index, &entries, &mixed);
    }
}

#[test]
fn entries_at_every_distance_are_found_up_to_the_radius() {
    let mut random = Random(2);
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    let centre = random.hash();
    let mut hashes: Vec<Hash> = (0..40_000).map(|_| random.hash()).collect();
    for distance in 0..=100 {
        for _ in 0..20 {
            hashes.push(random.at(&centre, distance));
        }
        // As far off as can be within one band, and then the next.
        let mut words = [!0u64; 4];
        words.iter_mut().enumerate().for_each(|(i, word)| {
            let bits = (distance as usize).saturating_sub(i * 64).min(64);
            *word = if bits == 64 { !0 } else { (1 << bits) - 1 };
        });
        let off = Hash::from_words(std::array::from_fn(|i| centre.words()[i] ^ words[i]));
        assert_eq!(off.distance(&centre), distance);
        hashes.push(off);
    }
    let entries = entries(7, &hashes);
    index.add(&entries).unwrap();
    index.merge(&Cancel::new()).unwrap();
    for radius in 0..=96 {
        check(&index, &entries, &ask(&[centre], radius));
    }
    assert!(index.snapshot().search(&[centre], 97).is_err());
}

#[test]
fn equal_hashes_are_all_found_and_can_be_capped() {
    let mut random = Random(3);
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    let hash = random.hash();
    let entries = entries(0, &vec![hash; 100_000]);
    index.add(&entries).unwrap();
    index.merge(&Cancel::new()).unwrap();
    let near = random.at(&hash, 40);
    for (query, radius) in [(hash, 0), (hash, 31), (near, 31), (near, 39), (near, 40), (near, 64)] {
        let hits = index.snapshot().search(&[query], radius).unwrap();
        assert_eq!(hits.len(), if query.distance(&hash) <= radius { 100_000 } else { 0 }, "{radius}");
    }
    let capped = index.snapshot().search_each(&ask(&[near, near, hash.complement()], 64), 10).unwrap();
    let ids: Vec<u64> = capped.hits.iter().map(|hit| hit.id.owner()).collect();
    assert_eq!(ids, (0..10).chain(0..10).collect::<Vec<u64>>());
    assert_eq!(capped.cut, [0, 1]);
    // A visitor may stop early.
    let mut seen = 0;
    let stop = |_| {
        seen += 1;
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    index.snapshot().visit(&ask(&[near], 64), stop).unwrap();
    assert_eq!(seen, 5);
}

#[test]
fn nearest_are_the_first_of_all_sorted_by_distance_and_id() {
    let mut random = Random(4);
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    let hashes = clustered(&mut random, 40_000);
    let entries = entries(0, &hashes);
    index.add(&entries).unwrap();
    index.merge(&Cancel::new()).unwrap();
    let hashes = queries(&mut random, &hashes, 30);
    for (k, radius) in [(1, 96), (3, 31), (10, 96), (1000, 64), (5, 0)] {
        let mut expected = Vec::new();
        for query in 0..hashes.len() as u32 {
            let all = naive(&entries, &ask(&hashes[query as usize..=query as usize], radius));
            expected.extend(all.into_iter().take(k).map(|hit| Hit { query, ..hit }));
        }
        assert_eq!(index.snapshot().nearest(&hashes, k, radius).unwrap(), expected, "{k} {radius}");
    }
}

#[test]
fn the_split_into_parts_and_the_number_of_threads_change_nothing() {
    let mut random = Random(5);
    let hashes = clustered(&mut random, 160_000);
    let entries = entries(0, &hashes);
    let asked: Vec<Query> =
        (0..).zip(queries(&mut random, &hashes, 200)).map(|(i, hash)| Query::new(hash, i % 97)).collect();
    let expected = naive(&entries, &asked);
    // Up to three pieces have postings, each a part of its own.
    for pieces in [1, 2, 3, 7, 30] {
        let folder = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(folder.path()).unwrap();
        for some in entries.chunks(entries.len() / pieces) {
            index.add(some).unwrap();
            if pieces < 30 {
                index.maintain().unwrap();
            }
        }
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| index.snapshot().search_each(&asked, usize::MAX)).unwrap();
            assert!(found.hits == expected, "{pieces} pieces, {threads} threads, {} hits", found.hits.len());
        }
    }
}

/// What is asked for certain is found whatever the data; beyond that nothing but what is within the radius, each once.
#[test]
fn what_is_asked_for_certain_is_found_and_nothing_beyond_the_radius() {
    let mut random = Random(6);
    for (name, mut hashes) in sets(&mut random, 50_000) {
        let centres: Vec<Hash> = (0..8).map(|_| random.hash()).collect();
        for distance in 0..800 {
            let near = random.at(&centres[distance % 8], distance as u32 / 8);
            hashes.push(near);
        }
        let entries = entries(0, &hashes);
        let (_folder, index) = merged(&entries);
        let mut asked = queries(&mut random, &hashes, 24);
        asked.extend(&centres);
        for radius in [16, 40, 70, 96] {
            let all = naive(&entries, &ask(&asked, radius));
            for certain in [0, 7, 15, 16, 21, 31, 39, 70] {
                let queries: Vec<Query> = asked.iter().map(|&hash| Query::new(hash, radius).certain(certain)).collect();
                let found = index.snapshot().search_each(&queries, usize::MAX).unwrap().hits;
                assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{name} {radius} {certain}");
                assert!(found.iter().all(|hit| all.binary_search(hit).is_ok()), "{name} {radius} {certain}");
                let sure = all.iter().filter(|hit| hit.distance <= certain);
                assert!(sure.clone().all(|hit| found.binary_search(hit).is_ok()), "{name} {radius} {certain}");
                if certain >= radius {
                    assert_eq!(found.len(), all.len());
                }
            }
        }
    }
}

/// In a part whose bands are whole rows of the hash, [`Query::finds`] says which of the further ones come by.
#[test]
fn what_a_long_list_finds_is_what_the_query_says() {
    let mut random = Random(7);
    let centres: Vec<Hash> = (0..6).map(|_| random.hash()).collect();
    let mut hashes: Vec<Hash> = (0..400_000).map(|_| random.hash()).collect();
    for i in 0..3000 {
        let near = random.at(&centres[i % 6], i as u32 % 97);
        hashes.push(near);
    }
    let entries = entries(0, &hashes);
    let (_folder, index) = merged(&entries);
    for (certain, radius) in [(15, 50), (21, 70), (31, 70), (15, 31)] {
        let queries: Vec<Query> = centres.iter().map(|&hash| Query::new(hash, radius).certain(certain)).collect();
        let found = index.snapshot().search_each(&queries, usize::MAX).unwrap().hits;
        let all = naive(&entries, &queries);
        let finds = |hit: &Hit| queries[hit.query as usize].finds(&hashes[hit.id.owner() as usize]);
        let expected: Vec<Hit> = all.iter().filter(|hit| finds(hit)).copied().collect();
        assert!(expected.len() < all.len() && expected.iter().any(|hit| hit.distance > certain));
        assert_eq!(found, expected, "{certain} {radius}");
    }
}
