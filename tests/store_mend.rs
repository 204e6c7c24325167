//! What is left of a damaged store is saved, told and answered by: banks, counters, names, pages that are gone, and salvages that do not come to
//! their end.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use redb::{ReadableTable, TableDefinition};
use refrain::bank::lists::{ExportOptions, Format};
use refrain::bank::{BankConfig, Reference, State};
use refrain::hash::Hash;
use refrain::matching::Outcome;
use refrain::{Cancel, Error, Store};

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

fn change(dir: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::open(dir.join("store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    change(&write);
    write.commit().unwrap();
}

fn outcome(store: &Store, seed: u64) -> Outcome {
    store.ask_hash(&hash(seed)).unwrap().outcome
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

/// Turns a bit of a row over.
fn damage_row(dir: &Path, table: &'static str, number: u64) {
    change(dir, |write| {
        let mut rows = write.open_table(TableDefinition::<'_, u64, &[u8]>::new(table)).unwrap();
        let mut bytes = rows.get(number).unwrap().unwrap().value().to_vec();
        bytes[6] ^= 1;
        rows.insert(number, bytes.as_slice()).unwrap();
    });
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
