//! The frames that stand for all others: every frame that is looked at is near one of those that are kept, and those are
//! as few as that takes. A single still of a film is then near one of them as well, however fast the picture moves.

use super::grid::Grid;
use crate::fingerprint::{View, ViewHash, is_plain};
use crate::hash::detail;
use crate::hash::pdq::{self, Dihedral};
use crate::image::canvas::Area;

/// Detail hashes within this many bits are near each other. A still needs 60, and loses a few to its encoder.
const NEAR: u32 = 56;
/// The detail hash costs several times what PDQ does. With PDQ within this many bits it is near as well, but for one pair in a
/// hundred,
const SURELY: u32 = 38;
/// and further than this many bits apart it is not, but for one in twenty.
const HARDLY: u32 = 72;
/// With PDQ within this many bits of the last frame that waits, a frame is as good as that one.
const SAME: u32 = 12;
/// A frame stands for no more than this many seconds before it, and as many after it.
const LONGEST: f64 = 3.0;

/// A frame that was looked at.
#[derive(Debug, Clone)]
struct Seen {
    time: f64,
    pdq: Dihedral,
    /// What the detail hash is taken of, when it is needed.
    samples: Box<[f32; pdq::SIDE * pdq::SIDE]>,
    detail: Option<Dihedral>,
}

impl Seen {
    fn detail(&mut self) -> &Dihedral {
        self.detail.get_or_insert_with(|| detail::dihedral_of_samples(&self.samples))
    }

    fn apart(&self, other: &Self) -> u32 {
        self.pdq.hashes[0].distance(&other.pdq.hashes[0])
    }

    fn is_near(&mut self, other: &mut Self) -> bool {
        let apart = self.apart(other);
        apart <= SURELY || apart <= HARDLY && self.detail().hashes[0].distance(&other.detail().hashes[0]) <= NEAR
    }
}

/// A frame to keep.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) time: f64,
    /// The hashes of the whole picture.
    pub(super) full: ViewHash,
    /// Where its content box is, and the grid to take that from.
    pub(super) content: Option<(Area, Grid)>,
    /// Whether the whole of it is plain.
    pub(super) plain: bool,
}

/// Chooses frames as they come. A frame is kept once one comes that it could not stand for beside all those before it that
/// wait for a frame to stand for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Cover {
    /// The last frame kept.
    kept: Option<Seen>,
    /// Frames that nothing that was kept stands for. The last of them is near all others.
    waiting: Vec<Seen>,
    /// The content box of that last one.
    content: Option<(Area, Grid)>,
    moving: bool,
}

impl Cover {
    /// Whether the last frame was far from those before it, so that the very next one should be looked at as well: in fast
    /// motion nothing else may be near it.
    pub(super) fn is_moving(&self) -> bool {
        self.moving
    }

    /// Looks at the next frame; returns one to keep, which is an earlier one.
    pub(super) fn push(&mut self, time: f64, grid: &Grid, content: Option<Area>) -> Option<Chosen> {
        self.moving = false;
        let samples = grid.shrink(Area::FULL);
        let mut seen = Seen { time, pdq: pdq::dihedral_of_samples(&samples), samples, detail: None };
        let late = self.waiting.first().is_some_and(|first| time > first.time + LONGEST);
        if !late && self.waiting.last().is_some_and(|last| last.apart(&seen) <= SAME) {
            return None;
        }
        let mut chosen = None;
        if late || !self.waiting.iter_mut().all(|waiting| waiting.is_near(&mut seen)) {
            chosen = self.finish();
        }
        if self.waiting.is_empty() {
            let kept = self.kept.as_mut().filter(|kept| time < kept.time + LONGEST);
            if kept.is_some_and(|kept| kept.is_near(&mut seen)) {
                return chosen;
            }
            self.moving = true;
        }
        self.waiting.push(seen);
        self.content = content.map(|area| {
            let mut copy = self.content.take().map(|(_, grid)| grid).unwrap_or_default();
            copy.copy(grid);
            (area, copy)
        });
        chosen
    }

    /// Keeps the last of the frames that wait, if any do.
    pub(super) fn finish(&mut self) -> Option<Chosen> {
        let mut last = self.waiting.pop()?;
        self.waiting.clear();
        let full = ViewHash::of_hashes(View::Full, last.pdq, *last.detail());
        let plain = is_plain(&last.samples);
        let chosen = Chosen { time: last.time, full, content: self.content.take(), plain };
        self.kept = Some(last);
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{Format, Hash, PixelBuf};

    /// A ground of stripes that moves by `step` of a cell a frame.
    fn moving(at: usize, step: f64) -> Grid {
        let wave =
            |x: f64, y: f64| (x / 5.0).sin() * 50.0 + (y / 7.0 + x / 19.0).cos() * 50.0 + (x * y / 300.0).sin() * 20.0;
        let data = (0..128 * 128)
            .map(|cell| (128.0 + wave((cell % 128) as f64 + at as f64 * step, (cell / 128) as f64)) as u8);
        Grid::of_pixels(&PixelBuf::new(data.collect(), 128, 128, Format::Luma8).unwrap().as_pixels()).unwrap()
    }

    fn hash(grid: &Grid) -> Hash {
        detail::dihedral_of_samples(&grid.shrink(Area::FULL)).hashes[0]
    }

    fn chosen(frames: &[Grid]) -> Vec<Chosen> {
        let mut cover = Cover::default();
        let each = frames.iter().enumerate().map(|(at, grid)| cover.push(at as f64 / 25.0, grid, None));
        let mut chosen: Vec<Chosen> = each.collect::<Vec<_>>().into_iter().flatten().collect();
        chosen.extend(cover.finish());
        chosen
    }

    #[test]
    fn every_frame_is_near_one_that_is_kept_and_the_faster_the_more_are() {
        let mut counts = Vec::new();
        for step in [0.0, 0.1, 0.5, 3.0] {
            let frames: Vec<Grid> = (0..100).map(|at| moving(at, step)).collect();
            let kept = chosen(&frames);
            for (at, frame) in frames.iter().enumerate() {
                let nearest = kept
                    .iter()
                    .map(|kept| kept.full.detail.as_ref().unwrap().hash.distance(&hash(frame)))
                    .min()
                    .unwrap();
                assert!(nearest <= NEAR + SAME, "frame {at} at {step} cells a frame: {nearest} bits");
            }
            assert!(kept.is_sorted_by(|a, b| a.time < b.time));
            counts.push(kept.len());
        }
        assert!(
            counts[0] <= 2 && counts.is_sorted() && counts[2] > counts[0] && counts[3] > 2 * counts[2],
            "{counts:?}"
        );
    }

    #[test]
    fn what_stands_still_is_kept_again_after_a_while() {
        let still = vec![moving(0, 0.0); 25 * 20];
        let times: Vec<f64> = chosen(&still).iter().map(|kept| kept.time).collect();
        assert!((4..=8).contains(&times.len()), "{times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 2.0 * LONGEST + 0.1), "{times:?}");
    }

    #[test]
    fn the_next_frame_is_asked_for_in_fast_motion_alone() {
        let mut cover = Cover::default();
        let push = |cover: &mut Cover, at: usize, step: f64| {
            cover.push(at as f64 / 25.0, &moving(at, step), None);
            cover.is_moving()
        };
        assert!(push(&mut cover, 0, 0.05), "nothing is near the first frame");
        assert!((1..30).all(|at| !push(&mut cover, at, 0.05)));
        let moving = (30..60).filter(|&at| push(&mut cover, at, 9.0)).count();
        assert!(moving > 20, "{moving} of 30");
    }
}
