//! The promise: on identical pixels, refrain's PDQ is the reference implementation's, bit for bit. Checked against the
//! hashes, qualities and intermediate values in `../shared/conformance/pdq`, which that implementation wrote.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use refrain::Hash;
use refrain::hash::{Format, PixelBuf};
use refrain::pdq::{self, Hasher};
use refrain::simd::Level;

/// Where the reference data lies, or `None`, said aloud.
fn folder(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/pdq");
    if !folder.is_dir() {
        println!("skipped: {test}: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// The pixels of a losslessly stored picture as they are: grey stays grey, opaque alpha is dropped.
fn pixels(path: &Path) -> PixelBuf {
    let picture = image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (data, format) = match picture {
        image::DynamicImage::ImageLuma8(grey) => (grey.into_raw(), Format::Luma8),
        image::DynamicImage::ImageLumaA8(_) => (picture.into_luma8().into_raw(), Format::Luma8),
        _ => (picture.into_rgb8().into_raw(), Format::Rgb8),
    };
    PixelBuf::new(data, width, height, format).unwrap()
}

/// The rows of a tab-separated table as maps from heading to cell.
fn table(path: &Path) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let pair = |line: &str| heads.iter().map(|h| (*h).to_string()).zip(line.split('\t').map(str::to_string)).collect();
    lines.map(pair).collect()
}

#[test]
fn lossless_pictures_are_bit_exact_in_all_eight_orientations() {
    let Some(folder) = folder("lossless_pictures") else { return };
    let columns = ["original", "rotate90", "rotate180", "rotate270", "flipx", "flipy", "flipplus1", "flipminus1"];
    let mut hashers: Vec<_> = Level::available().into_iter().map(Hasher::at).collect();
    println!("levels: {hashers:?}; in use: {}", Level::current());
    let (mut exact, mut without) = (0, 0);
    for row in table(&folder.join("expected-pixels.tsv")) {
        let path = &row["path"];
        let picture = pixels(&folder.join(path));
        let (width, height) = (picture.width(), picture.height());
        assert_eq!((width.to_string(), height.to_string()), (row["width"].clone(), row["height"].clone()), "{path}");
        let small = width.min(height) < pdq::MIN_SIDE;
        for hasher in &mut hashers {
            let Some(got) = hasher.dihedral(&picture.as_pixels()) else {
                // The reference gives such a picture the hash of all zeros and quality 0; here it has none.
                assert!(small, "{path}");
                assert_eq!((row["original"].as_str(), row["quality"].as_str()), (&*"0".repeat(64), "0"), "{path}");
                assert_eq!(hasher.hash(&picture.as_pixels()), None, "{path}");
                continue;
            };
            for (k, column) in columns.iter().enumerate() {
                assert_eq!(got.hashes[k].to_string(), row[*column], "{path} {column} {hasher:?}");
            }
            assert_eq!(got.quality.to_string(), row["dih_quality"], "{path} {hasher:?}");
            let single = hasher.hash(&picture.as_pixels()).unwrap();
            assert_eq!((single.hash, single.stability), (got.hashes[0], got.stability), "{path} {hasher:?}");
            assert_eq!(single.quality.to_string(), row["quality"], "{path} {hasher:?}");
        }
        if small { without += 1 } else { exact += 1 }
    }
    assert_eq!((exact, without), (36, 1), "pictures with and without a hash");
}

#[test]
fn intermediate_values_have_the_same_bit_patterns() {
    let Some(folder) = folder("intermediate_values") else { return };
    let pictures = table(&folder.join("expected-pixels.tsv"));
    let mut files = 0;
    for entry in fs::read_dir(folder.join("intermediates")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let of = pictures.iter().map(|row| &row["path"]).find(|p| Path::new(p).file_stem() == path.file_stem());
        let picture = pixels(&folder.join(of.unwrap_or_else(|| panic!("no picture for {stem}"))));
        let samples = pdq::samples(&picture.as_pixels()).unwrap();
        let coefficients = pdq::coefficients(&samples);
        let mut seen = [0, 0];
        for row in table(&path) {
            let at = |width: usize| row["row"].parse::<usize>().unwrap() * width + row["col"].parse::<usize>().unwrap();
            let (stage, value) = match row["stage"].as_str() {
                "A" => (0, samples[at(64)]),
                "B" => (1, coefficients[at(16)]),
                other => panic!("{stem}: stage {other}"),
            };
            assert_eq!(format!("{:08x}", value.to_bits()), row["f32_bits"], "{stem} {row:?}");
            seen[stage] += 1;
        }
        assert_eq!(seen, [4096, 256], "{stem}");
        files += 1;
    }
    assert_eq!(files, 3, "files of intermediate values");
}

#[test]
fn bit_numbers_stand_where_the_reference_prints_them() {
    let Some(folder) = folder("bit_numbers") else { return };
    let rows = table(&folder.join("bit-order.tsv"));
    assert_eq!(rows.len(), 256);
    for row in rows {
        let hash: Hash = row["hash"].parse().unwrap();
        let set: Vec<usize> = (0..256).filter(|&k| hash.bit(k)).collect();
        assert_eq!(set, [row["bit"].parse::<usize>().unwrap()]);
    }
}

#[test]
fn stability_is_low_where_rounding_decides() {
    let Some(folder) = folder("stability") else { return };
    let mut seen = [0, 0];
    for row in table(&folder.join("expected-pixels.tsv")) {
        let Some(got) = pdq::hash(&pixels(&folder.join(&row["path"])).as_pixels()) else { continue };
        let sensitive = row["rounding_sensitive"] == "yes";
        println!("{:40} quality {:3} stability {:.3} sensitive {sensitive}", row["path"], got.quality, got.stability);
        assert!(!sensitive || !got.has_enough_detail(), "{} {got:?}", row["path"]);
        seen[usize::from(sensitive)] += 1;
    }
    assert_eq!(seen, [25, 11]);
}
