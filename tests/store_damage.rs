//! A store that is missing, empty, cut short, altered or of another version: a typed error that names the file, or the
//! right answer, and never a panic.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::{ReadableDatabase, TableDefinition};
use refrain::bank::{AskOptions, BankConfig, FORMAT, Reference, Upload};
use refrain::hash::Hash;
use refrain::matching::Outcome;
use refrain::{Cancel, Error, Store};

const COUNT: u64 = 40;

fn hash(seed: u64) -> Hash {
    let mut x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Hash::from_words(std::array::from_fn(|_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }))
}

fn whole(folder: &Path) -> PathBuf {
    let dir = folder.join("whole");
    let store = Store::create_or_open(&dir).unwrap();
    for seed in 0..COUNT {
        let reference = Reference::new(format!("r{seed}")).bank("removed").label("seed", seed.to_string());
        store.add_hash(&reference, hash(seed), None).unwrap();
    }
    store.refuse(&Upload::Id("u"), "removed", "r1").unwrap();
    store.remove_reference("removed", "r3").unwrap();
    dir
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Everything that can be read out of a store. Wrong answers panic; errors are returned.
fn read(store: &Store) -> Result<(), Error> {
    let mut seen = 0;
    for record in store.references(None)? {
        let record = record?;
        let seed: u64 = record.labels["seed"].parse().unwrap();
        assert_eq!(record.id, format!("r{seed}"));
        store.fingerprint("removed", &record.id)?;
        let verdict = store.ask_hash(&hash(seed))?;
        assert_eq!(verdict.outcome, Outcome::Match, "{}", record.id);
        assert_eq!(verdict.matches[0].reference, record.id);
        seen += 1;
    }
    assert_eq!(seen, COUNT - 1);
    assert_eq!(store.ask_hash(&hash(3))?.outcome, Outcome::NoMatch);
    let mut changes = 0;
    for record in store.log(0)? {
        record?;
        changes += 1;
    }
    assert_eq!(changes, COUNT + 3);
    store.stats().map(|_| ())
}

fn names(error: &Error, dir: &Path) {
    assert!(matches!(error.code(), "corrupt" | "format" | "io"), "{error:?}");
    assert!(error.to_string().contains(&dir.display().to_string()), "{error}");
}

/// Opens a damaged store in every way. Returns whether anything said so.
fn suffer(dir: &Path) -> bool {
    let mut said = false;
    let mut note = |outcome: Result<(), Error>| {
        if let Err(error) = outcome {
            names(&error, dir);
            said = true;
        }
    };
    note(Store::open_reader(dir).and_then(|store| read(&store)));
    note(Store::check(dir).and_then(|found| found.problems.into_iter().next().map_or(Ok(()), Err)));
    note(Store::open(dir).and_then(|store| {
        read(&store)?;
        store.add_hash(&Reference::new("new").bank("removed"), hash(999), None)?;
        store.remove_reference("removed", "new").map(|_| ())
    }));
    said
}

#[test]
fn missing_is_told_from_empty_and_from_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let no_store = folder.path().join("folder");
    fs::create_dir(&no_store).unwrap();
    for dir in [&missing, &no_store] {
        for outcome in [Store::open(dir), Store::open_reader(dir)] {
            let error = outcome.err().unwrap();
            names(&error, dir);
            assert!(matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
        }
    }
    assert!(!missing.exists(), "asking makes nothing");
    for contents in [&b""[..], b"hello", &[0u8; 100_000]] {
        let dir = folder.path().join("other");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("store.redb"), contents).unwrap();
        for outcome in [Store::open(&dir), Store::open_reader(&dir), Store::create_or_open(&dir)] {
            let error = outcome.err().unwrap();
            names(&error, &dir);
            assert!(matches!(error, Error::Corrupt { .. } | Error::Format { .. }), "{error}");
        }
        assert_eq!(fs::read(dir.join("store.redb")).unwrap(), contents, "nothing is written over it");
    }
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    assert!(Store::open(&file).is_err() && Store::open_reader(&file).is_err() && Store::create_or_open(&file).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"not a folder");
}

