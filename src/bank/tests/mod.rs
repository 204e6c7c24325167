mod films;

use super::*;
use crate::fingerprint::{DetailHash, Fingerprint, FrameHash, ImageFingerprint, Role, VideoFingerprint, View, Window};
use crate::hash::pdq::Orientations;
use crate::hash::{Format, Hash, Pixels};
use crate::matching::{Match, Outcome};
use crate::{Error, Store};

/// A number that depends on all of its arguments and looks like chance.
fn chance(seed: u64, at: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 31;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ x >> 29
}

fn hash(seed: u64) -> Hash {
    Hash::from_words(std::array::from_fn(|i| chance(seed, i as u64 + 1)))
}

fn bent(hash: Hash, bits: usize) -> Hash {
    let mut hash = hash;
    (0..bits).for_each(|k| hash.0[k * 3 % 32] ^= 1 << (k * 3 / 32 % 8));
    hash
}

fn picture(seed: u64, place: impl Fn(usize, usize) -> (usize, usize)) -> Fingerprint {
    let mut pixels = vec![0u8; 64 * 64];
    for (at, out) in pixels.iter_mut().enumerate() {
        let (x, y) = place(at % 64, at / 64);
        *out = (chance(seed, (x / 4 + y / 4 * 16) as u64) % 256) as u8;
    }
    Fingerprint::Image(ImageFingerprint::of_pixels(&Pixels::new(&pixels, 64, 64, 64, Format::Luma8).unwrap()))
}

/// Blocks of grey, 320x240, between black bars of so many rows.
fn framed(seed: u64, bar: usize) -> Fingerprint {
    let mut pixels = vec![0u8; 320 * (240 + 2 * bar)];
    for (at, out) in pixels[320 * bar..][..320 * 240].iter_mut().enumerate() {
        *out = 40 + (chance(seed, (at % 320 / 16 + at / 320 / 16 * 20) as u64) % 200) as u8;
    }
    let pixels = Pixels::new(&pixels, 320, 240 + 2 * bar, 320, Format::Luma8).unwrap();
    Fingerprint::Image(ImageFingerprint::of_pixels(&pixels))
}

fn film(seeds: impl IntoIterator<Item = u64>) -> Fingerprint {
    let frames: Vec<FrameHash> = seeds
        .into_iter()
        .enumerate()
        .map(|(at, seed)| FrameHash::of_hashes(at as f64, Role::Frame, View::Full, hash(seed), None))
        .collect();
    let duration = frames.len() as f64;
    Fingerprint::Video(VideoFingerprint { width: 320, height: 240, duration, frames, warnings: Vec::new() })
}

fn removed(id: &str) -> Reference {
    Reference::new(id).bank("removed")
}

fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(folder.path().join("s")).unwrap();
    (folder, store)
}

#[test]
fn what_was_added_is_found_as_it_was_turned_and_survives_reopening() {
    let (folder, store) = fresh();
    let known = picture(1, |x, y| (x, y));
    let added = store.add(&removed("a").label("policy", "7b").source("desk"), &known).unwrap();
    assert!(added.new && added.hashes >= 1);
    assert!(!store.add(&removed("a"), &known).unwrap().new);
    drop(store);
    let store = Store::open(folder.path().join("s")).unwrap();
    let mirrored = store.ask(&picture(1, |x, y| (63 - x, y))).unwrap();
    assert_eq!(mirrored.outcome, Outcome::Match);
    assert_eq!(mirrored.matches[0].reference, "a");
    assert_eq!(mirrored.matches[0].transform.name(), "flip_y");
    assert_eq!(store.ask(&picture(2, |x, y| (x, y))).unwrap().outcome, Outcome::NoMatch);
    let record = store.reference("removed", "a").unwrap().unwrap();
    assert_eq!((record.source.as_str(), record.labels["policy"].as_str()), ("desk", "7b"));
    assert_eq!(store.references(Some("removed")).unwrap().count(), 1);
    assert_eq!(store.references(Some("other")).unwrap().count(), 0);
    assert!(store.verify().unwrap().problems.is_empty());
}

