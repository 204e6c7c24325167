//! Figures of the index, as JSON lines: builds it from a file of hashes and asks it what a file of queries holds.
//!
//! `index_figures DATA QUERIES RADII FOLDER [writer]`: both files are 32 bytes a hash; RADII is a list with commas. Run
//! with `RAYON_NUM_THREADS=1` for figures of one core. With `writer`, single queries are timed while another thread
//! adds 10,000 entries a second and merges.

use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use refrain::index::{DiskIndex, Entry, EntryId};
use refrain::{Cancel, Hash};

/// Queries in a batch, as a picture's views make.
const BATCH: usize = 64;
/// How long a figure is measured at least.
const LONG: Duration = Duration::from_millis(300);

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

/// Microseconds a query, in batches of `batch`, and hits a query.
fn measure(index: &DiskIndex, queries: &[Hash], radius: u32, batch: usize) -> Result<(f64, f64)> {
    let snapshot = index.snapshot();
    let (start, mut asked, mut hits) = (Instant::now(), 0, 0);
    while start.elapsed() < LONG || asked < queries.len().min(BATCH) {
        for some in queries.chunks_exact(batch) {
            hits += snapshot.search(some, radius)?.len();
            asked += some.len();
            if start.elapsed() > LONG && asked >= BATCH {
                break;
            }
        }
    }
    Ok((micros(start) / asked as f64, hits as f64 / asked as f64))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [data, queries, radii, folder, rest @ ..] = arguments.as_slice() else {
        eprintln!("index_figures DATA QUERIES RADII FOLDER [writer]; `make bench-index` runs it");
        return Ok(());
    };
    let (queries, folder) = (read(queries)?, Path::new(folder));
    let radii: Vec<u32> = radii.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    if !folder.exists() {
        let hashes = read(data)?;
        let all = entries(&hashes, 0);
        let start = Instant::now();
        let index = DiskIndex::create(folder)?;
        index.add(&all)?;
        index.merge(&Cancel::new())?;
        let stats = index.stats();
        let (seconds, count) = (start.elapsed().as_secs_f64(), all.len());
        println!(
            "{{\"figure\":\"build\",\"entries\":{count},\"seconds\":{seconds:.3},\"bytes_an_entry\":{:.2}}}",
            stats.bytes as f64 / count as f64
        );
    }
    let start = Instant::now();
    let index = DiskIndex::open(folder)?;
    let open = micros(start);
    let start = Instant::now();
    index.snapshot().search(&queries[..1], 31)?;
    println!("{{\"figure\":\"open\",\"open_us\":{open:.0},\"first_query_us\":{:.0}}}", micros(start));
    let entries_before = index.snapshot().len();
    for &radius in &radii {
        measure(&index, &queries, radius, BATCH)?; // warm
        let (single, hits) = measure(&index, &queries, radius, 1)?;
        let (batch, _) = measure(&index, &queries, radius, BATCH)?;
        println!(
            "{{\"figure\":\"search\",\"entries\":{entries_before},\"radius\":{radius},\"single_us\":{single:.2},\"batch_us\":{batch:.2},\"hits\":{hits:.2}}}"
        );
    }
    let fresh: Vec<Hash> = queries.iter().cycle().take(1000).map(Hash::complement).collect();
    let mut times: Vec<f64> = Vec::new();
    for round in 0..10 {
        let some = entries(&fresh, (1 << 39) + round * 1000);
        let start = Instant::now();
        index.add(&some)?;
        times.push(micros(start));
    }
    times.sort_by(f64::total_cmp);
    println!("{{\"figure\":\"add\",\"entries\":1000,\"median_us\":{:.0},\"worst_us\":{:.0}}}", times[5], times[9]);
    let start = Instant::now();
    for _ in 0..1000 {
        index.refresh()?;
    }
    println!("{{\"figure\":\"refresh\",\"unchanged_us\":{:.2}}}", micros(start) / 1000.0);
    if rest.iter().any(|word| word == "writer") {
        let stop = AtomicBool::new(false);
        let latencies = std::thread::scope(|scope| -> Result<Vec<f64>> {
            let writer = scope.spawn(|| -> Result<u64> {
                let (start, mut added) = (Instant::now(), 0);
                while !stop.load(Ordering::Relaxed) {
                    index.add(&entries(&fresh, (1 << 38) + added))?;
                    added += 1000;
                    let due = Duration::from_micros(added * 100);
                    std::thread::sleep(due.saturating_sub(start.elapsed()));
                }
                Ok(added)
            });
            let (start, mut latencies) = (Instant::now(), Vec::new());
            while start.elapsed() < Duration::from_secs(10) {
                for query in &queries {
                    let start = Instant::now();
                    index.snapshot().search(std::slice::from_ref(query), 31)?;
                    latencies.push(micros(start));
                }
            }
            stop.store(true, Ordering::Relaxed);
            let added = writer.join().map_err(|_| "the writer panicked")??;
            println!("{{\"figure\":\"written\",\"entries\":{added},\"parts\":{}}}", index.stats().parts);
            Ok(latencies)
        });
        let mut latencies = latencies?;
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        println!(
            "{{\"figure\":\"beside a writer\",\"median_us\":{:.1},\"p99_us\":{:.1},\"worst_us\":{:.0}}}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}