#[test]
fn a_store_of_another_version_is_refused_politely_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = whole(folder.path());
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    for (version, word) in [(FORMAT + 1, "newer"), (FORMAT - 1, "older")] {
        let database = redb::Database::open(dir.join("store.redb")).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(meta).unwrap().insert("format", version).unwrap();
        write.commit().unwrap();
        drop(database);
        for outcome in [Store::open(&dir), Store::open_reader(&dir), Store::create_or_open(&dir)] {
            let error = outcome.err().unwrap();
            assert!(matches!(error, Error::Format { .. }), "{error}");
            names(&error, &dir);
            let text = error.to_string();
            assert!(text.contains(&format!("expected store format {FORMAT}")) && text.contains(word), "{text}");
        }
        let database = redb::Database::open(dir.join("store.redb")).unwrap();
        let read = database.begin_read().unwrap();
        assert_eq!(read.open_table(meta).unwrap().get("format").unwrap().unwrap().value(), version);
    }
    let other = folder.path().join("foreign");
    fs::create_dir(&other).unwrap();
    drop(redb::Database::create(other.join("store.redb")).unwrap());
    let error = Store::open(&other).err().unwrap();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_damaged_missing_or_cut_part_is_named_and_the_rest_of_the_store_reads() {
    let folder = tempfile::tempdir().unwrap();
    let from = whole(folder.path());
    Store::open(&from).unwrap().merge(&Cancel::new()).unwrap();
    read(&Store::open_reader(&from).unwrap()).unwrap();
    let part = |dir: &Path| {
        let mut parts = fs::read_dir(dir.join("parts")).unwrap().map(|entry| entry.unwrap().path());
        (parts.next().unwrap(), parts.next())
    };
    assert!(part(&from).1.is_none(), "a merge leaves one part");
    let bytes = fs::read(part(&from).0).unwrap();
    let dir = folder.path().join("part");
    let mut tried = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
        for cut in [false, true] {
            copy(&from, &dir);
            let mut bytes = bytes.clone();
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << (at % 8);
            }
            fs::write(part(&dir).0, &bytes).unwrap();
            // Only the database is looked at here: its records are whole.
            assert_eq!(Store::open_reader(&dir).map(|store| store.references(None).unwrap().count()).unwrap_or(39), 39);
            assert!(suffer(&dir), "byte {at}, cut {cut}");
            tried += 1;
        }
    }
    assert!(tried > 60);
    copy(&from, &dir);
    fs::remove_file(part(&dir).0).unwrap();
    assert!(suffer(&dir));
}

#[test]
fn a_file_cut_short_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let from = whole(folder.path());
    let length = fs::metadata(from.join("store.redb")).unwrap().len();
    let dir = folder.path().join("cut");
    let mut silent = Vec::new();
    for step in 0..48 {
        let keep = length * step / 48 + step * 7 % 5;
        copy(&from, &dir);
        fs::OpenOptions::new().write(true).open(dir.join("store.redb")).unwrap().set_len(keep).unwrap();
        if !suffer(&dir) {
            silent.push(keep);
        }
    }
    // A cut within space that the database had not given to anything may go unnoticed: everything still reads right.
    assert!(silent.iter().all(|&keep| keep > length / 2), "{silent:?} of {length}");
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let from = whole(folder.path());
    let bytes = fs::read(from.join("store.redb")).unwrap();
    let dir = folder.path().join("flipped");
    copy(&from, &dir);
    let (mut said, mut tried) = (0, 0);
    // The whole of the database's header, and a sample of what is not zero in the rest.
    let rest = (512..bytes.len()).filter(|&at| bytes[at] != 0);
    let step = rest.clone().count() / 160 + 1;
    for at in (0..192).step_by(3).chain(rest.step_by(step)) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(dir.join("store.redb"), &flipped).unwrap();
        tried += 1;
        said += u32::from(suffer(&dir));
    }
    println!("{said} of {tried} flips were noticed; the others were in space that nothing is read from");
    assert!(tried > 150 && said > tried / 10, "{said} of {tried}");
}