#[test]
fn an_id_with_another_fingerprint_is_refused() {
    let (_folder, store) = fresh();
    store.add_hash(&removed("a"), hash(1), None).unwrap();
    assert!(matches!(store.add_hash(&removed("a"), hash(2), None), Err(Error::Option { name: "id", .. })));
    store.add_hash(&Reference::new("a").bank("other"), hash(2), None).unwrap();
    assert_eq!(store.stats().unwrap().references, 2);
}

#[test]
fn too_little_detail_is_said_on_both_sides() {
    let (_folder, store) = fresh();
    let black = Fingerprint::Image(ImageFingerprint::of_pixels(
        &Pixels::new(&[0; 64 * 64], 64, 64, 64, Format::Luma8).unwrap(),
    ));
    assert!(matches!(store.add(&removed("black"), &black), Err(Error::TooLittleDetail { .. })));
    assert!(store.banks().is_empty(), "nothing of a refused reference stays");
    assert_eq!(store.ask(&black).unwrap().outcome, Outcome::TooLittleDetail);
    store.add_hash(&removed("a"), hash(1), Some(80)).unwrap();
    assert_eq!(store.ask(&black).unwrap().outcome, Outcome::TooLittleDetail);
    assert!(matches!(store.add_hash(&removed("b"), hash(2), Some(49)), Err(Error::TooLittleDetail { .. })));
}

#[test]
fn each_bank_has_its_radius_and_its_action() {
    let (_folder, store) = fresh();
    store.set_bank(&BankConfig::new("removed").max_distance(16)).unwrap();
    store.set_bank(&BankConfig::new("news").action(Action::Allow).max_distance(40)).unwrap();
    store.add_hash(&removed("a"), hash(1), None).unwrap();
    let at = |bits| store.ask_hash(&bent(hash(1), bits)).unwrap();
    assert_eq!(at(16).outcome, Outcome::Match);
    assert_eq!((at(17).outcome, at(32).outcome, at(33).outcome), (Outcome::Near, Outcome::Near, Outcome::NoMatch));
    assert_eq!(at(17).action(), Some(Action::Review));
    store.add_hash(&Reference::new("n").bank("news"), hash(1), None).unwrap();
    assert_eq!((at(0).outcome, at(0).matches.len(), at(0).action()), (Outcome::Allowed, 2, Some(Action::Allow)));
    assert_eq!(at(33).matches.len(), 1);
    let only = |options: AskOptions| store.ask_hash_with(&bent(hash(1), 20), &options);
    assert_eq!(only(AskOptions::default().bank("removed")).unwrap().outcome, Outcome::Near);
    assert_eq!(only(AskOptions::default().bank("removed").max_distance(20)).unwrap().outcome, Outcome::Match);
    assert_eq!(only(AskOptions::default().max_distance(19)).unwrap().outcome, Outcome::NoMatch);
    assert!(matches!(only(AskOptions::default().max_distance(97)), Err(Error::Option { .. })));
    assert!(matches!(only(AskOptions::default().bank("nobody")), Err(Error::Option { .. })));
    // A hash and its complement are the picture and its negative.
    assert!(store.ask_hash(&hash(1).complement()).unwrap().matches[0].inverted);
}

