//! The look-ups that one query costs: each of its hashes in eight orientations, as it is and inverted.

use crate::fingerprint::{DetailHash, Fingerprint, FrameHash, Role, View};
use crate::hash::pdq::{MIN_QUALITY, Transform};
use crate::hash::{Algorithm, Hash};

/// The shortest time in seconds between two covering frames of a film that are known by PDQ as well.
const PDQ_HOP: f64 = 0.4;

/// One hash of a fingerprint, of a picture or a film alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'f> {
    pub(crate) view: View,
    /// Seconds from the begin of a film, 0 for stills.
    pub(crate) time: f64,
    pub(crate) hash: Option<Hash>,
    pub(crate) orientations: Option<&'f [Hash; 8]>,
    pub(crate) detail: Option<&'f DetailHash>,
    pub(crate) quality: u8,
    pub(crate) stability: f32,
    /// Whether a reference is known by this PDQ hash as well, and not only by the detail hash beside it: lists and stills
    /// that know nothing else are asked for whole pictures, never for means over time or for parts.
    pub(crate) by_pdq: bool,
}

/// The hashes of a fingerprint, in the order in which the index numbers them.
pub(crate) fn items(fingerprint: &Fingerprint) -> Vec<Item<'_>> {
    match fingerprint {
        Fingerprint::Image(image) => image
            .views
            .iter()
            .map(|view| Item {
                view: view.view,
                time: 0.0,
                hash: Some(view.hash),
                orientations: view.orientations.as_deref(),
                detail: view.detail.as_ref(),
                quality: view.quality,
                stability: view.stability,
                by_pdq: matches!(view.view, View::Full | View::Content),
            })
            .collect(),
        Fingerprint::Video(video) => {
            let frames = video.frames.iter().zip(by_pdq(&video.frames));
            frames
                .map(|(frame, by_pdq)| Item {
                    view: frame.view,
                    time: frame.time,
                    hash: frame.hash,
                    orientations: frame.orientations.as_deref(),
                    detail: frame.detail.as_ref(),
                    quality: frame.quality,
                    stability: frame.stability,
                    by_pdq,
                })
                .collect()
        }
    }
}

/// Of the hashes of a film, which ones a reference is known by in PDQ as well: whole frames, of covering ones not all, and
/// what has no detail hash.
pub(crate) fn by_pdq(frames: &[FrameHash]) -> Vec<bool> {
    let mut last = None;
    let known = |frame: &FrameHash| {
        let whole = frame.view == View::Full && frame.role != Role::Window;
        let due = frame.role != Role::Cover || last.is_none_or(|last| frame.time >= last + PDQ_HOP);
        if whole && due && frame.hash.is_some() && frame.quality >= MIN_QUALITY {
            last = Some(frame.time);
        }
        frame.detail.is_none() || whole && due
    };
    frames.iter().map(known).collect()
}

/// One picture to look up, and what it means if it is found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    /// PDQ, where it is known.
    pub(crate) hash: Option<Hash>,
    /// The second hash, laid down in the same way.
    pub(crate) detail: Option<Hash>,
    /// Which view or frame of the query.
    pub(crate) item: u32,
    /// What was done to the reference if this look-up finds it: `query = transform(reference)`.
    pub(crate) transform: Transform,
    /// Whether the query is then the negative of the reference.
    pub(crate) inverted: bool,
    pub(crate) view: View,
    pub(crate) quality: u8,
    /// Seconds from the begin of a film, 0 for stills.
    pub(crate) time: f64,
    /// Whether the detail hash is looked up. PDQ alone is asked about other views too, where references know nothing else.
    pub(crate) sought: bool,
}

/// The transformation that takes the other one back.
pub(crate) const fn inverse(transform: Transform) -> Transform {
    match transform {
        Transform::Rotate90 => Transform::Rotate270,
        Transform::Rotate270 => Transform::Rotate90,
        other => other,
    }
}

