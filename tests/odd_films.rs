//! Films that are laid down oddly show what the plain film shows, at the same seconds: variable frame rates, pixels that
//! are no squares, fields, turns in the metadata, timestamps that are missing, negative or fall, other sizes midway; and a
//! film of one frame is a still. The `ffmpeg` command makes them; without it the tests say that they are skipped.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use refrain::bank::Reference;
use refrain::fingerprint::VideoFingerprint;
use refrain::matching::Outcome;
use refrain::matching::align::{Agreement, compare};
use refrain::pdq::Transform;
use refrain::{Fingerprint, Media, Options, Store, fingerprint, video};

/// A folder and the film that everything is made of; `None`, said aloud, without the `ffmpeg` command or FFmpeg itself.
fn begin() -> Option<(tempfile::TempDir, PathBuf)> {
    if !cfg!(feature = "video") || Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("skipped: no ffmpeg command, or a build without films");
        return None;
    }
    let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/removed/journey.mp4");
    Some((tempfile::tempdir().unwrap(), film))
}

fn ffmpeg(arguments: &[&str]) {
    let made = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(arguments).output().unwrap();
    assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
}

fn look(path: &Path) -> VideoFingerprint {
    video::fingerprint(&Media::file(path), &Options::default()).unwrap()
}

#[track_caller]
fn shows_it_all(name: &str, odd: &VideoFingerprint, plain: &VideoFingerprint) {
    let segments = compare(odd, plain, &Agreement::default());
    let Some(first) = segments.first() else { panic!("{name}: nothing found") };
    println!("{name}: {} hashes, {:.2} s: {first:?}", odd.frames.len(), odd.duration);
    assert!((odd.duration - plain.duration).abs() < 0.5, "{name}: {} s", odd.duration);
    for interval in [first.query, first.reference] {
        assert!(interval[0] < 1.0 && interval[1] > plain.duration - 1.0, "{name}: {first:?}");
    }
    assert_eq!((first.transform, first.inverted), (Transform::Original, false), "{name}");
    assert!((first.speed - 1.0).abs() < 0.03, "{name}: {first:?}");
}

#[test]
fn the_same_film_laid_down_oddly() {
    let Some((dir, film)) = begin() else { return };
    let plain = look(&film);
    let film = film.to_str().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let x264 = ["-an", "-c:v", "libx264", "-preset", "ultrafast"];
    let make = |name: &str, input: &[&str], output: &[&str]| {
        let path = at(name);
        ffmpeg(&[input, &["-i", film][..], &x264[..], output, &[path.as_str()][..]].concat());
        look(Path::new(&path))
    };

    let vfr = ["-vf", "select='lt(t,2)+not(mod(n,5))'", "-vsync", "vfr"];
    shows_it_all("variable frame rate", &make("vfr.mkv", &[], &vfr), &plain);

    let narrow = make("narrow.mp4", &[], &["-vf", "scale=iw/2:ih,setsar=2/1"]);
    assert_eq!((narrow.width, narrow.height), (plain.width, plain.height), "pixels twice as wide as high");
    shows_it_all("anamorphic", &narrow, &plain);

    let fields = ["-vf", "tinterlace=interleave_top", "-x264opts", "tff=1:interlaced=1"];
    shows_it_all("interlaced", &make("fields.mp4", &[], &fields), &plain);

    make("lying.mp4", &[], &["-vf", "transpose=clock"]);
    ffmpeg(&["-i", &at("lying.mp4"), "-c", "copy", "-metadata:s:v", "rotate=90", &at("turned.mp4")]);
    let turned = look(&dir.path().join("turned.mp4"));
    if (turned.width, turned.height) == (plain.width, plain.height) {
        shows_it_all("turned in the metadata", &turned, &plain);
    } else {
        println!("skipped: this ffmpeg writes no rotation");
    }

    // Raw video has no timestamps at all; 25 frames a second are taken for granted, as every player does.
    shows_it_all("no timestamps", &make("raw.h264", &[], &["-r", "25", "-bf", "0"]), &plain);
    let early = ["-output_ts_offset", "-20", "-avoid_negative_ts", "disabled"];
    // Matroska cannot write negative timestamps, and so has none.
    shows_it_all("missing timestamps", &make("early.mkv", &[], &early), &plain);

    // A transport stream begins below zero and goes on through it; in an FLV file these are the largest numbers that there
    // are, and begin anew at zero.
    let below = ["-output_ts_offset", "-4", "-avoid_negative_ts", "disabled"];
    for name in ["below.ts", "below.flv"] {
        let seen = make(name, &[], &below);
        let first = first_timestamp(&at(name));
        assert!(first.is_none_or(|first| !(-1.0..1e6).contains(&first)), "{name} begins at {first:?}");
        shows_it_all(name, &seen, &plain);
    }
    // The edit list of an MP4 file leaves out what lies before zero.
    let later = make("below.mp4", &[], &below);
    assert!(first_timestamp(&at("below.mp4")).is_none_or(|first| first < -3.0));
    let first = compare(&later, &plain, &Agreement::default()).remove(0);
    assert!((later.duration - (plain.duration - 4.0)).abs() < 0.5, "{} s", later.duration);
    assert!(first.query[0] < 0.5 && (first.reference[0] - 4.0).abs() < 0.5, "{first:?}");
    assert!(first.reference[1] > plain.duration - 1.0, "{first:?}");
}