#[test]
fn a_reference_that_is_in_the_index_alone_is_an_error_and_no_silence() {
    let folder = tempfile::tempdir().unwrap();
    let from = whole(folder.path());
    for table in ["references", "fingerprints"] {
        let dir = folder.path().join(table);
        copy(&from, &dir);
        let rows: TableDefinition<'_, u64, &[u8]> = TableDefinition::new(table);
        let database = redb::Database::open(dir.join("store.redb")).unwrap();
        let write = database.begin_write().unwrap();
        let number = {
            let mut rows = write.open_table(rows).unwrap();
            let first = redb::ReadableTable::first(&rows).unwrap().unwrap().0.value();
            rows.remove(first).unwrap();
            first
        };
        write.commit().unwrap();
        drop(database);
        let error = Store::open_reader(&dir).unwrap().ask_hash(&hash(0)).unwrap_err();
        names(&error, &dir);
        assert!(error.to_string().contains(&format!("reference {number} ")), "{error}");
    }
}

/// A store of one part of 400 hashes, the first 128 of which are in its first block, added under a policy that has changed since.
fn several_blocks(folder: &Path) -> PathBuf {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        make_several_blocks(&made.path().join("blocks"));
        made
    });
    let dir = folder.join("blocks");
    copy(&made.path().join("blocks"), &dir);
    dir
}

fn make_several_blocks(dir: &Path) {
    let store = Store::create_or_open(dir).unwrap();
    store.set_bank(&BankConfig::new("removed").min_quality(50)).unwrap();
    for seed in 0..400 {
        let quality = if seed % 3 == 0 { 60 } else { 90 };
        store.add_hash(&Reference::new(format!("r{seed}")).bank("removed"), hash(seed), Some(quality)).unwrap();
    }
    store.set_bank(&BankConfig::new("removed").min_quality(80)).unwrap();
    store.remove_reference("removed", "r399").unwrap();
    store.merge(&Cancel::new()).unwrap();
    store.set_bank(&BankConfig::new("removed").min_quality(50)).unwrap();
    store.set_bank(&BankConfig::new("other")).unwrap();
    store.add_hash(&Reference::new("late").bank("other"), hash(1000), None).unwrap();
}

fn only_part(dir: &Path) -> PathBuf {
    fs::read_dir(dir.join("parts")).unwrap().next().unwrap().unwrap().path()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 4;
    fs::write(file, bytes).unwrap();
}

#[test]
fn what_is_whole_answers_and_the_damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = several_blocks(folder.path());
    flip(&only_part(&dir), 4096 + 50 * 32);
    let store = Store::open_reader(&dir).unwrap();
    let error = store.ask_hash(&hash(300)).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    names(&error, &dir);
    let bearing = AskOptions::default().despite_damage();
    for seed in (0..399).step_by(7).chain([127, 128, 1000]) {
        let verdict = store.ask_hash_with(&hash(seed), &bearing).unwrap();
        let expected = if seed < 128 { Outcome::NoMatch } else { Outcome::Match };
        assert_eq!(verdict.outcome, expected, "{seed}");
        assert_eq!(verdict.damage.len(), 1, "{:?}", verdict.damage);
        assert!(verdict.damage[0].contains("block 0 (hashes)") && verdict.damage[0].contains(dir.to_str().unwrap()));
    }
    drop(store);
    // A part that is gone takes everything but what is not in it.
    fs::remove_file(only_part(&dir)).unwrap();
    let store = Store::open_reader(&dir).unwrap();
    assert_eq!(store.ask_hash_with(&hash(300), &bearing).unwrap().outcome, Outcome::NoMatch);
    let verdict = store.ask_hash_with(&hash(1000), &bearing).unwrap();
    assert_eq!((verdict.outcome, verdict.damage.len()), (Outcome::Match, 1));
    // Nothing is said where there is nothing to say.
    drop(store);
    Store::salvage(&dir, &Cancel::new()).unwrap();
    let verdict = Store::open_reader(&dir).unwrap().ask_hash_with(&hash(300), &bearing).unwrap();
    assert_eq!((verdict.outcome, verdict.damage.len()), (Outcome::Match, 0));
}

