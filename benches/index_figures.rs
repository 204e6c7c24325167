//! Figures of the index, as JSON lines.
//!
//! - `build DATA FOLDER`: an index of a file of hashes, 32 bytes each;
//! - `stream COUNT FOLDER`: an index of COUNT random hashes that are never in memory or on disk together;
//! - `ask QUERIES RADII FOLDER`: opens it, asks singly, in batches of 64 and of 8,192; RADII is a list with commas;
//! - `back QUERIES FOLDER`: for an index that the system has forgotten: asks it within 31 once its queries have brought it in;
//! - `preload QUERIES FOLDER`: the same, once it was brought in at one go;
//! - `cold QUERIES FOLDER`: opens it and asks within 31 once the system has forgotten it, seven times, in turns with reading as many
//!   random pages of it as such a question does (Linux);
//! - `add QUERIES FOLDER`: adds 1,000 at a time, and from several threads one at a time;
//! - `writer QUERIES FOLDER`: merges; asks; and asks while another thread adds 10,000 entries a second and merges;
//! - `join RADIUS FOLDER`: the index against itself.
//!
//! `RAYON_NUM_THREADS=1` gives figures of one core. `make bench-index` runs it.

use std::error::Error;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use refrain::index::{DiskIndex, Entry, EntryId, Query};
use refrain::{Cancel, Hash};

/// Queries in a batch, as a picture's views make.
const BATCH: usize = 64;
/// Queries that are asked together as one list is held against another, up to a radius of [`BULK_UP_TO`].
const BULK: usize = 8192;
/// See [`BULK`].
const BULK_UP_TO: u32 = 48;
/// Queries whose hits are counted.
const COUNTED: usize = 1024;
/// Radii from [`CERTAIN_FROM`] on are also asked with only this for certain.
const CERTAIN: u32 = 15;
/// See [`CERTAIN`].
const CERTAIN_FROM: u32 = 31;
/// How often an index that was forgotten is opened.
const COLD: usize = 7;
/// Reads that a query within 31 of 10^7 entries takes from a disk, each of one page mostly.
const READS: u64 = 370;
/// Bytes of a page.
const PAGE: u64 = 4096;
/// How long a figure is measured at least.
const LONG: Duration = Duration::from_millis(400);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn read(path: &str) -> Result<Vec<Hash>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect())
}

fn entries(hashes: &[Hash], first: u64) -> Vec<Entry> {
    let id = |owner| EntryId::new(owner, 0);
    (first..).zip(hashes).filter_map(|(owner, &hash)| Some(Entry { id: id(owner)?, hash })).collect()
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

/// The most memory that this process has held, in GiB, mapped files not counted; 0 where the system does not say.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| -> f64 {
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        found.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
    };
    // The peak of everything, less what is mapped now.
    (line("VmHWM:") - line("RssFile:")).max(line("RssAnon:")) / f64::from(1 << 20)
}

fn built(index: &DiskIndex, start: Instant) {
    let (stats, seconds) = (index.stats(), start.elapsed().as_secs_f64());
    println!(
        "{{\"figure\":\"build\",\"entries\":{},\"seconds\":{seconds:.2},\"bytes_an_entry\":{:.1},\"parts\":{},\"threads\":{},\"peak_gib\":{:.2}}}",
        stats.entries,
        stats.bytes as f64 / stats.entries as f64,
        stats.parts,
        rayon::current_num_threads(),
        peak(),
    );
}

fn build(data: &str, folder: &Path) -> Result<()> {
    let all = entries(&read(data)?, 0);
    let start = Instant::now();
    let index = DiskIndex::create(folder)?;
    index.add(&all)?;
    index.merge(&Cancel::new())?;
    built(&index, start);
    Ok(())
}