/// What is no packet at all in the midst of a transport stream: FFmpeg asks to be tried again each time that it finds none.
#[test]
fn a_stretch_of_zeros_is_passed_over() {
    let Some((dir, film)) = begin() else { return };
    let path = dir.path().join("plain.ts");
    ffmpeg(&["-i", film.to_str().unwrap(), "-an", "-c", "copy", path.to_str().unwrap()]);
    let (plain, bytes) = (look(&path), std::fs::read(&path).unwrap());
    // Behind what FFmpeg reads to find out what there is.
    let late = bytes.len() * 17 / 20 / 188 * 188;
    for zeros in [200_000, 1_000_000] {
        let odd = [&bytes[..late], &vec![0; zeros], &bytes[late..]].concat();
        let seen = video::fingerprint(&Media::bytes(&odd), &Options::default()).unwrap();
        shows_it_all("zeros", &seen, &plain);
        assert!(seen.warnings.iter().any(|warning| warning.contains("damaged")), "{zeros}: {:?}", seen.warnings);
        assert!(!seen.warnings.iter().any(|warning| warning.contains("stopped")), "{zeros}: {:?}", seen.warnings);
    }
}

#[test]
fn a_film_that_was_cut_off_says_so_where_its_container_can() {
    let Some((dir, film)) = begin() else { return };
    for (name, codec) in [("film.avi", "mpeg4"), ("film.wmv", "wmv2"), ("film.ogv", "libtheora"), ("film.mkv", "mpeg4")]
    {
        let path = dir.path().join(name);
        ffmpeg(&["-i", film.to_str().unwrap(), "-an", "-c:v", codec, "-b:v", "1M", path.to_str().unwrap()]);
        assert_eq!(look(&path).warnings, Vec::<String>::new(), "{name}");
        let bytes = std::fs::read(&path).unwrap();
        let part = video::fingerprint(&Media::bytes(&bytes[..bytes.len() * 65 / 100]), &Options::default()).unwrap();
        let told = |warning: &String| warning.starts_with("cut off") || warning.starts_with("ends after");
        assert!(part.warnings.iter().any(told), "{name}: {:?}", part.warnings);
    }
}

/// Uncompressed sound has a sample for each of its values, more than a film may have frames, and yet a small index.
#[test]
fn a_film_with_uncompressed_sound_is_within_the_limits() {
    let Some((dir, film)) = begin() else { return };
    let path = dir.path().join("plain.mov");
    let sound = ["-f", "lavfi", "-i", "sine=sample_rate=192000", "-map", "0:v", "-map", "1:a", "-c:v", "copy"];
    let written = ["-c:a", "pcm_s16le", "-shortest", path.to_str().unwrap()];
    ffmpeg(&[&["-i", film.to_str().unwrap()][..], &sound, &written].concat());
    let (plain, mut options) = (look(&film), Options::default());
    options.limits.frames = 100_000;
    options.limits.memory = 20 << 20;
    assert!(plain.duration * 192_000.0 * 24.0 > options.limits.memory as f64);
    let seen = video::fingerprint(&Media::file(&path), &options).unwrap();
    assert_eq!(seen.warnings, Vec::<String>::new());
    assert_eq!(seen.frames.len(), plain.frames.len());
}