#[test]
fn a_damaged_index_is_made_anew_from_the_references_whatever_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let from = several_blocks(folder.path());
    let dir = folder.path().join("salvaged");
    let length = fs::metadata(only_part(&from)).unwrap().len() as usize;
    let whole = Store::salvage(&from, &Cancel::new()).unwrap();
    assert!(whole.damage.is_empty() && whole.problems.is_empty() && whole.rebuilt == 0, "{whole:?}");
    let row = |table: &'static str| {
        let database = redb::Database::open(dir.join("store.redb")).unwrap();
        let write = database.begin_write().unwrap();
        {
            let mut rows = write.open_table(TableDefinition::<'_, u64, &[u8]>::new(table)).unwrap();
            let (key, mut bytes) = {
                let (key, bytes) = redb::ReadableTable::first(&rows).unwrap().unwrap();
                (key.value(), bytes.value().to_vec())
            };
            bytes[6] ^= 1;
            rows.insert(key, bytes.as_slice()).unwrap();
        }
        write.commit().unwrap();
    };
    let damages: [(&str, &dyn Fn()); 8] = [
        ("hashes", &|| flip(&only_part(&dir), 4096 + 50 * 32)),
        ("header", &|| flip(&only_part(&dir), 20)),
        ("checksums", &|| flip(&only_part(&dir), length - 20)),
        ("cut", &|| fs::write(only_part(&dir), &fs::read(only_part(&dir)).unwrap()[..length / 2]).unwrap()),
        ("gone", &|| fs::remove_file(only_part(&dir)).unwrap()),
        ("all parts gone", &|| fs::remove_dir_all(dir.join("parts")).unwrap()),
        ("the list of parts", &|| row("index_parts")),
        ("what is in no part", &|| row("index_batches")),
    ];
    for (what, damage) in damages {
        copy(&from, &dir);
        damage();
        let done = Store::salvage(&dir, &Cancel::new()).unwrap();
        assert!(!done.damage.is_empty() && done.problems.is_empty(), "{what}: {done:?}");
        assert_eq!((done.rebuilt, done.kept), (400, 0), "{what}");
        let found = Store::check(&dir).unwrap();
        assert!(found.problems.is_empty(), "{what}: {found:?}");
        let store = Store::open(&dir).unwrap();
        for seed in (0..399).chain([1000]) {
            assert_eq!(store.ask_hash(&hash(seed)).unwrap().outcome, Outcome::Match, "{what}: {seed}");
        }
        assert_eq!(store.ask_hash(&hash(399)).unwrap().outcome, Outcome::NoMatch, "{what}: what was removed");
        // It goes on as before.
        store.add_hash(&Reference::new("new").bank("removed"), hash(2000), None).unwrap();
        store.remove_reference("removed", "r7").unwrap();
        store.merge(&Cancel::new()).unwrap();
        assert_eq!(store.ask_hash(&hash(7)).unwrap().outcome, Outcome::NoMatch, "{what}");
        assert_eq!(store.stats().unwrap().hashes, 400, "{what}");
        assert_eq!(fs::read_dir(dir.join("parts")).unwrap().count(), 1, "{what}");
    }
}

