//! Hash lists in and out: the good lines of a bad list, all of it or nothing, and exports that come back the same.

#![allow(clippy::unwrap_used)]

use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use refrain::bank::lists::{ExportOptions, Format, ImportOptions, Imported};
use refrain::bank::{AskOptions, BankConfig, Reference, State};
use refrain::fingerprint::{Fingerprint, ImageFingerprint};
use refrain::hash::{Format as Layout, Hash, Pixels};
use refrain::matching::Outcome;
use refrain::{Error, Store};

fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(folder.path().join("store")).unwrap();
    (folder, store)
}

fn import(store: &Store, format: Format, list: &[u8]) -> (Imported, Vec<(u64, String)>) {
    let mut errors = Vec::new();
    let imported = store
        .import(list, &ImportOptions::new(format, "listed"), |number, outcome| {
            if let Err(error) = outcome {
                errors.push((number, error.to_string()));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    (imported, errors)
}

fn export(store: &Store, format: Format) -> String {
    let mut out = Vec::new();
    store.export(&mut out, &ExportOptions::new(format)).unwrap();
    String::from_utf8(out).unwrap()
}

fn shared(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        println!("skipped: {} is not there", path.display());
    }
    text
}

/// Fifty needles in 1350 hashes, every pair within 96 bits and none beyond, by way of import and question.
#[test]
fn imported_lists_give_exactly_the_expected_pairs() {
    let (Some(haystack), Some(needles), Some(pairs)) =
        (shared("index/haystack.txt"), shared("index/needles.txt"), shared("index/expected-pairs-d96.tsv"))
    else {
        return;
    };
    let (_folder, store) = fresh();
    let list: String = haystack.lines().enumerate().map(|(at, hash)| format!("{hash},{}\n", at + 1)).collect();
    let (imported, errors) = import(&store, Format::Pdq, list.as_bytes());
    assert_eq!((imported.added, errors.len()), (1350, 0));
    let lines: Vec<(String, u64)> = store
        .references(None)
        .unwrap()
        .map(|record| record.map(|record| (record.id, record.metadata.parse().unwrap())).unwrap())
        .collect();
    let line_of = |id: &str| lines.iter().find(|(known, _)| known == id).unwrap().1;
    for radius in [0, 15, 16, 30, 31, 47, 63, 96] {
        let mut found = Vec::new();
        for (needle, hash) in needles.lines().enumerate() {
            let hash: Hash = hash.parse().unwrap();
            let verdict = store.ask_hash_with(&hash, &AskOptions::default().max_distance(radius)).unwrap();
            // The negative is asked for as well, and the expected pairs do not know it.
            let plain = verdict.matches.iter().filter(|m| !m.inverted);
            found.extend(plain.map(|m| (needle as u64 + 1, line_of(&m.reference), m.distance)));
        }
        found.sort_unstable();
        let mut expected: Vec<(u64, u64, u32)> = pairs
            .lines()
            .skip(1)
            .map(|row| {
                let fields: Vec<u64> = row.split('\t').map(|field| field.parse().unwrap()).collect();
                (fields[0], fields[1], fields[2] as u32)
            })
            .filter(|pair| pair.2 <= radius)
            .collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "radius {radius}");
    }
    assert_eq!(import(&store, Format::Pdq, list.as_bytes()).0.unchanged, 1350, "the same list again changes nothing");
}

#[test]
fn a_bad_line_is_an_error_with_its_number_and_the_rest_is_imported() {
    let hash = |digit: &str| digit.repeat(64);
    let mut list = b"\xef\xbb\xbf# a list\r\n\r\n".to_vec();
    list.extend(format!("{},first\r\n", hash("a1").split_at(64).0).bytes());
    list.extend(b"not a hash\r\n");
    list.extend(format!("{}\n", "3c".repeat(32)).bytes());
    list.extend(b"\xff\xfe bad bytes\n");
    list.extend(format!("{}0\n", "3c".repeat(32)).bytes());
    list.extend("5e".repeat(32).bytes());
    let (_folder, store) = fresh();
    let (imported, errors) = import(&store, Format::Pdq, &list);
    assert_eq!((imported.added, imported.refused), (3, 3));
    assert_eq!(errors.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [4, 6, 7]);
    assert!(errors[1].1.contains("UTF-8"), "{errors:?}");
    assert_eq!(store.ask_hash(&"5e".repeat(32).parse().unwrap()).unwrap().outcome, Outcome::Match);
}

#[test]
fn a_list_that_cannot_be_read_on_or_is_given_up_leaves_nothing() {
    struct Breaks;
    impl Read for Breaks {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable was pulled"))
        }
    }
    let (_folder, store) = fresh();
    let good = format!("{}\n{}\n", "3c".repeat(32), "5e".repeat(32));
    let list = BufReader::new(good.as_bytes().chain(Breaks));
    let options = ImportOptions::new(Format::Pdq, "listed");
    assert!(matches!(store.import(list, &options, |_, _| ControlFlow::Continue(())), Err(Error::Io { .. })));
    let cancelled = store.import(good.as_bytes(), &options, |number, _| {
        if number == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    let stats = store.stats().unwrap();
    assert_eq!((stats.references, stats.hashes, stats.changes, stats.banks), (0, 0, 0, 0));
}

#[test]
fn every_layout_comes_back_as_it_went() {
    let (_folder, store) = fresh();
    let pixels: Vec<u8> = (0..96 * 96).map(|at: u32| ((at % 96 * 7) ^ (at / 96 * 13) ^ (at * at % 61)) as u8).collect();
    let picture = ImageFingerprint::of_pixels(&Pixels::new(&pixels, 96, 96, 96, Layout::Luma8).unwrap());
    store.set_bank(&BankConfig::new("own").min_quality(10)).unwrap();
    let own = Reference::new("case \"7\", part 1").bank("own").label("policy", "7b").source("desk").metadata("é\n2");
    store.add(&own, &Fingerprint::Image(picture)).unwrap();
    let lists =
        format!("pdq {}\nvpdq [\"{},90,0.000\",\"{},80,1.500\"] \n", "3c".repeat(32), "5e".repeat(32), "96".repeat(32));
    let (imported, errors) = import(&store, Format::ThreatExchange, lists.as_bytes());
    assert_eq!((imported.added, errors), (2, vec![]));
    store.withdraw_reference("own", "case \"7\", part 1").unwrap();

    let json = export(&store, Format::JsonLines);
    assert_eq!(json.lines().count(), 5, "two banks and three references");
    let (_other_folder, other) = fresh();
    let (imported, errors) = import(&other, Format::JsonLines, json.as_bytes());
    assert_eq!((imported.added, errors), (3, vec![]));
    assert_eq!(export(&other, Format::JsonLines), json);
    assert_eq!(other.banks(), store.banks());
    assert_eq!(other.reference("own", "case \"7\", part 1").unwrap().unwrap().state, State::Withdrawn);
    for record in store.references(None).unwrap() {
        let record = record.unwrap();
        let there = other.fingerprint(&record.bank, &record.id).unwrap();
        assert_eq!(there, store.fingerprint(&record.bank, &record.id).unwrap());
    }

    for format in [Format::Pdq, Format::ThreatExchange] {
        let text = export(&store, format);
        let (_folder, again) = fresh();
        let (imported, errors) = import(&again, format, text.as_bytes());
        assert_eq!((imported.refused, errors), (0, vec![]));
        assert_eq!(export(&again, format), text);
    }
}

#[test]
fn a_picture_goes_out_by_its_whole_wherever_that_stands() {
    let (content, whole) = ("3c".repeat(32), "5e".repeat(32));
    let hash = |view: &str, hash: &str| format!(r#"{{"view":"{view}","hash":"{hash}"}}"#);
    let line = |hashes: [String; 2]| format!(r#"{{"id":"a","kind":"image","hashes":[{}]}}"#, hashes.join(","));
    let (_folder, store) = fresh();
    let turned = line([hash("content", &content), hash("full", &whole)]);
    assert_eq!(import(&store, Format::JsonLines, turned.as_bytes()).1, vec![]);
    assert_eq!(export(&store, Format::Pdq), format!("{whole},a\n"));
    assert_eq!(export(&store, Format::ThreatExchange), format!("pdq {whole}\n"));
    let twice = line([hash("full", &content), hash("full", &whole)]).replace(r#""a""#, r#""b""#);
    let (imported, errors) = import(&store, Format::JsonLines, twice.as_bytes());
    assert!(imported.refused == 1 && errors[0].1.contains("twice"), "{errors:?}");
}

#[test]
fn times_that_no_film_has_are_refused_and_the_latest_comes_back() {
    let (a, b) = ("3c".repeat(32), "5e".repeat(32));
    for beyond in ["2592000.5", "1.7e308", "-1", "inf"] {
        let (_folder, store) = fresh();
        let list = format!("0,100,{a},0\n1,100,{b},{beyond}\n");
        assert_eq!(import(&store, Format::Vpdq, list.as_bytes()).0.refused, 1, "{beyond}");
        let json = format!(r#"{{"id":"f","kind":"video","duration":{beyond},"hashes":[{{"time":0,"hash":"{a}"}}]}}"#);
        assert_eq!(import(&store, Format::JsonLines, json.as_bytes()).0.refused, 1, "{beyond}");
    }
    let (_folder, store) = fresh();
    let list = format!("0,100,{a},0\n1,100,{b},2592000\n");
    assert_eq!(import(&store, Format::Vpdq, list.as_bytes()).0.added, 1);
    let json = export(&store, Format::JsonLines);
    assert!(!json.contains("null"), "{json}");
    let (_folder, other) = fresh();
    let (imported, errors) = import(&other, Format::JsonLines, json.as_bytes());
    assert_eq!((imported.added, errors), (1, vec![]));
}

/// The most that this process had in memory, in bytes.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? << 10)
}

#[test]
fn a_long_line_takes_a_few_times_its_length() {
    const LENGTH: usize = 16 << 20;
    let Some(before) = peak() else {
        println!("skipped: the system does not tell how much memory was taken");
        return;
    };
    let (_folder, store) = fresh();
    let json = r#"{"id":"f","kind":"video","duration":1,"#;
    for (format, head, each, tail) in [
        (Format::JsonLines, format!("{json}\"unknown\":["), "0,", "0]}"),
        (Format::JsonLines, format!("{json}\"hashes\":["), "{},", "{}]}"),
        (Format::ThreatExchange, "vpdq [".into(), "\"\",", "\"\"]"),
        (Format::Vpdq, String::new(), ",", ""),
    ] {
        let mut line = String::with_capacity(LENGTH + 100);
        line.push_str(&head);
        (0..LENGTH / each.len()).for_each(|_| line.push_str(each));
        line.push_str(tail);
        assert_eq!(import(&store, format, line.as_bytes()).0.refused, 1, "{format:?} {head}");
    }
    // This test's own copy, the line as it is read, and as text.
    let taken = peak().unwrap() - before;
    assert!(taken < 6 * LENGTH, "{} MiB", taken >> 20);
}

#[test]
fn a_vpdq_list_is_one_film() {
    let Some(list) = shared("vpdq/computed/chair-19-sd-bar.r1.txt") else { return };
    let (_folder, store) = fresh();
    let mut options = ImportOptions::new(Format::Vpdq, "films");
    options.id = "chair".into();
    let spoilt = format!("{list}nonsense\n");
    let imported = store.import(spoilt.as_bytes(), &options, |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!((imported.added, imported.refused), (1, 1));
    assert_eq!(export(&store, Format::Vpdq), list, "frame numbers and all");
    let (hash, time) = list
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .find(|fields| fields[1] == "100" && fields[3] != "0.000")
        .map(|fields| (fields[2].parse::<Hash>().unwrap(), fields[3].parse::<f64>().unwrap()))
        .unwrap();
    let verdict = store.ask_hash(&hash).unwrap();
    assert_eq!(verdict.matches[0].reference, "chair");
    let [begin, end] = verdict.matches[0].segments[0].reference;
    assert!(begin <= time && time <= end);
}

#[test]
fn one_film_of_several_goes_out_with_the_numbers_it_had() {
    let (_dir, store) = fresh();
    let list = |step: u64, rate: f64, kind: &str| {
        let line = |at: u64| {
            let number = at * step;
            format!("{number},90,{},{:.3}\n", kind.repeat(32), number as f64 / rate)
        };
        (0..400).map(line).collect::<String>()
    };
    // The last is of no film at its mean rate: its lines are numbered by their places.
    let odd: String = (0..9).map(|at| format!("{},90,{},{:.3}\n", at * at, "77".repeat(32), f64::from(at))).collect();
    let lists = [("a", list(30, 29.97, "3c")), ("b", list(7201, 60_000.0 / 1001.0, "5e")), ("c", odd)];
    for (id, text) in &lists {
        let mut options = ImportOptions::new(Format::Vpdq, "films");
        options.id = (*id).into();
        store
            .import(text.as_bytes(), &options, |_, became| {
                assert!(became.is_ok(), "{id}: {became:?}");
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    let written = |options: &ExportOptions| {
        let mut out = Vec::new();
        store.export(&mut out, options).map(|_| String::from_utf8(out).unwrap())
    };
    let vpdq = ExportOptions::new(Format::Vpdq);
    assert!(matches!(written(&vpdq), Err(Error::Option { .. })), "there are several");
    for (id, text) in &lists[..2] {
        assert_eq!(&written(&vpdq.clone().id(*id)).unwrap(), text, "{id}");
    }
    let numbers: Vec<String> = written(&vpdq.clone().id("c").bank("films"))
        .unwrap()
        .lines()
        .map(|line| line.split(',').next().unwrap().to_string())
        .collect();
    assert_eq!(numbers, (0..9).map(|at| at.to_string()).collect::<Vec<_>>());
    assert!(matches!(written(&vpdq.clone().id("d")), Err(Error::Option { .. })), "there is no such film");
    assert!(matches!(written(&vpdq.id("a").bank("other")), Err(Error::Option { .. })), "nor such a bank");
}