#[test]
fn the_cheapest_views_see_past_borders() {
    let (_folder, store) = fresh();
    store.set_bank(&BankConfig::new("removed").views(crate::fingerprint::ViewSet::None)).unwrap();
    let (bare, barred) = (framed(1, 0), framed(2, 40));
    // A detail hash of the one view, and PDQ of the whole picture for plain hashes.
    assert_eq!(store.add(&removed("bare"), &bare).unwrap().hashes, 2);
    assert_eq!(store.add(&removed("barred"), &barred).unwrap().hashes, 2);
    let views = |query: &Fingerprint| {
        let found = store.ask(query).unwrap();
        found.matches.first().map(|m| (m.reference.clone(), m.query_view.clone(), m.reference_view.clone()))
    };
    let expected = |id: &str, query: &str, reference: &str| Some((id.into(), query.into(), reference.into()));
    assert_eq!(views(&framed(1, 50)), expected("bare", "content", "full"));
    assert_eq!(views(&framed(2, 0)), expected("barred", "full", "content"));
    assert_eq!(views(&barred), expected("barred", "content", "content"));
    assert_eq!(views(&framed(3, 40)), None);
    let Fingerprint::Image(image) = &barred else { panic!("a still") };
    let found = store.ask_hash(&image.views[0].hash).unwrap();
    assert_eq!((found.outcome, found.matches[0].reference_view.as_str()), (Outcome::Match, "full"));
    assert!(store.verify().unwrap().problems.is_empty());
}

#[test]
fn plain_hashes_are_asked_about_as_long_as_there_are_any() {
    let (folder, store) = fresh();
    store.add(&removed("picture"), &framed(1, 0)).unwrap();
    assert!(!store.has_plain());
    let Fingerprint::Image(image) = framed(2, 0) else { panic!("a still") };
    store.add_hash(&removed("listed"), image.views[0].hash, None).unwrap();
    store.withdraw_reference("removed", "picture").unwrap();
    drop(store);
    let store = Store::open(folder.path().join("s")).unwrap();
    assert!(store.has_plain());
    for bar in [0, 40] {
        let found = store.ask(&framed(2, bar)).unwrap();
        assert_eq!((found.outcome, found.matches[0].reference.as_str()), (Outcome::Match, "listed"), "{bar}");
    }
    store.remove_reference("removed", "listed").unwrap();
    assert!(!store.has_plain());
    assert_eq!(store.ask(&framed(2, 0)).unwrap().outcome, Outcome::NoMatch);
}

#[test]
fn withdrawn_and_removed_references_match_nothing() {
    let (_folder, store) = fresh();
    store.add_hash(&removed("a"), hash(1), None).unwrap();
    assert!(store.withdraw_reference("removed", "a").unwrap());
    assert_eq!(store.ask_hash(&hash(1)).unwrap().outcome, Outcome::NoMatch);
    assert!(store.writer().set_state("removed", "a", State::Active).unwrap());
    assert_eq!(store.ask_hash(&hash(1)).unwrap().outcome, Outcome::Match);
    assert!(store.remove_reference("removed", "a").unwrap());
    assert!(!store.remove_reference("removed", "a").unwrap());
    assert_eq!(store.ask_hash(&hash(1)).unwrap().outcome, Outcome::NoMatch);
    assert_eq!(store.fingerprint("removed", "a").unwrap(), None);
    let again = store.add_hash(&removed("a"), hash(1), None).unwrap();
    assert_eq!(again.number, 2, "numbers are not used twice");
    let digits = hash(1).to_string();
    for record in store.log(0).unwrap() {
        assert!(!serde_json::to_string(&record.unwrap()).unwrap().contains(&digits));
    }
    store.add_hash(&removed("b"), hash(2), None).unwrap();
    assert_eq!(store.remove_bank("removed").unwrap(), Some(2));
    assert_eq!(store.remove_bank("removed").unwrap(), None);
    assert_eq!(store.stats().unwrap().references, 0);
}

