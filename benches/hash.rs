//! The stages of hashing, each alone: the filter at every level and size, the DCT with its bits, and the classic hashes.
//! `make bench-hash` compares with other people's programs.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use refrain::hash::{Algorithm, Format, Pixels};
use refrain::pdq::{self, Hasher};
use refrain::simd::Level;

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn pixels(data: &[u8], width: usize, height: usize, format: Format) -> Pixels<'_> {
    Pixels::new(data, width, height, width * format.bytes(), format).expect("the data fit the size")
}

fn kernel(c: &mut Criterion) {
    for format in [Format::Luma8, Format::Rgb8] {
        let mut group = c.benchmark_group(format!("pdq/{format:?}"));
        for (width, height) in [(512, 512), (1024, 768), (1920, 1080), (4000, 3000)] {
            let data = noise(width * height * format.bytes());
            let picture = pixels(&data, width, height, format);
            group.throughput(Throughput::Elements((width * height) as u64));
            group.sample_size(if width > 1024 { 20 } else { 60 });
            for level in Level::available() {
                let mut hasher = Hasher::at(level);
                group.bench_function(BenchmarkId::new(level.name(), format!("{width}x{height}")), |b| {
                    b.iter(|| hasher.hash(black_box(&picture)));
                });
            }
        }
    }
}

fn bits(c: &mut Criterion) {
    let data = noise(512 * 512);
    let samples = pdq::samples(&pixels(&data, 512, 512, Format::Luma8)).expect("large enough");
    c.bench_function("pdq/coefficients", |b| b.iter(|| pdq::coefficients(black_box(&samples))));
    c.bench_function("pdq/hash_of_samples", |b| b.iter(|| pdq::hash_of_samples(black_box(&samples))));
    c.bench_function("pdq/dihedral_of_samples", |b| b.iter(|| pdq::dihedral_of_samples(black_box(&samples))));
}

fn classic(c: &mut Criterion) {
    let data = noise(512 * 512);
    let picture = pixels(&data, 512, 512, Format::Luma8);
    let mut group = c.benchmark_group("algorithm/512x512");
    for algorithm in Algorithm::ALL {
        group.bench_function(algorithm.name(), |b| b.iter(|| algorithm.hash(black_box(&picture))));
    }
}

fn all_cores(c: &mut Criterion) {
    let data: Vec<Vec<u8>> = (0..64).map(|_| noise(512 * 512)).collect();
    let pictures: Vec<_> = data.iter().map(|data| pixels(data, 512, 512, Format::Luma8)).collect();
    let mut group = c.benchmark_group("pdq/all_cores");
    group.throughput(Throughput::Elements(64));
    group.sample_size(20);
    group.bench_function("64 of 512x512", |b| b.iter(|| pdq::hash_all(black_box(&pictures))));
}

criterion_group!(benches, kernel, bits, classic, all_cores);
criterion_main!(benches);
