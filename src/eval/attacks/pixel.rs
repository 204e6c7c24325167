//! Attacks that leave every pixel where it is: codecs, sizes, colours, filters.

use super::{Attack, Context, Group};
use crate::eval::picture::{Picture, clamp};

pub(super) fn attacks() -> Vec<Attack> {
    let plain = |name: &str, group, apply: fn(&Picture) -> Picture| Attack::new(name, group, move |p, _| apply(p));
    vec![
        plain("jpeg_20", Group::Codec, |p| p.through_jpeg(20)),
        plain("jpeg_50", Group::Codec, |p| p.through_jpeg(50)),
        plain("resize_half", Group::Codec, |p| p.scale(0.5)),
        plain("resize_quarter", Group::Codec, |p| p.scale(0.25)),
        plain("grey", Group::Colour, grey),
        plain("brighter", Group::Colour, |p| p.clone().map(|v| v * 1.15 + 15.0)),
        plain("darker", Group::Colour, |p| p.clone().map(|v| v * 0.7)),
        plain("contrast_more", Group::Colour, |p| p.clone().map(|v| (v - 128.0) * 1.4 + 128.0)),
        plain("contrast_less", Group::Colour, |p| p.clone().map(|v| (v - 128.0) * 0.6 + 128.0)),
        plain("saturation_more", Group::Colour, |p| saturation(p, 1.8)),
        plain("saturation_less", Group::Colour, |p| saturation(p, 0.4)),
        plain("filter_warm", Group::Colour, warm),
        plain("filter_cold", Group::Colour, |p| {
            p.clone().map_colour(|[r, g, b]| [r * 0.8, g * 0.95 + 5.0, b * 0.85 + 45.0])
        }),
        plain("blur", Group::Filter, |p| p.blur(1.5)),
        plain("blur_strong", Group::Filter, |p| p.blur(4.0)),
        plain("sharpen", Group::Filter, sharpen),
        Attack::new("noise", Group::Filter, |p, c| noise(p, c, 12.0)),
        Attack::new("noise_strong", Group::Filter, |p, c| noise(p, c, 30.0)),
        plain("inverted", Group::Inverted, |p| p.clone().map(|v| 255.0 - v)),
    ]
}

pub(super) fn grey(p: &Picture) -> Picture {
    p.clone().map_colour(|[r, g, b]| [0.299 * r + 0.587 * g + 0.114 * b; 3])
}

fn saturation(p: &Picture, factor: f64) -> Picture {
    p.clone().map_colour(|colour| {
        let luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
        colour.map(|v| luma + (v - luma) * factor)
    })
}

/// A faded, yellowish look as picture applications offer it.
pub(super) fn warm(p: &Picture) -> Picture {
    p.clone().map_colour(|[r, g, b]| [r * 0.9 + 35.0, g * 0.85 + 20.0, b * 0.65 + 20.0])
}

fn sharpen(p: &Picture) -> Picture {
    let soft = p.blur(1.5);
    Picture::from_fn(p.width(), p.height(), |x, y| {
        let (sharp, soft) = (p.at(x, y), soft.at(x, y));
        std::array::from_fn(|i| clamp(2.0 * f64::from(sharp[i]) - f64::from(soft[i])))
    })
}

pub(super) fn noise(p: &Picture, context: &mut Context<'_>, deviation: f64) -> Picture {
    Picture::from_fn(p.width(), p.height(), |x, y| {
        let n = context.random.normal() * deviation;
        p.at(x, y).map(|v| clamp(f64::from(v) + n))
    })
}