/// Seconds at which the first packet of a film is shown, if the `ffprobe` command is there to say.
fn first_timestamp(path: &str) -> Option<f64> {
    let arguments = ["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", path];
    let told = Command::new("ffprobe").args(arguments).output().ok()?;
    String::from_utf8_lossy(&told.stdout).lines().find_map(|line| line.trim_end_matches(',').parse().ok())
}

#[test]
fn animations_of_many_frames_find_the_film_and_are_found() {
    let Some((dir, film)) = begin() else { return };
    let look = |path: &Path| fingerprint(Media::file(path), &Options::default()).unwrap();
    let store = Store::create_or_open(dir.path().join("store")).unwrap();
    store.add(&Reference::new("film").bank("films"), &look(&film)).unwrap();
    let (film, animations) = (film.to_str().unwrap(), ["part.gif", "part.apng", "part.webp"]);
    for name in animations {
        let path = dir.path().join(name);
        let part = ["-ss", "2", "-t", "5", "-i", film, "-an", "-vf", "fps=10,scale=240:-2", path.to_str().unwrap()];
        ffmpeg(&part);
        let seen = look(&path);
        assert_eq!(seen.kind(), "video", "{name}");
        let verdict = store.ask(&seen).unwrap();
        assert_eq!(verdict.outcome, Outcome::Match, "{name}");
        let found = verdict.matches.iter().find(|found| found.reference == "film");
        let Some(found) = found else { panic!("{name} finds the film: {verdict:?}") };
        let shown = &found.segments[0];
        assert!((shown.reference[0] - 2.0).abs() < 1.0 && (shown.reference[1] - 7.0).abs() < 1.0, "{name}: {shown:?}");
        store.add(&Reference::new(name).bank("animations"), &seen).unwrap();
    }
    let verdict = store.ask(&look(Path::new(film))).unwrap();
    for name in animations {
        let found = verdict.matches.iter().find(|found| found.reference == name);
        let Some(found) = found else { panic!("the film shows {name}: {verdict:?}") };
        let query = found.segments[0].query;
        assert!((query[0] - 2.0).abs() < 1.0 && (query[1] - 7.0).abs() < 1.0, "{name}: {query:?}");
    }
}

/// Two transport streams, one behind the other: timestamps begin anew midway, and so does the size.
#[test]
fn timestamps_that_fall_and_sizes_that_change_midway() {
    let Some((dir, film)) = begin() else { return };
    let plain = look(&film);
    let (half, film) = (format!("{:.2}", plain.duration / 2.0), film.to_str().unwrap());
    let part = |name: &str, cut: &[&str], size: &str| {
        let path = dir.path().join(name);
        let rest = ["-an", "-vf", size, "-c:v", "libx264", "-preset", "ultrafast", path.to_str().unwrap()];
        ffmpeg(&[cut, &["-i", film][..], &rest[..]].concat());
        std::fs::read(path).unwrap()
    };
    let first = part("a.ts", &["-t", &half], "scale=320:180");
    for (name, size) in [("timestamps fall", "scale=320:180"), ("another size", "scale=480:270")] {
        let both = [first.clone(), part("b.ts", &["-ss", &half], size)].concat();
        let seen = video::fingerprint(&Media::bytes(&both), &Options::default()).unwrap();
        shows_it_all(name, &seen, &plain);
        let told = seen.warnings.iter().any(|warning| warning.contains("resolution"));
        assert_eq!(told, name == "another size", "{:?}", seen.warnings);
    }
}

#[test]
fn a_film_of_one_frame_is_a_still_and_finds_the_film() {
    let Some((dir, film)) = begin() else { return };
    let look = |path: &Path| fingerprint(Media::file(path), &Options::default()).unwrap();
    let whole = look(&film);
    let film = film.to_str().unwrap();
    let store = Store::create_or_open(dir.path().join("store")).unwrap();
    store.add(&Reference::new("film").bank("b"), &whole).unwrap();
    let mut stills = Vec::new();
    for name in ["one.mp4", "one.mkv", "one.webm", "one.gif", "one.apng", "one.webp", "one.avi", "one.png"] {
        let path = dir.path().join(name);
        let codec: &[&str] = if name.ends_with("webm") { &["-c:v", "libvpx", "-b:v", "2M"] } else { &[] };
        ffmpeg(
            &[&["-ss", "3", "-i", film, "-an", "-frames:v", "1"][..], codec, &[path.to_str().unwrap()][..]].concat(),
        );
        let still = look(&path);
        assert_eq!(still.kind(), "image", "{name}");
        let verdict = store.ask(&still).unwrap();
        assert_eq!(verdict.outcome, Outcome::Match, "{name}");
        let shown = verdict.matches[0].segments[0].reference;
        assert!(shown[0] > 1.0 && shown[1] < 5.5, "{name} is the frame at 3 s: {shown:?}");
        stills.push((name, still));
    }
    // The other way round: a film shows a still that is known.
    let stills_only = Store::create_or_open(dir.path().join("stills")).unwrap();
    for (name, still) in &stills {
        stills_only.add(&Reference::new(*name).bank("b"), still).unwrap();
    }
    let verdict = stills_only.ask(&whole).unwrap();
    assert_eq!(verdict.matches.len(), stills.len(), "every one of them is found in the film");
    assert!(matches!(&whole, Fingerprint::Video(_)));
}

