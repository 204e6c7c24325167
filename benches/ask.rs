//! Time of whole questions about a store of many references: `cargo bench --bench ask -- COUNT [FOLDER]`, by default 100,000
//! references in a folder that goes away afterwards; a folder that is named is kept, and used again as it is.
//!
//! The references are drawn: each has the views of a picture with a content box, whose hashes are random, a quarter of
//! them near one of a thousand centres. The queries are the pictures of `fixtures/uploads`. `RAYON_NUM_THREADS=1` gives
//! figures of one core. Each question is asked as it is by default, and exactly
//! (or, with CERTAIN=15,19,96, as near for certain as these numbers say). Prints JSON lines.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use refrain::bank::{AskOptions, BankConfig, Reference};
use refrain::eval::Random;
use refrain::fingerprint::ViewSet;
use refrain::hash::Hash;
use refrain::{Cancel, Fingerprint, Media, Options, Store, fingerprint};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// References that are added in one transaction.
const BATCH: usize = 10_000;
const CENTRES: u64 = 1000;
/// Every which view is near a centre, and how many bits off it is at most.
const CLUSTERED: usize = 4;
const OFF: usize = 40;
/// Times that a query is asked; the median counts.
const ROUNDS: usize = 3;

const PRESETS: [(&str, ViewSet); 3] =
    [("none", ViewSet::None), ("standard", ViewSet::Standard), ("thorough", ViewSet::Thorough)];

fn random(random: &mut Random) -> Hash {
    Hash::from_words(std::array::from_fn(|_| random.next_u64()))
}

fn drawn(source: &mut Random) -> Hash {
    if source.below(CLUSTERED) != 0 {
        return random(source);
    }
    let mut hash = random(&mut Random::new(source.next_u64() % CENTRES));
    for _ in 0..source.below(OFF) {
        let bit = source.below(256);
        hash.0[bit / 8] ^= 1 << (bit % 8);
    }
    hash
}

/// Pictures, smallest name first.
fn pictures(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    paths.sort();
    Ok(paths)
}

fn print(path: &Path, views: ViewSet) -> Result<Fingerprint> {
    let mut options = Options::default();
    options.views = views;
    Ok(fingerprint(Media::file(path), &options)?)
}

fn fill(store: &Store, count: usize) -> Result<()> {
    let mut shapes = Vec::new();
    for path in pictures("removed")? {
        if let Fingerprint::Image(image) = print(&path, ViewSet::Thorough)? {
            shapes.push(image.into_reference());
        }
    }
    // The one with the most views stands for all.
    let shape = shapes.into_iter().max_by_key(|shape| shape.views.len()).ok_or("no picture among the fixtures")?;
    let source = &mut Random::new(7);
    for first in (0..count).step_by(BATCH) {
        let many: Vec<(Reference, Fingerprint)> = (first..count.min(first + BATCH))
            .map(|number| {
                let mut image = shape.clone();
                for view in &mut image.views {
                    (view.hash, view.quality, view.stability) = (drawn(source), 100, 1.0);
                    if let Some(detail) = &mut view.detail {
                        detail.hash = drawn(source);
                    }
                }
                (Reference::new(number.to_string()), Fingerprint::Image(image))
            })
            .collect();
        for added in store.add_many(many.iter().map(|(reference, print)| (reference, print)))? {
            added?;
        }
    }
    store.merge(&Cancel::new())?;
    Ok(())
}

fn measure(folder: &Path, name: &str, views: ViewSet, count: usize) -> Result<()> {
    let start = Instant::now();
    let store = Store::create_or_open(folder)?;
    if store.stats()?.references == 0 {
        store.set_bank(&BankConfig::new("default").views(views))?;
        fill(&store, count)?;
    }
    let built = start.elapsed().as_secs_f64();
    let stats = store.stats()?;
    let given = std::env::var("CERTAIN").unwrap_or_else(|_| "96".into());
    let given =
        given.split(',').map(|distance| distance.parse().map(Some)).collect::<std::result::Result<Vec<_>, _>>()?;
    for certain in std::iter::once(None).chain(given) {
        let options = certain.map_or_else(AskOptions::default, |distance| AskOptions::default().certain(distance));
        let certain = certain.unwrap_or(views.certain_distance());
        let mut millis = Vec::new();
        for path in pictures("uploads")? {
            let query = print(&path, ViewSet::Thorough)?;
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let start = Instant::now();
                store.ask_with(&query, &options)?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            millis.push(times[ROUNDS / 2]);
        }
        millis.sort_by(f64::total_cmp);
        println!(
            "{{\"views\":\"{name}\",\"certain\":{certain},\"references\":{},\"entries\":{},\"gigabytes\":{:.2},\"seconds_to_build\":{built:.0},\"queries\":{},\"threads\":{},\"milliseconds_median\":{:.2},\"milliseconds_worst\":{:.2}}}",
            stats.references,
            stats.hashes,
            stats.bytes as f64 / 1e9,
            millis.len(),
            rayon::current_num_threads(),
            millis[millis.len() / 2],
            millis[millis.len() - 1],
        );
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let count = arguments.first().map_or(Ok(100_000), |count| count.parse())?;
    let only = std::env::var("VIEWS").ok();
    for (name, views) in PRESETS.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        match arguments.get(1) {
            Some(folder) => measure(&Path::new(folder).join(name), name, views, count)?,
            None => measure(tempfile::tempdir()?.path(), name, views, count)?,
        }
    }
    Ok(())
}
