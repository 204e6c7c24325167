//! Broken, lying and hostile films, given to FFmpeg directly, past the look at their first bytes.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use refrain::fingerprint::{Media, Sampling, VideoFingerprint, View};
use refrain::{Error, Options, Result, video};

fn upload(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/uploads").join(name)).unwrap()
}

fn look(bytes: &[u8], change: impl FnOnce(&mut Options)) -> Result<VideoFingerprint> {
    let mut options = Options::default();
    change(&mut options);
    video::fingerprint(&Media::bytes(bytes).named("upload"), &options)
}

#[test]
fn what_comes_before_the_damage_counts() {
    let bytes = upload("best-of.mkv");
    let whole = look(&bytes, |_| {}).unwrap();
    assert_eq!(whole.warnings, Vec::<String>::new());
    let part = look(&bytes[..bytes.len() * 6 / 10], |_| {}).unwrap();
    assert!(part.duration > 2.0 && part.duration < whole.duration * 0.9, "{}", part.duration);
    assert!(!part.frames.is_empty() && !part.warnings.is_empty(), "{:?}", part.warnings);
    // But for the parts of the picture that what comes after the damage tells of.
    let early = |film: &VideoFingerprint| {
        film.frames.iter().filter(|frame| frame.time < 2.0 && frame.view != View::Inner).count()
    };
    assert!(early(&part) + 1 >= early(&whole), "{} of {}", early(&part), early(&whole));
}

#[test]
fn playlists_and_scripts_open_nothing() {
    for text in [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hosts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '/etc/hosts'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>",
        "",
        "not a film",
    ] {
        assert!(matches!(look(text.as_bytes(), |_| {}), Err(Error::Decode { .. })), "{text:?}");
    }
}

#[test]
fn sound_alone_is_not_supported() {
    let samples = vec![128u8; 8000];
    let mut wave = b"RIFF".to_vec();
    wave.extend((36 + samples.len() as u32).to_le_bytes());
    wave.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data");
    wave.extend((samples.len() as u32).to_le_bytes());
    wave.extend(samples);
    let error = look(&wave, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("sound only"), "{error}");
}

#[test]
fn limits_are_kept_and_named() {
    let bytes = upload("boats-low.mp4");
    let limit = |name: &str, change: &dyn Fn(&mut Options)| match look(&bytes, change) {
        Err(Error::Limit { limit, .. }) => assert_eq!(limit, name),
        other => panic!("{name}: {other:?}"),
    };
    limit("frames", &|options| options.limits.frames = 5);
    limit("side", &|options| options.limits.side = 64);
    limit("pixels", &|options| options.limits.pixels = 1000);
    limit("streams", &|options| options.limits.streams = 0);
    limit("duration", &|options| options.limits.duration = 1.0);
    limit("time", &|options| options.limits.time = Duration::ZERO);
    limit("bytes", &|options| options.limits.bytes = 1000);
    limit("memory", &|options| options.limits.memory = 1000);
    let stopped = look(&bytes, |options| options.cancel.cancel());
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
}

#[test]
fn every_sampling_ends_and_mutations_do_not_panic() {
    let bytes = upload("fish-trim.mp4");
    for sampling in [Sampling::Keyframes, Sampling::EveryFrame, Sampling::Fps(2.0), Sampling::Fps(0.0)] {
        assert!(!look(&bytes, |options| options.sampling = sampling).unwrap().frames.is_empty(), "{sampling:?}");
    }
    let mut seed = 7u64;
    for _ in 0..60 {
        let mut broken = bytes.clone();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % broken.len();
            broken[at] = (seed >> 24) as u8;
        }
        let _ = look(&broken, |options| options.sampling = Sampling::Keyframes);
    }
}

/// A list or a chunk of an AVI file.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [&name[..], &(data.len() as u32).to_le_bytes(), data].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

/// An AVI file by hand: what its header claims need not be what is in it.
struct Avi {
    streams: usize,
    codec: &'static [u8; 4],
    size: (u32, u32),
    /// Frames in `scale` seconds.
    rate: (u32, u32),
    /// Frames that the header claims.
    claimed: u32,
}

