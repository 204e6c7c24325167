//! Figures of films, as JSON lines; `make bench-video` runs it beside its peers.
//!
//! - `print FILE mixed|keyframes|frames|second`: one fingerprint on one thread;
//! - `kept FILE`: what a store keeps of it as a reference;
//! - `compare QUERY REFERENCE mixed|keyframes`: where the first film, sampled so, shows the second one;
//! - `steps REFERENCES UPLOADS`: every upload asked in two steps and whole, against a store of the references;
//! - `list FOLDER COUNT`: a store of made-up films that has COUNT hashes in its index, and an index of these alone;
//! - `ask FOLDER`: ten minutes of query hashes against it.
//!
//! `RAYON_NUM_THREADS=1` gives figures of one core.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use refrain::bank::{AskOptions, BankConfig, Reference};
use refrain::fingerprint::{DetailHash, FrameHash, Media, Role, Sampling, VideoFingerprint, View};
use refrain::hash::pdq::{Orientations, Transform};
use refrain::index::{DiskIndex, Entry, EntryId};
use refrain::matching::align::{Agreement, FrameHit, Side, align, compare, runs, settle};
use refrain::matching::{Match, Segment};
use refrain::{Cancel, Fingerprint, Hash, Options, Store, fingerprint};

/// Frames of a made-up film, half a second apart; each is two entries of the index.
const FRAMES: u64 = 500;
/// Ten minutes, a frame a second.
const QUERY: u64 = 600;
/// The frames of the query that come from a film of the list.
const COPIED: std::ops::Range<u64> = 200..260;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["print", file, sampling] => print(Path::new(file), sampling),
        ["kept", file] => kept(Path::new(file)),
        ["compare", query, reference, sampling] => shows(Path::new(query), Path::new(reference), sampling),
        ["steps", references, uploads] => steps(Path::new(references), Path::new(uploads)),
        ["list", folder, count] => list(Path::new(folder), count.parse().unwrap()),
        ["ask", folder] => ask(Path::new(folder)),
        _ => eprintln!("`make bench-video` runs this; the head of the file says how"),
    }
}

fn film(file: &Path, sampling: &str) -> VideoFingerprint {
    let mut options = Options::default();
    options.sampling = match sampling {
        "keyframes" => Sampling::Keyframes,
        "frames" => Sampling::EveryFrame,
        "second" => Sampling::Fps(1.0),
        _ => Sampling::Mixed,
    };
    // Inside a pool a film is decoded on one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    match pool.install(|| fingerprint(Media::file(file), &options)).unwrap() {
        Fingerprint::Video(film) => film,
        _ => panic!("{} is no film", file.display()),
    }
}

fn print(file: &Path, sampling: &str) {
    let begun = Instant::now();
    let film = film(file, sampling);
    let (seconds, duration, hashes) = (begun.elapsed().as_secs_f64(), film.duration, film.frames.len());
    println!("{{\"seconds\":{seconds:.4},\"duration\":{duration:.2},\"hashes\":{hashes}}}");
}

fn kept(file: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(dir.path().join("store")).unwrap();
    let film = Fingerprint::Video(film(file, "mixed"));
    let entries = store.add(&Reference::new("film"), &film).unwrap().hashes;
    let bytes = store.fingerprint("default", "film").unwrap().unwrap().to_bytes().unwrap().len();
    println!("{{\"entries\":{entries},\"bytes\":{bytes}}}");
}