/// All look-ups for the hashes of `query` that have at least this quality and stability. A hash without its
/// orientations is asked in nearly those that it would have if `turned`, and otherwise as it is and inverted only.
pub(crate) fn looks(query: &Fingerprint, min_quality: u8, min_stability: f32, turned: bool) -> Vec<Look> {
    let mut looks = Vec::new();
    // What is known of turned pictures holds for PDQ and for detail hashes.
    let turned = turned && query.algorithm() == Algorithm::Pdq;
    for (at, item) in items(query).into_iter().enumerate() {
        if item.quality < min_quality || item.stability < min_stability {
            continue;
        }
        let near = |hash: Hash| if turned { super::turn::turned(&hash) } else { [hash; 8] };
        let hashes = item.orientations.copied().or_else(|| item.hash.map(near));
        let details = item.detail.map(|detail| match &detail.orientations {
            Some(hashes) => **hashes,
            None => near(detail.hash),
        });
        let all = if turned || item.orientations.is_some() { &Transform::ALL[..] } else { &Transform::ALL[..1] };
        for inverted in [false, true] {
            let laid = |hash: Hash| if inverted { hash.complement() } else { hash };
            for (o, &orientation) in all.iter().enumerate() {
                looks.push(Look {
                    hash: hashes.map(|hashes| laid(hashes[o])),
                    detail: details.map(|hashes| laid(hashes[o])),
                    item: at as u32,
                    transform: inverse(orientation),
                    inverted,
                    view: item.view,
                    quality: item.quality,
                    time: item.time,
                    sought: true,
                });
            }
        }
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{ImageFingerprint, View};
    use crate::hash::{Format, Pixels};

    const SIDE: usize = 96;

    fn picture(place: impl Fn(usize, usize) -> (usize, usize)) -> Vec<u8> {
        let mut pixels = vec![0; SIDE * SIDE];
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (sx, sy) = place(x, y);
                let wave = ((sx * 7 + sy * 3) as f64 / 11.0).sin() * 60.0 + ((sx * sx) as f64 / 700.0).cos() * 40.0;
                let blob = if (sx as i64 - 60).pow(2) + (sy as i64 - 30).pow(2) < 300 { 50.0 } else { 0.0 };
                pixels[y * SIDE + x] = (110.0 + wave + blob) as u8;
            }
        }
        pixels
    }

    fn print(pixels: &[u8]) -> ImageFingerprint {
        ImageFingerprint::of_pixels(&Pixels::new(pixels, SIDE, SIDE, SIDE, Format::Luma8).unwrap())
    }

    /// What is done to the pixels of a query is what the answer says, quarter turns to the right side.
    #[test]
    fn the_transformation_named_is_the_one_that_was_done() {
        let last = SIDE - 1;
        let reference = print(&picture(|x, y| (x, y))).views[0].hash;
        type Place = fn(usize, usize, usize) -> (usize, usize);
        // For each pixel of the turned picture, where it comes from.
        let turned: [(Transform, Place); 8] = [
            (Transform::Original, |x, y, _| (x, y)),
            (Transform::Rotate90, |x, y, last| (last - y, x)),
            (Transform::Rotate180, |x, y, last| (last - x, last - y)),
            (Transform::Rotate270, |x, y, last| (y, last - x)),
            (Transform::FlipX, |x, y, last| (x, last - y)),
            (Transform::FlipY, |x, y, last| (last - x, y)),
            (Transform::FlipPlus1, |x, y, _| (y, x)),
            (Transform::FlipMinus1, |x, y, last| (last - y, last - x)),
        ];
        for (transform, place) in turned {
            for inverted in [false, true] {
                let mut pixels = picture(|x, y| place(x, y, last));
                if inverted {
                    pixels.iter_mut().for_each(|v| *v = 255 - *v);
                }
                let mut looks = looks(&Fingerprint::Image(print(&pixels)), 0, 0.0, false);
                looks.retain(|look| look.view == View::Full);
                assert_eq!(looks.len(), 16);
                let best = looks.iter().min_by_key(|look| look.hash.unwrap().distance(&reference)).unwrap();
                assert_eq!((best.transform, best.inverted), (transform, inverted));
                assert!(
                    best.hash.unwrap().distance(&reference) <= 10,
                    "{transform:?} {}",
                    best.hash.unwrap().distance(&reference)
                );
            }
        }
    }
}
