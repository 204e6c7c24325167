//! Seeded random damage to whole files, and what the library makes of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use refrain::fingerprint::Sampling;
use refrain::{Media, Options, fingerprint};

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) asked: usize,
    pub(crate) fine: usize,
    pub(crate) refused: usize,
    /// Errors by their code.
    pub(crate) codes: BTreeMap<&'static str, usize>,
    /// Decoders that panicked behind the fence, by their message: reported, not a failure.
    pub(crate) fenced: BTreeMap<String, usize>,
    /// What must not be: a panic, an unnamed error, an error that no upload may cause, or no end.
    pub(crate) strange: Vec<String>,
    pub(crate) slowest: (Duration, String),
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Damages `bytes` in one to four ways; headers are hit more often than their share.
fn damage(mut bytes: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    const EXTREMES: [u8; 8] = [0, 1, 0x7F, 0x80, 0xFF, 0xFE, 0x20, 0xD9];
    for _ in 0..=rng.below(4) {
        if bytes.is_empty() {
            break;
        }
        let reach = if rng.below(2) == 0 { bytes.len().min(600) } else { bytes.len() };
        let at = rng.below(reach);
        match rng.below(9) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = EXTREMES[rng.below(8)],
            2 => bytes[at] = rng.next() as u8,
            3 => {
                let end = bytes.len().min(at + 1 + rng.below(4));
                bytes[at..end].fill(EXTREMES[rng.below(8)]);
            }
            4 => bytes.truncate(at.max(1)),
            5 => {
                let end = bytes.len().min(at + 1 + rng.below(64));
                bytes.drain(at..end);
            }
            6 => {
                let end = bytes.len().min(at + 1 + rng.below(200));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            7 => {
                let from = rng.below(other.len());
                let end = other.len().min(from + 1 + rng.below(300));
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                for _ in 0..rng.below(20) {
                    let at = rng.below(bytes.len());
                    bytes[at] ^= 1 << rng.below(8);
                }
            }
        }
    }
    bytes
}

/// Every small file there is, and the first part of some films.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds: Vec<(String, Vec<u8>)> = std::fs::read_dir(root.join("tests/media"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end != "md"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    assert!(seeds.len() >= 25, "{} seeds", seeds.len());
    for name in ["boats-low.mp4", "trip-grey.webm", "best-of.mkv", "front-page.jpg", "city-tiny.gif", "fish.gif"] {
        let mut bytes = std::fs::read(root.join("fixtures/uploads").join(name)).unwrap();
        bytes.truncate(40_000);
        seeds.push((name.into(), bytes));
    }
    seeds
}

pub(crate) fn run(seed: u64, count: usize) -> Report {
    let seeds = seeds();
    let mut options = Options::default();
    options.limits.bytes = 4 << 20;
    options.limits.side = 4096;
    options.limits.pixels = 4_000_000;
    options.limits.memory = 64 << 20;
    options.limits.frames = 2_000;
    options.limits.duration = 600.0;
    options.limits.time = Duration::from_secs(10);
    let report = Mutex::new(Report::default());
    (0..count).into_par_iter().for_each(|i| {
        let mut rng = Rng(seed ^ (i as u64) << 20);
        let (name, bytes) = &seeds[i % seeds.len()];
        let other = &seeds[rng.below(seeds.len())].1;
        let bytes = damage(bytes.clone(), other, &mut rng);
        let mut options = options.clone();
        options.sampling = if i % 3 == 0 { Sampling::Mixed } else { Sampling::Keyframes };
        let label = format!("mutant {i} of {name}");
        let start = Instant::now();
        let answer = std::panic::catch_unwind(|| fingerprint(Media::bytes(&bytes).named(&label), &options));
        let took = start.elapsed();
        let mut report = report.lock().unwrap();
        report.asked += 1;
        if took > report.slowest.0 {
            report.slowest = (took, label.clone());
        }
        if took > Duration::from_secs(90) {
            report.strange.push(format!("{label}: no answer for {took:?}"));
        }
        match answer {
            Ok(Ok(_)) => report.fine += 1,
            Ok(Err(error)) => {
                report.refused += 1;
                let (code, words) = (error.code(), error.to_string());
                *report.codes.entry(code).or_default() += 1;
                if !matches!(code, "decode" | "unsupported" | "limit" | "too_little_detail")
                    || !words.starts_with(&label)
                {
                    report.strange.push(words);
                } else if words.contains("gave up on a state") {
                    *report.fenced.entry(format!("{name}: {words}")).or_default() += 1;
                }
            }
            Err(_) => report.strange.push(format!("{label}: panicked")),
        }
    });
    report.into_inner().unwrap()
}