#[test]
fn a_damaged_fingerprint_is_named_and_what_the_index_has_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let dir = several_blocks(folder.path());
    let database = redb::Database::open(dir.join("store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    for number in [20, 300] {
        let mut rows = write.open_table(TableDefinition::<'_, u64, &[u8]>::new("fingerprints")).unwrap();
        rows.insert(number, [1, 2, 3, 4, 5, 6].as_slice()).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    flip(&only_part(&dir), 4096 + 50 * 32);
    let done = Store::salvage(&dir, &Cancel::new()).unwrap();
    assert_eq!((done.rebuilt, done.kept), (398, 1), "number 20 was in the damaged block");
    let problems: Vec<String> = done.problems.iter().map(ToString::to_string).collect();
    assert!(problems[0].contains("reference 20 ") && problems[1].contains("reference 300 "), "{problems:?}");
    let store = Store::open_reader(&dir).unwrap();
    assert_eq!(store.ask_hash(&hash(100)).unwrap().outcome, Outcome::Match);
    // Never silence: the hash is known, its reference cannot be told.
    assert!(store.ask_hash(&hash(299)).unwrap_err().to_string().contains("reference 300"));
    let verdict = store.ask_hash_with(&hash(299), &AskOptions::default().despite_damage()).unwrap();
    assert!(verdict.outcome == Outcome::NoMatch && verdict.damage[0].contains("reference 300"), "{verdict:?}");
}

/// Turns a bit of a row over.
fn damage_row(dir: &Path, table: &'static str, number: u64) {
    let database = redb::Database::open(dir.join("store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut rows = write.open_table(TableDefinition::<'_, u64, &[u8]>::new(table)).unwrap();
        let mut bytes = redb::ReadableTable::get(&rows, number).unwrap().unwrap().value().to_vec();
        bytes[6] ^= 1;
        rows.insert(number, bytes.as_slice()).unwrap();
    }
    write.commit().unwrap();
}

#[test]
fn a_reference_whose_record_or_fingerprint_is_damaged_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let from = whole(folder.path());
    let dir = folder.path().join("damaged");
    for (table, bank) in [("references", false), ("fingerprints", false), ("references", true)] {
        copy(&from, &dir);
        damage_row(&dir, table, 21);
        let store = Store::open(&dir).unwrap();
        assert!(!store.verify().unwrap().problems.is_empty());
        if bank {
            assert_eq!(store.remove_bank("removed").unwrap(), Some(COUNT - 1));
            assert_eq!(store.stats().unwrap().references, 0);
        } else {
            assert!(store.remove_reference("removed", "r20").unwrap());
            assert!(!store.remove_reference("removed", "r20").unwrap());
            assert_eq!(store.ask_hash(&hash(21)).unwrap().outcome, Outcome::Match);
            assert_eq!(store.stats().unwrap().references, COUNT - 2);
        }
        assert_eq!(store.ask_hash(&hash(20)).unwrap().outcome, Outcome::NoMatch);
        store.merge(&Cancel::new()).unwrap();
        assert!(store.verify().unwrap().problems.is_empty(), "{table}: {:?}", store.verify());
    }
}

#[test]
fn uploads_from_before_are_found_by_what_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let store = Store::create_or_open(&from).unwrap();
    for seed in 0..10 {
        store.add_hash(&Reference::new(format!("r{seed}")).bank("b"), hash(seed), None).unwrap();
        let upload = store.fingerprint("b", &format!("r{seed}")).unwrap().unwrap();
        assert!(store.remember(&format!("u{seed}"), "", &upload).unwrap());
    }
    store.merge(&Cancel::new()).unwrap();
    drop(store);
    let dir = folder.path().join("damaged");
    let uploads = dir.join("uploads");
    let damages: [(&dyn Fn(), usize); 6] = [
        (&|| (), 10),
        (&|| damage_row(&dir, "references", 4), 9),
        (&|| damage_row(&dir, "fingerprints", 4), 9),
        (&|| damage_row(&uploads, "references", 4), 9),
        // A part of so few hashes is one block.
        (&|| flip(&only_part(&uploads), 4096 + 3 * 32), 0),
        (&|| fs::write(uploads.join("store.redb"), "not a store").unwrap(), 0),
    ];
    for (at, (damage, left)) in damages.into_iter().enumerate() {
        copy(&from, &dir);
        damage();
        let store = Store::open_reader(&dir).unwrap();
        let mut found = 0;
        let told = store
            .retro_despite_damage(0, |retro| {
                assert_eq!(retro.remembered.upload[1..], retro.found.reference[1..]);
                found += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!((found, told.is_empty()), (left, left == 10), "{at}: {told:?}");
        let strict = store.retro(0, |_| Ok(()));
        assert_eq!(strict.is_ok(), left == 10, "{at}: {strict:?}");
    }
}

/// A store of three hundred references in no part, and its database as it was when there were fewer. Each page of the one in the place of
/// its like in the other is what a write that was lost leaves.
fn lost_writes(folder: &Path) -> (PathBuf, Vec<u8>, Vec<usize>) {
    let dir = folder.join("lost");
    let add = |from: u64, count: u64| {
        let store = Store::create_or_open(&dir).unwrap();
        for seed in from..from + count {
            store.add_hash(&Reference::new(format!("r{seed}")).bank("removed"), hash(seed), None).unwrap();
        }
    };
    add(0, 250);
    let before = fs::read(dir.join("store.redb")).unwrap();
    add(250, 30);
    Store::open(&dir).unwrap().remove_reference("removed", "r7").unwrap();
    add(280, 20);
    let after = fs::read(dir.join("store.redb")).unwrap();
    let page = |bytes: &[u8], at: usize| bytes[at..bytes.len().min(at + 4096)].to_vec();
    let pages = (4096..before.len().min(after.len())).step_by(4096);
    let changed = pages.filter(|&at| page(&before, at) != page(&after, at)).collect();
    (dir, before, changed)
}

fn lose_write(dir: &Path, before: &[u8], at: usize) {
    let mut bytes = fs::read(dir.join("store.redb")).unwrap();
    bytes[at..at + 4096].copy_from_slice(&before[at..at + 4096]);
    fs::write(dir.join("store.redb"), bytes).unwrap();
}

/// The names of all references that can be read, and how many of them are found.
fn readable(dir: &Path) -> (BTreeSet<String>, usize) {
    let Ok(store) = Store::open_reader(dir) else { return Default::default() };
    let names = store.references(None).map(|records| records.filter_map(|record| Some(record.ok()?.id)).collect());
    let bearing = AskOptions::default().despite_damage();
    let found = |seed: &u64| {
        let verdict = store.ask_hash_with(&hash(*seed), &bearing);
        verdict.is_ok_and(|verdict| verdict.outcome == Outcome::Match)
    };
    (names.unwrap_or_default(), (0..300).filter(found).count())
}

#[test]
fn a_write_that_was_lost_is_found_and_mended_or_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (from, before, pages) = lost_writes(folder.path());
    let (all, found) = readable(&from);
    assert!(Store::check(&from).unwrap().problems.is_empty() && (all.len(), found) == (299, 299));
    let dir = folder.path().join("damaged");
    let file = dir.join("store.redb");
    let (mut silent, mut mended, mut left, mut still_answers) = (0, 0, 0, 0);
    for at in pages {
        copy(&from, &dir);
        lose_write(&dir, &before, at);
        let bytes = fs::read(&file).unwrap();
        let before = readable(&dir);
        let problems = Store::check(&dir).map_or(1, |found| found.problems.len());
        assert!(fs::read(&file).unwrap() == bytes, "page at {at}: looking changes nothing");
        if problems == 0 {
            silent += 1;
            assert_eq!(before, (all.clone(), found), "page at {at}");
        }
        still_answers += u32::from(problems > 0 && before == (all.clone(), found));
        match Store::salvage(&dir, &Cancel::new()) {
            Ok(done) => {
                mended += u32::from(!done.replaced.is_empty());
                assert_eq!(done.replaced.is_empty(), problems == 0, "page at {at}: {done:?}");
                assert!(done.replaced.iter().all(|old| fs::read(old).unwrap() == bytes), "page at {at}");
                let after = readable(&dir);
                assert!(after.0.is_superset(&before.0) && after.1 >= before.1, "page at {at}");
                assert!(Store::check(&dir).unwrap().problems.iter().all(|_| !done.problems.is_empty()), "page at {at}");
                let store = Store::open(&dir).unwrap();
                store.add_hash(&Reference::new("new").bank("removed"), hash(999), None).unwrap();
                store.merge(&Cancel::new()).unwrap();
                assert_eq!(store.ask_hash(&hash(999)).unwrap().outcome, Outcome::Match);
            }
            Err(error) => {
                left += 1;
                names(&error, &dir);
                assert!(fs::read(&file).unwrap() == bytes, "page at {at}: {error}");
                assert_eq!(readable(&dir), before, "page at {at}");
            }
        }
        assert!(!dir.join("store.redb.salvage").exists());
    }
    println!(
        "{silent} in free space, {mended} mended, {left} left as they were, {still_answers} answered all the same"
    );
    assert!(mended > 0 && still_answers > 0, "{silent} {mended} {left} {still_answers}");
}

#[test]
fn opening_a_damaged_database_for_writing_is_an_error_and_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (from, before, pages) = lost_writes(folder.path());
    let dir = folder.path().join("damaged");
    let (mut refused, mut tried) = (0, 0);
    for at in pages {
        copy(&from, &dir);
        lose_write(&dir, &before, at);
        let bytes = fs::read(dir.join("store.redb")).unwrap();
        let whole = Store::check(&dir).is_ok_and(|found| found.problems.is_empty());
        tried += 1;
        for open in [|dir: &Path| Store::open(dir), |dir: &Path| Store::create_or_open(dir)] {
            let opened = open(&dir).map(drop);
            assert_eq!(opened.is_ok(), whole, "page at {at}: {opened:?}");
            let Err(error) = opened else { continue };
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
            names(&error, &dir);
            assert!(fs::read(dir.join("store.redb")).unwrap() == bytes, "page at {at}: {error}");
            refused += 1;
        }
    }
    println!("{refused} of {} refused", 2 * tried);
    assert!(refused > 0 && refused < 2 * tried);
}

#[test]
fn a_damaged_row_of_the_index_costs_no_more_than_itself() {
    let folder = tempfile::tempdir().unwrap();
    let from = whole(folder.path());
    let dir = folder.path().join("row");
    for (table, found) in [("index_batches", COUNT - 2), ("index_tombstones", COUNT - 1), ("index_parts", 0)] {
        copy(&from, &dir);
        if table == "index_parts" {
            Store::open(&dir).unwrap().merge(&Cancel::new()).unwrap();
        }
        let number = {
            let database = redb::Database::open(dir.join("store.redb")).unwrap();
            let rows: TableDefinition<'_, u64, &[u8]> = TableDefinition::new(table);
            let rows = database.begin_read().unwrap().open_table(rows).unwrap();
            redb::ReadableTable::first(&rows).unwrap().unwrap().0.value()
        };
        damage_row(&dir, table, number);
        let store = Store::open_reader(&dir).unwrap();
        assert_eq!(store.references(None).unwrap().filter(Result::is_ok).count() as u64, COUNT - 1);
        assert_eq!(store.banks().len(), 1);
        let error = store.ask_hash(&hash(20)).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains("index "), "{error}");
        names(&error, &dir);
        let bearing = AskOptions::default().despite_damage();
        let mut answered = 0;
        for seed in 0..COUNT {
            let verdict = store.ask_hash_with(&hash(seed), &bearing).unwrap();
            assert!(verdict.damage.iter().any(|told| told.contains("index ")), "{table}: {:?}", verdict.damage);
            answered += u64::from(verdict.outcome == Outcome::Match);
        }
        assert_eq!(answered, found, "{table}");
        let problems = store.verify().unwrap().problems;
        assert!(problems.iter().any(|problem| problem.to_string().contains("index ")), "{table}: {problems:?}");
        assert!(matches!(Store::open(&dir), Err(Error::Corrupt { .. })), "{table}: who writes has to know all of it");
        drop(store);
        let done = Store::salvage(&dir, &Cancel::new()).unwrap();
        assert!(!done.damage.is_empty() && done.problems.is_empty() && done.replaced.is_empty(), "{table}: {done:?}");
        assert!(Store::check(&dir).unwrap().problems.is_empty());
        read(&Store::open_reader(&dir).unwrap()).unwrap();
    }
}
