//! The Rust half of `make bench-hash`: makes the pictures, and measures refrain and the crates beside it.
//!
//! `peers generate DIR` writes one picture a size (`encode.py` makes JPEGs of them); `peers measure DIR NAME` prints lines of
//! `size, what, tool, threads, pictures a second`, tab-separated. Lines of `times` have all cores over one in the last place,
//! lines of `share` decoding's share of JPEG to hash.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use image::RgbImage;
use image_hasher::{HashAlg, HasherConfig};
use refrain::hash::{Format, Pixels};
use refrain::image::{Decoded, decode};
use refrain::pdq::{self, Dihedral, Hasher, Stream};
use refrain::simd::Level;
use refrain::{Limits, hash::PixelBuf};

const SIZES: [(u32, u32); 4] = [(512, 512), (1024, 768), (1920, 1080), (4000, 3000)];
/// How long one core and all cores work in turns, and how many turns each has.
const SLICE: Duration = Duration::from_millis(110);
const TURNS: usize = 7;
/// The rows of a band of blocks of a JPEG with 4:2:0 colour.
const BAND: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", folder] => generate(Path::new(folder)),
        ["measure", folder, size] => measure(Path::new(folder), size),
        _ => Err("peers generate DIR | peers measure DIR SIZE".into()),
    }
}

fn generate(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for (width, height) in SIZES {
        scene(width, height).save(folder.join(format!("{width}x{height}.png")))?;
        println!("{width}x{height}");
    }
    Ok(())
}

/// Shapes, shades and grain: as JPEG at quality 85 with 4:2:0 colour, 1.5 to 1.8 bits a pixel. (Half of 580 photographs at
/// 640 pixels and quality 88 take more than 1.8 bits, half less.)
fn scene(width: u32, height: u32) -> RgbImage {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let discs: Vec<[f32; 6]> = (0..60).map(|_| [(); 6].map(|()| random())).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
        let mut colour = [90.0 + 80.0 * v, 110.0 + 60.0 * u, 180.0 - 90.0 * v];
        for disc in &discs {
            let (dx, dy, r) = (u - disc[0], v - disc[1], 0.02 + disc[2] * 0.12);
            if dx * dx + dy * dy < r * r {
                colour = [disc[3] * 255.0, disc[4] * 255.0, disc[5] * 255.0];
            }
        }
        let texture = 14.0 * ((x as f32 * 0.21).sin() * (y as f32 * 0.17).cos()) + (random() - 0.5) * 15.0;
        image::Rgb(colour.map(|c| (c + texture).clamp(0.0, 255.0) as u8))
    })
}

/// Uses a result, so that making it is not left out.
fn keep<T>(value: T) {
    black_box(value);
}

/// Pictures a second on one core and on all, and how many times the former the latter is.
struct Rates {
    alone: f64,
    threads: usize,
    together: f64,
    times: f64,
}

/// One core and all cores take turns, so that both see the same machine; each figure is the median of the turns.
fn rates<S>(make: impl Fn() -> S + Sync, work: impl Fn(&mut S) + Sync) -> Rates {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let turns: Vec<[f64; 2]> = (0..TURNS).map(|_| [1, threads].map(|threads| slice(threads, &make, &work))).collect();
    Rates {
        alone: median(turns.iter().map(|turn| turn[0])),
        threads,
        together: median(turns.iter().map(|turn| turn[1])),
        times: median(turns.iter().map(|turn| turn[1] / turn[0])),
    }
}

