//! Of a long film only what is around a known part is decoded, and that gives what a look at the whole gives. The `ffmpeg` command makes
//! the films; without it the tests say that they are skipped.

#![cfg(feature = "video")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use refrain::bank::{AskOptions, Asked, Reference, Upload};
use refrain::matching::{Outcome, Segment, Verdict};
use refrain::scan::{Asking, Cache, Item, Patterns, ask_item, walk};
use refrain::{Cancel, Fingerprint, Media, Options, Store, fingerprint};

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn print(path: &Path) -> Fingerprint {
    fingerprint(Media::file(path), &Options::default()).unwrap()
}

fn known(folder: &Path) -> Store {
    let store = Store::create_or_open(folder.join("store")).unwrap();
    for name in ["journey", "harbour"] {
        let print = print(&fixtures(&format!("removed/{name}.mp4")));
        store.add(&Reference::new(name).bank("removed"), &print).unwrap();
    }
    store
}

fn ffmpeg(arguments: &[&str]) -> bool {
    let Ok(made) = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(arguments).output() else {
        println!("skipped: no ffmpeg command");
        return false;
    };
    assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
    true
}

const FRAMES: u64 = 24 * 232;
/// Where the known parts are: ten seconds of one film, and a minute and a half later six of the same and six of another.
const PARTS: [(&str, [f64; 2]); 3] =
    [("journey", [84.0, 94.0]), ("journey", [178.0, 184.0]), ("harbour", [184.0, 190.0])];

/// A film of 232 s, of which nobody knows most, with a keyframe every `gop` frames: strangers for 84 s, seconds 2 to 12 of one known
/// film, strangers for 84 s, seconds 0 to 6 of it and seconds 3 to 9 of another, strangers for 42 s.
fn long(to: &Path, gop: u32, how: &[&str]) -> bool {
    let mut arguments: Vec<String> = Vec::new();
    let mut count = 0;
    let mut filter = String::new();
    let mut add = |name: &str, begin: f64, length: f64| {
        let path = fixtures(name).to_str().unwrap().to_owned();
        arguments.extend(["-ss".into(), begin.to_string(), "-t".into(), length.to_string(), "-i".into(), path]);
        filter += &format!("[{count}:v]scale=320:240,setsar=1,fps=24[p{count}];");
        count += 1;
    };
    let strangers = |times: u32, add: &mut dyn FnMut(&str, f64, f64)| {
        (0..times)
            .for_each(|at| add(["uploads/other-atlas.mp4", "uploads/other-festival.mp4"][at as usize % 2], 0.0, 6.0));
    };
    strangers(14, &mut add);
    add("removed/journey.mp4", 2.0, 10.0);
    strangers(14, &mut add);
    add("removed/journey.mp4", 0.0, 6.0);
    add("removed/harbour.mp4", 3.0, 6.0);
    strangers(7, &mut add);
    (0..count).for_each(|at| filter += &format!("[p{at}]"));
    filter += &format!("concat=n={count}:v=1[out]");
    let gop = gop.to_string();
    let coded = ["-map", "[out]", "-c:v", "libx264", "-preset", "veryfast", "-g", &gop, "-keyint_min", &gop];
    let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    all.extend(["-filter_complex", &filter]);
    all.extend(coded.iter().chain(&["-sc_threshold", "0"]).chain(how));
    all.push(to.to_str().unwrap());
    ffmpeg(&all)
}

/// The film with a keyframe a second, made once.
fn usual() -> Option<&'static Path> {
    static FILM: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let film = FILM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        long(&path, 24, &[]).then_some((dir, path))
    });
    film.as_ref().map(|(_, path)| path.as_path())
}

fn ask(store: &Store, path: &Path) -> Asked {
    store.ask_media(&Media::file(path), &Options::default(), &AskOptions::default()).unwrap()
}