impl Avi {
    const RAW: &'static [u8; 4] = &[0; 4];

    fn holding(&self, frames: &[Vec<u8>]) -> Vec<u8> {
        let numbers = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let ((width, height), (rate, scale)) = (self.size, self.rate);
        let head = numbers(&[40_000, 0, 0, 0x10, self.claimed, 0, self.streams as u32, 0, width, height, 0, 0, 0, 0]);
        let stream =
            [&b"vids"[..], self.codec, &numbers(&[0, 0, 0, scale, rate, 0, self.claimed, 0, u32::MAX, 0, 0, 0])]
                .concat();
        let bits = 1 | 24 << 16;
        let format = [&numbers(&[40, width, height, bits])[..], self.codec, &numbers(&[0, 0, 0, 0, 0])].concat();
        let list = [&b"strl"[..], &chunk(b"strh", &stream), &chunk(b"strf", &format)].concat();
        let mut headers = [&b"hdrl"[..], &chunk(b"avih", &head)].concat();
        (0..self.streams).for_each(|_| headers.extend(chunk(b"LIST", &list)));
        let mut movie = b"movi".to_vec();
        frames.iter().for_each(|frame| movie.extend(chunk(b"00dc", frame)));
        chunk(b"RIFF", &[&b"AVI "[..], &chunk(b"LIST", &headers), &chunk(b"LIST", &movie)].concat())
    }
}

fn jpeg(width: u32, height: u32, at: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_fn(width, height, |x, y| {
        let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        let wave = (u * 9.0 + f64::from(at) * 0.05).sin() * (v * 7.0).cos() + (v * 23.0 + u * 5.0).sin();
        image::Luma([(128.0 + 60.0 * wave) as u8])
    })
    .write_to(&mut bytes, image::ImageFormat::Jpeg)
    .unwrap();
    bytes.into_inner()
}

#[test]
fn what_a_header_claims_is_not_believed() {
    let frame = vec![vec![0x55; 16 * 16 * 3]];
    let plain = Avi { streams: 1, codec: Avi::RAW, size: (16, 16), rate: (25, 1), claimed: 1 };
    assert_eq!(look(&plain.holding(&frame), |_| {}).unwrap().warnings, Vec::<String>::new());

    let eight_hours = Avi { claimed: 8 * 3600 * 25, ..plain }.holding(&frame);
    assert!(eight_hours.len() < 1200, "{}", eight_hours.len());
    let seen = look(&eight_hours, |_| {}).unwrap();
    assert!(seen.duration < 1.0 && seen.frames.iter().all(|frame| frame.time < 0.1), "{} s", seen.duration);
    assert!(seen.warnings.iter().any(|warning| warning.contains("28800")), "{:?}", seen.warnings);
    let ages = Avi { claimed: 4_000_000_000, ..plain }.holding(&frame);
    assert!(matches!(look(&ages, |_| {}), Err(Error::Limit { limit: "duration", .. })));

    for rate in [(0, 0), (0, 1), (25, 0), (u32::MAX, 1), (1, u32::MAX)] {
        let frames: Vec<Vec<u8>> = (0..50).map(|at| jpeg(64, 48, at)).collect();
        let odd = Avi { codec: b"MJPG", size: (64, 48), rate, claimed: 50, ..plain }.holding(&frames);
        match look(&odd, |_| {}) {
            Ok(seen) => assert!(seen.duration.is_finite() && !seen.frames.is_empty(), "{rate:?}: {}", seen.duration),
            Err(error) => assert!(matches!(error, Error::Limit { limit: "duration", .. }), "{rate:?}: {error}"),
        }
    }

    let thousand = Avi { streams: 1000, ..plain }.holding(&frame);
    for (streams, thousand) in [(1000, &thousand), (65, &Avi { streams: 65, ..plain }.holding(&frame))] {
        match look(thousand, |_| {}) {
            Err(Error::Limit { limit: "streams", max: 64, got, .. }) => assert_eq!(got, streams),
            other => panic!("{streams}: {other:?}"),
        }
    }
    let mut few = Options::default();
    few.limits.streams = 2000;
    let seen = video::fingerprint(&Media::bytes(&thousand), &few).unwrap();
    assert!(seen.warnings.iter().any(|warning| warning.contains("1000 films")), "{:?}", seen.warnings);
}

