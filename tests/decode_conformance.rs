//! Encoded files hash within ten bits of the reference, and what is turned on its side hashes exactly as upright pixels.

#![allow(clippy::unwrap_used)] // a test stops where it finds something else

use std::path::{Path, PathBuf};

use refrain::Limits;
use refrain::hash::{Hash, PixelBuf, pdq};
use refrain::image::{Decoded, decode};

fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/pdq");
    if !root.is_dir() {
        println!("skipped: {} is not there", root.display());
        return None;
    }
    Some(root)
}

fn still(path: &Path) -> PixelBuf {
    let bytes = std::fs::read(path).unwrap();
    match decode(&bytes, &Limits::default()).unwrap() {
        Decoded::Still(picture) => picture,
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn encoded_files_are_within_ten_bits() {
    let Some(root) = data() else { return };
    let table = std::fs::read_to_string(root.join("expected-files.tsv")).unwrap();
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|&h| h == name).unwrap();
    let (full, quality, upright) = (column("full_hash"), column("full_quality"), column("upright_full_hash"));
    let mut seen = 0;
    for row in lines {
        seen += 1;
        let picture = still(&root.join(row[0]));
        let got = pdq::hash(&picture.as_pixels()).unwrap();
        let expected = if row[upright].is_empty() { row[full] } else { row[upright] };
        let distance = got.hash.distance(&expected.parse::<Hash>().unwrap());
        println!("{distance:3} {} {:?}", row[0], picture);
        if row[quality].parse::<u8>().unwrap() >= 80 {
            assert!(distance <= 10, "{}: {distance} bits", row[0]);
        }
    }
    assert_eq!(seen, 23);
}

#[test]
fn a_picture_on_its_side_hashes_as_its_upright_pixels() {
    let Some(root) = data() else { return };
    let bytes = std::fs::read(root.join("orientation/exif-rotn-6.jpg")).unwrap();
    // The same file without its EXIF block decodes to the stored pixels; turned here by hand they must be the same.
    let at = bytes.windows(6).position(|w| w == b"Exif\0\0").unwrap();
    let mut plain = bytes.clone();
    plain[at..at + 4].copy_from_slice(b"none");
    let limits = Limits::default();
    let Decoded::Still(stored) = decode(&plain, &limits).unwrap() else { panic!("a still") };
    let Decoded::Still(upright) = decode(&bytes, &limits).unwrap() else { panic!("a still") };
    let (width, height) = (stored.width(), stored.height());
    assert_eq!((upright.width(), upright.height()), (height, width));
    let data = stored.as_pixels();
    let turned: Vec<u8> = (0..width).flat_map(|x| (0..height).rev().map(move |y| data.row(y)[x])).collect();
    assert_eq!(upright.as_pixels().row(0), &turned[..height]);
    let turned = PixelBuf::new(turned, height, width, upright.format()).unwrap();
    assert_eq!(upright, turned);
    assert_eq!(pdq::hash(&upright.as_pixels()), pdq::hash(&turned.as_pixels()));
}