fn segments(verdict: &Verdict) -> Vec<(&str, &Segment)> {
    let each = |found: &'_ refrain::matching::Match| found.segments.len();
    assert!(verdict.matches.iter().map(each).sum::<usize>() > 0, "{verdict:?}");
    let mut all: Vec<(&str, &Segment)> = verdict
        .matches
        .iter()
        .flat_map(|found| found.segments.iter().map(|segment| (found.reference.as_str(), segment)))
        .collect();
    all.sort_by(|a, b| a.1.query[0].total_cmp(&b.1.query[0]));
    all
}

#[track_caller]
fn same(part: &Verdict, whole: &Verdict) {
    let (part_segments, whole_segments) = (segments(part), segments(whole));
    assert_eq!(part_segments.len(), whole_segments.len(), "{part:?}\n{whole:?}");
    for (a, b) in part_segments.iter().zip(&whole_segments) {
        assert_eq!((a.0, a.1.transform, a.1.inverted), (b.0, b.1.transform, b.1.inverted));
        for (a, b) in [(a.1.query, b.1.query), (a.1.reference, b.1.reference)] {
            assert!((a[0] - b[0]).abs() < 0.05 && (a[1] - b[1]).abs() < 0.05, "{part:?}\n{whole:?}");
        }
    }
    for (a, b) in part.matches.iter().zip(&whole.matches) {
        let (a, b) = (a.coverage.unwrap(), b.coverage.unwrap());
        assert!((a.query - b.query).abs() < 1e-3 && (a.reference - b.reference).abs() < 1e-2, "{a:?} {b:?}");
    }
}

#[test]
fn what_is_known_is_found_where_it_is_by_few_frames() {
    let dir = tempfile::tempdir().unwrap();
    let (store, path) = (known(dir.path()), dir.path().join("film.mkv"));
    for gop in [24, 240] {
        if !long(&path, gop, &[]) {
            return;
        }
        let (asked, whole) = (ask(&store, &path), store.ask(&print(&path)).unwrap());
        assert!(!asked.whole, "a keyframe every {gop} frames");
        assert_eq!(asked.stretches.len(), 2, "{:?}", asked.stretches);
        assert!(asked.decoded > 0 && asked.decoded * 2 < FRAMES, "{} frames of {FRAMES}", asked.decoded);
        same(&asked.verdict, &whole);
        let found = segments(&asked.verdict);
        assert_eq!(found.len(), PARTS.len(), "{found:?}");
        for ((name, part), (id, segment)) in PARTS.iter().zip(found) {
            assert_eq!(*name, id);
            assert!(
                (segment.query[0] - part[0]).abs() < 0.5 && (segment.query[1] - part[1]).abs() < 0.5,
                "{segment:?}"
            );
        }
    }
}

/// Within a stretch the hashes are those that the whole film has there.
#[test]
fn hashes_of_a_stretch_are_those_of_the_whole() {
    let Some(path) = usual() else { return };
    let dir = tempfile::tempdir().unwrap();
    let asked = ask(&known(dir.path()), path);
    let (Fingerprint::Video(part), Fingerprint::Video(whole)) = (&asked.fingerprint, print(path)) else { panic!() };
    assert!((part.duration - whole.duration).abs() < 1e-6, "{} {}", part.duration, whole.duration);
    assert_eq!((part.width, part.height), (320, 240));
    let (mut there, mut equal) = (0, 0);
    for &[from, to] in &asked.stretches {
        // Where a stretch begins and ends, what stands for others may be another frame.
        let within = |time: f64| time >= from + 4.0 && time <= to - 4.0;
        // The picture in the picture is told by what moved up to half a minute before, of which a stretch has seen less.
        for frame in whole.frames.iter().filter(|frame| within(frame.time) && frame.view != fingerprint::View::Inner) {
            there += 1;
            let alike = part.frames.iter().any(|other| {
                (other.role, other.view) == (frame.role, frame.view)
                    && (other.time - frame.time).abs() < 1e-6
                    && other.hash == frame.hash
            });
            equal += usize::from(alike);
        }
        assert!(part.frames.iter().any(|frame| frame.time >= from && frame.time < from + 1.0), "{from}");
    }
    assert!(there > 150 && equal * 10 >= there * 9, "{equal} of {there}");
    let beyond =
        part.frames.iter().filter(|frame| asked.stretches.iter().all(|s| frame.time < s[0] || frame.time >= s[1]));
    assert!(beyond.count() >= 20, "a few frames of the rest");
}