fn shows(query: &Path, reference: &Path, sampling: &str) {
    let segments = compare(&film(query, sampling), &film(reference, "mixed"), &Agreement::default());
    match segments.first() {
        Some(Segment { query, reference, .. }) => {
            println!("{{\"segments\":{},\"query\":{query:?},\"reference\":{reference:?}}}", segments.len())
        }
        None => println!("{{\"segments\":0}}"),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn steps(references: &Path, uploads: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(dir.path().join("store")).unwrap();
    store.set_bank(&BankConfig::new("films")).unwrap();
    let nobody = Store::create_or_open(dir.path().join("empty")).unwrap();
    nobody.set_bank(&BankConfig::new("films")).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for file in files(references) {
        let print = pool.install(|| fingerprint(Media::file(&file), &Options::default())).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        _ = store.add(&Reference::new(name).bank("films"), &print);
    }
    for file in files(uploads) {
        let (media, ask) = (Media::file(&file), AskOptions::default());
        let begun = Instant::now();
        let Ok(two) = pool.install(|| store.ask_media(&media, &Options::default(), &ask)) else { continue };
        let two_steps = begun.elapsed().as_secs_f64();
        let thin = pool.install(|| nobody.ask_media(&media, &Options::default(), &ask)).unwrap().whole;
        let begun = Instant::now();
        let print = pool.install(|| fingerprint(media.clone(), &Options::default())).unwrap();
        let verdict = store.ask(&print).unwrap();
        let whole = begun.elapsed().as_secs_f64();
        let Fingerprint::Video(film) = &print else { continue };
        let duration = film.duration;
        let decoded =
            if two.whole { duration } else { two.stretches.iter().fold(0.0, |sum, [from, to]| sum + (to - from)) };
        let lost =
            |found: &Match| !found.near && two.verdict.matches.iter().all(|has| has.reference != found.reference);
        println!(
            "{{\"file\":{:?},\"found\":{},\"lost\":{},\"thin\":{thin},\"whole\":{},\"duration\":{duration:.1},\"decoded\":{decoded:.1},\"two_steps_s\":{two_steps:.4},\"whole_s\":{whole:.4}}}",
            file.file_name().unwrap().to_string_lossy(),
            verdict.matches.iter().filter(|found| !found.near).count(),
            verdict.matches.iter().filter(|found| lost(found)).count(),
            two.whole,
        );
    }
}

/// The `i`-th random hash (SplitMix64; Steele, Lea, Flood 2014).
fn random(i: u64) -> Hash {
    let word = |k: u64| {
        let mut z = (i * 4 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    Hash::from_words([word(1), word(2), word(3), word(4)])
}

/// `hash` with 12 of its bits turned over, as an encoder does.
fn worn(hash: Hash, seed: u64) -> Hash {
    let mut out = hash;
    for k in 0..12 {
        let bit = (random(seed ^ 0x00ff_0000_0000 ^ k << 48).0[0] as usize + 21 * k as usize) % 256;
        out.0[bit / 8] ^= 1 << (bit % 8);
    }
    out
}

fn frame(time: f64, [hash, detail]: [Hash; 2], all: bool) -> FrameHash {
    let turned = |hash: Hash, seed: u64| {
        let [a, b, c] = [1, 2, 3].map(|k| random(seed << 8 | k));
        all.then(|| Box::new(Orientations::new(hash, a, b, c)))
    };
    FrameHash {
        time,
        role: Role::Frame,
        view: View::Full,
        hash: Some(hash),
        quality: 100,
        stability: 1.0,
        orientations: turned(hash, 1 << 50 | time as u64),
        detail: Some(DetailHash { hash: detail, orientations: turned(detail, 1 << 51 | time as u64) }),
        plain: false,
    }
}

fn hashes(film: u64, at: u64) -> [Hash; 2] {
    [random(film << 20 | at << 1), random(film << 20 | at << 1 | 1)]
}

/// The store, and the same hashes in an index alone; what is there already stays.
fn list(folder: &Path, count: u64) {
    let begun = Instant::now();
    let films: Vec<u64> = (0..count / (2 * FRAMES)).collect();
    if !folder.join("store").exists() {
        let store = Store::create_or_open(folder.join("store")).unwrap();
        store.set_bank(&BankConfig::new("films")).unwrap();
        for some in films.chunks(500) {
            let known: Vec<(Reference, Fingerprint)> = some
                .iter()
                .map(|&film| {
                    let frames = (0..FRAMES).map(|at| frame(at as f64 * 0.5, hashes(film, at), false)).collect();
                    let print = VideoFingerprint::of_frames(FRAMES as f64 * 0.5, frames);
                    (Reference::new(format!("{film}")).bank("films"), Fingerprint::Video(print))
                })
                .collect();
            let added = store.add_many(known.iter().map(|(reference, print)| (reference, print))).unwrap();
            added.into_iter().for_each(|added| _ = added.unwrap());
        }
        store.merge(&Cancel::new()).unwrap();
    }
    if !folder.join("index").exists() {
        let index = DiskIndex::create(&folder.join("index")).unwrap();
        for some in films.chunks(500) {
            let frames = some.iter().flat_map(|&film| (0..FRAMES).map(move |at| (film, at)));
            let entries: Vec<Entry> = frames
                .flat_map(|(film, at)| {
                    let id = |half: u64| EntryId::new(film, (2 * at + half) as u32).unwrap();
                    let [hash, detail] = hashes(film, at);
                    [Entry { id: id(0), hash }, Entry { id: id(1), hash: detail }]
                })
                .collect();
            index.add(&entries).unwrap();
        }
        index.merge(&Cancel::new()).unwrap();
    }
    let stats = Store::open_reader(folder.join("store")).unwrap().stats().unwrap();
    println!("{{\"hashes\":{},\"seconds\":{:.1}}}", stats.hashes, begun.elapsed().as_secs_f64());
}

/// A frame a second, of which one minute is that of film 7 from its 100th second on.
fn query(all: bool) -> Fingerprint {
    let frames = (0..QUERY).map(|at| {
        let shown = if COPIED.contains(&at) {
            let known = hashes(7, 200 + 2 * (at - COPIED.start));
            [worn(known[0], at), worn(known[1], at + QUERY)]
        } else {
            [random(1 << 60 | at), random(1 << 61 | at)]
        };
        frame(at as f64, shown, all)
    });
    Fingerprint::Video(VideoFingerprint::of_frames(QUERY as f64, frames.collect()))
}

/// The median of several turns, in milliseconds, after one that is not counted.
fn milliseconds<T>(turns: usize, mut work: impl FnMut() -> T) -> f64 {
    work();
    let mut times: Vec<f64> = (0..turns)
        .map(|_| {
            let begun = Instant::now();
            std::hint::black_box(work());
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[turns / 2]
}

fn ask(folder: &Path) {
    let (plain, all) = (query(false), query(true));
    let store = Store::open_reader(folder.join("store")).unwrap();
    store.preload(&Cancel::new()).unwrap();
    let report = |what: &str, ms: f64| println!("{{\"what\":\"{what}\",\"ms\":{ms:.3}}}");
    let asked = |print: &Fingerprint| {
        let verdict = store.ask(print).unwrap();
        assert_eq!((verdict.matches.len(), verdict.matches[0].segments.len()), (1, 1), "{verdict:?}");
    };
    {
        let index = DiskIndex::open_reader(&folder.join("index")).unwrap();
        index.preload(&Cancel::new()).unwrap();
        let Fingerprint::Video(film) = &plain else { unreachable!() };
        let queries: Vec<Hash> = film.frames.iter().filter_map(|frame| frame.hash).collect();
        let snapshot = index.snapshot();
        for radius in [31, 48, 64] {
            let ms = milliseconds(5, || snapshot.search(&queries, radius).unwrap().len());
            report(&format!("index, 600 hashes within {radius}"), ms);
        }
        let known: Vec<FrameHash> = (0..FRAMES).map(|at| frame(at as f64 * 0.5, hashes(7, at), false)).collect();
        let (query_runs, reference_runs) = (runs(&film.frames), runs(&known));
        let hits: Vec<FrameHit> = (COPIED.start..COPIED.end)
            .map(|at| {
                let other = 200 + 2 * (at - COPIED.start);
                FrameHit {
                    query_time: at as f64,
                    reference_time: other as f64 * 0.5,
                    query_run: query_runs[at as usize],
                    reference_run: reference_runs[other as usize],
                    distance: Some(12),
                    detail: Some(12),
                    transform: Transform::Original,
                    inverted: false,
                    sparse: false,
                }
            })
            .collect();
        let sides = [Side::new(QUERY as f64, &query_runs), Side::new(FRAMES as f64 * 0.5, &reference_runs)];
        let ms = milliseconds(50, || align(&hits, sides, &Agreement::default()).len());
        report("alignment of a minute that matches", ms);
        let known = VideoFingerprint::of_frames(FRAMES as f64 * 0.5, known);
        let segments = align(&hits, sides, &Agreement::default());
        let ms = milliseconds(50, || settle(segments.clone(), film, &known).len());
        report("its line and its borders", ms);
    }
    report("store, 600 frames as they lie and inverted", milliseconds(3, || asked(&plain)));
    report("store, 600 frames in eight orientations and inverted", milliseconds(1, || asked(&all)));
}
