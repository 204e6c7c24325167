//! A single picture finds the film that it was taken from, whatever moment it shows, and a film's frame finds a still.

#![allow(clippy::unwrap_used)]

use refrain::bank::Reference;
use refrain::fingerprint::{ImageFingerprint, VideoFingerprint};
use refrain::hash::{Format, PixelBuf};
use refrain::matching::Outcome;
use refrain::video::Builder;
use refrain::{Fingerprint, Options, Store};

const FPS: f64 = 25.0;

/// Smooth blobs of all sizes, others for each `shot`.
fn picture(shot: u32) -> PixelBuf {
    let (width, height) = (160, 96);
    let wave = |k: u32| {
        let mut h = (shot.wrapping_mul(2_654_435_761) ^ k.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
        h = (h ^ h >> 15).wrapping_mul(3_266_489_917);
        f64::from(h >> 8) / f64::from(1u32 << 24)
    };
    let data = (0..width * height).map(|at| {
        let (x, y) = ((at % width) as f64 / width as f64, (at / width) as f64 / height as f64);
        let sum: f64 = (0..24)
            .map(|k| {
                let (u, v) = (wave(3 * k) * 14.0 - 7.0, wave(3 * k + 1) * 14.0 - 7.0);
                ((u * x + v * y + wave(3 * k + 2)) * std::f64::consts::TAU).sin() / (1.0 + u.hypot(v))
            })
            .sum();
        (128.0 + 60.0 * sum).clamp(0.0, 255.0) as u8
    });
    PixelBuf::new(data.collect(), width, height, Format::Luma8).unwrap()
}

/// A film of one shot a frame for a second, between two long ones.
fn shots() -> Vec<u32> {
    [vec![1000; 75], (1..=25).collect(), vec![2000; 75]].concat()
}

fn film(shots: &[u32]) -> VideoFingerprint {
    let mut builder = Builder::new(&Options::default());
    for (at, &shot) in shots.iter().enumerate() {
        builder.push(at as f64 / FPS, 1.0 / FPS, &picture(shot).as_pixels()).unwrap();
    }
    builder.finish()
}

fn still(shot: u32) -> Fingerprint {
    Fingerprint::Image(ImageFingerprint::of_pixels(&picture(shot).as_pixels()))
}

#[test]
fn every_frame_of_a_fast_film_is_found_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(place.path().join("store")).unwrap();
    let added = store.add(&Reference::new("film"), &Fingerprint::Video(film(&shots()))).unwrap();
    assert!(added.hashes < 160, "{} hashes for 7 seconds, one of them fast", added.hashes);
    // The first frame of the motion, before which all stood still, may be one that is not looked at.
    for (at, &shot) in shots().iter().enumerate().filter(|(at, _)| (60..110).contains(at) && *at != 75) {
        let verdict = store.ask(&still(shot)).unwrap();
        assert_eq!(verdict.outcome, Outcome::Match, "frame {at}");
        let [from, to] = verdict.matches[0].segments[0].reference;
        let time = at as f64 / FPS;
        // A shot that stands is known by some moment of it.
        let [first, last] = if shot < 1000 { [time - 0.01, time + 0.01] } else { [time - 3.2, time + 3.2] };
        assert!(first <= to && from <= last, "frame {at} at {time}: {from}..{to}");
    }
    assert_eq!(store.ask(&still(3000)).unwrap().outcome, Outcome::NoMatch);
}

#[test]
fn a_film_finds_the_still_that_it_shows_for_one_frame() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(place.path().join("store")).unwrap();
    for shot in 1..=25 {
        store.add(&Reference::new(shot.to_string()), &still(shot)).unwrap();
    }
    store.add(&Reference::new("another"), &still(3000)).unwrap();
    let verdict = store.ask(&Fingerprint::Video(film(&shots()))).unwrap();
    let mut found: Vec<u32> = verdict.matches.iter().map(|found| found.reference.parse().unwrap()).collect();
    found.sort_unstable();
    found.retain(|&shot| shot > 1);
    assert_eq!(found, (2..=25).collect::<Vec<_>>());
}