#[test]
fn a_film_that_was_cut_off_says_so() {
    let frames: Vec<Vec<u8>> = (0..50).map(|at| jpeg(64, 48, at)).collect();
    let film = Avi { streams: 1, codec: b"MJPG", size: (64, 48), rate: (25, 1), claimed: 50 }.holding(&frames);
    assert_eq!(look(&film, |_| {}).unwrap().warnings, Vec::<String>::new());
    let part = look(&film[..film.len() * 6 / 10], |_| {}).unwrap();
    assert!(part.duration < 1.5, "{} s", part.duration);
    let claimed = format!("of {} claimed bytes", film.len());
    assert!(part.warnings.iter().any(|warning| warning.contains(&claimed)), "{:?}", part.warnings);
}

#[test]
fn damage_of_any_length_is_passed_over() {
    let good = |from: u32| (from..from + 25).map(|at| jpeg(64, 48, at));
    let frames: Vec<Vec<u8>> = good(0).chain(std::iter::repeat_n(vec![0; 20], 3000)).chain(good(25)).collect();
    let claimed = frames.len() as u32;
    let film = Avi { streams: 1, codec: b"MJPG", size: (64, 48), rate: (25, 1), claimed }.holding(&frames);
    let seen = look(&film, |options| options.threads = 1).unwrap();
    let last = seen.frames.last().unwrap().time;
    assert!(last > 120.0 && (seen.duration - 122.0).abs() < 1.0, "{last} of {} s", seen.duration);
    assert!(seen.warnings.iter().any(|warning| warning.starts_with("3000 damaged packets")), "{:?}", seen.warnings);
    assert!(!seen.warnings.iter().any(|warning| warning.trim_end().ends_with(':')), "{:?}", seen.warnings);
    let few = look(&film, |options| (options.threads, options.limits.frames) = (1, 1000));
    assert!(matches!(few, Err(Error::Limit { limit: "frames", max: 1000, .. })), "{few:?}");
}

/// A box of an ISO file.
fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// A box of numbers, the first its version and flags.
fn numbers(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
    boxed(kind, &numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>())
}

/// An MP4 file by hand, of JPEG pictures; what its header claims need not be what is in it.
struct Mp4 {
    tracks: u32,
    /// Samples that each track claims.
    samples: u32,
    /// The size of each, or 0 for those of the frames.
    size: u32,
    /// Ticks in a second, of which a sample lasts one.
    rate: u32,
}

impl Mp4 {
    fn holding(&self, frames: &[Vec<u8>]) -> Vec<u8> {
        let start = boxed(b"ftyp", b"isom\0\0\x02\0isommp41");
        let header = self.header(frames, 0).len();
        let header = self.header(frames, (start.len() + header + 8) as u32);
        [start, header, boxed(b"mdat", &frames.concat())].concat()
    }