#[test]
fn every_change_is_one_record_and_applies_once() {
    let (folder, store) = fresh();
    let writer = store.writer().author("alice");
    for _ in 0..3 {
        writer.clone().operation("op-1").add_hash(&removed("a"), hash(1), None).unwrap();
        writer.clone().operation("op-2").set_state("removed", "a", State::Withdrawn).unwrap();
        writer.clone().operation("op-3").set_opinion("removed", "a", "ngo", Opinion::Dispute).unwrap();
        writer.clone().operation("op-4").refuse(&Upload::Id("u1"), "removed", "a").unwrap();
        writer.clone().operation("op-5").edit_reference(&removed("a").source("desk 2")).unwrap();
    }
    // Applied again after something else undid it, an old operation does not come back.
    store.writer().set_state("removed", "a", State::Active).unwrap();
    writer.clone().operation("op-2").set_state("removed", "a", State::Withdrawn).unwrap();
    assert_eq!(store.reference("removed", "a").unwrap().unwrap().state, State::Active);
    assert!(matches!(writer.clone().operation("op-1").remove_reference("removed", "a"), Err(Error::Option { .. })));
    assert!(matches!(writer.clone().operation("#9").remove_reference("removed", "a"), Err(Error::Option { .. })));
    // Under one id there is one change.
    let refused = |outcome: crate::Result<bool>| matches!(outcome, Err(Error::Option { name: "operation", .. }));
    let under = |id: &str| writer.clone().operation(id);
    assert!(refused(under("op-1").set_state("removed", "a", State::Withdrawn)));
    assert!(refused(under("op-2").set_state("removed", "a", State::Active)));
    assert!(refused(under("op-2").set_state("removed", "b", State::Withdrawn)));
    assert!(refused(under("op-2").set_opinion("removed", "a", "ngo", Opinion::Dispute)));
    assert!(refused(under("op-3").set_opinion("removed", "a", "ngo", Opinion::Agree)));
    assert!(refused(under("op-4").restore(&Upload::Id("u1"), "removed", "a")));
    assert!(refused(under("op-4").refuse(&Upload::Id("u2"), "removed", "a")));
    assert!(refused(under("op-5").edit_reference(&removed("a").source("desk 3"))));
    assert!(under("op-4").refuse(&Upload::Id("u1"), "removed", "a").unwrap());
    writer.clone().operation("op-6").remove_reference("removed", "a").unwrap();
    drop(store);
    let store = Store::open(folder.path().join("s")).unwrap();
    let log: Vec<LogRecord> = store.log(0).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(log.iter().map(|record| record.sequence).collect::<Vec<_>>(), (1..=8).collect::<Vec<u64>>());
    let operations: Vec<&str> = log.iter().map(|record| record.operation.as_str()).collect();
    assert_eq!(operations, ["#1", "op-1", "op-2", "op-3", "op-4", "op-5", "#7", "op-6"]);
    assert!(log[1..6].iter().all(|record| record.author == "alice" && record.time > 0));
    assert!(matches!(&log[7].change, Change::ReferenceRemoved { id, number: 1, .. } if id == "a"));
    assert_eq!(store.log(8).unwrap().count(), 1);
}

