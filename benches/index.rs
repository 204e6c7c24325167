//! The index's stages on 100,000 random hashes: looking up, scanning, adding, refreshing.

#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros; inputs made here

use criterion::{Criterion, criterion_group, criterion_main};
use refrain::index::{DiskIndex, Entry, EntryId};
use refrain::{Cancel, Hash};

fn hashes(seed: u64, count: usize) -> Vec<Hash> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    (0..count).map(|_| Hash::from_words([next(), next(), next(), next()])).collect()
}

fn entries(first: u64, hashes: &[Hash]) -> Vec<Entry> {
    (first..).zip(hashes).map(|(owner, &hash)| Entry { id: EntryId::new(owner, 0).unwrap(), hash }).collect()
}

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let index = DiskIndex::create(folder.path()).unwrap();
    index.add(&entries(0, &hashes(1, 100_000))).unwrap();
    index.merge(&Cancel::new()).unwrap();
    let queries = hashes(2, 64);
    let snapshot = index.snapshot();
    let mut group = criterion.benchmark_group("index");
    for radius in [0, 31, 48, 63] {
        group.bench_function(format!("one query within {radius}"), |b| {
            b.iter(|| snapshot.search(&queries[..1], radius))
        });
        group.bench_function(format!("64 queries within {radius}"), |b| b.iter(|| snapshot.search(&queries, radius)));
    }
    group.bench_function("refresh when nothing changed", |b| b.iter(|| index.refresh()));
    let mut owner = 1 << 30;
    group.sample_size(10);
    group.bench_function("add 1,000, durably", |b| {
        b.iter(|| {
            owner += 1000;
            index.add(&entries(owner, &hashes(owner, 1000)))
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