    fn header(&self, frames: &[Vec<u8>], at: u32) -> Vec<u8> {
        let Self { tracks, samples, size, rate } = *self;
        let unit = [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30];
        let movie = [&[0, 0, 0, rate, samples, 1 << 16, 1 << 24, 0, 0][..], &unit, &[0; 6], &[tracks + 1]].concat();
        let mut sizes = vec![0, size, samples];
        if size == 0 {
            sizes.extend(frames.iter().map(|frame| frame.len() as u32));
        }
        let entry = numbers(b"jpeg", &[0, 1, 0, 0, 0, 0, 64 << 16 | 64, 72 << 16, 72 << 16, 0, 1 << 16]);
        let entry = [&entry[8..], &[0; 30], &[0, 24, 0xff, 0xff]].concat();
        let description = [&[0u8, 0, 0, 0, 0, 0, 0, 1][..], &boxed(b"jpeg", &entry)].concat();
        let tables = [
            boxed(b"stsd", &description),
            numbers(b"stts", &[0, 1, samples, 1]),
            numbers(b"stsc", &[0, 1, 1, samples, 1]),
            numbers(b"stsz", &sizes),
            numbers(b"stco", &[0, 1, at]),
        ];
        let data = boxed(b"dinf", &numbers(b"dref", &[0, 1, 12, u32::from_be_bytes(*b"url "), 1]));
        let media = [numbers(b"vmhd", &[1, 0, 0]), data, boxed(b"stbl", &tables.concat())].concat();
        let media = [
            numbers(b"mdhd", &[0, 0, 0, rate, samples, 0x55c4 << 16]),
            numbers(b"hdlr", &[0, 0, u32::from_be_bytes(*b"vide"), 0, 0, 0, 0]),
            boxed(b"minf", &media),
        ]
        .concat();
        let track = |at: u32| {
            let head = [&[3, 0, 0, at + 1, 0, samples, 0, 0, 0, 0][..], &unit, &[64 << 16, 64 << 16]].concat();
            boxed(b"trak", &[numbers(b"tkhd", &head), boxed(b"mdia", &media)].concat())
        };
        let tracks: Vec<u8> = (0..tracks).flat_map(track).collect();
        boxed(b"moov", &[numbers(b"mvhd", &movie), tracks].concat())
    }
}

/// FFmpeg makes an index of all samples before anything else can be asked.
#[test]
fn an_index_of_more_samples_than_may_be_is_not_made() {
    let frames: Vec<Vec<u8>> = (0..30).map(|at| jpeg(64, 64, at)).collect();
    let plain = Mp4 { tracks: 1, samples: 30, size: 0, rate: 25 };
    let seen = look(&plain.holding(&frames), |_| {}).unwrap();
    assert_eq!(seen.warnings, Vec::<String>::new());
    assert!((seen.duration - 1.2).abs() < 0.1, "{}", seen.duration);

    let limit = |bytes: &[u8], change: &dyn Fn(&mut Options)| match look(bytes, change) {
        Err(Error::Limit { limit, max, got, .. }) => (limit, max, got),
        other => panic!("{other:?}"),
    };
    let one = &frames[..1];
    let many = Mp4 { samples: 60_000_000, size: 1, rate: 2100, ..plain }.holding(one);
    assert!(many.len() < 4000, "{} bytes", many.len());
    assert_eq!(limit(&many, &|_| {}), ("frames", 4_000_000, 60_000_000));
    let memory = limit(&many, &|options| options.limits.frames = u64::MAX);
    assert_eq!((memory.0, memory.1), ("memory", 1 << 30));
    assert!(memory.2 >= 60_000_000 * 24, "{}", memory.2);
    let tracks = Mp4 { tracks: 60, samples: 3_900_000, size: 1, rate: 2100 }.holding(one);
    assert_eq!(limit(&tracks, &|_| {}).0, "memory");
    // Samples of fragments take no bytes of the header either.
    let run = numbers(b"trun", &[0, 50_000_000]);
    let run = boxed(b"moof", &boxed(b"traf", &[numbers(b"tfhd", &[0, 1]), run].concat()));
    assert_eq!(limit(&[plain.holding(&frames), run].concat(), &|_| {}).0, "memory");
    let thousand = Mp4 { tracks: 1000, ..plain }.holding(&frames);
    assert_eq!(limit(&thousand, &|_| {}), ("streams", 64, 1000));
}

