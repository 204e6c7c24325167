//! A bit that flips anywhere is found; a damaged file is named and the rest goes on; what is whole is saved.

#![allow(clippy::unwrap_used)]

mod index_support;

use std::fs;
use std::path::{Path, PathBuf};

use index_support::{Random, ask, entries, naive};
use refrain::index::{DiskIndex, Entry};
use refrain::{Cancel, Error, Hash};

fn parts(folder: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> =
        fs::read_dir(folder.join("parts")).unwrap().map(|part| part.unwrap().path()).collect();
    parts.sort();
    parts
}

fn flip(path: &Path, bit: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    // A new file, as a medium that lies would give: the old one may be mapped.
    let other = path.with_extension("other");
    fs::write(&other, bytes).unwrap();
    fs::rename(other, path).unwrap();
}

/// An index of two parts, and what is in it.
fn two_parts(folder: &Path, first: u64) -> (Vec<Entry>, Vec<Entry>) {
    let mut random = Random(1);
    let index = DiskIndex::create(folder).unwrap();
    let hashes: Vec<Hash> = (0..first + 17_000).map(|_| random.hash()).collect();
    let all = entries(0, &hashes);
    let (large, small) = all.split_at(first as usize);
    index.add(large).unwrap();
    index.merge(&Cancel::new()).unwrap();
    index.add(small).unwrap();
    index.maintain().unwrap();
    assert_eq!(index.stats().parts, 2);
    (large.to_vec(), small.to_vec())
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_never_gives_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (large, small) = two_parts(folder.path(), 40_000);
    let all: Vec<Entry> = large.iter().chain(&small).copied().collect();
    let queries: Vec<Hash> = all.iter().step_by(997).map(|entry| entry.hash).collect();
    let expected = naive(&all, &ask(&queries, 20));
    let mut random = Random(2);
    let (mut refused, mut borne) = (0, 0);
    for round in 0..120 {
        let files = parts(folder.path());
        let path = &files[(round % 2) as usize];
        let bits = fs::metadata(path).unwrap().len() * 8;
        let bit = match round {
            0..20 => random.below(4096 * 8),
            20..30 => bits - 1 - random.below(4000),
            _ => random.below(bits),
        };
        flip(path, bit);
        let index = DiskIndex::open_reader(folder.path()).unwrap();
        match index.snapshot().search(&queries, 20) {
            Ok(hits) => assert_eq!(hits, expected),
            Err(Error::Corrupt { path: named, .. } | Error::Format { path: named, .. }) => {
                refused += 1;
                assert_eq!(&named, path);
            }
            Err(error) => panic!("{error}"),
        }
        let report = index.verify().unwrap();
        assert_eq!(report.damage.len(), 1, "bit {bit} of {bits}");
        assert!(report.damage[0].to_string().contains(path.to_str().unwrap()));
        // What is whole still answers: the other part, and of this one all but a block of hashes or of ids, if it opens at all.
        let (found, damage) = index.snapshot().search_whole(&ask(&queries, 20), usize::MAX).unwrap();
        let left = if report.entries == small.len() as u64 { &small } else { &large };
        let missing: Vec<_> = expected.iter().filter(|hit| !found.hits.contains(hit)).collect();
        assert!(found.hits.iter().all(|hit| expected.contains(hit)), "bit {bit}: nothing else is found");
        assert!(missing.iter().all(|hit| left.iter().all(|entry| entry.id != hit.id)), "bit {bit}");
        // Damaged checksums cost all that they are of.
        let opens = bit >= 4096 * 8 && bit < bits - bits / 1000 - 8 * 64;
        assert!(missing.is_empty() || !damage.is_empty(), "bit {bit}: it is said that something is missing");
        assert!(!opens || missing.len() <= 1, "bit {bit} of {bits}: {} are missing", missing.len());
        assert!(damage.iter().all(|error| error.to_string().contains(path.to_str().unwrap())));
        borne += usize::from(opens && !damage.is_empty());
        flip(path, bit);
    }
    assert!(refused > 20 && borne > 5, "{refused} refused, {borne} answered by the rest");
    assert!(DiskIndex::open(folder.path()).unwrap().verify().unwrap().is_whole());
}

#[test]
fn what_is_whole_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (large, small) = two_parts(folder.path(), 40_000);
    let all: Vec<Entry> = large.iter().chain(&small).copied().collect();
    let path = parts(folder.path()).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    // A bit among the postings costs nothing: they are made anew.
    let postings = fs::metadata(&path).unwrap().len() * 8 / 2;
    flip(&path, postings);
    let index = DiskIndex::open(folder.path()).unwrap();
    assert!(!index.verify().unwrap().is_whole());
    let saved = index.salvage().unwrap();
    assert_eq!((saved.saved, saved.lost), (40_000, 0));
    assert!(index.verify().unwrap().is_whole());
    let hashes: Vec<Hash> = all.iter().map(|entry| entry.hash).collect();
    assert_eq!(index.snapshot().search(&hashes, 0).unwrap().len(), all.len());
    drop(index);
    // A bit among the hashes costs the block that it is in.
    let path = parts(folder.path()).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    flip(&path, (4096 + 100_000) * 8);
    let index = DiskIndex::open(folder.path()).unwrap();
    let saved = index.salvage().unwrap();
    assert_eq!((saved.saved, saved.lost), (40_000 - 128, 128));
    assert!(index.verify().unwrap().is_whole());
    assert_eq!(index.snapshot().search(&hashes, 0).unwrap().len(), all.len() - 128);
    drop(index);
    // A bit among the checksums costs the 1,024 blocks whose checksums lie together: here the later postings.
    let path = parts(folder.path()).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    flip(&path, (fs::metadata(&path).unwrap().len() - 20) * 8);
    let index = DiskIndex::open(folder.path()).unwrap();
    let report = index.verify().unwrap();
    assert!(
        matches!(&report.damage[..], [one] if one.to_string().contains("checksums of blocks 1024 to")),
        "{report:?}"
    );
    // Hashes are whole, and a scan asks no posting.
    assert!(index.snapshot().search(&hashes[..64], 96).is_ok());
    let saved = index.salvage().unwrap();
    assert_eq!((saved.saved, saved.lost), (40_000 - 128, 0));
    assert!(index.verify().unwrap().is_whole());
}