#[test]
fn whoever_follows_the_log_knows_what_was_imported_as_withdrawn() {
    let (_folder, store) = fresh();
    store.add_hash(&removed("a"), hash(1), None).unwrap();
    store.add_hash(&removed("b"), hash(2), None).unwrap();
    store.withdraw_reference("removed", "b").unwrap();
    let mut list = Vec::new();
    store.export(&mut list, &lists::ExportOptions::new(lists::Format::JsonLines)).unwrap();
    let (_folder, other) = fresh();
    let options = lists::ImportOptions::new(lists::Format::JsonLines, "removed");
    let imported = other.import(&list[..], &options, |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(imported.added, 2);
    let mut states = std::collections::BTreeMap::new();
    for record in other.log(0).unwrap() {
        match record.unwrap().change {
            Change::ReferenceAdded { number, .. } => states.insert(number, State::Active),
            Change::ReferenceState { number, state, .. } => states.insert(number, state),
            _ => None,
        };
    }
    let kept: Vec<_> = other.references(None).unwrap().map(|record| record.unwrap()).collect();
    assert_eq!(kept.iter().map(|record| (record.number, record.state)).collect::<Vec<_>>(), Vec::from_iter(states));
    assert_eq!(kept[1].state, State::Withdrawn);
}

#[test]
fn a_bank_that_was_removed_is_told_of_as_before() {
    let (_folder, store) = fresh();
    for seed in 1..=4 {
        store.add_hash(&removed(&seed.to_string()), hash(seed), None).unwrap();
    }
    store.add_hash(&Reference::new("5").bank("other"), hash(5), None).unwrap();
    store.writer().operation("one").remove_reference("removed", "4").unwrap();
    for _ in 0..2 {
        assert_eq!(store.writer().operation("all").remove_bank("removed").unwrap(), Some(3));
    }
    assert!(matches!(store.writer().operation("all").remove_bank("other"), Err(Error::Option { .. })));
    store.set_bank(&BankConfig::new("empty")).unwrap();
    for _ in 0..2 {
        assert_eq!(store.writer().operation("none").remove_bank("empty").unwrap(), Some(0));
    }
    assert_eq!(store.stats().unwrap().references, 1);
}

#[test]
fn many_are_added_at_once_and_a_bad_one_hinders_none() {
    let (_folder, store) = fresh();
    let black = film([]);
    let good: Vec<(Reference, Fingerprint)> =
        (0..5).map(|i| (removed(&format!("r{i}")), picture(i + 10, |x, y| (x, y)))).collect();
    let bad = removed("bad");
    let items = good.iter().map(|(r, f)| (r, f)).chain([(&bad, &black)]);
    let outcomes = store.writer().operation("batch").add_many(items).unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    assert!(matches!(outcomes[5], Err(Error::TooLittleDetail { .. })));
    let again = store.writer().operation("batch").add_many(good.iter().map(|(r, f)| (r, f))).unwrap();
    assert!(again.iter().all(|outcome| !outcome.as_ref().unwrap().new));
    assert_eq!(store.stats().unwrap().changes, 6);
}

#[test]
fn a_refused_pair_does_not_come_back_but_other_pairs_do() {
    let (_folder, store) = fresh();
    store.add_hash(&removed("a"), hash(1), None).unwrap();
    store.add_hash(&removed("b"), bent(hash(1), 2), None).unwrap();
    assert_eq!(store.ask_hash(&hash(1)).unwrap().matches.len(), 2);
    store.refuse(&Upload::Hash(hash(1)), "removed", "a").unwrap();
    assert_eq!(store.ask_hash(&hash(1)).unwrap().matches[0].reference, "b");
    assert_eq!(store.ask_hash(&bent(hash(1), 10)).unwrap().matches.len(), 1, "nor does a re-encoding of it");
    assert_eq!(store.ask_hash(&bent(hash(1), 20)).unwrap().matches.len(), 2);
    store.refuse(&Upload::Id("u7"), "removed", "b").unwrap();
    let named = AskOptions::default().upload("u7");
    assert_eq!(store.ask_hash_with(&hash(1), &named).unwrap().outcome, Outcome::NoMatch);
    assert!(store.writer().restore(&Upload::Hash(hash(1)), "removed", "a").unwrap());
    assert!(!store.writer().restore(&Upload::Hash(hash(1)), "removed", "a").unwrap());
    assert_eq!(store.ask_hash_with(&hash(1), &named).unwrap().matches[0].reference, "a");
    assert!(!store.refuse(&Upload::Id("u7"), "removed", "nobody").unwrap());
}

#[test]
fn readers_follow_and_cannot_write() {
    let (folder, store) = fresh();
    let reader = Store::open_reader(folder.path().join("s")).unwrap();
    assert!(matches!(reader.add_hash(&removed("a"), hash(1), None), Err(Error::Option { .. })));
    store.add_hash(&removed("a"), hash(1), None).unwrap();
    assert_eq!(reader.ask_hash(&hash(1)).unwrap().outcome, Outcome::NoMatch);
    assert!(reader.refresh().unwrap());
    assert!(!reader.refresh().unwrap());
    assert_eq!(reader.ask_hash(&hash(1)).unwrap().outcome, Outcome::Match);
    assert!(matches!(Store::open(folder.path().join("s")), Err(Error::Locked { .. })));
}

#[test]
fn a_plain_hash_is_asked_in_nearly_all_orientations_if_that_is_wanted() {
    let (_folder, store) = fresh();
    store.add(&removed("a"), &picture(1, |x, y| (x, y))).unwrap();
    let Fingerprint::Image(turned) = picture(1, |x, y| (63 - y, x)) else { panic!("not a picture") };
    let hash = turned.views[0].hash;
    assert_ne!(store.ask_hash(&hash).unwrap().outcome, Outcome::Match);
    let verdict = store.ask_hash_with(&hash, &AskOptions::default().turned(true)).unwrap();
    assert_eq!((verdict.outcome, verdict.matches[0].transform.name()), (Outcome::Match, "rotate90"));
}

#[test]
fn after_a_merge_no_byte_of_a_removed_hash_is_on_the_disk() {
    let (folder, store) = fresh();
    for seed in 0..300 {
        store.add_hash(&removed(&format!("r{seed}")), hash(seed), None).unwrap();
    }
    let gone: Vec<u64> = (0..300).filter(|seed| seed % 7 == 0).collect();
    store.refuse(&Upload::Hash(hash(1000)), "removed", "r7").unwrap();
    for seed in &gone {
        store.remove_reference("removed", &format!("r{seed}")).unwrap();
    }
    let on_disk = |seed: u64| {
        let mut folders = vec![folder.path().to_path_buf()];
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    // Half a hash is enough to recognise it by.
                    let bytes = std::fs::read(entry).unwrap();
                    count += bytes.windows(16).filter(|window| *window == &hash(seed).0[8..24]).count();
                }
            }
        }
        count
    };
    assert!(on_disk(8) > 0 && on_disk(0) > 0, "the test sees hashes where they are");
    store.merge(&crate::Cancel::new()).unwrap();
    for seed in gone.into_iter().chain([1000]) {
        assert_eq!(on_disk(seed), 0, "{seed}");
    }
    assert!(on_disk(8) > 0);
    assert_eq!(store.ask_hash(&hash(8)).unwrap().outcome, Outcome::Match);
    assert_eq!(store.ask_hash(&hash(7)).unwrap().outcome, Outcome::NoMatch);
    assert!(store.verify().unwrap().problems.is_empty());
}