#[test]
fn bombs_meet_the_limits() {
    let limit = |bytes: &[u8], change: &dyn Fn(&mut Options)| match look(bytes, change) {
        Err(Error::Limit { limit, .. }) => limit,
        other => panic!("{other:?}"),
    };
    // A frame of 900 million pixels in a file of a kilobyte.
    let raw = Avi { streams: 1, codec: Avi::RAW, size: (30_000, 30_000), rate: (25, 1), claimed: 1 };
    assert_eq!(limit(&raw.holding(&[vec![0; 500]]), &|_| {}), "pixels");
    let wide = Avi { size: (40_000, 100), ..raw };
    assert_eq!(limit(&wide.holding(&[vec![0; 500]]), &|_| {}), "side");
    // Pictures of 400 million pixels, in a film that says so and in one that claims to be small; on one thread and on several.
    let mut png = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(20_000, 20_000).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let large = vec![png.into_inner(); 3];
    for size in [(20_000, 20_000), (64, 64)] {
        let film = Avi { codec: b"MPNG", size, claimed: 3, ..raw }.holding(&large);
        assert!(film.len() < 8 << 20, "{} bytes for 1.2 thousand million pixels", film.len());
        for threads in [1, 4] {
            assert_eq!(limit(&film, &|options| options.threads = threads), "pixels", "{size:?}, {threads} threads");
        }
    }
    // Many frames that take next to nothing: each is one black PNG of 16 million pixels.
    let mut png = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(4000, 4000).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let frames = vec![png.into_inner(); 100];
    let small: usize = frames.iter().map(Vec::len).sum();
    let many = Avi { codec: b"MPNG", size: (4000, 4000), claimed: 100, ..raw }.holding(&frames);
    assert!(small < 10 << 20, "{small} bytes for 1.6 thousand million pixels");
    assert_eq!(limit(&many, &|options| options.limits.frames = 20), "frames");
    assert_eq!(limit(&many, &|options| options.limits.duration = 0.5), "duration");
    assert_eq!(limit(&many, &|options| options.limits.memory = 60 << 20), "memory");
    assert_eq!(limit(&many, &|options| options.limits.time = Duration::from_millis(50)), "time");
    // Hashes take memory as well.
    let frames: Vec<Vec<u8>> = (0..400).map(|at| jpeg(32, 32, at * 7)).collect();
    let film = Avi { codec: b"MJPG", size: (32, 32), rate: (1, 4), claimed: 400, ..raw }.holding(&frames);
    assert_eq!(limit(&film, &|options| options.limits.memory = 100_000), "memory");
}

#[test]
fn a_cover_picture_is_no_film() {
    let picture = jpeg(64, 64, 1);
    let body = [&b"\0image/jpeg\0\x03\0"[..], &picture].concat();
    let frame = [&b"APIC"[..], &(body.len() as u32).to_be_bytes(), &[0, 0], &body].concat();
    let size = frame.len() as u32;
    let safe: Vec<u8> = (0..4).rev().map(|k| (size >> (7 * k) & 0x7f) as u8).collect();
    let mut song = [&b"ID3\x03\0\0"[..], &safe, &frame].concat();
    for _ in 0..60 {
        song.extend([0xff, 0xfb, 0x90, 0x00]); // MPEG-1 layer III, 128 kbit/s, 44.1 kHz
        song.extend([0; 413]);
    }
    let error = look(&song, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("cover"), "{error}");
}

#[test]
fn a_resolution_that_changes_midway_is_told_and_followed() {
    let frames: Vec<Vec<u8>> = (0..80).map(|at| if at < 40 { jpeg(96, 64, at) } else { jpeg(160, 120, at) }).collect();
    let avi = Avi { streams: 1, codec: b"MJPG", size: (96, 64), rate: (20, 1), claimed: 80 };
    let seen = look(&avi.holding(&frames), |_| {}).unwrap();
    assert!((seen.duration - 4.0).abs() < 0.2, "{}", seen.duration);
    assert!(seen.warnings.iter().any(|warning| warning.contains("resolution")), "{:?}", seen.warnings);
    assert!(seen.frames.last().unwrap().time > 3.0);
    assert_eq!((seen.width, seen.height), (96, 64), "the size of the first frame");
}
