//! Broken, lying and hostile films, given to FFmpeg directly, past the look at their first bytes.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use refrain::fingerprint::{Media, Sampling, VideoFingerprint};
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
    let early = whole.frames.iter().filter(|frame| frame.time < 2.0).count();
    assert!(part.frames.iter().filter(|frame| frame.time < 2.0).count() + 1 >= early);
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
