//! The fingerprint of a still picture.

use super::View;
use crate::hash::{Hash, Pixels, pdq};

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
    /// Hashes the whole of an upright picture; empty `views` if it is too small to have a hash.
    pub fn of_pixels(pixels: &Pixels<'_>) -> Self {
        let views = pdq::dihedral(pixels).map(|all| ViewHash {
            view: View::Full,
            hash: all.hashes[0],
            quality: all.quality,
            stability: all.stability,
            orientations: Some(Box::new(all.hashes)),
        });
        Self { width: pixels.width() as u32, height: pixels.height() as u32, views: views.into_iter().collect() }
    }
}
