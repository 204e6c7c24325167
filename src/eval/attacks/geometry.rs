//! Attacks that move pixels: mirrors, quarter turns, rotations, crops, aspect ratio, perspective.

use super::{Attack, Context, Group};
use crate::eval::picture::{BLACK, Colour, Picture};

pub(super) fn attacks() -> Vec<Attack> {
    let plain = |name: &str, group, apply: fn(&Picture) -> Picture| Attack::new(name, group, move |p, _| apply(p));
    let mut all = vec![
        plain("mirror", Group::Orientation, Picture::mirror),
        plain("flip", Group::Orientation, Picture::flip),
        plain("rotate_90", Group::Orientation, Picture::quarter),
        plain("rotate_180", Group::Orientation, |p| p.flip().mirror()),
        plain("rotate_270", Group::Orientation, |p| p.quarter().flip().mirror()),
        plain("aspect_wide", Group::Aspect, |p| p.resize(p.width() * 4 / 3, p.height())),
        plain("aspect_narrow", Group::Aspect, |p| p.resize(p.width() * 3 / 4, p.height())),
        plain("crop_square", Group::Crop, |p| {
            let side = p.width().min(p.height());
            p.cover(side, side)
        }),
        plain("crop_9_to_16", Group::Crop, |p| p.cover((p.height() * 9 / 16).max(1), p.height())),
    ];
    for degrees in [2, 5, 10, 15] {
        let turn = move |p: &Picture, c: &mut Context<'_>| rotate(p, f64::from(degrees) * sign(c));
        all.push(Attack::new(format!("rotate_{degrees}"), Group::Rotation, turn));
    }
    let crop = |name: String, apply: fn(&Picture, f64) -> Picture, percent: u32| {
        Attack::new(name, Group::Crop, move |p: &Picture, _: &mut Context<'_>| apply(p, f64::from(percent) / 100.0))
    };
    all.extend([2, 5, 10, 20, 30, 50].map(|n| crop(format!("crop_centre_{n}"), crop_centre, n)));
    all.extend([5, 10, 20, 30, 50].map(|n| crop(format!("crop_left_{n}"), |p, s| p.cut(s, 0.0, 0.0, 0.0), n)));
    all.extend([10, 25].map(|n| crop(format!("crop_right_{n}"), |p, s| p.cut(0.0, 0.0, s, 0.0), n)));
    all.extend([10, 20, 30].map(|n| crop(format!("crop_top_{n}"), |p, s| p.cut(0.0, s, 0.0, 0.0), n)));
    all.extend([10, 20].map(|n| crop(format!("crop_bottom_{n}"), |p, s| p.cut(0.0, 0.0, 0.0, s), n)));
    all.extend([10, 25].map(|n| crop(format!("crop_corner_{n}"), |p, s| p.cut(s, 0.0, 0.0, s), n)));
    for percent in [10, 25, 40] {
        let anywhere = move |p: &Picture, c: &mut Context<'_>| crop_anywhere(p, c, f64::from(percent) / 100.0);
        all.push(Attack::new(format!("crop_anywhere_{percent}"), Group::Crop, anywhere));
    }
    all.push(Attack::new("perspective", Group::Screen, |p, c| perspective(p, c, 0.06)));
    all.push(Attack::new("photographed_screen", Group::Screen, photographed_screen));
    all
}

fn sign(context: &mut Context<'_>) -> f64 {
    if context.random.below(2) == 0 { 1.0 } else { -1.0 }
}

/// The middle, a share of each side less.
pub(super) fn crop_centre(p: &Picture, share: f64) -> Picture {
    p.cut(share / 2.0, share / 2.0, share / 2.0, share / 2.0)
}

/// A share of each side less, split at random between the two ends.
fn crop_anywhere(p: &Picture, context: &mut Context<'_>, share: f64) -> Picture {
    let (x, y) = (context.random.unit() * share, context.random.unit() * share);
    p.cut(x, y, share - x, share - y)
}

/// Turned about its middle within its frame; the corners that come in are black.
pub(super) fn rotate(p: &Picture, degrees: f64) -> Picture {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = ((p.width() as f64 - 1.0) / 2.0, (p.height() as f64 - 1.0) / 2.0);
    Picture::from_fn(p.width(), p.height(), |x, y| {
        let (dx, dy) = (x as f64 - cx, y as f64 - cy);
        p.between(cx + cos * dx + sin * dy, cy - sin * dx + cos * dy).unwrap_or(BLACK)
    })
}

/// Drawn into a quadrilateral of a canvas: corners clockwise from the upper left, in pixels.
fn into_corners(
    p: &Picture,
    canvas: &mut Picture,
    corners: [(f64, f64); 4],
    shade: impl Fn(Colour, usize, usize) -> Colour,
) {
    // The map of the unit square onto a quadrilateral (Heckbert 1989), inverted.
    let [(x0, y0), (x1, y1), (x2, y2), (x3, y3)] = corners;
    let (dx1, dx2, sx) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
    let (dy1, dy2, sy) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
    let det = dx1 * dy2 - dx2 * dy1;
    if det == 0.0 {
        return;
    }
    let (g, h) = ((sx * dy2 - dx2 * sy) / det, (dx1 * sy - sx * dy1) / det);
    let m = [[x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0], [g, h, 1.0]];
    let cofactor =
        |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    // Columns of the inverse up to a factor, which the division below takes out.
    let inverse = [cofactor(m[1], m[2]), cofactor(m[2], m[0]), cofactor(m[0], m[1])];
    for y in 0..canvas.height() {
        for x in 0..canvas.width() {
            let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
            let [u, v, w] = std::array::from_fn(|i| inverse[0][i] * px + inverse[1][i] * py + inverse[2][i]);
            if w != 0.0 {
                let (u, v) = (u / w * p.width() as f64 - 0.5, v / w * p.height() as f64 - 0.5);
                if let Some(colour) = p.between(u, v) {
                    canvas.set(x, y, shade(colour, x, y));
                }
            }
        }
    }
}

fn jittered(context: &mut Context<'_>, left: f64, top: f64, right: f64, bottom: f64, by: f64) -> [(f64, f64); 4] {
    [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| {
        (x + context.random.range(-by, by) * (right - left), y + context.random.range(-by, by) * (bottom - top))
    })
}

/// Seen from the side: corners drawn inwards, black beyond.
pub(super) fn perspective(p: &Picture, context: &mut Context<'_>, by: f64) -> Picture {
    let (w, h) = (p.width() as f64, p.height() as f64);
    let mut canvas = Picture::new(p.width(), p.height(), BLACK);
    let corners = [(0.0, 0.0, 1.0, 1.0), (w, 0.0, -1.0, 1.0), (w, h, -1.0, -1.0), (0.0, h, 1.0, -1.0)]
        .map(|(x, y, sx, sy)| (x + sx * context.random.unit() * by * w, y + sy * context.random.unit() * by * h));
    into_corners(p, &mut canvas, corners, |colour, _, _| colour);
    canvas
}

/// A screen in a dim room, photographed a little askew: bezel, stripes of the display, uneven light, blur, JPEG.
fn photographed_screen(p: &Picture, context: &mut Context<'_>) -> Picture {
    let (w, h) = (p.width() as f64, p.height() as f64);
    let (margin_x, margin_y) = (w * context.random.range(0.06, 0.14), h * context.random.range(0.06, 0.14));
    let (width, height) = (w + 2.0 * margin_x, h + 2.0 * margin_y);
    let wall = context.random.range(40.0, 110.0);
    let mut canvas = Picture::from_fn(width as usize, height as usize, |x, y| {
        let v = wall + 30.0 * (x as f64 / width) - 25.0 * (y as f64 / height) + context.random.normal() * 4.0;
        [v * 1.05, v, v * 0.9].map(crate::eval::picture::clamp)
    });
    let bezel = 0.025 * w;
    let corners = jittered(context, margin_x, margin_y, margin_x + w, margin_y + h, 0.02);
    let out = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
    let rim: [(f64, f64); 4] =
        std::array::from_fn(|i| (corners[i].0 + out[i].0 * bezel, corners[i].1 + out[i].1 * bezel));
    into_corners(&Picture::new(8, 8, [12; 3]), &mut canvas, rim, |colour, _, _| colour);
    let period = context.random.range(3.0, 6.0);
    into_corners(p, &mut canvas, corners, |colour, x, y| {
        let stripes = 1.0 + 0.06 * ((x as f64 + 0.3 * y as f64) / period * std::f64::consts::TAU).sin();
        let light = 0.8 + 0.2 * (x as f64 / width);
        colour.map(|v| crate::eval::picture::clamp(f64::from(v) * stripes * light + 12.0))
    });
    canvas.blur(1.0).through_jpeg(60)
}
