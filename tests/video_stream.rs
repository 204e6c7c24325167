//! Streams that are hashed and asked about while they come in.

#![cfg(feature = "video")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{fixture, known, run};
use refrain::bank::{BankConfig, Reference};
use refrain::fingerprint::{Media, Sampling};
use refrain::matching::Outcome;
use refrain::scan::{self, Asking, Pace};
use refrain::{Error, Options, Store, fingerprint, video};

/// Bytes that come a few at a time, and how many came.
struct Trickle {
    bytes: io::Cursor<Vec<u8>>,
    read: Arc<AtomicUsize>,
}

impl Trickle {
    fn of(bytes: Vec<u8>) -> Self {
        Self { bytes: io::Cursor::new(bytes), read: Arc::default() }
    }

    fn file(name: &str) -> Self {
        Self::of(fs::read(fixture(name)).unwrap())
    }
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let few = buffer.len().min(777);
        let read = self.bytes.read(&mut buffer[..few])?;
        self.read.fetch_add(read, Ordering::Relaxed);
        Ok(read)
    }
}

const FILMS: [&str; 4] =
    ["removed/journey.mp4", "uploads/best-of.mkv", "uploads/trip-grey.webm", "uploads/gears-turned.mp4"];

#[test]
fn a_stream_has_the_hashes_of_the_file() {
    for name in FILMS {
        for sampling in [Sampling::Mixed, Sampling::Keyframes] {
            let mut options = Options::default();
            options.sampling = sampling;
            let mut asked = 0;
            let stream = video::follow(Trickle::file(name), &options, 1.0, |builder| {
                asked += 1;
                assert!(!builder.so_far().frames.is_empty() && builder.seconds() >= f64::from(asked));
                Ok(ControlFlow::Continue(()))
            });
            let (stream, file) = (stream.unwrap(), video::fingerprint(&Media::file(fixture(name)), &options).unwrap());
            assert_eq!(stream.frames, file.frames, "{name}");
            assert_eq!((stream.width, stream.height), (file.width, file.height), "{name}");
            assert!((stream.duration - file.duration).abs() < 0.1, "{name}: {} {}", stream.duration, file.duration);
            assert!(sampling == Sampling::Keyframes || asked >= 4, "{name}: {asked} questions");
        }
    }
}

#[test]
fn what_is_forgotten_is_not_held_and_all_else_is_as_it_was() {
    let (mut most, options) = (0, Options::default());
    let rest = video::follow(Trickle::file("uploads/best-of.mkv"), &options, 0.5, |builder| {
        let from = builder.seconds() - 2.0;
        builder.forget(from);
        let frames = builder.so_far().frames;
        assert!(frames.iter().all(|frame| frame.time >= from));
        most = most.max(frames.len());
        Ok(ControlFlow::Continue(()))
    });
    let whole = video::fingerprint(&Media::file(fixture("uploads/best-of.mkv")), &options).unwrap();
    let rest = rest.unwrap();
    let first = rest.frames.first().unwrap().time;
    let last: Vec<_> = whole.frames.iter().filter(|frame| frame.time >= first).cloned().collect();
    assert!(first > 5.0 && rest.frames == last, "from {first}: {} of {}", rest.frames.len(), last.len());
    assert!(most * 2 < whole.frames.len(), "{most} of {}", whole.frames.len());
}

#[test]
fn a_stream_is_left_where_nobody_asks_for_more() {
    let stream = Trickle::file("removed/journey.mp4");
    let (read, length) = (stream.read.clone(), stream.bytes.get_ref().len());
    let options = Options::default();
    let part = video::follow(stream, &options, 2.0, |_| Ok(ControlFlow::Break(()))).unwrap();
    assert!((2.0..4.0).contains(&part.duration) && !part.frames.is_empty(), "{}", part.duration);
    assert!(read.load(Ordering::Relaxed) < length * 3 / 4, "{} of {length} bytes", read.load(Ordering::Relaxed));
    let failed = video::follow(Trickle::file("removed/journey.mp4"), &options, 2.0, |_| Err(Error::Cancelled));
    assert!(matches!(failed, Err(Error::Cancelled)));
    options.cancel.cancel();
    let cancelled = video::follow(Trickle::file("removed/journey.mp4"), &options, 2.0, |_| panic!("it was cancelled"));
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
}

#[test]
fn streams_that_are_none_end_with_an_error_that_says_why() {
    let film = fs::read(fixture("removed/journey.mp4")).unwrap();
    let follow =
        |bytes: Vec<u8>| video::follow(Trickle::of(bytes), &Options::default(), 1.0, |_| Ok(ControlFlow::Continue(())));
    for bytes in [Vec::new(), b"#EXTM3U\nhttp://localhost/a.ts\n".repeat(99), vec![0; 1 << 20]] {
        let refused = follow(bytes).unwrap_err();
        assert!(matches!(refused, Error::Decode { .. }), "{refused}");
    }
    // A header that claims samples without end; a fragment that does, amid a film.
    let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), body].concat();
    let bomb = boxed(b"moof", &boxed(b"traf", &boxed(b"trun", &[0, 0, 0, 0, 0x20, 0, 0, 0])));
    let within = [&film[..36], &bomb, &film[36..]].concat();
    for bytes in [
        [&film[..32], &bomb].concat(),
        [&film[..32], &bomb, &film[32..]].concat(),
        [film.clone(), bomb.clone()].concat(),
    ] {
        let refused = follow(bytes).unwrap_err();
        assert!(matches!(refused, Error::Limit { limit: "memory", .. }), "{refused}");
    }
    assert!(follow(within).is_err());
    // What came before the end counts.
    let part = follow(film[..film.len() / 2].to_vec()).unwrap();
    assert!(part.duration > 3.0 && !part.frames.is_empty(), "{}", part.duration);
}