/// The `i`-th random hash (SplitMix64; Steele, Lea, Flood 2014).
fn random(i: u64) -> Hash {
    let word = |k: u64| {
        let mut z = (i * 4 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    Hash::from_words([word(1), word(2), word(3), word(4)])
}

fn stream(count: u64, folder: &Path) -> Result<()> {
    let start = Instant::now();
    let index = DiskIndex::create(folder)?;
    let entry = |owner| Some(Entry { id: EntryId::new(owner, 0)?, hash: random(owner) });
    index.add_stream((0..count).filter_map(entry), &Cancel::new())?;
    built(&index, start);
    Ok(())
}

/// Microseconds a query within `radius` and for certain within `certain`, in batches of `batch`, and hits a query.
fn measure(index: &DiskIndex, queries: &[Hash], [radius, certain]: [u32; 2], batch: usize) -> Result<(f64, f64)> {
    let queries: Vec<Query> = queries.iter().map(|&hash| Query::new(hash, radius).certain(certain)).collect();
    let snapshot = index.snapshot();
    let (start, mut asked, mut hits) = (Instant::now(), 0, 0);
    while start.elapsed() < LONG || asked < BATCH {
        for some in queries.chunks_exact(batch) {
            hits += snapshot.search_each(some, usize::MAX)?.hits.len();
            asked += some.len();
            if start.elapsed() > LONG && asked >= BATCH {
                break;
            }
        }
    }
    Ok((micros(start) / asked as f64, hits as f64 / asked as f64))
}

/// What `DiskIndex::preload` brings, and what it takes.
fn preload(queries: &str, folder: &Path, at_once: bool) -> Result<()> {
    let queries = read(queries)?;
    let index = DiskIndex::open_reader(folder)?;
    let start = Instant::now();
    if at_once {
        index.preload(&Cancel::new())?;
    } else {
        for some in queries.chunks(BATCH) {
            index.snapshot().search(some, 31)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (single, _) = measure(&index, &queries, [31, 31], 1)?;
    let (batch, _) = measure(&index, &queries, [31, 31], BATCH)?;
    println!(
        "{{\"figure\":\"{}\",\"seconds\":{seconds:.2},\"single_us\":{single:.2},\"batch_us\":{batch:.2}}}",
        if at_once { "preload" } else { "back" }
    );
    Ok(())
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// Has the system forget what it holds of the files of a folder.
#[cfg(target_os = "linux")]
fn forget(folder: &Path) -> Result<()> {
    for path in files(folder)? {
        let file = std::fs::File::open(path)?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// Microseconds until [`READS`] random pages of the largest file are there that are asked for at once.
#[cfg(target_os = "linux")]
fn pace(folder: &Path, round: u64) -> Result<f64> {
    use rustix::fs::Advice;
    use std::os::unix::fs::FileExt;

    let sized = files(folder)?.into_iter().map(|path| Ok((path.metadata()?.len(), path)));
    let (bytes, path) = sized.collect::<Result<Vec<_>>>()?.into_iter().max().ok_or("an empty folder")?;
    let file = std::fs::File::open(path)?;
    rustix::fs::fadvise(&file, 0, None, Advice::Random)?;
    let place = |i| random(round * READS + i).words()[0] % (bytes / PAGE) * PAGE;
    let mut places: Vec<u64> = (0..READS).map(place).collect();
    places.sort_unstable();
    let (start, mut page) = (Instant::now(), [0; PAGE as usize]);
    for &at in &places {
        rustix::fs::fadvise(&file, at, std::num::NonZeroU64::new(PAGE), Advice::WillNeed)?;
    }
    for &at in &places {
        file.read_exact_at(&mut page, at)?;
    }
    Ok(micros(start))
}

#[cfg(target_os = "linux")]
fn cold(queries: &str, folder: &Path) -> Result<()> {
    let queries = read(queries)?;
    let (mut disk, mut open, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for (round, query) in queries.iter().enumerate().take(COLD) {
        forget(folder)?;
        disk.push(pace(folder, round as u64)?);
        forget(folder)?;
        let start = Instant::now();
        let index = DiskIndex::open(folder)?;
        open.push(micros(start));
        let start = Instant::now();
        index.snapshot().search(std::slice::from_ref(query), 31)?;
        first.push(micros(start));
    }
    let figures = [("disk", disk), ("open", open), ("first", first)].map(|(name, mut times)| {
        times.sort_by(f64::total_cmp);
        format!("\"{name}_us\":[{:.0},{:.0}]", times[0], times[times.len() / 2])
    });
    println!("{{\"figure\":\"cold\",{}}}", figures.join(","));
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn cold(_: &str, _: &Path) -> Result<()> {
    Ok(())
}

fn ask(queries: &str, radii: &str, folder: &Path) -> Result<()> {
    let queries = read(queries)?;
    let radii: Vec<u32> = radii.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let start = Instant::now();
    let index = DiskIndex::open(folder)?;
    let open = micros(start);
    let start = Instant::now();
    index.snapshot().search(&queries[..1], 31)?;
    let first = micros(start);
    drop(index);
    let start = Instant::now();
    let index = DiskIndex::open_reader(folder)?;
    println!(
        "{{\"figure\":\"open\",\"open_us\":{open:.0},\"first_query_us\":{first:.0},\"reader_us\":{:.0}}}",
        micros(start)
    );
    // What was built or forgotten a moment ago comes in from the disk, and its checksums are looked at, only once.
    for _ in 0..2 {
        for some in queries.chunks(BATCH).take(2 * COUNTED / BATCH) {
            index.snapshot().search(some, 48)?;
        }
    }
    for radius in radii {
        let mut whole = 0.0;
        for certain in [radius, CERTAIN] {
            if certain != radius && radius < CERTAIN_FROM {
                continue;
            }
            let far = [radius, certain];
            measure(&index, &queries, far, BATCH)?; // warm
            let (single, _) = measure(&index, &queries, far, 1)?;
            let (batch, _) = measure(&index, &queries, far, BATCH)?;
            let bulk = queries.len().min(BULK);
            let bulk = if radius <= BULK_UP_TO { measure(&index, &queries, far, bulk)?.0 } else { 0.0 };
            // Every query as often as the others.
            let counted = &queries[..queries.len().min(COUNTED)];
            let some: Vec<Query> = counted.iter().map(|&hash| Query::new(hash, radius).certain(certain)).collect();
            let hits = index.snapshot().search_each(&some, usize::MAX)?.hits.len() as f64;
            if certain == radius {
                whole = hits;
            }
            println!(
                "{{\"figure\":\"search\",\"radius\":{radius},\"certain\":{certain},\"single_us\":{single:.2},\"batch_us\":{batch:.2},\"bulk_us\":{bulk:.2},\"hits\":{:.2},\"share\":{:.4}}}",
                hits / counted.len() as f64,
                if whole > 0.0 { hits / whole } else { 1.0 },
            );
        }
    }
    Ok(())
}

fn add(queries: &str, folder: &Path) -> Result<()> {
    let queries = read(queries)?;
    let index = DiskIndex::open(folder)?;
    index.merge(&Cancel::new())?;
    let fresh: Vec<Hash> = queries.iter().cycle().take(1000).map(Hash::complement).collect();
    let mut times: Vec<f64> = Vec::new();
    for round in 0..10 {
        let some = entries(&fresh, (1 << 39) + round * 1000);
        let start = Instant::now();
        index.add(&some)?;
        times.push(micros(start));
    }
    times.sort_by(f64::total_cmp);
    println!("{{\"figure\":\"add 1000\",\"median_us\":{:.0},\"worst_us\":{:.0}}}", times[5], times[9]);
    let start = Instant::now();
    for _ in 0..1000 {
        index.refresh()?;
    }
    println!("{{\"figure\":\"refresh\",\"unchanged_us\":{:.2}}}", micros(start) / 1000.0);
    for threads in [1, 8, 32] {
        let (start, next) = (Instant::now(), AtomicU64::new(0));
        std::thread::scope(|scope| -> Result<()> {
            let work = || -> Result<()> {
                while start.elapsed() < Duration::from_secs(1) {
                    let owner = (1 << 37) + (threads << 24) + next.fetch_add(1, Ordering::Relaxed);
                    index.add(&entries(&fresh[..1], owner))?;
                }
                Ok(())
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "an adding thread panicked")?)
        })?;
        let done = next.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        println!("{{\"figure\":\"add 1\",\"threads\":{threads},\"adds_a_second\":{done:.0}}}");
    }
    Ok(())
}

fn writer(queries: &str, folder: &Path) -> Result<()> {
    let queries = read(queries)?;
    let index = DiskIndex::open(folder)?;
    index.merge(&Cancel::new())?;
    let fresh: Vec<Hash> = queries.iter().cycle().take(1000).map(Hash::complement).collect();
    for busy in [false, true] {
        let stop = AtomicBool::new(false);
        let mut latencies = std::thread::scope(|scope| -> Result<Vec<f64>> {
            let writer = scope.spawn(|| -> Result<u64> {
                let (start, mut added) = (Instant::now(), 0);
                while busy && !stop.load(Ordering::Relaxed) {
                    index.add(&entries(&fresh, (1 << 38) + added))?;
                    added += 1000;
                    let due = Duration::from_micros(added * 100);
                    std::thread::sleep(due.saturating_sub(start.elapsed()));
                }
                Ok(added)
            });
            let (start, mut latencies) = (Instant::now(), Vec::new());
            while start.elapsed() < Duration::from_secs(if busy { 20 } else { 3 }) {
                for query in &queries {
                    let start = Instant::now();
                    index.snapshot().search(std::slice::from_ref(query), 31)?;
                    latencies.push(micros(start));
                }
            }
            stop.store(true, Ordering::Relaxed);
            let added = writer.join().map_err(|_| "the writer panicked")??;
            if busy {
                println!("{{\"figure\":\"written\",\"added\":{added},\"parts\":{}}}", index.stats().parts);
            }
            Ok(latencies)
        })?;
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        println!(
            "{{\"figure\":\"latency {} a writer\",\"median_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.0},\"worst_us\":{:.0}}}",
            if busy { "beside" } else { "without" },
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
    Ok(())
}

fn join(radius: &str, folder: &Path) -> Result<()> {
    let index = DiskIndex::open_reader(folder)?;
    let (start, pairs) = (Instant::now(), AtomicU64::new(0));
    index.snapshot().self_join(radius.parse()?, &Cancel::new(), |_| {
        pairs.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    })?;
    println!(
        "{{\"figure\":\"self join\",\"radius\":{radius},\"seconds\":{:.2},\"pairs\":{},\"threads\":{}}}",
        start.elapsed().as_secs_f64(),
        pairs.load(Ordering::Relaxed),
        rayon::current_num_threads()
    );
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["build", data, folder] => build(data, Path::new(folder)),
        ["stream", count, folder] => stream(count.parse()?, Path::new(folder)),
        ["ask", queries, radii, folder] => ask(queries, radii, Path::new(folder)),
        ["back", queries, folder] => preload(queries, Path::new(folder), false),
        ["preload", queries, folder] => preload(queries, Path::new(folder), true),
        ["cold", queries, folder] => cold(queries, Path::new(folder)),
        ["add", queries, folder] => add(queries, Path::new(folder)),
        ["writer", queries, folder] => writer(queries, Path::new(folder)),
        ["join", radius, folder] => join(radius, Path::new(folder)),
        _ => {
            eprintln!("`make bench-index` runs this; the head of the file says how");
            Ok(())
        }
    }
}