/// Overwriting the free space takes a little more than there is of it, and a database grows to twice its length for that.
#[test]
fn merging_again_and_again_leaves_no_removed_hash_and_a_database_of_bounded_length() {
    let (folder, store) = fresh();
    let name = |seed: u64| format!("r{seed}");
    let on_disk = |seed: u64| {
        let bytes = std::fs::read(folder.path().join("s/store.redb")).unwrap();
        let sought = hash(seed);
        (bytes.len(), bytes.windows(16).any(|window| *window == sought.0[8..24]))
    };
    for seed in 0..40 {
        store.add_hash(&removed(&name(seed)), hash(seed), None).unwrap();
    }
    for round in 0..14 {
        for seed in round * 8..round * 8 + 8 {
            store.remove_reference("removed", &name(seed)).unwrap();
            store.add_hash(&removed(&name(seed + 40)), hash(seed + 40), None).unwrap();
        }
        store.merge(&crate::Cancel::new()).unwrap();
        for seed in [round * 8, round * 8 + 7] {
            let (bytes, found) = on_disk(seed);
            assert!(!found, "{seed} is still there after round {round}");
            assert!(bytes < 2 << 20, "{bytes} bytes after round {round}");
        }
    }
    assert!(on_disk(14 * 8).1, "the test sees hashes where they are");
}

