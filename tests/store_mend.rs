//! What is left of a damaged store is saved, told and answered by: banks, counters, names, pages that are gone, and salvages that do not come to
//! their end.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use redb::{ReadableTable, TableDefinition};
use refrain::bank::lists::{ExportOptions, Format};
use refrain::bank::{AskOptions, BankConfig, Reference, State};
use refrain::hash::Hash;
use refrain::matching::Outcome;
use refrain::{Cancel, Error, Store};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const INDEX_META: TableDefinition<'_, &str, u64> = TableDefinition::new("index_meta");
const BANKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("banks");
const NAMES: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("names");

fn hash(seed: u64) -> Hash {
    let mut x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Hash::from_words(std::array::from_fn(|_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }))
}

fn reference(seed: u64) -> Reference {
    Reference::new(format!("r{seed}")).bank("removed")
}

/// `r0` and so on, the first ones of which are in a part.
fn made(folder: &Path, in_a_part: u64, more: u64) -> PathBuf {
    let dir = folder.join("made");
    let store = Store::create_or_open(&dir).unwrap();
    store.set_bank(&BankConfig::new("removed").min_quality(40)).unwrap();
    (0..in_a_part).for_each(|seed| _ = store.add_hash(&reference(seed), hash(seed), None).unwrap());
    store.merge(&Cancel::new()).unwrap();
    (in_a_part..in_a_part + more).for_each(|seed| _ = store.add_hash(&reference(seed), hash(seed), None).unwrap());
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

fn change(dir: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::open(dir.join("store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    change(&write);
    write.commit().unwrap();
}

/// Turns a bit of a row over.
fn damage_row(dir: &Path, table: &'static str, number: u64) {
    change(dir, |write| {
        let mut rows = write.open_table(TableDefinition::<'_, u64, &[u8]>::new(table)).unwrap();
        let mut bytes = rows.get(number).unwrap().unwrap().value().to_vec();
        bytes[6] ^= 1;
        rows.insert(number, bytes.as_slice()).unwrap();
    });
}

fn outcome(store: &Store, seed: u64) -> Outcome {
    store.ask_hash(&hash(seed)).unwrap().outcome
}

#[test]
fn counters_that_are_behind_overwrite_nothing_and_are_mended() {
    let folder = tempfile::tempdir().unwrap();
    let from = made(folder.path(), 10, 30);
    let dir = folder.path().join("behind");
    for (table, counter, behind) in [
        (META, "number", 20),
        (META, "sequence", 20),
        (META, "plain", 0),
        (INDEX_META, "next", 20),
        (INDEX_META, "next", 0),
    ] {
        copy(&from, &dir);
        change(&dir, |write| _ = write.open_table(table).unwrap().insert(counter, behind).unwrap());
        let store = Store::open(&dir).unwrap();
        let added = store.add_hash(&reference(100), hash(100), None);
        if counter != "plain" {
            let error = added.unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{counter}: {error}");
            assert!(error.to_string().contains(dir.to_str().unwrap()), "{counter}: {error}");
        }
        drop(store);
        let store = Store::open_reader(&dir).unwrap();
        let names: BTreeSet<_> = store.references(None).unwrap().map(|record| record.unwrap().id).collect();
        assert!((0..40).all(|seed| names.contains(&format!("r{seed}"))), "{counter}");
        drop(store);
        let done = Store::salvage(&dir, &Cancel::new()).unwrap();
        if counter == "plain" {
            // The one that was added made it count again.
            assert!(done.damage.len() == 1, "{done:?}");
        } else {
            assert!(done.damage.len() == 1 && done.problems.is_empty(), "{counter}: {done:?}");
            let store = Store::open(&dir).unwrap();
            assert!(store.add_hash(&reference(100), hash(100), None).unwrap().new, "{counter}");
        }
        assert!(Store::check(&dir).unwrap().problems.is_empty(), "{counter}");
        let store = Store::open(&dir).unwrap();
        assert!((0..40).chain([100]).all(|seed| outcome(&store, seed) == Outcome::Match), "{counter}");
        assert!(Store::salvage(&from, &Cancel::new()).unwrap().damage.is_empty());
    }
}

#[test]
fn a_name_that_stands_for_another_reference_does_nothing_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(folder.path(), 0, 20);
    change(&dir, |write| {
        let mut names = write.open_table(NAMES).unwrap();
        let other = names.get(("removed", "r11")).unwrap().unwrap().value();
        names.insert(("removed", "r10"), other).unwrap();
    });
    let store = Store::open(&dir).unwrap();
    let wrong = |error: Error| assert!(error.to_string().contains("\"r10\"") && error.code() == "corrupt", "{error}");
    wrong(store.remove_reference("removed", "r10").unwrap_err());
    wrong(store.withdraw_reference("removed", "r10").unwrap_err());
    wrong(store.reference("removed", "r10").unwrap_err());
    wrong(store.fingerprint("removed", "r10").unwrap_err());
    assert_eq!(store.reference("removed", "r11").unwrap().unwrap().state, State::Active);
    assert_eq!((outcome(&store, 10), outcome(&store, 11)), (Outcome::Match, Outcome::Match));
    assert_eq!(store.references(Some("removed")).unwrap().filter(Result::is_err).count(), 1);
    assert!(!store.verify().unwrap().problems.is_empty());
    assert!(store.remove_reference("removed", "r11").unwrap());
}

#[test]
fn a_bank_whose_policy_is_lost_is_told_and_taken_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let from = made(folder.path(), 10, 10);
    {
        let store = Store::open(&from).unwrap();
        store.add_hash(&Reference::new("late").bank("other"), hash(1000), None).unwrap();
    }
    let policy = Store::open_reader(&from).unwrap().bank("removed").unwrap();
    let dir = folder.path().join("bank");
    for missing in [false, true] {
        copy(&from, &dir);
        change(&dir, |write| {
            let mut banks = write.open_table(BANKS).unwrap();
            let mut bytes = banks.remove("removed").unwrap().unwrap().value().to_vec();
            bytes[8] ^= 1;
            if !missing {
                banks.insert("removed", bytes.as_slice()).unwrap();
            }
        });
        let store = Store::open_reader(&dir).unwrap();
        assert_eq!(store.banks().len(), 1);
        let error = store.ask_hash(&hash(5)).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }) && error.to_string().contains("bank \"removed\""), "{error}");
        let bearing = AskOptions::default().despite_damage();
        let verdict = store.ask_hash_with(&hash(5), &bearing).unwrap();
        assert_eq!((verdict.outcome, verdict.damage.len()), (Outcome::NoMatch, 1), "{:?}", verdict.damage);
        assert_eq!(store.ask_hash_with(&hash(1000), &bearing).unwrap().outcome, Outcome::Match);
        let only = store.ask_hash_with(&hash(1000), &AskOptions::default().bank("other")).unwrap();
        assert!(only.outcome == Outcome::Match && only.damage.is_empty());
        let problems = store.verify().unwrap().problems;
        assert!(problems.len() == 1 && problems[0].to_string().contains("bank \"removed\""), "{problems:?}");
        let exported = store.export(Vec::new(), &ExportOptions::new(Format::JsonLines)).unwrap();
        assert_eq!((exported.written, exported.problems.len()), (21, usize::from(!missing)));
        drop(store);
        let done = Store::salvage(&dir, &Cancel::new()).unwrap();
        assert!(done.damage.len() == 1 && done.problems.is_empty() && done.rebuilt == 0, "{done:?}");
        assert!(Store::check(&dir).unwrap().problems.is_empty());
        let store = Store::open_reader(&dir).unwrap();
        assert_eq!(store.bank("removed").unwrap(), policy);
        assert_eq!(outcome(&store, 5), Outcome::Match);
    }
}

