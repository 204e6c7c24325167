//! Attacks that lay something over the picture: text, a logo, a watermark, faces.

use super::{Attack, Context, Group};
use crate::eval::font;
use crate::eval::picture::{BLACK, Picture, WHITE};

pub(super) fn attacks() -> Vec<Attack> {
    let overlay = |name: &str, apply: fn(&mut Picture, &mut Context<'_>)| {
        Attack::new(name, Group::Overlay, move |p, c| {
            let mut out = p.clone();
            apply(&mut out, c);
            out
        })
    };
    vec![
        overlay("text_one_line", |p, c| text(p, c, 1)),
        overlay("text_three_lines", |p, c| text(p, c, 3)),
        overlay("logo_10", |p, c| logo(p, c, 0.10)),
        overlay("logo_20", |p, c| logo(p, c, 0.20)),
        overlay("watermark_tiled", |p, c| tiled_watermark(p, c, 0.35)),
        overlay("emoji_1", |p, c| emoji(p, c, 1)),
        overlay("emoji_3", |p, c| emoji(p, c, 3)),
        overlay("censor_bar", |p, c| {
            let (w, h) = (p.width() as f64, p.height() as f64);
            let (x, y) = (c.random.range(0.1, 0.5) * w, c.random.range(0.2, 0.7) * h);
            p.fill(x as usize, y as usize, (0.35 * w) as usize, (0.09 * h) as usize, BLACK);
        }),
    ]
}

/// Large letters over the picture, white with a black shadow.
pub(super) fn text(p: &mut Picture, context: &mut Context<'_>, lines: usize) {
    let (w, h) = (p.width() as f64, p.height() as f64);
    let letters = (0.085 * h).min(0.1 * w);
    let mut y = context.random.range(0.08, 0.7) * h;
    for _ in 0..lines {
        let mut line = font::words(&mut context.random, 1);
        loop {
            let longer = format!("{line} {}", font::words(&mut context.random, 1));
            if font::width(&longer, letters) > 0.9 * w {
                break;
            }
            line = longer;
        }
        let x = ((w - font::width(&line, letters)) / 2.0).max(0.0);
        let shadow = letters / 12.0;
        font::write(p, &line, x + shadow, y + shadow, letters, BLACK, 1.0);
        font::write(p, &line, x, y, letters, WHITE, 1.0);
        y += letters * 1.4;
    }
}

/// A round mark with a ring in one of the corners, its side a share of the picture's width.
pub(crate) fn logo(p: &mut Picture, context: &mut Context<'_>, share: f64) {
    let size = share * p.width() as f64;
    let margin = 0.03 * p.width() as f64;
    let (right, bottom) = (p.width() as f64 - size - margin, p.height() as f64 - size - margin);
    let x = if context.random.below(2) == 0 { margin } else { right } + size / 2.0;
    let y = if context.random.below(2) == 0 { margin } else { bottom } + size / 2.0;
    let colour = *context.random.pick(&[[220, 30, 40], [30, 60, 200], [250, 200, 20], [20, 160, 80]]);
    p.disc(x, y, size / 2.0, WHITE, 1.0);
    p.disc(x, y, size * 0.44, colour, 1.0);
    let word = font::words(&mut context.random, 1).chars().take(3).collect::<String>();
    let letters = size * 0.3;
    font::write(p, &word, x - font::width(&word, letters) / 2.0, y - letters / 2.0, letters, WHITE, 1.0);
}

/// The same words all over the picture, half see-through.
pub(super) fn tiled_watermark(p: &mut Picture, context: &mut Context<'_>, opacity: f64) {
    let word = font::words(&mut context.random, 2);
    let letters = 0.035 * p.width() as f64;
    let (step_x, step_y) = (font::width(&word, letters) + 3.0 * letters, letters * 4.0);
    let (mut y, mut row) = (letters, 0);
    while y < p.height() as f64 && letters >= 1.0 {
        let mut x = if row % 2 == 0 { 0.0 } else { -step_x / 2.0 };
        while x < p.width() as f64 {
            font::write(p, &word, x, y, letters, WHITE, opacity);
            x += step_x;
        }
        y += step_y;
        row += 1;
    }
}

/// Yellow faces, each a seventh of the picture wide.
pub(super) fn emoji(p: &mut Picture, context: &mut Context<'_>, count: usize) {
    let radius = 0.07 * p.width().max(p.height()) as f64;
    for _ in 0..count {
        let x = context.random.range(0.12, 0.88) * p.width() as f64;
        let y = context.random.range(0.12, 0.88) * p.height() as f64;
        p.disc(x, y, radius, [255, 205, 50], 1.0);
        for side in [-0.35, 0.35] {
            p.disc(x + side * radius, y - 0.25 * radius, radius * 0.14, [60, 40, 10], 1.0);
        }
        for i in 0..=8 {
            let angle = (20.0 + 140.0 * f64::from(i) / 8.0_f64).to_radians();
            p.disc(x + 0.55 * radius * angle.cos(), y + 0.55 * radius * angle.sin(), radius * 0.08, [60, 40, 10], 1.0);
        }
    }
}