/// What a container says of its length may be no playing time at all: a clock that was set anew midway, another begin, a length that
/// was never written, sound or words that go on without the picture.
#[test]
fn a_length_that_is_none_neither_refuses_a_film_nor_warns_of_it() {
    let Some((dir, film)) = begin() else { return };
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (plain, film) = (look(&film), film.to_str().unwrap());
    let whole = |name: &str, odd: &VideoFingerprint| {
        shows_it_all(name, odd, &plain);
        assert_eq!(odd.warnings, Vec::<String>::new(), "{name}");
    };
    let made = |name: &str, arguments: &[&str]| {
        ffmpeg(&[&["-i", film][..], arguments, &[at(name).as_str()]].concat());
        whole(name, &look(Path::new(&at(name))));
    };
    for name in ["late.mkv", "late.mp4", "late.ts"] {
        made(name, &["-an", "-c", "copy", "-output_ts_offset", "50000"]);
    }
    let sound = ["-f", "lavfi", "-i", "sine=duration=30", "-map", "0:v", "-map", "1:a", "-c:v", "copy"];
    for name in ["sound.mkv", "sound.mp4", "sound.ts", "sound.flv"] {
        made(name, &sound);
    }
    let later = ["-f", "lavfi", "-i", "sine=duration=9", "-itsoffset", "8", "-i", film, "-map", "1:a", "-map", "2:v"];
    made("later.mkv", &[&later[..], &["-c:v", "copy"]].concat());

    // Never finished, as what is written to a pipe: of 5 frames a second the place of the length says days.
    let avi = Command::new("ffmpeg")
        .args([
            "-v", "error", "-nostdin", "-i", film, "-an", "-r", "5", "-c:v", "mpeg4", "-b:v", "2M", "-f", "avi", "-",
        ])
        .output()
        .unwrap();
    whole("a pipe's avi", &video::fingerprint(&Media::bytes(&avi.stdout), &Options::default()).unwrap());

    // Two halves of a stream, the clock of the second a leap before or behind that of the first.
    for kind in ["ts", "mpg"] {
        let codec: &[&str] = if kind == "ts" { &["-c:v", "libx264"] } else { &["-c:v", "mpeg2video", "-b:v", "4M"] };
        let half = |name: &str, from: &str, offset: &str| {
            let cut = ["-ss", from, "-t", "6", "-i", film, "-an", "-output_ts_offset", offset];
            ffmpeg(&[&cut[..], codec, &[at(name).as_str()]].concat());
            std::fs::read(at(name)).unwrap()
        };
        for (first, second) in [("100", "0"), ("0", "10000")] {
            let (first, second) = (half(&format!("a.{kind}"), "0", first), half(&format!("b.{kind}"), "6", second));
            let joined = video::fingerprint(&Media::bytes(&[first, second].concat()), &Options::default()).unwrap();
            whole(&format!("{kind} joined"), &joined);
        }
    }
}

