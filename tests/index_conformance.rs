//! The published lists of hashes give exactly the published pairs, counts and neighbours.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use index_support::entries;
use refrain::index::DiskIndex;
use refrain::{Cancel, Hash};

fn numbers(line: &str) -> Vec<u64> {
    line.split(['\t', ',', ' ', ';']).filter(|field| !field.is_empty()).map(|field| field.parse().unwrap()).collect()
}

#[test]
fn the_lists_give_the_expected_pairs_counts_and_neighbours() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/index");
    if !folder.exists() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let hashes = |name: &str| -> Vec<Hash> { read(name).lines().map(|line| line.trim().parse().unwrap()).collect() };
    let rows = |name: &str| -> Vec<Vec<u64>> { read(name).lines().skip(1).map(numbers).collect() };
    let (needles, haystack) = (hashes("needles.txt"), hashes("haystack.txt"));
    assert_eq!((needles.len(), haystack.len()), (100, 1350));
    let (pairs, counts, nearest) =
        (rows("expected-pairs-d96.tsv"), rows("expected-counts.tsv"), rows("expected-nearest.tsv"));
    assert_eq!((pairs.len(), counts.len(), nearest.len()), (365, 12, 100));

    // As it comes, as a small part, and, filled up with the haystack's far copies, as a part with postings.
    for fill in [false, true] {
        let place = tempfile::tempdir().unwrap();
        let index = DiskIndex::create(place.path()).unwrap();
        let mut all = entries(1, &haystack); // owners are line numbers
        if fill {
            let mut random = index_support::Random(9);
            let far: Vec<Hash> = (0..60_000)
                .map(|_| random.hash())
                .filter(|hash| needles.iter().all(|needle| needle.distance(hash) > 96))
                .collect();
            all.extend(entries(10_000, &far));
        }
        index.add(&all).unwrap();
        for merged in [false, true] {
            if merged {
                index.merge(&Cancel::new()).unwrap();
            }
            let found: Vec<Vec<u64>> = index
                .snapshot()
                .search(&needles, 96)
                .unwrap()
                .iter()
                .map(|hit| vec![u64::from(hit.query) + 1, hit.id.owner(), u64::from(hit.distance)])
                .collect();
            let (found, expected) = (found.into_iter().collect::<BTreeSet<_>>(), pairs.iter().cloned().collect());
            assert_eq!(found, expected);
            for row in counts.iter().filter(|row| row[0] <= 96) {
                assert_eq!(index.snapshot().search(&needles, row[0] as u32).unwrap().len() as u64, row[1], "{row:?}");
            }
            let nearest_found = index.snapshot().nearest(&needles, 1, 96).unwrap();
            for hit in &nearest_found {
                let row = &nearest[hit.query as usize];
                assert_eq!((u64::from(hit.query) + 1, u64::from(hit.distance)), (row[0], row[1]));
                assert_eq!(row[2..].iter().min(), Some(&hit.id.owner()));
            }
            let within = nearest.iter().filter(|row| row[1] <= 96).count();
            assert_eq!(nearest_found.len(), within);
        }
    }
}
