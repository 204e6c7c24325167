//! Pictures on plain ground that films have in common before or after what they show: the numbers of a countdown, cards at the
//! end, pages of text.

use super::super::attacks::films::sign;
use super::super::font;
use super::super::picture::{BLACK, Colour, Picture, WHITE};
use super::super::random::Random;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const MIDDLE: (f64, f64) = (WIDTH as f64 / 2.0, HEIGHT as f64 / 2.0);

/// A white number in a ring on grey.
pub(super) fn number_in_ring(text: &str) -> Picture {
    let mut out = Picture::new(WIDTH, HEIGHT, [60; 3]);
    out.disc(MIDDLE.0, MIDDLE.1, 150.0, [230; 3], 1.0);
    out.disc(MIDDLE.0, MIDDLE.1, 140.0, [60; 3], 1.0);
    line(&mut out, text, 90.0, 180.0, WHITE);
    out
}

/// A number on an even ground.
pub(super) fn number(text: &str, ground: Colour, ink: Colour) -> Picture {
    let mut out = Picture::new(WIDTH, HEIGHT, ground);
    line(&mut out, text, 80.0, 200.0, ink);
    out
}

/// A frame of a film leader: a number within two rings and a cross, behind which a hand has gone round by a share of the
/// circle; darker towards the corners.
pub(super) fn leader(text: &str, round: f64) -> Picture {
    const INK: Colour = [36; 3];
    let mut out = Picture::from_fn(WIDTH, HEIGHT, |x, y| {
        let (dx, dy) = (x as f64 + 0.5 - MIDDLE.0, y as f64 + 0.5 - MIDDLE.1);
        let corner = (dx / MIDDLE.0).powi(2) + (dy / MIDDLE.1).powi(2);
        // From the top, clockwise.
        let angle = dx.atan2(-dy) / std::f64::consts::TAU;
        let behind = angle.rem_euclid(1.0) < round;
        [(200.0 * (1.0 - 0.2 * corner) * if behind { 0.62 } else { 1.0 }) as u8; 3]
    });
    out.fill(0, HEIGHT / 2 - 1, WIDTH, 3, INK);
    out.fill(WIDTH / 2 - 1, 0, 3, HEIGHT, INK);
    for radius in [120.0, 148.0] {
        for step in 0..720 {
            let (sin, cos) = (f64::from(step) * std::f64::consts::PI / 360.0).sin_cos();
            out.disc(MIDDLE.0 + radius * cos, MIDDLE.1 + radius * sin, 2.5, INK, 1.0);
        }
    }
    line(&mut out, text, 105.0, 150.0, INK);
    out
}

/// A clock of seconds on a dark ground that is lighter below, with a channel's sign.
pub(super) fn clock(seconds: u32, random: &mut Random) -> Picture {
    let mut out = Picture::from_fn(WIDTH, HEIGHT, |_, y| [(8 + y / 6) as u8, (10 + y / 8) as u8, (24 + y / 4) as u8]);
    line(&mut out, &format!("00.{seconds:02}"), 130.0, 100.0, WHITE);
    out.paste(&sign(90, 90, random), 530, 20);
    out
}

/// Lines of words on an even ground.
pub(super) fn page(lines: &[String], height: f64, ground: Colour, ink: Colour) -> Picture {
    let mut out = Picture::new(WIDTH, HEIGHT, ground);
    let top = MIDDLE.1 - (lines.len() as f64 * 1.6 - 0.6) * height / 2.0;
    for (at, text) in lines.iter().enumerate() {
        line(&mut out, text, top + 1.6 * height * at as f64, height, ink);
    }
    out
}

/// A page of words that mean nothing.
pub(super) fn words(random: &mut Random) -> Picture {
    let lines: Vec<String> = (0..3 + random.below(2)).map(|_| font::words(random, 3)).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(1).max(1);
    page(&lines, (600.0 / longest as f64 * 7.0 / 6.0).min(34.0), BLACK, [235; 3])
}

/// A call to subscribe: a button on an even ground, and a few words.
pub(super) fn subscribe(text: &str) -> Picture {
    let mut out = Picture::new(WIDTH, HEIGHT, [242, 240, 236]);
    out.fill(170, 130, 300, 90, [204, 24, 30]);
    let size = (270.0 / font::width(text, 1.0)).min(44.0);
    line(&mut out, text, 175.0 - size / 2.0, size, WHITE);
    line(&mut out, "NEW FILMS EVERY DAY", 270.0, 26.0, [40; 3]);
    out
}

/// Words in the middle of a line.
fn line(out: &mut Picture, text: &str, top: f64, height: f64, ink: Colour) {
    font::write(out, text, MIDDLE.0 - font::width(text, height) / 2.0, top, height, ink, 1.0);
}
