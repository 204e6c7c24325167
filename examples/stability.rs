//! Plots how low stability foretells that mild JPEG moves a hash, and what the refusal defaults cost.
//!
//! `cargo run --release --example stability -- ../shared/recall/images docs/benchmarks` takes every photograph at half
//! size and its sixteen tiles (skies, walls and water among them), recompresses them, and writes `stability.md` and
//! `stability.svg`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, imageops};
use rayon::prelude::*;
use refrain::hash::Pixels;
use refrain::pdq;

/// JPEG qualities that everybody would call mild.
const JPEG: [u8; 2] = [80, 50];
/// The distance past which the customary radius loses a copy.
const RADIUS: u32 = 31;
/// Bounds of the classes of stability and of quality.
const STABILITY: [f32; 12] = [0.0, 0.2, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];
const QUALITY: [f32; 12] = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, f32::INFINITY];

struct Case {
    whole: bool,
    quality: u8,
    stability: f32,
    /// The same without the least disturbance of one grey level.
    proportional: f32,
    distances: [u32; 2],
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let images = arguments.next().unwrap_or_else(|| "../shared/recall/images".into());
    let out = arguments.next().unwrap_or_else(|| "docs/benchmarks".into());
    let mut paths = fs::read_dir(&images)?.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let cases: Vec<Case> =
        paths.par_iter().map(|path| photograph(path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    fs::create_dir_all(&out)?;
    fs::write(Path::new(&out).join("stability.md"), table(&cases, paths.len())?)?;
    fs::write(Path::new(&out).join("stability.svg"), plot(&cases)?)?;
    println!("{} pictures from {} photographs: {out}/stability.md, {out}/stability.svg", cases.len(), paths.len());
    Ok(())
}

fn photograph(path: &Path) -> Result<Vec<Case>, String> {
    let photo = image::open(path).map_err(|e| format!("{}: {e}", path.display()))?.into_luma8();
    let (width, height) = photo.dimensions();
    let half = imageops::resize(&photo, width / 2, height / 2, imageops::FilterType::Triangle);
    let tile = |k: u32| {
        imageops::crop_imm(&photo, width * (k % 4) / 4, height * (k / 4) / 4, width / 4, height / 4).to_image()
    };
    let pictures = std::iter::once(half).chain((0..16).map(tile));
    Ok(pictures.enumerate().filter_map(|(k, picture)| case(&picture, k == 0)).collect())
}

fn case(picture: &GrayImage, whole: bool) -> Option<Case> {
    let before = hash(picture)?;
    let mut distances = [0; 2];
    for (distance, quality) in distances.iter_mut().zip(JPEG) {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).ok()?;
        let after = hash(&image::load_from_memory(&bytes).ok()?.into_luma8())?;
        *distance = before.hash.distance(&after.hash);
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let coefficients = pdq::coefficients(&*pdq::samples(&Pixels::luma(picture, width, height, width).ok()?)?);
    let ranked = |mut values: [f32; 256]| *values.select_nth_unstable_by(127, f32::total_cmp).1;
    let (median, typical) = (ranked(coefficients), ranked(coefficients.map(f32::abs)));
    let kept = coefficients.iter().filter(|&&v| (v - median).abs() > 0.02 * typical).count();
    Some(Case {
        whole,
        quality: before.quality,
        stability: before.stability,
        proportional: kept as f32 / 256.0,
        distances,
    })
}

fn hash(picture: &GrayImage) -> Option<pdq::Hashed> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    pdq::hash(&Pixels::luma(picture, width, height, width).ok()?)
}

/// The share of lost pictures, in per cent.
fn lost(cases: &[&Case], jpeg: usize) -> f64 {
    100.0 * cases.iter().filter(|c| c.distances[jpeg] > RADIUS).count() as f64 / cases.len().max(1) as f64
}

fn percentile(cases: &[&Case], jpeg: usize, share: f64) -> u32 {
    let mut distances: Vec<u32> = cases.iter().map(|c| c.distances[jpeg]).collect();
    distances.sort_unstable();
    distances.get(((distances.len().max(1) - 1) as f64 * share).round() as usize).copied().unwrap_or(0)
}

/// How often a lost picture has the lower figure than a kept one: 1.0 foretells the loss always, 0.5 never.
fn foretells(cases: &[Case], jpeg: usize, figure: impl Fn(&Case) -> f32) -> f64 {
    let (lost, kept): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|c| c.distances[jpeg] > RADIUS);
    let mut values: Vec<f32> = kept.iter().map(|c| figure(c)).collect();
    values.sort_by(f32::total_cmp);
    let above = |v: f32| {
        let (low, high) = (values.partition_point(|&k| k < v), values.partition_point(|&k| k <= v));
        (values.len() - high) as f64 + (high - low) as f64 / 2.0
    };
    lost.iter().map(|c| above(figure(c))).sum::<f64>() / (lost.len() * kept.len()).max(1) as f64
}

