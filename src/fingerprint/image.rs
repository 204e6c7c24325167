//! The fingerprint of a still picture.

use super::{View, ViewSet, Window, views};
use crate::error::Result;
use crate::hash::pdq::{self, Dihedral, Orientations, SIDE, Stream};
use crate::hash::{Algorithm, Format, Hash, Pixels, detail};
use crate::image::Sink;
use crate::image::canvas::Filling;

/// The detail hash of a view: the witness beside PDQ.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub struct DetailHash {
    /// The hash.
    pub hash: Hash,
    /// All eight orientations, for queries; references do without.
    pub orientations: Option<Box<Orientations>>,
}

/// One view of a picture, hashed.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub struct ViewHash {
    /// Which part of the picture.
    pub view: View,
    /// Its hash.
    pub hash: Hash,
    /// 0..=100, as in [`pdq::Hashed`].
    pub quality: u8,
    /// 0.0..=1.0, as in [`pdq::Hashed`]; of a still that of the less stable of both hashes.
    pub stability: f32,
    /// All eight orientations, for queries; references do without.
    pub orientations: Option<Box<Orientations>>,
    /// The second hash; `None` where only PDQ is known, as in imported lists.
    pub detail: Option<DetailHash>,
}

/// The fingerprint of a still picture.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub struct ImageFingerprint {
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// What the hashes are. All but PDQ have one view, the whole picture, and neither orientations nor a detail hash; its
    /// quality and stability are then those of the picture's PDQ hash.
    pub algorithm: Algorithm,
    /// The views, the whole picture first.
    pub views: Vec<ViewHash>,
}

impl ImageFingerprint {
    /// Hashes an upright picture with the default views; empty `views` if it is too small to have a hash.
    pub fn of_pixels(pixels: &Pixels<'_>) -> Self {
        Self::with_views(pixels, ViewSet::default())
    }

    /// Hashes an upright picture: the whole exactly as PDQ does, then the views of `set` that it has.
    pub fn with_views(pixels: &Pixels<'_>, set: ViewSet) -> Self {
        match set {
            ViewSet::Whole => Self::build(pixels, None),
            _ => Self::build(pixels, Some(&set.windows())),
        }
    }

    /// Hashes an upright picture: the whole, its content box if it has one, and any windows of that.
    pub fn with_windows(pixels: &Pixels<'_>, windows: &[Window]) -> Self {
        Self::build(pixels, Some(windows))
    }

    /// Hashes an upright picture with one of the classic hashes; empty `views` if it is too small to have a hash.
    pub fn with_algorithm(pixels: &Pixels<'_>, algorithm: Algorithm) -> Self {
        let mut fingerprint = Self::empty(pixels.width(), pixels.height(), algorithm);
        if let (Some(hash), Some(pdq)) = (algorithm.hash(pixels), pdq::hash(pixels)) {
            let (quality, stability) = (pdq.quality, pdq.stability);
            fingerprint.views =
                vec![ViewHash { view: View::Full, hash, quality, stability, orientations: None, detail: None }];
        }
        fingerprint
    }

    fn empty(width: usize, height: usize, algorithm: Algorithm) -> Self {
        Self { width: width as u32, height: height as u32, algorithm, views: Vec::new() }
    }

    fn build(pixels: &Pixels<'_>, windows: Option<&[Window]>) -> Self {
        let (width, height) = (pixels.width(), pixels.height());
        let Some(mut builder) = Builder::start(windows.is_some(), width, height, pixels.format()) else {
            return Self::empty(width, height, Algorithm::Pdq);
        };
        for y in 0..height {
            // A row of a picture has its length, so it is never refused.
            let _ = builder.row(pixels.row(y));
        }
        builder.finish(windows.unwrap_or_default())
    }

    /// Without the orientations that only queries need.
    #[must_use]
    pub fn into_reference(mut self) -> Self {
        for view in &mut self.views {
            view.orientations = None;
            if let Some(detail) = &mut view.detail {
                detail.orientations = None;
            }
        }
        self
    }
}

/// A fingerprint that is being made of rows as they come: the whole picture exactly as PDQ sees it, and the canvas that the
/// other views are cut from, in one pass.
pub(crate) struct Builder {
    width: u32,
    height: u32,
    stream: Stream,
    filling: Option<Filling>,
}

impl Sink for Builder {
    /// Whether views other than the whole picture are.
    type Want = bool;

    fn memory(views: bool, width: usize, height: usize) -> u64 {
        Stream::memory((), width, height) + if views { Filling::memory(width, height) } else { 0 }
    }

