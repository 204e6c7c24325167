//! FFmpeg's libraries are loaded by the first call and not before, the call itself loses nothing by it, and where they are
//! missing a film is refused in words.

#![cfg(all(
    feature = "late-ffmpeg",
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(clippy::unwrap_used, unsafe_code)]

use std::path::Path;
use std::process::Command;

use ffmpeg_next::ffi;
use refrain::fingerprint::Media;
use refrain::{Error, Options, video};

/// The libraries of FFmpeg that this process has in memory.
fn loaded() -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut names: Vec<String> = maps
        .lines()
        .filter_map(|line| line.rsplit('/').next())
        .filter(|name| ["libav", "libsw"].iter().any(|start| name.starts_with(start)))
        .map(str::to_string)
        .collect();
    names.dedup();
    names
}

fn film() -> refrain::Result<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/removed/aquarium.mp4");
    video::fingerprint(&Media::file(&path), &Options::default()).map(|film| film.duration)
}

#[test]
fn the_first_call_loads_them_and_keeps_its_arguments() {
    // each in a process of its own, in which nothing has called FFmpeg before
    for what in ["call", "film"] {
        let out = child(what, None);
        assert!(out.contains("as it should be"), "{what}: {out}");
    }
}

#[test]
fn without_them_a_film_is_not_supported() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("libavformat.so.{}", ffi::LIBAVFORMAT_VERSION_MAJOR);
    std::fs::write(dir.path().join(name), [b'x'; 4096]).unwrap();
    let out = child("missing", Some(dir.path()));
    assert!(out.contains("as it should be"), "{out}");
}

fn child(what: &str, libraries: Option<&Path>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_a_process_of_its_own", "--ignored", "--nocapture"]).env("LATE_FFMPEG", what);
    if let Some(folder) = libraries {
        command.env("LD_LIBRARY_PATH", folder);
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
#[ignore = "the child of the tests above, started by cargo test --test late_ffmpeg"]
fn in_a_process_of_its_own() {
    assert_eq!(loaded(), Vec::<String>::new(), "a function is missing in src/video/late.rs");
    match std::env::var("LATE_FFMPEG").unwrap().as_str() {
        "call" => {
            // a number in a vector register and two whole ones
            // SAFETY: plain numbers in, plain numbers out.
            let half = unsafe { ffi::av_d2q(0.5, 1000) };
            assert_eq!((half.num, half.den), (1, 2));
            // SAFETY: as above.
            assert_eq!(unsafe { ffi::av_rescale_q(7, half, ffi::AVRational { num: 1, den: 8 }) }, 28);
        }
        "film" => assert!(film().unwrap() > 7.0),
        "missing" => {
            let error = film().unwrap_err();
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("aquarium.mp4") && text.contains("libavformat"), "{text}");
            assert!(matches!(film(), Err(Error::Unsupported { .. })), "a second time too");
            println!("as it should be");
            return;
        }
        other => panic!("{other}?"),
    }
    assert!(loaded().iter().any(|name| name.starts_with("libavcodec")), "{:?}", loaded());
    println!("as it should be");
}