fn asked(store: &Store, name: &str, pace: Pace) -> Vec<refrain::report::json::MatchLine> {
    let mut lines = Vec::new();
    let watched = scan::watch(store, Path::new("live"), Trickle::file(name), &Asking::default(), pace, |line| {
        lines.push(line);
        ControlFlow::Continue(())
    });
    watched.unwrap();
    lines
}

#[test]
fn a_stream_is_known_before_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(dir.path().join("s")).unwrap();
    store.set_bank(&BankConfig::new("removed")).unwrap();
    let print = fingerprint(Media::file(fixture("removed/journey.mp4")), &Options::default()).unwrap();
    store.add(&Reference::new("journey").bank("removed"), &print).unwrap();
    let lines = asked(&store, "uploads/long-film.mp4", Pace::new(1.0, 60.0).unwrap());
    assert!(lines.len() >= 8, "{} questions", lines.len());
    assert!(lines.is_sorted_by(|a, b| a.duration <= b.duration));
    assert_eq!(lines[0].outcome, Outcome::NoMatch, "the clip begins later");
    let first = lines.iter().find(|line| line.outcome == Outcome::Match).unwrap();
    assert!(first.duration.unwrap() < 8.0, "{:?}", first.duration);
    let segment = &lines.last().unwrap().matches[0].segments[0];
    assert!((segment.query[0] - 2.5).abs() < 0.6 && (segment.query[1] - 8.0).abs() < 0.6, "{segment:?}");
    // What is long past is not asked about any more, and times are those of the stream.
    let lines = asked(&store, "uploads/long-film.mp4", Pace::new(1.0, 2.0).unwrap());
    let during = lines.iter().filter(|line| line.outcome == Outcome::Match);
    for line in during {
        let (segment, now) = (&line.matches[0].segments[0], line.duration.unwrap());
        assert!(segment.query[0] > now - 3.5 && segment.query[1] <= now + 0.01, "{segment:?} at {now}");
        assert!((segment.reference[0] - segment.query[0] - 0.5).abs() < 0.6, "{segment:?}");
    }
    assert_eq!(lines.last().unwrap().outcome, Outcome::NoMatch);
    let unread = asked(&store, "removed/meadow.jpg", Pace::default());
    assert!(unread.len() == 1 && unread[0].outcome == Outcome::Unreadable && unread[0].error.is_some());
    for (every, last) in [(0.5, 10.0), (10.0, 9.0), (f64::NAN, 10.0), (1.0, f64::INFINITY)] {
        assert!(Pace::new(every, last).is_err(), "{every} {last}");
    }
}

/// A list that changes while a stream comes in.
#[test]
fn a_reference_that_comes_during_a_stream_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let writer = Store::create_or_open(&path).unwrap();
    writer.set_bank(&BankConfig::new("removed")).unwrap();
    let reader = Store::open_reader(&path).unwrap();
    let print = fingerprint(Media::file(fixture("removed/journey.mp4")), &Options::default()).unwrap();
    let mut outcomes = Vec::new();
    let how = Asking::default();
    let pace = Pace::new(1.0, 60.0).unwrap();
    scan::watch(&reader, Path::new("live"), Trickle::file("uploads/long-film.mp4"), &how, pace, |line| {
        outcomes.push(line.outcome);
        if outcomes.len() == 6 {
            writer.add(&Reference::new("journey").bank("removed"), &print).unwrap();
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(outcomes[..6].iter().all(|outcome| *outcome == Outcome::NoMatch), "{outcomes:?}");
    assert_eq!(outcomes[6], Outcome::Match, "{outcomes:?}");
}

#[test]
fn the_command_watches_a_stream() {
    let dir = known(&["removed/journey.mp4"]);
    let upload = fixture("uploads/long-film.mp4");
    let watch = ["watch", "--store", "s", "--every", "1", "--name", "channel 4", &upload];
    let words = run(dir.path(), &watch).expect(0);
    assert_eq!(words.out.matches("channel 4, after ").count(), 1, "said once: {}", words.out);
    let lines = run(dir.path(), &[&watch[..], &["--json", "--first"]].concat()).expect(0).lines();
    let (last, before) = lines.split_last().unwrap();
    assert!(last["outcome"] == "match" && before.iter().all(|line| line["outcome"] == "no_match"));
    assert!(last["path"] == "channel 4" && last["duration"].as_f64().unwrap() < 8.0, "{last}");
    run(dir.path(), &["watch", "--store", "s", &fixture("uploads/other-atlas.mp4")]).expect(1);
    run(dir.path(), &["watch", "--store", "s", &fixture("uploads/glass.jpg")]).expect(2);
    run(dir.path(), &["watch", "--store", "s", "--every", "9", "--last", "3", &upload]).expect(2);
}
