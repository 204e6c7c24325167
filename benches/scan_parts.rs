//! What a scan of stills costs beside the sum of its parts: `scan_parts FOLDER COUNT`, JSON lines.
//!
//! The parts are reading and decoding, hashing, and asking, each timed around the very calls that a scan makes, on as many
//! threads as the scan takes. Then the scan itself; the scan with a journal; and a scan that is stopped halfway and gone
//! on with.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use refrain::bank::Reference;
use refrain::fingerprint::{ImageFingerprint, Media, Options, fingerprint};
use refrain::image::{Decoded, decode};
use refrain::scan::{Asking, Item, Journal, Patterns, ask_all, walk};
use refrain::{Cancel, Error, Fingerprint, Limits, Store};

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let [_, folder, count] = &args[..] else {
        println!("usage: scan_parts FOLDER COUNT");
        return;
    };
    let count = count.parse::<usize>().unwrap();
    let mut items = walk(&[folder.into()], &Patterns::default(), &Cancel::new()).unwrap().items;
    items.truncate(count);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create_or_open(dir.path().join("s")).unwrap();
    let known: Vec<(Reference, Fingerprint)> = items
        .par_iter()
        .step_by(10)
        .enumerate()
        .map(|(at, item)| {
            let print = fingerprint(Media::file(&item.path), &Options::default()).unwrap();
            (Reference::new(format!("r{at}")).bank("b"), print)
        })
        .collect();
    store.add_many(known.iter().map(|(reference, print)| (reference, print))).unwrap();
    scan(&store, &items, None); // the files are in the system's memory from here on, and every thread has begun
    // parts and whole in turn, so that a change of the machine's pace meets both
    let (mut parts, mut whole, mut journalled, mut resumed) = (vec![], vec![], vec![], vec![]);
    for round in 0..3 {
        parts.push(sum_of_parts(&store, &items));
        whole.push(scan(&store, &items, None));
        journalled.push(scan(&store, &items, Some(&dir.path().join(format!("journal-{round}")))));
        resumed.push(stopped_and_resumed(&store, &items, &dir.path().join(format!("resumed-{round}"))));
    }
    let [parts, whole, journalled, resumed] = [parts, whole, journalled, resumed].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[1]
    });
    println!(
        "{{\"stills\":{},\"threads\":{},\"parts_s\":{parts:.3},\"scan_s\":{whole:.3},\"journal_s\":{journalled:.3},\"resumed_s\":{resumed:.3}}}",
        items.len(),
        rayon::current_num_threads()
    );
}

/// Decoding, hashing and asking, summed over all files and shared among the threads, in seconds.
fn sum_of_parts(store: &Store, items: &[Item]) -> f64 {
    let times: [AtomicU64; 3] = Default::default();
    let timed = |part: usize, since: Instant| _ = times[part].fetch_add(since.elapsed().as_nanos() as u64, Relaxed);
    items.par_iter().for_each(|item| {
        let begun = Instant::now();
        let bytes = std::fs::read(&item.path).unwrap();
        let Decoded::Still(picture) = decode(&bytes, &Limits::default()).unwrap() else { return };
        timed(0, begun);
        let begun = Instant::now();
        let print = Fingerprint::Image(ImageFingerprint::of_pixels(&picture.as_pixels()));
        timed(1, begun);
        let begun = Instant::now();
        store.ask(&print).unwrap();
        timed(2, begun);
    });
    let nanos = times.map(AtomicU64::into_inner);
    eprintln!("decode, hash, ask in microseconds a file: {:?}", nanos.map(|n| n / 1000 / items.len() as u64));
    Duration::from_nanos(nanos.iter().sum()).as_secs_f64() / rayon::current_num_threads() as f64
}

fn scan(store: &Store, items: &[Item], journal: Option<&Path>) -> f64 {
    let start = Instant::now();
    let journal = journal.map(|path| Journal::open(path, "bench").unwrap());
    let mut how = Asking::default();
    how.parallel.window = 1 << 16;
    ask_all(store, items, &how, journal.as_ref(), |_, _| {}, |_, _| Ok::<_, Error>(())).1.unwrap();
    drop(journal);
    start.elapsed().as_secs_f64()
}

/// Stopped at half of the files, gone on with; the time of both runs.
fn stopped_and_resumed(store: &Store, items: &[Item], path: &Path) -> f64 {
    let start = Instant::now();
    let journal = Journal::open(path, "bench").unwrap();
    let mut how = Asking::default();
    how.parallel.window = 1 << 16;
    let cancel = how.parallel.cancel.clone();
    let half = items.len() as u64 / 2;
    let stop = |progress: &refrain::scan::Progress, _: &Item| {
        if progress.files_done == half {
            cancel.cancel();
        }
    };
    ask_all(store, items, &how, Some(&journal), stop, |_, _| Ok::<_, Error>(())).1.unwrap_err();
    drop(journal);
    let first = start.elapsed().as_secs_f64();
    first + scan(store, items, Some(path))
}
