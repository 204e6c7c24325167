//! Pages and screens: mostly one ground with little marks on it.

use crate::eval::font;
use crate::eval::picture::{BLACK, Colour, Picture, WHITE};
use crate::eval::random::Random;

pub(super) fn text(random: &mut Random) -> Picture {
    let mut out = Picture::new(480, 640, WHITE);
    font::write(&mut out, &font::words(random, 3), 50.0, 40.0, 24.0, BLACK, 1.0);
    let size = random.range(8.0, 12.0);
    font::paragraph(&mut out, random, [50.0, 90.0, 380.0, 500.0], size, [30; 3]);
    out
}

pub(super) fn chat(random: &mut Random) -> Picture {
    let mut out = Picture::new(400, 700, [230, 222, 214]);
    out.fill(0, 0, 400, 60, [0, 94, 84]);
    out.disc(36.0, 30.0, 20.0, [200; 3], 1.0);
    font::write(&mut out, &font::words(random, 2), 70.0, 20.0, 18.0, WHITE, 1.0);
    let mut y = 80.0;
    while y < 600.0 {
        let (width, height) = (random.range(120.0, 270.0), 30.0 + 18.0 * random.below(4) as f64);
        let ours = random.below(2) == 0;
        let x = if ours { 385.0 - width } else { 15.0 };
        out.fill(x as usize, y as usize, width as usize, height as usize, if ours { [220, 248, 198] } else { WHITE });
        font::paragraph(&mut out, random, [x + 8.0, y + 8.0, width - 16.0, height - 12.0], 11.0, BLACK);
        y += height + 12.0;
    }
    out.fill(0, 650, 400, 50, WHITE);
    out
}

pub(super) fn chart(random: &mut Random) -> Picture {
    let mut out = Picture::new(640, 440, WHITE);
    font::write(&mut out, &font::words(random, 4), 120.0, 16.0, 18.0, BLACK, 1.0);
    for i in 0..6 {
        out.fill(60, 60 + 60 * i, 550, 1, [200; 3]);
    }
    out.fill(60, 60, 2, 302, BLACK);
    out.fill(60, 360, 550, 2, BLACK);
    let bars = 5 + random.below(8);
    if random.below(2) == 0 {
        for i in 0..bars {
            let height = random.range(20.0, 290.0) as usize;
            out.fill(75 + i * 530 / bars, 360 - height, 360 / bars, height, [52, 110, 180]);
        }
    } else {
        for colour in [[52, 110, 180], [210, 90, 40]] {
            let points: Vec<(f64, f64)> =
                (0..=bars).map(|i| (65.0 + i as f64 * 540.0 / bars as f64, random.range(70.0, 355.0))).collect();
            points.windows(2).for_each(|pair| out.line(pair[0], pair[1], 3.0, colour));
        }
    }
    out
}

pub(super) fn map(random: &mut Random) -> Picture {
    let mut out = Picture::new(600, 450, [238, 234, 224]);
    for _ in 0..4 {
        let (x, y) = (random.range(0.0, 600.0), random.range(0.0, 450.0));
        let size = random.range(30.0, 90.0);
        let colour = *random.pick(&[[170, 211, 223], [200, 230, 180]]);
        out.disc(x, y, size, colour, 1.0);
        out.disc(x + size * 0.6, y + size * 0.3, size * 0.8, colour, 1.0);
    }
    for i in 0..18 {
        let mut at = (random.range(0.0, 600.0), random.range(0.0, 450.0));
        let mut angle = random.range(0.0, std::f64::consts::TAU);
        let (width, colour): (f64, Colour) = if i < 4 { (7.0, [250, 210, 120]) } else { (3.0, WHITE) };
        for _ in 0..14 {
            angle += random.range(-0.4, 0.4);
            let next = (at.0 + 40.0 * angle.cos(), at.1 + 40.0 * angle.sin());
            out.line(at, next, width, colour);
            at = next;
        }
    }
    for _ in 0..14 {
        let (x, y) = (random.range(0.0, 540.0), random.range(0.0, 430.0));
        font::write(&mut out, &font::words(random, 1), x, y, 10.0, [70; 3], 1.0);
    }
    out
}

pub(super) fn table(random: &mut Random) -> Picture {
    let mut out = Picture::new(640, 480, WHITE);
    let columns = 3 + random.below(4);
    for row in 0..16 {
        if row % 2 == 0 {
            out.fill(20, 20 + row * 28, 600, 28, if row == 0 { [200, 214, 235] } else { [244; 3] });
        }
        out.fill(20, 20 + row * 28, 600, 1, [170; 3]);
        for column in 0..columns {
            let x = (26 + column * 600 / columns) as f64;
            let word = if column == 0 { font::words(random, 1) } else { format!("{}", random.below(100_000)) };
            font::write(&mut out, &word, x, 28.0 + 28.0 * row as f64, 11.0, BLACK, 1.0);
        }
    }
    (0..=columns).for_each(|column| out.fill(20 + column * 600 / columns, 20, 1, 448, [170; 3]));
    out
}

pub(super) fn drawing(random: &mut Random) -> Picture {
    let mut out = Picture::new(500, 500, WHITE);
    for _ in 0..10 + random.below(10) {
        let mut at = (random.range(50.0, 450.0), random.range(50.0, 450.0));
        let mut angle = random.range(0.0, std::f64::consts::TAU);
        let bend = random.range(-0.25, 0.25);
        for _ in 0..25 {
            angle += bend + random.range(-0.1, 0.1);
            let next = (at.0 + 9.0 * angle.cos(), at.1 + 9.0 * angle.sin());
            out.line(at, next, 2.0, BLACK);
            at = next;
        }
    }
    out
}
