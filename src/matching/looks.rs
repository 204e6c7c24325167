//! The look-ups that one query costs: each of its hashes in eight orientations, as it is and inverted.
//!
//! Those of a film of hours take many times the room of its fingerprint, so they are made one hash at a time when they are
//! needed, and known by their numbers in between.

use crate::fingerprint::{DetailHash, Fingerprint, FrameHash, Role, View, ViewHash};
use crate::hash::pdq::{MIN_QUALITY, Orientations, Transform};
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
    pub(crate) orientations: Option<&'f Orientations>,
    pub(crate) detail: Option<&'f DetailHash>,
    pub(crate) quality: u8,
    pub(crate) stability: f32,
    /// Whether a reference is known by this PDQ hash as well, and not only by the detail hash beside it: lists and stills
    /// that know nothing else are asked for whole pictures, never for means over time or for parts.
    pub(crate) by_pdq: bool,
}

impl<'f> From<&'f ViewHash> for Item<'f> {
    fn from(view: &'f ViewHash) -> Self {
        Self {
            view: view.view,
            time: 0.0,
            hash: Some(view.hash),
            orientations: view.orientations.as_deref(),
            detail: view.detail.as_ref(),
            quality: view.quality,
            stability: view.stability,
            by_pdq: matches!(view.view, View::Full | View::Content),
        }
    }
}

impl<'f> Item<'f> {
    fn of_frame(frame: &'f FrameHash, by_pdq: bool) -> Self {
        Self {
            view: frame.view,
            time: frame.time,
            hash: frame.hash,
            orientations: frame.orientations.as_deref(),
            detail: frame.detail.as_ref(),
            quality: frame.quality,
            stability: frame.stability,
            by_pdq,
        }
    }
}

/// The hashes of a fingerprint, in the order in which the index numbers them.
pub(crate) fn items(fingerprint: &Fingerprint) -> Vec<Item<'_>> {
    match fingerprint {
        Fingerprint::Image(image) => image.views.iter().map(Item::from).collect(),
        Fingerprint::Video(video) => {
            let frames = video.frames.iter().zip(by_pdq(&video.frames));
            frames.map(|(frame, by_pdq)| Item::of_frame(frame, by_pdq)).collect()
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

/// What a look-up means if it finds something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
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
}

/// The transformation that takes the other one back.
pub(crate) const fn inverse(transform: Transform) -> Transform {
    match transform {
        Transform::Rotate90 => Transform::Rotate270,
        Transform::Rotate270 => Transform::Rotate90,
        other => other,
    }
}

/// Orientations of each hash, each as it is and inverted.
const WAYS: u32 = 2 * Transform::ALL.len() as u32;

/// All look-ups for the hashes of a query. Their numbers are those of the hashes that are asked, times sixteen, and the way in
/// which the hash is laid down.
#[derive(Debug, Clone)]
pub(crate) struct Looks<'f> {
    query: &'f Fingerprint,
    turned: bool,
    /// Which hashes are asked, and whether their detail hashes are looked up: PDQ alone is asked about other views too, where
    /// references know nothing else.
    asked: Vec<(u32, bool)>,
}

impl<'f> Looks<'f> {
    /// Those of the hashes that have at least this quality and stability. A hash without its orientations is asked in nearly
    /// those that it would have if `turned`, and otherwise as it is and inverted only.
    pub(crate) fn new(query: &'f Fingerprint, min_quality: u8, min_stability: f32, turned: bool) -> Self {
        // What is known of turned pictures holds for PDQ and for detail hashes.
        let turned = turned && query.algorithm() == Algorithm::Pdq;
        let mut looks = Self { query, turned, asked: Vec::new() };
        let all = (0..).map_while(|at| Some((at, looks.item(at)?)));
        let clear = all.filter(|(_, item)| item.quality >= min_quality && item.stability >= min_stability);
        looks.asked = clear.map(|(at, _)| (at, true)).collect();
        looks
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The views that are asked about.
    pub(crate) fn views(&self) -> impl Iterator<Item = View> {
        self.asked.iter().filter_map(|&(at, _)| Some(self.item(at)?.view))
    }

    /// Asks about a view no more where `sought` gives nothing; otherwise it says whether its detail hashes are looked up.
    pub(crate) fn keep(&mut self, mut sought: impl FnMut(View) -> Option<bool>) {
        let asked = std::mem::take(&mut self.asked);
        let kept = asked.into_iter().filter_map(|(at, _)| Some((at, sought(self.item(at)?.view)?)));
        self.asked = kept.collect();
    }

    fn item(&self, at: u32) -> Option<Item<'f>> {
        match self.query {
            Fingerprint::Image(image) => image.views.get(at as usize).map(Item::from),
            Fingerprint::Video(video) => video.frames.get(at as usize).map(|frame| Item::of_frame(frame, true)),
        }
    }