/// The work done a second by so many threads. Each makes what it works with, hasher and pixels, as programs do: made in
/// one place, their memories would share cache lines, and each write would take a line from the other; and of one picture
/// in memory both would read what one fetched. Each looks at its own clock, and all
/// start at once, warmed up.
fn slice<S>(threads: usize, make: &(impl Fn() -> S + Sync), work: &(impl Fn(&mut S) + Sync)) -> f64 {
    let ready = Barrier::new(threads);
    let alone = || {
        let mut state = make();
        work(&mut state);
        ready.wait();
        let (start, mut done) = (Instant::now(), 0.0);
        while done < 1.0 || start.elapsed() < SLICE {
            work(&mut state);
            done += 1.0;
        }
        done / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(alone)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(f64::NAN)).sum()
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The share of JPEG to hash that is not hashing: the whole, and hashing alone, in turns; the median of the turns.
fn share_of_decoding(bytes: &[u8], luma: &PixelBuf) -> f64 {
    let whole = |(): &mut ()| keep(refrain::image::hash(bytes, &Limits::default()));
    let hashing = |(): &mut ()| keep(hash_rows(&luma.as_pixels()));
    median((0..2 * TURNS).map(|_| 1.0 - slice(1, &|| (), &whole) / slice(1, &|| (), &hashing)))
}

/// Hashes as the decoder's rows are hashed: memory is taken anew, and the rows lie in the cache. A plane in memory would
/// be read from there. The picture is its first band of rows, as many as the decoder holds at a time, over and over, which
/// takes as long as any other.
fn hash_rows(luma: &Pixels<'_>) -> Option<Dihedral> {
    let mut stream = Stream::new(luma.width(), luma.height(), luma.format())?;
    for y in 0..luma.height() {
        stream.push_row(luma.row(y % BAND)).ok()?;
    }
    stream.finish_dihedral().ok()
}

fn measure(folder: &Path, size: &str) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(folder.join(format!("{size}.jpg")))?;
    let print = |what: &str, tool: &str, rates: Rates| {
        println!("{size}\t{what}\t{tool}\t1\t{:.3}", rates.alone);
        println!("{size}\t{what}\t{tool}\t{}\t{:.3}", rates.threads, rates.together);
        println!("{size}\ttimes\t{what}, {tool}\t{}\t{:.4}", rates.threads, rates.times);
    };
    let rgb = image::load_from_memory(&bytes)?.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    let old = old_image::DynamicImage::ImageRgb8(
        old_image::RgbImage::from_raw(rgb.width(), rgb.height(), rgb.as_raw().clone()).ok_or("size")?,
    );
    let luma = still(&bytes)?;
    let colour = PixelBuf::new(rgb.as_raw().clone(), width, height, Format::Rgb8)?;

    for level in Level::available() {
        let name = format!("refrain, luma, {level}");
        let make = || (Hasher::at(level), luma.clone());
        print("kernel", &name, rates(make, |(hasher, luma)| keep(hasher.hash(&luma.as_pixels()))));
    }
    for level in Level::available() {
        let name = format!("refrain, RGB, {level}");
        let make = || (Hasher::at(level), colour.clone());
        print("kernel", &name, rates(make, |(hasher, colour)| keep(hasher.hash(&colour.as_pixels()))));
    }
    let make = || (Hasher::new(), luma.clone());
    let eight = rates(make, |(hasher, luma)| keep(hasher.dihedral(&luma.as_pixels())));
    print("kernel", "refrain, luma, all eight", eight);
    let make = || old.clone();
    print("kernel", "crate pdqhash, RGB", rates(make, |old| keep(pdqhash::generate_pdq_full_size(old))));
    for (name, alg) in [("mean", HashAlg::Mean), ("gradient", HashAlg::Gradient), ("blockhash", HashAlg::Blockhash)] {
        let make = || (HasherConfig::new().hash_size(16, 16).hash_alg(alg).to_hasher(), rgb.clone());
        print(
            "kernel",
            &format!("image_hasher, RGB, {name}"),
            rates(make, |(hasher, rgb)| keep(hasher.hash_image(rgb))),
        );
    }

    print("jpeg", "refrain", rates(|| (), |()| keep(refrain::image::hash(&bytes, &Limits::default()))));
    println!("{size}\tshare\trefrain\t1\t{:.4}", share_of_decoding(&bytes, &luma));
    let full = || old_image::load_from_memory(&bytes).map(|p| pdqhash::generate_pdq_full_size(&p));
    print("jpeg", "crate pdqhash, full size", rates(|| (), |()| keep(full())));
    let shrunk = || old_image::load_from_memory(&bytes).map(|p| pdqhash::generate_pdq(&p));
    print("jpeg", "crate pdqhash, shrunk first (another hash)", rates(|| (), |()| keep(shrunk())));
    let make = || HasherConfig::new().hash_size(16, 16).hash_alg(HashAlg::Gradient).to_hasher();
    print(
        "jpeg",
        "image_hasher, gradient",
        rates(make, |h| keep(image::load_from_memory(&bytes).map(|p| h.hash_image(&p)))),
    );
    // What the table compares had better agree.
    let (ours, theirs) = (pdq::hash(&colour.as_pixels()).ok_or("no hash")?, pdqhash::generate_pdq_full_size(&old).0);
    let theirs = refrain::Hash(std::array::from_fn(|k| theirs[31 - k]));
    println!("{size}\tdistance\tcrate pdqhash\t1\t{}", ours.hash.distance(&theirs));
    println!("{size}\thash\trefrain\t1\t{}", ours.hash);
    Ok(())
}

fn still(bytes: &[u8]) -> Result<PixelBuf, Box<dyn Error>> {
    match decode(bytes, &Limits::default())? {
        Decoded::Still(pixels) => Ok(pixels),
        other => Err(format!("not a still: {other:?}").into()),
    }
}