#[test]
fn times_that_vary_are_kept_and_those_that_leap_or_are_missing_are_not_relied_on() {
    let Some(path) = usual() else { return };
    let dir = tempfile::tempdir().unwrap();
    let store = known(dir.path());
    let plain = path.to_str().unwrap();
    let made = |name: &str, how: &[&str]| {
        let to = dir.path().join(name);
        assert!(ffmpeg(&[&["-i", plain], how, &[to.to_str().unwrap()]].concat()));
        let asked = ask(&store, &to);
        same(&asked.verdict, &store.ask(&print(&to)).unwrap());
        asked.whole
    };
    let coded = |filter| ["-vf", filter, "-vsync", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-g", "12"];
    assert!(
        !made("varies.mkv", &coded("select='not(mod(n,2))*(lt(mod(t,20),7)+not(mod(n,3)))'")),
        "sound times that vary"
    );
    assert!(!made("stream.ts", &["-c", "copy"]), "no index to seek by");
    assert!(made("leaps.mkv", &coded("select='not(mod(n,2))',setpts='PTS+gte(T,60)*20/TB'")), "leaps by 20 s");
    let bare = ["-r", "12", "-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-bf", "0"];
    assert!(made("bare.h264", &bare), "no timestamps");
}

fn item(path: &Path) -> Item {
    walk(&[path.to_path_buf()], &Patterns::default(), &Cancel::new()).unwrap().items.remove(0)
}

/// What was decoded in parts is kept beside whole fingerprints and never taken for one.
#[test]
fn the_cache_keeps_parts_apart() {
    let Some(path) = usual() else { return };
    let dir = tempfile::tempdir().unwrap();
    let store = known(dir.path());
    let (item, mut how) = (item(path), Asking::default());
    let cache = Arc::new(Cache::open(&dir.path().join("cache")).unwrap());
    how.cache = Some(Arc::clone(&cache));
    let first = ask_item(&store, &item, &how);
    assert_eq!((first.outcome, first.matches.len()), (Outcome::Match, 2), "{first:?}");
    cache.flush();
    let key = cache.key(&item, &Options::default()).unwrap();
    assert!(cache.get(&key).is_none(), "decoded in parts only");
    assert_eq!(ask_item(&store, &item, &how), first, "from the cache");

    // A store that knows other parts of it has these decoded as well.
    let other = Store::create_or_open(dir.path().join("other")).unwrap();
    other.add(&Reference::new("atlas").bank("removed"), &print(&fixtures("removed/harbour.mp4"))).unwrap();
    let mut bare = how.clone();
    bare.cache = None;
    assert_eq!(ask_item(&other, &item, &how).matches, ask_item(&other, &item, &bare).matches);

    how.whole = true;
    let all = ask_item(&store, &item, &how);
    cache.flush();
    assert_eq!(cache.get(&key), Some(print(path)));
    assert_eq!(all.duration, first.duration);
    let ends = |line: &refrain::report::json::MatchLine| {
        line.matches.iter().map(|found| (found.reference.clone(), found.segments.len())).collect::<Vec<_>>()
    };
    assert_eq!(ends(&all), ends(&first));
}

#[test]
fn a_film_that_was_refused_stays_refused() {
    let Some(path) = usual() else { return };
    let dir = tempfile::tempdir().unwrap();
    let store = known(dir.path());
    let before = ask(&store, path);
    assert_eq!((before.whole, before.verdict.matches.len()), (false, 2));
    store.writer().refuse(&Upload::Fingerprint(&print(path)), "removed", "journey").unwrap();
    let after = ask(&store, path);
    let names: Vec<&str> = after.verdict.matches.iter().map(|found| found.reference.as_str()).collect();
    assert_eq!((after.whole, names), (true, vec!["harbour"]));
}