    /// Each hash that is asked about, in all ways.
    pub(crate) fn all(&self) -> impl Iterator<Item = Laid<'f>> {
        (0..self.asked.len() as u32).filter_map(|slot| self.laid(slot))
    }

    /// The hash behind a look-up.
    pub(crate) fn of(&self, number: u32) -> Option<Laid<'f>> {
        self.laid(Self::slot(number))
    }

    /// Which of the hashes that are asked a look-up is of.
    pub(crate) const fn slot(number: u32) -> u32 {
        number / WAYS
    }

    /// How a look-up lays its hash down.
    pub(crate) const fn way(number: u32) -> u32 {
        number % WAYS
    }

    fn laid(&self, slot: u32) -> Option<Laid<'f>> {
        let &(at, sought) = self.asked.get(slot as usize)?;
        let item = self.item(at)?;
        let near = |hash: Hash| if self.turned { super::turn::turned(&hash) } else { [hash; 8] };
        let hashes = item.orientations.map(Orientations::all).or_else(|| item.hash.map(near));
        let details = item.detail.map(|detail| match &detail.orientations {
            Some(turned) => turned.all(),
            None => near(detail.hash),
        });
        let orientations = if self.turned || item.orientations.is_some() { Transform::ALL.len() } else { 1 };
        Some(Laid { slot, at, sought, item, hashes, details, orientations })
    }
}

/// One hash of the query in all ways in which it is looked up.
#[derive(Debug, Clone)]
pub(crate) struct Laid<'f> {
    slot: u32,
    at: u32,
    pub(crate) sought: bool,
    pub(crate) item: Item<'f>,
    hashes: Option<[Hash; 8]>,
    details: Option<[Hash; 8]>,
    /// How many of them are asked.
    orientations: usize,
}

impl Laid<'_> {
    /// The numbers of its look-ups.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        let (first, orientations) = (self.slot * WAYS, self.orientations as u32);
        (first..first + WAYS).filter(move |number| number % (WAYS / 2) < orientations)
    }

    /// Whether a look-up is of this hash.
    pub(crate) fn has(&self, number: u32) -> bool {
        Looks::slot(number) == self.slot
    }

    pub(crate) fn look(&self, number: u32) -> Look {
        let (inverted, orientation) = way(number);
        Look {
            item: self.at,
            transform: inverse(Transform::ALL[orientation]),
            inverted,
            view: self.item.view,
            quality: self.item.quality,
            time: self.item.time,
        }
    }

    /// PDQ as it is looked up, where it is known.
    pub(crate) fn hash(&self, number: u32) -> Option<Hash> {
        self.hashes.as_ref().map(|hashes| down(hashes, number))
    }

    /// The detail hash, laid down in the same way.
    pub(crate) fn detail(&self, number: u32) -> Option<Hash> {
        self.details.as_ref().map(|hashes| down(hashes, number))
    }
}

/// Whether a look-up asks for the negative, and in which orientation.
fn way(number: u32) -> (bool, usize) {
    let way = Looks::way(number);
    (way >= WAYS / 2, (way % (WAYS / 2)) as usize)
}

fn down(hashes: &[Hash; 8], number: u32) -> Hash {
    let (inverted, orientation) = way(number);
    if inverted { hashes[orientation].complement() } else { hashes[orientation] }
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
                let print = Fingerprint::Image(print(&pixels));
                let mut looks = Looks::new(&print, 0, 0.0, false);
                looks.keep(|view| (view == View::Full).then_some(true));
                let laid = looks.all().next().unwrap();
                assert_eq!((laid.numbers().count(), looks.all().count()), (16, 1));
                let distance = |number: &u32| laid.hash(*number).unwrap().distance(&reference);
                let best = laid.numbers().min_by_key(distance).unwrap();
                assert_eq!((laid.look(best).transform, laid.look(best).inverted), (transform, inverted));
                assert!(distance(&best) <= 10, "{transform:?} {}", distance(&best));
            }
        }
    }
}