/// A long list is searched through the buckets near each hash only. What that finds is told as when everything is sought,
/// and what it misses is found when that is asked for.
#[test]
fn a_long_list_tells_what_a_whole_search_tells_or_misses_the_reference() {
    let (_dir, store) = fresh();
    let known = |seed: u64| -> ImageFingerprint {
        let Fingerprint::Image(mut image) = framed(1, 40) else { unreachable!() };
        for (at, view) in (0..).zip(&mut image.views) {
            (view.hash, view.quality, view.stability) = (hash(seed * 1000 + at), 100, 1.0);
            view.orientations = None;
            if let Some(detail) = &mut view.detail {
                (detail.hash, detail.orientations) = (hash(seed * 1000 + 500 + at), None);
            }
        }
        image
    };
    let count = 4000;
    let many: Vec<(Reference, Fingerprint)> =
        (0..count).map(|seed| (removed(&seed.to_string()), Fingerprint::Image(known(seed)))).collect();
    for added in store.add_many(many.iter().map(|(reference, print)| (reference, print))).unwrap() {
        added.unwrap();
    }
    store.merge(&crate::Cancel::new()).unwrap();
    assert!(store.stats().unwrap().hashes > 1 << 15);
    let off = |hash: Hash, seed: u64, bits: u64| {
        let mut other = hash;
        for k in 0.. {
            if u64::from(other.distance(&hash)) == bits {
                break;
            }
            let bit = chance(seed, k) as usize % 256;
            other.0[bit / 8] = other.0[bit / 8] & !(1 << (bit % 8)) | !hash.0[bit / 8] & 1 << (bit % 8);
        }
        other
    };
    let (mut found, mut missed) = (0, 0);
    for seed in 0..60 {
        let mut copy = known(seed);
        for (at, view) in (0..).zip(&mut copy.views) {
            if let Some(detail) = &mut view.detail {
                // The whole picture and its content box, as a picture is asked and stored by them.
                detail.hash = off(detail.hash, seed * 100 + at, 30 + seed / 2);
            }
        }
        let copy = Fingerprint::Image(copy);
        let whole = store.ask_with(&copy, &AskOptions::default().exact()).unwrap();
        let [only] = &whole.matches[..] else { panic!("{whole:?}") };
        assert_eq!((only.reference.as_str(), whole.outcome), (seed.to_string().as_str(), Outcome::Match));
        let quick = store.ask(&copy).unwrap();
        if quick.matches.is_empty() {
            missed += 1;
        } else {
            assert_eq!(quick, whole);
            found += 1;
        }
        // Nearer than what is found for certain.
        let certain = store.ask_with(&copy, &AskOptions::default().certain(60)).unwrap();
        assert_eq!(certain, whole);
    }
    assert!(found > 45, "{found} found, {missed} missed");
}

#[test]
fn the_names_on_the_way_to_a_store_and_to_its_parts_are_durable() {
    use crate::index::storage::tests::synced;
    let folder = tempfile::tempdir().unwrap();
    let (holder, dir) = (folder.path().join("new"), folder.path().join("new/s"));
    synced();
    let store = Store::create_or_open(&dir).unwrap();
    let names = synced();
    assert!(names.contains(&folder.path().to_path_buf()) && names.contains(&holder), "{names:?}");
    let last = names.iter().rposition(|name| *name == dir);
    assert!(last > names.iter().position(|name| *name == holder), "the store's own names, once it is there: {names:?}");
    store.add_hash(&removed("a"), hash(1), None).unwrap();
    synced();
    store.merge(&crate::Cancel::new()).unwrap();
    let names = synced();
    let parts = names.iter().position(|name| *name == dir.join("parts"));
    assert!(parts.is_some() && names[parts.unwrap()..].contains(&dir), "{names:?}");
}
