//! Draws the folder of stills that `make bench-scan` measures on: `scan_media DIR COUNT`. Half of the files are scenes of
//! their own, the other half copies of those, altered as copies are; `truth.csv` says which is which.
//!
//! Scenes are noise with the spectrum of photographs and some shapes in front, so that encoded sizes and hashes are as
//! those of photographs, and there are as many of them as anybody wants.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use refrain::eval::{Attack, Picture, Random, attacks};

/// What copies undergo, and every how many copies.
const ATTACKS: [&str; 10] =
    ["jpeg_80", "jpeg_50", "jpeg_20", "half", "quarter", "grey", "brighter", "crop_3", "logo", "mirror"];
const SIZES: [(usize, usize); 5] = [(640, 480), (800, 600), (1024, 768), (768, 1024), (1600, 1200)];

fn main() {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let [_, dir, count] = &args[..] else {
        println!("usage: scan_media DIR COUNT");
        return;
    };
    let (dir, count) = (Path::new(dir), count.parse::<usize>().unwrap());
    fs::create_dir_all(dir.join("stills")).unwrap();
    let known = attacks::stills();
    let rows: Vec<[String; 3]> = (0..count / 2)
        .into_par_iter()
        .flat_map_iter(|number| {
            let attack = ATTACKS[number % ATTACKS.len()];
            let [first, second] = ["a", "b"].map(|name| format!("stills/{number:06}{name}.jpg"));
            if !dir.join(&second).exists() {
                let scene = scene(number);
                fs::write(dir.join(&first), scene.to_jpeg(88).unwrap()).unwrap();
                fs::write(dir.join(&second), altered(&scene, attack, number, &known)).unwrap();
            }
            [[first, number.to_string(), "original".into()], [second, number.to_string(), attack.into()]]
        })
        .collect();
    let mut truth = String::from("file,group,change\n");
    rows.iter().for_each(|row| truth += &format!("{}\n", row.join(",")));
    fs::write(dir.join("truth.csv"), truth).unwrap();
}

fn altered(scene: &Picture, attack: &str, number: usize, known: &[Attack]) -> Vec<u8> {
    let logo = known.iter().find(|attack| attack.name.starts_with("logo")).unwrap();
    let picture = match attack {
        "half" => scene.scale(0.5),
        "quarter" => scene.scale(0.25),
        "grey" => scene.clone().map_colour(|[r, g, b]| [0.299 * r + 0.587 * g + 0.114 * b; 3]),
        "brighter" => scene.clone().map(|v| v * 0.85 + 38.0),
        "crop_3" => scene.cut(0.015, 0.015, 0.015, 0.015),
        "logo" => logo.apply(scene, &number.to_string(), 1, &[]),
        "mirror" => scene.mirror(),
        _ => scene.clone(),
    };
    let quality = attack.strip_prefix("jpeg_").map_or(75, |quality| quality.parse().unwrap());
    picture.to_jpeg(quality).unwrap()
}

/// A lattice of random levels that is read with smooth steps.
struct Lattice {
    side: usize,
    levels: Vec<f32>,
}

impl Lattice {
    fn new(side: usize, random: &mut Random) -> Self {
        Self { side, levels: (0..side * side).map(|_| random.range(-1.0, 1.0) as f32).collect() }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (i, j) = (x as usize, y as usize);
        let (u, v) = (x - i as f32, y - j as f32);
        let (u, v) = (u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v));
        let level = |i: usize, j: usize| self.levels[(j % self.side) * self.side + i % self.side];
        let upper = level(i, j) + (level(i + 1, j) - level(i, j)) * u;
        let lower = level(i, j + 1) + (level(i + 1, j + 1) - level(i, j + 1)) * u;
        upper + (lower - upper) * v
    }
}

fn scene(number: usize) -> Picture {
    let mut random = Random::keyed(7, &["scene", &number.to_string()]);
    let (width, height) = SIZES[random.below(SIZES.len())];
    let lattice = Lattice::new(64, &mut random);
    let tint: [f32; 3] = std::array::from_fn(|_| random.range(0.6, 1.2) as f32);
    let base = random.range(80.0, 150.0) as f32;
    let (dx, dy) = (random.range(0.0, 60.0) as f32, random.range(0.0, 60.0) as f32);
    let mut out = Picture::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32 / 640.0, y as f32 / 640.0);
        let mut value = base;
        let (mut frequency, mut size) = (2.3f32, 62.0f32);
        for _ in 0..7 {
            value += size * lattice.at(dx + x * frequency, dy + y * frequency);
            frequency *= 2.1;
            size *= 0.55;
        }
        tint.map(|tint| (value * tint).clamp(0.0, 255.0) as u8)
    });
    for _ in 0..3 + random.below(6) {
        let colour = std::array::from_fn(|_| random.below(256) as u8);
        let (x, y) = (random.unit() * width as f64, random.unit() * height as f64);
        let size = random.range(0.03, 0.16) * width as f64;
        if random.below(2) == 0 {
            out.disc(x, y, size, colour, random.range(0.5, 1.0));
        } else {
            let to = (random.unit() * width as f64, random.unit() * height as f64);
            out.line((x, y), to, size * 0.3, colour);
        }
    }
    out
}