#[test]
fn cut_lengthened_empty_and_missing_parts_are_told_apart_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    two_parts(folder.path(), 20_000);
    let path = &parts(folder.path())[0];
    let bytes = fs::read(path).unwrap();
    for len in [0, 1, 100, 4095, 4096, 5000, bytes.len() - 1, bytes.len() + 1] {
        let mut other = bytes.clone();
        other.resize(len, 0);
        fs::remove_file(path).unwrap();
        fs::write(path, other).unwrap();
        let index = DiskIndex::open_reader(folder.path()).unwrap();
        assert!(index.snapshot().search(&[Hash::default()], 10).is_err(), "{len}");
        assert_eq!(index.verify().unwrap().damage.len(), 1, "{len}");
    }
    fs::remove_file(path).unwrap();
    let index = DiskIndex::open_reader(folder.path()).unwrap();
    assert!(matches!(index.snapshot().search(&[Hash::default()], 10), Err(Error::Io { .. })));
    drop(index);
    // Another version is no damage.
    let mut newer = bytes.clone();
    newer[8] = 9;
    fs::write(path, newer).unwrap();
    let index = DiskIndex::open_reader(folder.path()).unwrap();
    assert!(matches!(index.snapshot().search(&[Hash::default()], 10), Err(Error::Format { .. })));
}

#[test]
fn pages_that_are_something_else_are_errors_and_end_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(7);
    let hashes: Vec<Hash> = (0..2000).map(|_| random.hash()).collect();
    {
        let index = DiskIndex::create(folder.path()).unwrap();
        for (at, some) in (0..).zip(hashes.chunks(20)) {
            index.add(&entries(at * 20, some)).unwrap();
        }
        (0..50).for_each(|owner| index.remove(owner).unwrap());
    }
    let path = folder.path().join("index.redb");
    let whole = fs::read(&path).unwrap();
    let (mut tried, mut said) = (0, 0);
    for at in (4096..whole.len()).step_by(4096).filter(|&at| whole[at] != 0) {
        for fill in [0, 255] {
            let mut bytes = whole.clone();
            let end = bytes.len().min(at + 4096);
            // The kind of the page stays, or not.
            bytes[at + usize::from(fill == 255)..end].fill(fill);
            let go = || -> Result<(), Error> {
                let reader = DiskIndex::open_reader(folder.path())?;
                reader.snapshot().search(&hashes[..3], 10)?;
                reader.verify()?.damage.into_iter().next().map_or(Ok(()), Err)
            };
            fs::write(&path, &bytes).unwrap();
            said += usize::from(go().is_err());
            said += usize::from(DiskIndex::open(folder.path()).is_err());
            // Behind the back of whoever reads.
            fs::write(&path, &whole).unwrap();
            let reader = DiskIndex::open_reader(folder.path()).unwrap();
            fs::write(&path, &bytes).unwrap();
            let _ = (reader.refresh(), reader.verify());
            tried += 1;
        }
    }
    assert!(tried > 20 && said > tried / 2, "{said} of {tried}");
}

#[test]
fn a_flipped_bit_in_the_database_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(5);
    let hashes: Vec<Hash> = (0..3000).map(|_| random.hash()).collect();
    {
        let index = DiskIndex::create(folder.path()).unwrap();
        index.add(&entries(0, &hashes)).unwrap();
        index.remove(17).unwrap();
    }
    let path = folder.path().join("index.redb");
    let whole = fs::read(&path).unwrap();
    let owners = |index: &DiskIndex| -> Vec<u64> {
        index
            .snapshot()
            .search(&hashes, 0)
            .map(|hits| hits.iter().map(|hit| hit.id.owner()).collect())
            .unwrap_or_default()
    };
    let expected = owners(&DiskIndex::open_reader(folder.path()).unwrap());
    assert_eq!(expected.len(), 2999);
    for _ in 0..60 {
        let mut bytes = whole.clone();
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
        fs::write(&path, &bytes).unwrap();
        // Either it does not matter, or it is an error; never another answer.
        let reading = DiskIndex::open_reader(folder.path());
        match DiskIndex::check(folder.path()) {
            Err(_) => {}
            Ok(()) => {
                if let Ok(index) = DiskIndex::open_reader(folder.path())
                    && index.verify().is_ok_and(|report| report.is_whole())
                {
                    assert_eq!(owners(&index), expected, "byte {at}");
                }
            }
        }
        drop(reading);
    }
    fs::write(&path, &whole).unwrap();
    DiskIndex::check(folder.path()).unwrap();
    fs::write(&path, b"not a database at all, but long enough to be looked at as one, is it not").unwrap();
    assert!(DiskIndex::open(folder.path()).is_err());
    fs::remove_file(&path).unwrap();
    assert!(matches!(DiskIndex::open(folder.path()), Err(Error::Io { .. })));
}