#[test]
fn slides_stand_as_long_as_they_do() {
    let Some((dir, film)) = begin() else { return };
    for name in ["slides.mp4", "slides.mkv"] {
        let path = dir.path().join(name);
        let slides = ["-vf", "select='not(mod(n,70))',setpts=N*30/TB", "-frames:v", "3", "-r", "1/30", "-an"];
        let written = ["-c:v", "libx264", path.to_str().unwrap()];
        ffmpeg(&[&["-i", film.to_str().unwrap()][..], &slides, &written].concat());
        let seen = look(&path);
        assert!((seen.duration - 90.0).abs() < 1.0, "{name}: {} s", seen.duration);
        assert_eq!(seen.warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_fragmented_film_that_was_cut_off_says_so() {
    let Some((dir, film)) = begin() else { return };
    let path = dir.path().join("film.mp4");
    let written = ["-an", "-c", "copy", "-movflags", "frag_keyframe+empty_moov", path.to_str().unwrap()];
    ffmpeg(&[&["-i", film.to_str().unwrap()][..], &written].concat());
    assert_eq!(look(&path).warnings, Vec::<String>::new());
    let bytes = std::fs::read(&path).unwrap();
    let part = video::fingerprint(&Media::bytes(&bytes[..bytes.len() * 9 / 10]), &Options::default()).unwrap();
    let told = |warning: &String| warning.starts_with("cut off") || warning.starts_with("ends after");
    assert!(part.warnings.iter().any(told), "{:?}", part.warnings);
    // By a byte: nothing but the last box tells.
    let part = video::fingerprint(&Media::bytes(&bytes[..bytes.len() - 1]), &Options::default()).unwrap();
    assert_eq!(part.warnings.len(), 1, "{:?}", part.warnings);
}

/// With several threads a decoder tells of the last packets when it is asked for what is left, and has more to give then.
#[test]
fn damage_at_the_end_is_told_and_costs_no_more_than_it_hit() {
    let Some((dir, film)) = begin() else { return };
    let path = dir.path().join("film.h264");
    let coded = ["-an", "-c:v", "libx264", "-bf", "0", "-g", "250", "-sc_threshold", "0", "-slices", "1"];
    ffmpeg(&[&["-i", film.to_str().unwrap()][..], &coded, &["-r", "25", path.to_str().unwrap()]].concat());
    let mut bytes = std::fs::read(&path).unwrap();
    let last = (0..bytes.len() - 4).rev().find(|&at| bytes[at..].starts_with(&[0, 0, 1])).unwrap();
    bytes[last + 4..].fill(0x55);
    let every = |threads: usize| {
        let mut options = Options::default();
        options.sampling = refrain::fingerprint::Sampling::EveryFrame;
        options.threads = threads;
        video::fingerprint(&Media::bytes(&bytes), &options).unwrap()
    };
    let alone = every(1);
    for threads in [2, 8] {
        let seen = every(threads);
        assert!(
            seen.frames.len().abs_diff(alone.frames.len()) <= 1,
            "{threads}: {} {}",
            seen.frames.len(),
            alone.frames.len()
        );
        assert_eq!(seen.warnings, alone.warnings, "{threads} threads");
    }
}

#[test]
fn keyframes_of_open_groups_come_each_and_in_order() {
    let Some((dir, film)) = begin() else { return };
    let path = dir.path().join("open.mp4");
    let groups = "open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=3:b-pyramid=none";
    let coded = ["-an", "-c:v", "libx264", "-x264-params", groups, path.to_str().unwrap()];
    ffmpeg(&[&["-i", film.to_str().unwrap()][..], &coded].concat());
    let mut options = Options::default();
    options.sampling = refrain::fingerprint::Sampling::Keyframes;
    let seen = video::fingerprint(&Media::file(&path), &options).unwrap();
    let times: Vec<f64> = seen.frames.iter().map(|frame| frame.time).collect();
    let longest = times.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    assert!(times.is_sorted() && times[0] < 0.6 && longest < 2.1, "{times:?}");
    assert!((seen.duration - look(&path).duration).abs() < 0.6, "{} s", seen.duration);
    assert_eq!(seen.warnings, Vec::<String>::new());
}

#[test]
fn what_shows_through_a_picture_is_white_in_every_format() {
    let Some((dir, _)) = begin() else { return };
    let made = |name: &str| {
        let path = dir.path().join(name);
        let drawn =
            "mandelbrot=size=200x150,format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*gt(hypot(X-100,Y-75),50)'";
        ffmpeg(&["-f", "lavfi", "-i", drawn, "-frames:v", "1", path.to_str().unwrap()]);
        let Fingerprint::Image(image) = fingerprint(Media::file(&path), &Options::default()).unwrap() else {
            panic!("{name} is a picture")
        };
        image.views[0].hash
    };
    let known = made("picture.png");
    let through = made("picture.qoi");
    assert!(known.distance(&through) <= 2, "{} bits", known.distance(&through));
}
