//! The index against itself gives every pair that comparing everything gives, each once, whatever it is split into.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use index_support::{Random, entries, entry};
use refrain::index::{DiskIndex, Entry, Pair};
use refrain::{Cancel, Error, Hash};

fn naive(entries: &[Entry], max_distance: u32) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (i, a) in entries.iter().enumerate() {
        for b in &entries[i + 1..] {
            let distance = a.hash.distance(&b.hash);
            if distance <= max_distance {
                pairs.push(Pair { first: a.id.min(b.id), second: a.id.max(b.id), distance });
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

fn join(index: &DiskIndex, max_distance: u32) -> Vec<Pair> {
    let pairs = Mutex::new(Vec::new());
    let each = |pair| {
        pairs.lock().unwrap().push(pair);
        ControlFlow::Continue(())
    };
    index.snapshot().self_join(max_distance, &Cancel::new(), each).unwrap();
    let mut pairs = pairs.into_inner().unwrap();
    pairs.sort_unstable();
    pairs
}

/// Copies around centres, equal ones among them, complements of some, and loners.
fn hashes(random: &mut Random, count: usize) -> Vec<Hash> {
    let centres: Vec<Hash> = (0..count / 50).map(|_| random.hash()).collect();
    (0..count)
        .map(|i| {
            let centre = centres[random.below(centres.len() as u64) as usize];
            let distance = random.below(70) as u32;
            match i % 5 {
                0 => random.hash(),
                1 => random.at(&centre, distance).complement(),
                2 => centre,
                _ => random.at(&centre, distance),
            }
        })
        .collect()
}

#[test]
fn pairs_are_what_comparing_everything_finds() {
    let mut random = Random(21);
    let hashes = hashes(&mut random, 6_000);
    let all = entries(5, &hashes);
    // The same few, and 40,000 loners beside them, so that there are postings; loners are 60 bits and more apart.
    let mut many = all.clone();
    many.extend(entries(1 << 20, &(0..40_000).map(|_| random.hash()).collect::<Vec<_>>()));
    for (name, entries, radii) in [("few", &all, &[0, 15, 31, 48, 64, 96][..]), ("many", &many, &[0, 31, 47][..])] {
        let expected = naive(if name == "few" { &all } else { &many }, *radii.last().unwrap());
        assert!(expected.len() > 10_000, "{name}: {} pairs", expected.len());
        for pieces in [1, 5] {
            let folder = tempfile::tempdir().unwrap();
            let index = DiskIndex::create(folder.path()).unwrap();
            for (i, some) in entries.chunks(entries.len().div_ceil(pieces)).enumerate() {
                index.add(some).unwrap();
                if pieces == 1 || i % 2 == 0 {
                    index.merge(&Cancel::new()).unwrap();
                }
            }
            for &radius in radii {
                let within: Vec<Pair> = expected.iter().filter(|pair| pair.distance <= radius).copied().collect();
                let found = join(&index, radius);
                assert!(found == within, "{name} {pieces} {radius}: {} of {}", found.len(), within.len());
            }
        }
    }
}

#[test]
fn removed_entries_are_in_no_pair() {
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    let hash = Hash([9; 32]);
    index.add(&[entry(1, 0, hash), entry(1, 1, hash), entry(2, 0, hash), entry(3, 0, hash)]).unwrap();
    assert_eq!(join(&index, 0).len(), 6);
    index.remove(1).unwrap();
    assert_eq!(join(&index, 0).len(), 1);
    index.merge(&Cancel::new()).unwrap();
    index.remove(2).unwrap();
    index.add(&[entry(1, 0, hash)]).unwrap();
    let ids: Vec<(u64, u64)> = join(&index, 0).iter().map(|p| (p.first.owner(), p.second.owner())).collect();
    assert_eq!(ids, [(1, 3)]);
}

#[test]
fn a_join_can_be_stopped_by_the_visitor_and_by_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    index.add(&entries(0, &vec![Hash([9; 32]); 5_000])).unwrap();
    let seen = AtomicUsize::new(0);
    let cancel = Cancel::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let stop = |_| {
        if seen.fetch_add(1, Ordering::Relaxed) >= 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    pool.install(|| index.snapshot().self_join(0, &cancel, stop)).unwrap();
    let visited = seen.load(Ordering::Relaxed);
    assert!((101..200).contains(&visited), "{visited} visited after the visitor had enough");
    let cancelling = |_| {
        cancel.cancel();
        ControlFlow::Continue(())
    };
    assert!(matches!(index.snapshot().self_join(0, &cancel, cancelling), Err(Error::Cancelled)));
    assert!(matches!(
        index.snapshot().self_join(97, &Cancel::new(), |_| ControlFlow::Continue(())),
        Err(Error::Option { .. })
    ));
}
