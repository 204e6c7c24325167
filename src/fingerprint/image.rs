//! The fingerprint of a still picture.

use super::{View, ViewSet, Window, views};
use crate::hash::pdq::{self, Dihedral, SIDE};
use crate::hash::{Hash, Pixels, detail};
use crate::image::canvas::Canvas;

/// The detail hash of a view: the witness beside PDQ.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub struct DetailHash {
    /// The hash.
    pub hash: Hash,
    /// All eight orientations in the order of [`pdq::Transform::ALL`], for queries; references do without.
    pub orientations: Option<Box<[Hash; 8]>>,
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
    /// 0.0..=1.0, as in [`pdq::Hashed`].
    pub stability: f32,
    /// All eight orientations in the order of [`pdq::Transform::ALL`], for queries; references do without.
    pub orientations: Option<Box<[Hash; 8]>>,
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
            ViewSet::None => Self::build(pixels, None),
            _ => Self::build(pixels, Some(&set.windows())),
        }
    }

    /// Hashes an upright picture: the whole, its content box if it has one, and any windows of that.
    pub fn with_windows(pixels: &Pixels<'_>, windows: &[Window]) -> Self {
        Self::build(pixels, Some(windows))
    }

    fn build(pixels: &Pixels<'_>, windows: Option<&[Window]>) -> Self {
        let mut views = Vec::new();
        if let Some(samples) = pdq::samples(pixels) {
            views.push(ViewHash::of_samples(View::Full, &samples));
            if let Some((windows, canvas)) = windows.and_then(|windows| Some((windows, Canvas::new(pixels)?))) {
                for (view, area) in views::areas(&canvas, windows) {
                    views.push(ViewHash::of_samples(view, &canvas.samples(area)));
                }
            }
        }
        Self { width: pixels.width() as u32, height: pixels.height() as u32, views }
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

impl ViewHash {
    /// Both hashes of 64x64 samples of luma.
    pub fn of_samples(view: View, samples: &[f32; SIDE * SIDE]) -> Self {
        let Dihedral { hashes, quality, stability } = pdq::dihedral_of_samples(samples);
        let detail = detail::dihedral_of_samples(samples).hashes;
        Self {
            view,
            hash: hashes[0],
            quality,
            stability,
            orientations: Some(Box::new(hashes)),
            detail: Some(DetailHash { hash: detail[0], orientations: Some(Box::new(detail)) }),
        }
    }
}