/// The cases of each class of a figure.
fn classes<'a>(cases: &'a [Case], bounds: &[f32; 12], figure: impl Fn(&Case) -> f32) -> Vec<(f32, f32, Vec<&'a Case>)> {
    (0..bounds.len())
        .map(|k| {
            let (from, to) = (bounds[k], bounds.get(k + 1).copied().unwrap_or(f32::INFINITY));
            (from, to, cases.iter().filter(|c| (from..to).contains(&figure(c))).collect())
        })
        .collect()
}

fn table(cases: &[Case], photographs: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::from("# Stability\n\n");
    let whole = cases.iter().filter(|c| c.whole).count();
    writeln!(
        text,
        "Made by `cargo run --release --example stability -- ../shared/recall/images docs/benchmarks`: {photographs} \
         photographs, each at half size ({whole} pictures) and in its 16 tiles ({} pictures), hashed before and after JPEG.\n",
        cases.len() - whole
    )?;
    text.push_str(
        "**Stability** is the share of the 256 bits that stay as they are when each DCT coefficient is moved either way by \
         2 % of the coefficients' median magnitude, or by 1.0 if that is more. The DCT is orthonormal, so 1.0 is what noise \
         of one grey level in the 64x64 samples does to a coefficient.\n\n![share of pictures lost by stability](stability.svg)\n\n",
    );
    writeln!(text, "A picture counts as *lost* when its hash moves by more than {RADIUS} bits.\n")?;
    text.push_str("How often a lost picture has the lower figure than one that is not lost (1.0 always, 0.5 no better than chance):\n\n");
    text.push_str("| figure | JPEG 80 | JPEG 50 |\n|---|---|---|\n");
    type Figure = fn(&Case) -> f32;
    let figures: [(&str, Figure); 3] = [
        ("stability", |c| c.stability),
        ("quality", |c| f32::from(c.quality)),
        ("stability without the least disturbance (2 % of the median magnitude alone)", |c| c.proportional),
    ];
    for (name, figure) in figures {
        writeln!(text, "| {name} | {:.3} | {:.3} |", foretells(cases, 0, figure), foretells(cases, 1, figure))?;
    }
    for (name, classes) in [
        ("stability", classes(cases, &STABILITY, |c| c.stability)),
        ("quality", classes(cases, &QUALITY, |c| f32::from(c.quality))),
    ] {
        write!(text, "\n| {name} | pictures | of them whole photographs |")?;
        JPEG.iter().try_for_each(|q| write!(text, " JPEG {q}: median / 95 % distance | lost |"))?;
        text.push_str("\n|---|---|---|---|---|---|---|\n");
        for (from, to, class) in classes.iter().filter(|(_, _, class)| !class.is_empty()) {
            let name = if to.is_finite() { format!("{from} .. {to}") } else { format!("{from} and more") };
            write!(text, "| {name} | {} | {} |", class.len(), class.iter().filter(|c| c.whole).count())?;
            for jpeg in 0..2 {
                let (middle, high) = (percentile(class, jpeg, 0.5), percentile(class, jpeg, 0.95));
                write!(text, " {middle} / {high} | {:.1} % |", lost(class, jpeg))?;
            }
            text.push('\n');
        }
    }
    text.push_str(
        "\n## The defaults\n\nWhat a rule refuses, what it wrongly refuses (pictures that JPEG 50 does not lose), and what it still \
         lets through:\n\n| least stability | least quality | refused | whole photographs refused | wrongly refused | lost of the \
         accepted: JPEG 80 | JPEG 50 |\n|---|---|---|---|---|---|---|\n",
    );
    for stability in [0.0, 0.6, 0.7, 0.8, 0.85] {
        for quality in [0, 20, 50] {
            let keeps = |c: &Case| c.stability >= stability && c.quality >= quality;
            let (kept, refused): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|c| keeps(c));
            let good = cases.iter().filter(|c| c.distances[1] <= RADIUS).count().max(1);
            let wrongly = refused.iter().filter(|c| c.distances[1] <= RADIUS).count();
            let mark = if (stability, quality) == (pdq::MIN_STABILITY, pdq::MIN_QUALITY) { "**" } else { "" };
            writeln!(
                text,
                "| {mark}{stability}{mark} | {mark}{quality}{mark} | {:.1} % | {} | {:.1} % | {:.2} % | {:.2} % |",
                100.0 * refused.len() as f64 / cases.len().max(1) as f64,
                refused.iter().filter(|c| c.whole).count(),
                100.0 * wrongly as f64 / good as f64,
                lost(&kept, 0),
                lost(&kept, 1),
            )?;
        }
    }
    writeln!(
        text,
        "\n`pdq::MIN_STABILITY` is {}: below it JPEG 50 loses most pictures, above it few, and no whole photograph lies below. \
         `pdq::MIN_QUALITY` is {}, the reference implementation's bound, so that exchanged lists keep their meaning; as the last \
         table shows, it refuses many pictures that would have survived, and a bank may lower it to 20 at little risk once the \
         stability is asked for as well.",
        pdq::MIN_STABILITY,
        pdq::MIN_QUALITY
    )?;
    Ok(text)
}