#[test]
fn an_export_of_a_damaged_store_has_what_is_whole_and_tells_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(folder.path(), 0, 40);
    damage_row(&dir, "references", 7);
    damage_row(&dir, "fingerprints", 9);
    change(&dir, |write| {
        let mut rows = write.open_table(TableDefinition::<'_, u64, &[u8]>::new("fingerprints")).unwrap();
        rows.remove(30).unwrap();
    });
    let store = Store::open_reader(&dir).unwrap();
    for (format, lines) in [(Format::JsonLines, 38), (Format::Pdq, 37)] {
        let mut list = Vec::new();
        let exported = store.export(&mut list, &ExportOptions::new(format)).unwrap();
        assert_eq!((exported.written, exported.lost), (37, 3));
        assert_eq!(String::from_utf8(list).unwrap().lines().count(), lines);
        let told: Vec<String> = exported.problems.iter().map(ToString::to_string).collect();

        let named = |number: u64| told.iter().any(|told| format!("{told} ").contains(&format!("reference {number} ")));
        assert!(told.len() == 3 && [7, 9, 30].into_iter().all(named), "{told:?}");
    }
}

#[test]
fn hashes_of_damaged_references_are_kept_whatever_else_of_the_index_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let from = made(folder.path(), 300, 3);
    let dir = folder.path().join("kept");
    for table in ["index_batches", "index_parts"] {
        copy(&from, &dir);
        damage_row(&dir, "fingerprints", 20);
        let number = {
            let database = redb::Database::open(dir.join("store.redb")).unwrap();
            let read = redb::ReadableDatabase::begin_read(&database).unwrap();
            let rows = read.open_table(TableDefinition::<'_, u64, &[u8]>::new(table)).unwrap();
            rows.first().unwrap().unwrap().0.value()
        };
        damage_row(&dir, table, number);
        let done = Store::salvage(&dir, &Cancel::new()).unwrap();
        assert_eq!((done.rebuilt, done.kept, done.problems.len()), (302, 1, 1), "{table}: {done:?}");
        let store = Store::open_reader(&dir).unwrap();
        assert!((0..303).filter(|&seed| seed != 19).all(|seed| outcome(&store, seed) == Outcome::Match));
        assert!(store.ask_hash(&hash(19)).unwrap_err().to_string().contains("reference 20"));
    }
}

