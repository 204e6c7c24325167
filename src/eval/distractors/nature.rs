//! Pictures that are nearly alike by nature: skies, sunsets, flat, dark, striped and nearly empty ones.

use crate::eval::picture::{Colour, Picture, clamp};
use crate::eval::random::Random;

/// Slow waves of the given amplitude: clouds and haze.
fn waves(random: &mut Random, count: usize, frequency: f64) -> impl Fn(f64, f64) -> f64 + use<> {
    let terms: Vec<[f64; 4]> = (0..count)
        .map(|_| {
            let f = random.range(0.3, 1.0) * frequency;
            let angle = random.range(-0.5, 0.5);
            [f * angle.sin(), f * angle.cos(), random.range(0.0, std::f64::consts::TAU), 1.0 / f.max(1.0)]
        })
        .collect();
    move |x, y| terms.iter().map(|[a, b, phase, size]| size * (a * x * 6.0 + b * y * 6.0 + phase).sin()).sum()
}

fn blend(a: Colour, b: Colour, t: f64) -> [f64; 3] {
    std::array::from_fn(|i| f64::from(a[i]) + (f64::from(b[i]) - f64::from(a[i])) * t.clamp(0.0, 1.0))
}

fn paint(random: &mut Random, width: usize, height: usize, noise: f64, at: impl Fn(f64, f64) -> [f64; 3]) -> Picture {
    Picture::from_fn(width, height, |x, y| {
        let n = random.normal() * noise;
        at(x as f64 / width as f64, y as f64 / height as f64).map(|v| clamp(v + n))
    })
}

pub(super) fn sunset(random: &mut Random) -> Picture {
    let horizon = random.range(0.55, 0.8);
    let sun = (random.range(0.2, 0.8), horizon - random.range(0.02, 0.25));
    let (clouds, size) = (waves(random, 6, 6.0), random.range(10.0, 35.0));
    paint(random, 600, 400, 3.0, move |x, y| {
        if y > horizon {
            let glitter = 60.0 * (1.0 - ((x - sun.0).abs() * 6.0).min(1.0));
            return [60.0 + glitter - 60.0 * (y - horizon), 40.0 + glitter * 0.6, 50.0];
        }
        let glow = (1.0 - (x - sun.0).hypot((y - sun.1) * 0.7) * 2.2).max(0.0);
        let base = blend([70, 70, 120], [250, 150, 60], y / horizon);
        let cloud = size * clouds(x, y * 2.0);
        std::array::from_fn(|i| base[i] + glow * [90.0, 90.0, 60.0][i] + cloud)
    })
}

pub(super) fn sky(random: &mut Random) -> Picture {
    let (clouds, cover) = (waves(random, 9, 5.0), random.range(-0.4, 0.5));
    let low = random.range(0.8, 1.1);
    let ground = random.range(10.0, 60.0);
    let hills = waves(random, 3, 3.0);
    paint(random, 640, 420, 2.0, move |x, y| {
        if y > low - 0.12 + 0.02 * hills(x, 0.0) {
            return [ground, ground * 1.2, ground * 0.8];
        }
        let white = (clouds(x, y) * 0.7 + cover).clamp(0.0, 1.0);
        let blue = blend([70, 120, 200], [170, 200, 235], y);
        std::array::from_fn(|i| blue[i] + (240.0 - blue[i]) * white)
    })
}

pub(super) fn flat(random: &mut Random) -> Picture {
    let colour: [f64; 3] = std::array::from_fn(|_| random.range(5.0, 250.0));
    let (slope, noise) = (random.range(0.0, 12.0), random.range(0.0, 3.0));
    paint(random, 400, 300, noise, move |x, y| colour.map(|v| v + slope * (x + y)))
}

pub(super) fn dark(random: &mut Random) -> Picture {
    let lights: Vec<[f64; 3]> =
        (0..3 + random.below(5)).map(|_| [random.unit(), random.unit(), random.range(0.01, 0.05)]).collect();
    paint(random, 500, 340, 4.0, move |x, y| {
        let light: f64 = lights.iter().map(|[u, v, s]| (-((x - u).powi(2) + (y - v).powi(2)) / (s * s)).exp()).sum();
        [12.0 + 140.0 * light, 10.0 + 120.0 * light, 14.0 + 80.0 * light]
    })
}

pub(super) fn stripes(random: &mut Random) -> Picture {
    let (count, angle) = (random.range(3.0, 30.0), random.range(0.0, std::f64::consts::PI));
    let (a, b): (f64, f64) = (random.range(0.0, 120.0), random.range(130.0, 255.0));
    let phase = random.range(0.0, std::f64::consts::TAU);
    let (sin, cos) = angle.sin_cos();
    paint(random, 400, 400, 1.0, move |x, y| {
        let wave = ((x * cos + y * sin) * count * std::f64::consts::TAU + phase).sin();
        [if wave > 0.0 { a } else { b }; 3]
    })
}

pub(super) fn nearly_empty(random: &mut Random) -> Picture {
    let ground = [random.range(180.0, 255.0); 3].map(clamp);
    let mut out = Picture::new(480, 480, ground);
    for _ in 0..1 + random.below(3) {
        let (x, y) = (random.range(60.0, 420.0), random.range(60.0, 420.0));
        let colour = std::array::from_fn(|_| clamp(random.range(0.0, 200.0)));
        out.disc(x, y, random.range(8.0, 40.0), colour, 1.0);
    }
    out
}
