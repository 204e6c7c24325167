//! Attacks that put something around the picture: bars, frames, caption strips, the screen of an application.

use super::{Attack, Context, Group};
use crate::eval::font;
use crate::eval::picture::{BLACK, Colour, Picture, WHITE};

pub(super) fn attacks() -> Vec<Attack> {
    let border = |name: &str, shares: [f64; 4], colour: Colour| {
        Attack::new(name, Group::Border, move |p, _| framed(p, shares, colour))
    };
    vec![
        border("letterbox_10", [0.0, 0.10, 0.0, 0.10], BLACK),
        border("letterbox_20", [0.0, 0.20, 0.0, 0.20], BLACK),
        border("pillarbox_20", [0.20, 0.0, 0.20, 0.0], BLACK),
        border("frame_white_5", [0.05; 4], WHITE),
        border("frame_black_10", [0.10; 4], BLACK),
        border("frame_polaroid", [0.07, 0.07, 0.07, 0.28], [248, 246, 240]),
        Attack::new("letterbox_gradient", Group::Border, |p, _| gradient_bars(p, 0.15)),
        Attack::new("pillarbox_blurred", Group::Border, |p, _| blurred_bars(p)),
        Attack::new("letterbox_jpeg_30", Group::Border, |p, _| {
            framed(p, [0.0, 0.13, 0.0, 0.13], BLACK).through_jpeg(30)
        }),
        Attack::new("caption_above_10", Group::Caption, |p, c| caption(p, c, 0.10, true)),
        Attack::new("caption_above_20", Group::Caption, |p, c| caption(p, c, 0.20, true)),
        Attack::new("caption_below_10", Group::Caption, |p, c| caption(p, c, 0.10, false)),
        Attack::new("caption_below_20", Group::Caption, |p, c| caption(p, c, 0.20, false)),
        Attack::new("caption_both", Group::Caption, |p, c| {
            let above = caption(p, c, 0.15, true);
            caption(&above, c, 0.12, false)
        }),
        Attack::new("application_screenshot", Group::Screen, app_screen),
    ]
}

/// A picture with a border: shares of its own width and height at the left, top, right and bottom.
pub(crate) fn framed(p: &Picture, shares: [f64; 4], colour: Colour) -> Picture {
    let part = |share: f64, side: usize| (share * side as f64).round() as usize;
    let [left, top, right, bottom] = [
        part(shares[0], p.width()),
        part(shares[1], p.height()),
        part(shares[2], p.width()),
        part(shares[3], p.height()),
    ];
    let mut out = Picture::new(p.width() + left + right, p.height() + top + bottom, colour);
    out.paste(p, left as isize, top as isize);
    out
}

fn gradient_bars(p: &Picture, share: f64) -> Picture {
    let bar = (share * p.height() as f64).round() as usize;
    let height = p.height() + 2 * bar;
    let mut out = Picture::from_fn(p.width(), height, |x, y| {
        let v = 20 + 60 * y / height + 30 * x / p.width();
        [v as u8, v as u8, (v + 30) as u8]
    });
    out.paste(p, 0, bar as isize);
    out
}

/// The bars that players make of the picture itself, enlarged and blurred.
fn blurred_bars(p: &Picture) -> Picture {
    let (w, h) = (p.width() * 3 / 2, p.height());
    let small = p.cover((w / 8).max(1), (h / 8).max(1));
    let mut out = small.blur(2.0).resize(w, h).map(|v| v * 0.8);
    out.paste(p, ((out.width() - p.width()) / 2) as isize, 0);
    out
}

/// A strip with words on it, a share of the picture's height, black on white or white on black.
pub(crate) fn caption(p: &Picture, context: &mut Context<'_>, share: f64, above: bool) -> Picture {
    let bar = ((share * p.height() as f64).round() as usize).max(2);
    let (back, ink) = if context.random.below(3) == 0 { (BLACK, WHITE) } else { (WHITE, BLACK) };
    let mut out = Picture::new(p.width(), p.height() + bar, back);
    out.paste(p, 0, if above { bar as isize } else { 0 });
    let top = if above { 0.0 } else { p.height() as f64 };
    let lines = if share >= 0.15 { 2 } else { 1 };
    let letters = bar as f64 / lines as f64 * context.random.range(0.4, 0.6);
    for line in 0..lines {
        let mut text = font::words(&mut context.random, 1);
        loop {
            let longer = format!("{text} {}", font::words(&mut context.random, 1));
            if font::width(&longer, letters) > 0.94 * p.width() as f64 {
                break;
            }
            text = longer;
        }
        let y = top + bar as f64 * (line as f64 + 0.5) / lines as f64 - letters / 2.0;
        let x = (p.width() as f64 - font::width(&text, letters)) / 2.0;
        font::write(&mut out, &text, x.max(0.0), y, letters, ink, 1.0);
    }
    out
}

/// A telephone's screen that shows the picture as a post: status bar, head with a face and a name, buttons, replies.
pub(crate) fn app_screen(p: &Picture, context: &mut Context<'_>) -> Picture {
    let dark = context.random.below(2) == 0;
    let (back, ink, faint) = if dark { ([18; 3], [235; 3], [70; 3]) } else { ([255; 3], [20; 3], [215; 3]) };
    let width = p.width().max(120);
    let unit = width as f64 / 100.0;
    let shown = p.fit(width, usize::MAX >> 16);
    let (head, foot) = ((26.0 * unit) as usize, (52.0 * unit) as usize);
    let mut out = Picture::new(width, head + shown.height() + foot, back);
    let line = |out: &mut Picture, random: &mut super::Random, x: f64, y: f64, size: f64, count: usize| {
        font::write(out, &font::words(random, count), x * unit, y * unit, size * unit, ink, 1.0);
    };
    let random = &mut context.random;
    font::write(&mut out, "12.47", 4.0 * unit, 2.0 * unit, 3.0 * unit, ink, 1.0);
    out.fill((88.0 * unit) as usize, (2.0 * unit) as usize, (8.0 * unit) as usize, (3.0 * unit) as usize, ink);
    out.fill(0, (7.0 * unit) as usize, width, (unit * 0.4).ceil() as usize, faint);
    out.disc(9.0 * unit, 16.0 * unit, 6.0 * unit, [200, 90, 60], 1.0);
    line(&mut out, random, 18.0, 11.0, 3.6, 2);
    line(&mut out, random, 18.0, 17.0, 2.6, 3);
    out.paste(&shown, 0, head as isize);
    let base = (head + shown.height()) as f64 / unit;
    for i in 0..4 {
        out.disc((8.0 + 12.0 * f64::from(i)) * unit, (base + 6.0) * unit, 3.0 * unit, faint, 1.0);
    }
    for (i, size) in [3.2, 2.8, 2.8, 2.8].into_iter().enumerate() {
        line(&mut out, random, 4.0, base + 13.0 + 6.0 * i as f64, size, 6);
    }
    let bottom = out.height() as f64 / unit - 12.0;
    out.fill(0, (bottom * unit) as usize, width, (unit * 0.4).ceil() as usize, faint);
    for i in 0..5 {
        out.disc((10.0 + 20.0 * f64::from(i)) * unit, (bottom + 6.0) * unit, 2.6 * unit, ink, 1.0);
    }
    out
}