/// Where the pages are that are not empty.
fn pages(bytes: &[u8]) -> Vec<usize> {
    (4096..bytes.len()).step_by(4096).filter(|&at| bytes[at..].iter().take(4096).any(|&byte| byte != 0)).collect()
}

#[test]
fn a_salvage_that_is_cancelled_changes_nothing_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let from = made(folder.path(), 300, 3);
    let bytes = fs::read(from.join("store.redb")).unwrap();
    let dir = folder.path().join("cancelled");
    let cancel = Cancel::new();
    cancel.cancel();
    let (mut tried, mut answered) = (0, 0);
    let found = |dir: &Path| {
        let Ok(store) = Store::open_reader(dir) else { return 0 };
        let bearing = AskOptions::default().despite_damage();
        let is_found = |seed: &u64| {
            store.ask_hash_with(&hash(*seed), &bearing).is_ok_and(|answer| answer.outcome == Outcome::Match)
        };
        (0..303).filter(is_found).count()
    };
    for at in pages(&bytes) {
        copy(&from, &dir);
        let mut damaged = bytes.clone();
        damaged[at..(at + 4096).min(bytes.len())].fill(0);
        fs::write(dir.join("store.redb"), &damaged).unwrap();
        if Store::check(&dir).is_ok_and(|found| found.problems.is_empty()) {
            continue;
        }
        let before = found(&dir);
        match Store::salvage(&dir, &cancel) {
            Err(Error::Cancelled) => tried += 1,
            done => assert!(matches!(done, Err(Error::Corrupt { .. })), "page at {at}: {done:?}"),
        }
        answered += before;
        assert!(fs::read(dir.join("store.redb")).unwrap() == damaged, "page at {at}");
        assert_eq!(found(&dir), before, "page at {at}");
    }
    assert!(tried > 5 && answered > 0, "{tried} {answered}");
}

#[test]
fn a_page_that_is_gone_costs_what_was_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let from = made(folder.path(), 150, 3);
    let bytes = fs::read(from.join("store.redb")).unwrap();
    let dir = folder.path().join("gone");
    let names = |dir: &Path| -> BTreeSet<String> {
        let Ok(store) = Store::open_reader(dir) else { return BTreeSet::new() };
        store
            .references(None)
            .map_or_else(|_| BTreeSet::new(), |all| all.filter_map(|one| Some(one.ok()?.id)).collect())
    };
    let (mut whole, mut partly, mut left) = (0, 0, 0);
    for at in pages(&bytes).into_iter().step_by(2) {
        copy(&from, &dir);
        let mut damaged = bytes.clone();
        damaged[at..(at + 4096).min(bytes.len())].fill(0);
        fs::write(dir.join("store.redb"), &damaged).unwrap();
        let before = names(&dir);
        let looked = Store::check(&dir);
        if looked.is_ok_and(|found| found.problems.is_empty()) {
            continue; // in free space
        }
        let done = match Store::salvage(&dir, &Cancel::new()) {
            Ok(done) => done,
            Err(error) => {
                left += 1;
                assert!(matches!(error, Error::Corrupt { .. }), "page at {at}: {error}");
                assert!(fs::read(dir.join("store.redb")).unwrap() == damaged, "page at {at}");
                continue;
            }
        };
        assert!(fs::read(&done.replaced[0]).unwrap() == damaged, "page at {at}");
        let after = names(&dir);
        assert!(after.is_superset(&before), "page at {at}");
        let store = Store::open(&dir).unwrap();
        let told = done.problems.len();
        let mut silent = 0;
        for seed in 0..153 {
            match store.ask_hash(&hash(seed)) {
                Ok(verdict) if verdict.outcome == Outcome::Match => {}
                Ok(_) => silent += 1,
                Err(error) => assert!(matches!(error, Error::Corrupt { .. }) && told > 0, "page at {at}: {error}"),
            }
        }
        assert!(silent <= told, "page at {at}: {silent} are not known any more, {told} were told");
        assert!(store.add_hash(&reference(999), hash(999), None).unwrap().new, "page at {at}");
        assert_eq!(outcome(&store, 999), Outcome::Match);
        if told == 0 {
            whole += 1;
            assert!(after.len() == 153 && silent == 0, "page at {at}: {}", after.len());
        } else {
            partly += 1;
        }
    }
    println!("{whole} mended, {partly} in part, {left} left as they were");
    assert!(whole > 0 && partly > 2, "{whole} {partly} {left}");
}

