//! Decoding alone, decoding with hashing, and what turning costs, on the fixtures and on JPEGs of the usual sizes.

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use refrain::image::{Decoded, decode};
use refrain::{Limits, Media, Options, fingerprint, pdq};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).expect("the fixtures are drawn")
}

/// A JPEG of that size, of quality 85, and the same with an EXIF tag that turns it by a quarter.
fn jpegs(width: u32, height: u32) -> (Vec<u8>, Vec<u8>) {
    let picture = image::load_from_memory(&fixture("removed/city.jpg")).expect("a JPEG").into_rgb8();
    let picture = imageops::resize(&picture, width, height, FilterType::Triangle);
    let mut upright = Vec::new();
    JpegEncoder::new_with_quality(&mut upright, 85).encode_image(&picture).expect("a picture");
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let turned = [&upright[..2], &[0xFF, 0xE1], &length, exif, &upright[2..]].concat();
    (upright, turned)
}

fn still(bytes: &[u8]) -> refrain::hash::PixelBuf {
    match decode(bytes, &Limits::default()) {
        Ok(Decoded::Still(picture)) => picture,
        other => panic!("{other:?}"),
    }
}

fn jpeg(c: &mut Criterion) {
    for (width, height) in [(512, 512), (1024, 768), (1920, 1080), (4000, 3000)] {
        let (upright, turned) = jpegs(width, height);
        let mut group = c.benchmark_group(format!("jpeg/{width}x{height}"));
        group.throughput(Throughput::Elements(u64::from(width * height)));
        group.sample_size(if width > 1920 { 10 } else { 30 });
        group.bench_function("decode", |b| b.iter(|| still(black_box(&upright))));
        group.bench_function("decode, turned", |b| b.iter(|| still(black_box(&turned))));
        group.bench_function("decode and hash", |b| {
            b.iter(|| pdq::hash(&still(black_box(&upright)).as_pixels()));
        });
        group.bench_function("image crate to grey", |b| {
            b.iter(|| image::load_from_memory(black_box(&upright)).map(image::DynamicImage::into_luma8));
        });
    }
}

fn formats(c: &mut Criterion) {
    let picture = image::load_from_memory(&fixture("removed/reef.jpg")).expect("a JPEG");
    let mut group = c.benchmark_group("format/640x480");
    group.sample_size(20);
    for format in ["jpg", "png", "gif", "webp", "tiff", "bmp"] {
        let kind = image::ImageFormat::from_extension(format).expect("a known kind");
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, kind).expect("a picture");
        group.bench_function(BenchmarkId::new("decode", format), |b| b.iter(|| still(black_box(bytes.get_ref()))));
        if format == "png" {
            group.bench_function("png, hashed as rows come", |b| {
                b.iter(|| refrain::image::hash(black_box(bytes.get_ref()), &Limits::default()));
            });
        }
    }
}

fn flow(c: &mut Criterion) {
    let mut group = c.benchmark_group("fingerprint");
    group.sample_size(10);
    for name in ["removed/city.jpg", "removed/map.png", "uploads/fish.gif", "removed/aquarium.mp4"] {
        let bytes = fixture(name);
        group.bench_function(name, |b| b.iter(|| fingerprint(Media::bytes(black_box(&bytes)), &Options::default())));
    }
}

criterion_group!(benches, jpeg, formats, flow);
criterion_main!(benches);
