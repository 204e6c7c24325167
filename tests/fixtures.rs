//! The fixtures are what was drawn, detailed, and far apart.

#![allow(clippy::unwrap_used)] // a test stops where it finds something else

use std::path::{Path, PathBuf};

use refrain::fingerprint::Options;
use refrain::hash::Hash;
use refrain::{Fingerprint, Media, fingerprint};

fn root() -> PathBuf {
    std::env::var_os("REFRAIN_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), PathBuf::from)
}

/// The rows of a CSV without quotes, the header left out.
fn rows(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join(name)).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(String::from).collect()).collect()
}

#[test]
fn files_are_those_that_were_drawn() {
    let manifest = rows("manifest.csv");
    let mut total = 0;
    for row in &manifest {
        let bytes = std::fs::read(root().join(&row[0])).unwrap();
        assert_eq!(bytes.len().to_string(), row[1], "{}", row[0]);
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), row[2], "{}", row[0]);
        total += bytes.len();
    }
    let on_disk: usize = ["removed", "uploads"].iter().map(|f| root().join(f).read_dir().unwrap().count()).sum();
    assert_eq!(on_disk, manifest.len(), "files that the manifest does not name");
    assert!(total <= 8 << 20, "{total} bytes");
}

#[test]
fn truth_names_every_upload() {
    let truth = rows("truth.csv");
    let manifest = rows("manifest.csv");
    let named = |folder: &str, name: &str| manifest.iter().any(|row| row[0] == format!("{folder}/{name}"));
    for row in &truth {
        assert_eq!(row.len(), 11, "{row:?}");
        assert!(named("uploads", &row[0]), "{row:?}");
        assert!(row[1].is_empty() || named("removed", &row[1]), "{row:?}");
    }
    for row in manifest.iter().filter_map(|row| row[0].strip_prefix("uploads/")) {
        assert!(truth.iter().any(|truth| truth[0] == row), "{row} has no truth");
    }
}

/// Name, hash as it lies, all orientations.
fn stills() -> Vec<(String, u8, [Hash; 8])> {
    let mut found = Vec::new();
    let unrelated: Vec<String> = rows("truth.csv")
        .into_iter()
        .filter(|row| row[1].is_empty())
        .map(|row| format!("uploads/{}", row[0]))
        .collect();
    for row in rows("manifest.csv") {
        if !row[0].starts_with("removed/") && !unrelated.contains(&row[0]) {
            continue;
        }
        let still = [".jpg", ".png"].iter().any(|end| row[0].ends_with(end));
        if !still {
            continue;
        }
        match fingerprint(Media::file(root().join(&row[0])), &Options::default()).unwrap() {
            Fingerprint::Image(image) => {
                let view = &image.views[0];
                found.push((row[0].clone(), view.quality, view.orientations.as_ref().unwrap().all()));
            }
            other => panic!("{}: {}", row[0], other.kind()),
        }
    }
    found
}

#[test]
fn stills_are_detailed_and_far_apart() {
    let stills = stills();
    assert!(stills.iter().filter(|still| still.0.starts_with("removed/")).count() >= 12);
    assert!(stills.iter().filter(|still| still.0.starts_with("uploads/")).count() >= 5);
    let mut closest = (256, String::new());
    for (i, (name, quality, turned)) in stills.iter().enumerate() {
        assert!(*quality >= 80, "{name} has quality {quality}");
        for (other, _, other_turned) in &stills[..i] {
            for hash in turned {
                let distance = hash.distance(&other_turned[0]);
                if distance < closest.0 || distance < 80 {
                    closest = (distance.min(closest.0), format!("{name} and {other}"));
                    println!("{distance} {name} {other}");
                }
            }
        }
    }
    println!("closest: {} bits, {}", closest.0, closest.1);
    assert!(closest.0 >= 80, "{closest:?}");
}