#[test]
fn a_database_that_was_cut_short_is_damage_and_the_rest_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let from = made(folder.path(), 300, 3);
    let length = fs::metadata(from.join("store.redb")).unwrap().len();
    let dir = folder.path().join("cut");
    let mut saved = 0;
    for pages in 1..12 {
        copy(&from, &dir);
        let file = fs::OpenOptions::new().write(true).open(dir.join("store.redb")).unwrap();
        file.set_len(length - pages * 4096).unwrap();
        drop(file);
        for opened in [Store::open_reader(&dir), Store::open(&dir)] {
            assert!(matches!(opened, Err(Error::Corrupt { .. })), "{pages} pages: {:?}", opened.err());
        }
        match Store::salvage(&dir, &Cancel::new()) {
            Ok(done) => {
                saved += 1;
                let store = Store::open(&dir).unwrap();
                let left = store.references(None).unwrap().count() as u64;
                assert!(left == 303 || !done.problems.is_empty(), "{pages} pages: {left}, {done:?}");
                assert!(left > 100, "{pages} pages: {left}");
            }
            Err(error) => {
                println!("{error}");
                assert!(matches!(error, Error::Corrupt { .. }), "{pages} pages: {error}")
            }
        }
    }
    println!("{saved} of 11");
    assert!(saved > 5, "{saved}");
}

#[test]
fn a_folder_of_uploads_that_was_never_filled_is_in_no_salvage_s_way() {
    let folder = tempfile::tempdir().unwrap();
    let dir = made(folder.path(), 300, 0);
    fs::create_dir(dir.join("uploads")).unwrap();
    fs::remove_dir_all(dir.join("parts")).unwrap();
    let done = Store::salvage(&dir, &Cancel::new()).unwrap();
    assert!(done.rebuilt == 300 && done.unfinished.is_none(), "{done:?}");
    // What was done is told with what keeps it from its end.
    fs::write(dir.join("uploads/store.redb"), "not a store").unwrap();
    assert!(matches!(Store::salvage(&dir, &Cancel::new()), Err(Error::Corrupt { .. } | Error::Format { .. })));
    fs::remove_dir_all(dir.join("parts")).unwrap();
    let done = Store::salvage(&dir, &Cancel::new()).unwrap();
    assert!(done.rebuilt == 300 && done.unfinished.is_some(), "{done:?}");
    assert_eq!(outcome(&Store::open_reader(&dir).unwrap(), 7), Outcome::Match);
}

#[test]
fn salvages_at_once_do_one_after_the_other_what_there_is_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let from = made(folder.path(), 300, 3);
    let mut bytes = fs::read(from.join("store.redb")).unwrap();
    let at = *pages(&bytes).last().unwrap();
    bytes[at + 100] ^= 1;
    let dir = folder.path().join("both");
    for _ in 0..5 {
        copy(&from, &dir);
        fs::write(dir.join("store.redb"), &bytes).unwrap();
        let replaced = std::thread::scope(|scope| {
            let salvages: Vec<_> = (0..3).map(|_| scope.spawn(|| Store::salvage(&dir, &Cancel::new()))).collect();
            let ended = salvages.into_iter().map(|salvage| match salvage.join().unwrap() {
                Ok(done) => done.replaced.len(),
                Err(error) => {
                    assert!(matches!(error, Error::Locked { .. }), "{error}");
                    0
                }
            });
            ended.sum::<usize>()
        });
        let store = Store::open_reader(&dir).unwrap();
        assert!(replaced <= 1 && (0..303).all(|seed| outcome(&store, seed) == Outcome::Match), "{replaced}");
        let left: BTreeSet<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.contains(std::ffi::OsStr::new("store.redb.salvaging")), "{left:?}");
    }
}
