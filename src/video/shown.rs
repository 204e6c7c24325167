//! A picture of a film with the parts that are hashed of it.

use super::grid::Grid;
use super::held::same;
use crate::fingerprint::{FrameHash, Role, View, ViewHash, Window, views};
use crate::hash::pdq;
use crate::image::canvas::Area;

/// The same picture is hashed again only after this many seconds.
pub(super) const SAME_FOR: f64 = 3.0;

/// The parts of the picture that are hashed beside the whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Boxes {
    pub(super) content: Option<Area>,
    pub(super) inner: Option<Area>,
    /// One that was found before.
    pub(super) usual: Option<Area>,
    /// Set where a reference needs it.
    pub(super) upright: Option<Area>,
}

impl Boxes {
    /// Those that are sought in the picture.
    pub(super) fn found(&self) -> [Option<Area>; 3] {
        [self.content, self.inner, self.usual]
    }
}

/// The middle of a picture in the shape of an upright telephone, if that is a good deal narrower than the picture.
pub(super) fn upright((width, height): (usize, usize)) -> Option<Area> {
    let share = 9.0 / 16.0 * height as f64 / width.max(1) as f64;
    let (left, right) = (0.5 - share / 2.0, 0.5 + share / 2.0);
    (share < 0.8).then_some(Area { left, top: 0.0, right, bottom: 1.0 })
}

/// A picture to be hashed, of a frame or of a stretch of time.
pub(super) struct Shown<'a> {
    pub(super) time: f64,
    pub(super) role: Role,
    pub(super) grid: &'a Grid,
    pub(super) boxes: Boxes,
    pub(super) windows: &'a [Window],
    /// What is taken of a plain picture is plain as well: a number fills its content box.
    pub(super) plain: bool,
}

impl Shown<'_> {
    /// Hashes the views of the picture, unless it shows for less than [`SAME_FOR`] seconds what the last one already shows, to
    /// fewer than `bits` bits. Whether it was hashed.
    pub(super) fn emit(self, last: &mut Option<FrameHash>, bits: u32, hashes: &mut Vec<FrameHash>) -> bool {
        let Self { time, role, grid, boxes, windows, plain } = self;
        let samples = grid.shrink(Area::FULL);
        let pdq = pdq::dihedral_of_samples(&samples);
        let known = |last: &FrameHash| {
            last.hash.is_some_and(|hash| hash.distance(&pdq.hashes[0]) < bits) && time < last.time + SAME_FOR
        };
        if last.as_ref().is_some_and(known) {
            return false; // before the detail hash, which costs several times as much
        }
        let full = FrameHash::of_view(time, role, ViewHash::with_pdq(View::Full, &samples, pdq), plain);
        *last = Some(full.clone());
        hashes.push(full);
        let inner = boxes.inner.filter(|area| boxes.content.is_none_or(|content| !same(*area, content)));
        let sought = [(View::Inner, inner), (View::Inner, boxes.usual), (View::Upright, boxes.upright)];
        let sought = sought.into_iter().filter_map(|(view, area)| Some((view, area?)));
        for (view, area) in views::of_film(boxes.content, windows).into_iter().chain(sought) {
            let part = ViewHash::of_samples(view, &grid.shrink(area));
            hashes.push(FrameHash::of_view(time, role, part, plain));
        }
        true
    }
}