    fn start(views: bool, width: usize, height: usize, format: Format) -> Option<Self> {
        let stream = Stream::new(width, height, format)?;
        let filling = if views { Some(Filling::new(width, height, format)?) } else { None };
        Some(Self { width: width as u32, height: height as u32, stream, filling })
    }

    fn row(&mut self, row: &[u8]) -> Result<()> {
        self.stream.push_row(row)?;
        if let Some(filling) = &mut self.filling {
            filling.push(row);
        }
        Ok(())
    }
}

impl Builder {
    /// The fingerprint, with these windows if views are wanted.
    pub(crate) fn finish(self, windows: &[Window]) -> ImageFingerprint {
        let mut views = Vec::new();
        if let Ok(samples) = self.stream.finish_samples() {
            views.push(ViewHash::of_still(View::Full, &samples).0);
            if let Some(canvas) = self.filling.map(Filling::finish) {
                let areas = views::areas(&canvas, windows).into_iter();
                views.extend(areas.filter_map(|(view, area)| ViewHash::of_part(view, &canvas.samples(area))));
            }
        }
        ImageFingerprint { width: self.width, height: self.height, algorithm: Algorithm::Pdq, views }
    }
}

impl ViewHash {
    /// Both hashes of 64x64 samples of luma.
    pub fn of_samples(view: View, samples: &[f32; SIDE * SIDE]) -> Self {
        Self::with_pdq(view, samples, pdq::dihedral_of_samples(samples))
    }

    /// The same, where PDQ has been taken of the samples already.
    pub(crate) fn with_pdq(view: View, samples: &[f32; SIDE * SIDE], pdq: Dihedral) -> Self {
        Self::of_hashes(view, pdq, detail::dihedral_of_samples(samples))
    }

    /// A view of a still: no stabler than the less stable of its hashes. Stripes have few frequencies, so that most bits of
    /// their detail hash hang on nothing, and those of other stripes agree.
    fn of_still(view: View, samples: &[f32; SIDE * SIDE]) -> (Self, Dihedral) {
        let (pdq, detail) = (pdq::dihedral_of_samples(samples), detail::dihedral_of_samples(samples));
        let stability = pdq.stability.min(detail.stability);
        (Self { stability, ..Self::of_hashes(view, pdq, detail) }, detail)
    }

    /// The same of a part of a still; `None` for a window that shows too little to tell its picture by: a few frequencies,
    /// as of stripes and grids, or a few shapes on a plain ground. Windows may come closer by chance than whole pictures, being
    /// many.
    fn of_part(view: View, samples: &[f32; SIDE * SIDE]) -> Option<Self> {
        let (hashes, detail) = Self::of_still(view, samples);
        let telling = detail.spread >= detail::MIN_SPREAD && detail.quality >= detail::MIN_QUALITY;
        (telling || !view.is_window()).then_some(hashes)
    }

    /// The same, where both have been taken.
    pub(crate) fn of_hashes(view: View, pdq: Dihedral, detail: Dihedral) -> Self {
        let turned = |of: &Dihedral| Some(Box::new(Orientations::from(of)));
        Self {
            view,
            hash: pdq.hashes[0],
            quality: pdq.quality,
            stability: pdq.stability,
            orientations: turned(&pdq),
            detail: Some(DetailHash { hash: detail.hashes[0], orientations: turned(&detail) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(at: impl Fn(usize, usize) -> u8) -> ImageFingerprint {
        let pixels: Vec<u8> = (0..256 * 256).map(|i| at(i % 256, i / 256)).collect();
        ImageFingerprint::of_pixels(&Pixels::new(&pixels, 256, 256, 256, Format::Luma8).expect("pixels"))
    }

    #[test]
    fn windows_of_stripes_and_of_a_disc_say_too_little() {
        let windows = |print: ImageFingerprint| print.views.iter().filter(|view| view.view.is_window()).count();
        assert_eq!(windows(print(|x, y| if (3 * x + y) / 40 % 2 == 0 { 30 } else { 220 })), 0);
        assert!(windows(print(|x, y| if x.abs_diff(150).pow(2) + y.abs_diff(90).pow(2) < 300 { 20 } else { 230 })) < 3);
        let blocks = |x: usize, y: usize| {
            let mixed = ((x / 16 + 16 * (y / 16)) as u32).wrapping_mul(0x9e37_79b1);
            let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca77);
            ((mixed ^ mixed >> 13) >> 8) as u8
        };
        // All but a quarter or two of so few blocks.
        assert!(windows(print(blocks)) >= ViewSet::Standard.windows().len() - 4);
    }
}