fn plot(cases: &[Case]) -> Result<String, std::fmt::Error> {
    let (left, top, width, height) = (60.0, 40.0, 560.0, 300.0);
    let x = |stability: f64| left + width * stability;
    let y = |share: f64| top + height * (1.0 - share / 100.0);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"660\" height=\"400\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"660\" height=\"400\" fill=\"white\"/>\n\
         <text x=\"60\" y=\"22\" font-size=\"14\">Share of pictures whose hash moves by more than 31 bits, by stability</text>\n",
    );
    for k in 0..=10 {
        let (at, up) = (x(f64::from(k) / 10.0), y(f64::from(k) * 10.0));
        writeln!(
            svg,
            "<path d=\"M{left} {up:.1}H{}M{at:.1} {top}V{}\" stroke=\"#e4e4e4\"/>",
            left + width,
            top + height
        )?;
        writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{:.1}</text>",
            top + height + 18.0,
            f64::from(k) / 10.0
        )?;
        writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{} %</text>", left - 6.0, up + 4.0, k * 10)?;
    }
    let bound = x(f64::from(pdq::MIN_STABILITY));
    writeln!(svg, "<path d=\"M{bound:.1} {top}V{}\" stroke=\"#444\" stroke-dasharray=\"5 4\"/>", top + height)?;
    writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">refused below {}</text>",
        bound,
        top - 5.0,
        pdq::MIN_STABILITY
    )?;
    let classes = classes(cases, &STABILITY, |c| c.stability);
    for (jpeg, colour) in [(0, "#1f6fb4"), (1, "#c8501e")] {
        let mut line = String::new();
        for (from, to, class) in classes.iter().filter(|(_, _, class)| !class.is_empty()) {
            let (at, up) = (x(f64::from(from + to.min(1.0)) / 2.0), y(lost(class, jpeg)));
            write!(line, "{}{at:.1} {up:.1}", if line.is_empty() { 'M' } else { 'L' })?;
            writeln!(
                svg,
                "<circle cx=\"{at:.1}\" cy=\"{up:.1}\" r=\"3\" fill=\"{colour}\"><title>{} pictures</title></circle>",
                class.len()
            )?;
        }
        writeln!(svg, "<path d=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>")?;
        let up = top + 230.0 + 18.0 * jpeg as f64;
        writeln!(svg, "<text x=\"{}\" y=\"{up}\" fill=\"{colour}\">JPEG quality {}</text>", left + 130.0, JPEG[jpeg])?;
    }
    writeln!(svg, "<text x=\"{}\" y=\"392\" text-anchor=\"middle\">stability</text>\n</svg>", left + width / 2.0)?;
    Ok(svg)
}
