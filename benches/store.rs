//! The stages of the flow, each alone, on the fixtures: decode, fingerprint, add, ask.

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refrain::bank::Reference;
use refrain::hash::Hash;
use refrain::{Fingerprint, Limits, Media, Options, Store, fingerprint};

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

fn hashes(count: usize) -> Vec<Hash> {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    (0..count).map(|_| Hash::from_words(std::array::from_fn(|_| random(&mut state)))).collect()
}

/// The first still and the first film of `fixtures/removed`.
fn media() -> Vec<(&'static str, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/removed");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    let first = |extension: &str| {
        let path = paths.iter().find(|path| path.extension().is_some_and(|found| found == extension));
        std::fs::read(path.unwrap_or_else(|| panic!("no {extension} in {}", folder.display())))
            .expect("a readable fixture")
    };
    let mut media = vec![("still", first("jpg"))];
    if cfg!(feature = "video") {
        media.push(("film", first("mp4")));
    }
    media
}

fn print(bytes: &[u8]) -> Fingerprint {
    fingerprint(Media::bytes(bytes), &Options::default()).expect("a fixture that can be hashed")
}

fn decode(c: &mut Criterion) {
    let still = &media()[0].1;
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(still.len() as u64));
    group.bench_function("still", |b| b.iter(|| refrain::image::decode(black_box(still), &Limits::default())));
}

fn hash(c: &mut Criterion) {
    let mut group = c.benchmark_group("fingerprint");
    group.sample_size(20);
    for (kind, bytes) in media() {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(kind, |b| b.iter(|| print(black_box(&bytes))));
    }
}

fn add(c: &mut Criterion) {
    let mut group = c.benchmark_group("add");
    group.sample_size(20);
    let mut next = 0u64;
    for (kind, bytes) in media() {
        let fingerprint = print(&bytes);
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::create_or_open(folder.path()).expect("a store");
        for count in [1, 100] {
            if kind == "film" && count > 1 {
                continue;
            }
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::new(kind, count), |b| {
                b.iter_batched(
                    || {
                        next += count;
                        (next..next + count).map(|id| Reference::new(id.to_string())).collect::<Vec<_>>()
                    },
                    |references| store.add_many(references.iter().map(|reference| (reference, &fingerprint))),
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

fn ask(c: &mut Criterion) {
    let mut group = c.benchmark_group("ask");
    group.sample_size(20);
    let media = media();
    for size in [1_000, 100_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::create_or_open(folder.path()).expect("a store");
        let list: String = hashes(size).iter().map(|hash| format!("{hash}\n")).collect();
        let options = refrain::bank::lists::ImportOptions::new(refrain::bank::lists::Format::Pdq, "listed");
        store.import(list.as_bytes(), &options, |_, _| std::ops::ControlFlow::Continue(())).expect("an import");
        let hash = hashes(size + 1)[size];
        group.bench_function(BenchmarkId::new("hash", size), |b| b.iter(|| store.ask_hash(black_box(&hash))));
        for (kind, bytes) in &media {
            let fingerprint = print(bytes);
            group.bench_function(BenchmarkId::new(*kind, size), |b| b.iter(|| store.ask(black_box(&fingerprint))));
        }
        let known = print(&media[0].1);
        store.add(&Reference::new("known"), &known).expect("an addition");
        group.bench_function(BenchmarkId::new("still, known", size), |b| b.iter(|| store.ask(black_box(&known))));
    }
}

criterion_group!(benches, decode, hash, add, ask);
criterion_main!(benches);
