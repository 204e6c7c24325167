//! What is kept of one medium: hashes with what is needed to judge and explain a match, a few kilobytes in all.
//!
//! This is the message between decoding and everything downstream: small, serialisable, versioned, and without pixels.

mod glance;
mod image;
pub(crate) mod media;
mod pack;
mod plain;
mod video;
pub(crate) mod views;

pub(crate) use self::glance::Glance;
pub use self::image::{DetailHash, ImageFingerprint, ViewHash};
pub use self::media::{Media, Options, Sampling, fingerprint};
pub(crate) use self::plain::is_plain;
pub use self::video::{FrameHash, Role, VideoFingerprint};
pub(crate) use self::views::ABOVE_LOWER_THIRD;
pub use self::views::{View, ViewSet, Window};

use bincode::config::{Configuration, Limit, LittleEndian, Varint};

use crate::error::{Error, Result};
use crate::hash::Algorithm;

/// The version that [`Fingerprint::to_bytes`] writes.
pub const VERSION: u8 = 4;
/// How media become fingerprints: raised whenever the same file may give other hashes than before, so that caches notice.
pub const RECIPE: u32 = 9;
/// The longest encoded fingerprint that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// What is kept of one medium.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub enum Fingerprint {
    /// A still picture.
    Image(ImageFingerprint),
    /// A film or an animation of more than one frame.
    Video(VideoFingerprint),
}

impl Glance {
    /// Encodes it for a cache.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        bincode::encode_to_vec(self, config()).ok()
    }

    /// Decodes what [`Glance::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (glance, used) = bincode::decode_from_slice(bytes, config()).ok()?;
        (used == bytes.len()).then_some(glance)
    }
}

fn config() -> Configuration<LittleEndian, Varint, Limit<MAX_BYTES>> {
    bincode::config::standard().with_limit::<MAX_BYTES>()
}

impl Fingerprint {
    /// The word used in JSON: `image` or `video`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Video(_) => "video",
        }
    }

    /// What its hashes are.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Image(image) => image.algorithm,
            Self::Video(_) => Algorithm::Pdq,
        }
    }

    /// Without the orientations that only queries need, which are most of it: what a reference is made of is left.
    #[must_use]
    pub fn without_orientations(self) -> Self {
        match self {
            Self::Image(image) => Self::Image(image.into_reference()),
            Self::Video(mut video) => {
                video.frames.iter_mut().for_each(FrameHash::lay_down);
                Self::Video(video)
            }
        }
    }

    /// Encodes the fingerprint: one byte [`VERSION`], then the fields.
    ///
    /// # Errors
    /// [`Error::Limit`] if it would be longer than [`MAX_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        // The hashes alone may be too much, which is seen before they are copied.
        let least =
            if let Self::Video(video) = self { pack::count(&video.frames) * size_of::<crate::Hash>() } else { 0 };
        if least > MAX_BYTES {
            return Err(Error::limit("fingerprint bytes", MAX_BYTES as u64, least as u64));
        }
        let mut bytes = Vec::with_capacity(least + least / 16 + 64);
        bytes.push(VERSION);
        bincode::encode_into_std_write(self, &mut bytes, config())
            .map_err(|error| Error::decode(format!("fingerprint cannot be encoded: {error}")))?;
        // Decoding counts frames by their size in memory, and integers and tags by theirs, whatever they take.
        let frames = if let Self::Video(video) = self { video.frames.len() } else { 0 };
        let longest = (bytes.len() + frames * 20 + 64).max(frames * size_of::<FrameHash>());
        if longest > MAX_BYTES {
            return Err(Error::limit("fingerprint bytes", MAX_BYTES as u64, longest as u64));
        }
        Ok(bytes)
    }

    /// Decodes what [`Fingerprint::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Format`] for another version, [`Error::Corrupt`] for anything that is not a whole fingerprint.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |detail: String| Error::corrupt("", detail);
        match bytes.split_first() {
            None => Err(damaged("empty fingerprint".into())),
            Some((&VERSION, rest)) => match bincode::decode_from_slice(rest, config()) {
                Ok((fingerprint, used)) if used == rest.len() => Ok(fingerprint),
                Ok((_, used)) => Err(damaged(format!("fingerprint ends after {used} of {} bytes", rest.len()))),
                Err(error) => Err(damaged(format!("fingerprint: {error}"))),
            },
            Some((version, _)) => Err(Error::Format {
                path: Default::default(),
                expected: format!("fingerprint version {VERSION}"),
                got: format!("version {version}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;
    use crate::hash::pdq::Orientations;

    #[test]
    fn what_could_not_be_decoded_is_not_encoded() {
        let frame = |i: usize| FrameHash {
            time: i as f64,
            hash: Some(Hash([i as u8; 32])),
            detail: None,
            quality: 100,
            stability: 1.0,
            orientations: None,
            role: Role::Frame,
            view: View::Full,
            plain: false,
        };
        let film = |count: usize| {
            Fingerprint::Video(VideoFingerprint::of_frames(count as f64, (0..count).map(frame).collect()))
        };
        let most = MAX_BYTES / size_of::<FrameHash>();
        let bytes = film(most).to_bytes().unwrap();
        assert!(Fingerprint::from_bytes(&bytes).is_ok());
        assert!(matches!(film(most + 1).to_bytes(), Err(Error::Limit { .. })));
        // With orientations the bytes are what counts.
        let turned = |count: usize| {
            let eight = Box::new(Orientations::new(Hash([7; 32]), Hash([5; 32]), Hash([3; 32]), Hash([1; 32])));
            let all = |i: usize| FrameHash {
                time: i as f64 / 1000.0,
                orientations: Some(eight.clone()),
                detail: Some(DetailHash { hash: Hash([i as u8; 32]), orientations: Some(eight.clone()) }),
                ..frame(i)
            };
            Fingerprint::Video(VideoFingerprint::of_frames(1.0, (0..count).map(all).collect()))
        };
        let most = MAX_BYTES / (576 + 25);
        let (mut fit, mut refused) = (0, 0);
        for count in (most..MAX_BYTES / 575).step_by((MAX_BYTES / 575 - most) / 8) {
            match turned(count).to_bytes() {
                Ok(bytes) => {
                    assert!(Fingerprint::from_bytes(&bytes).is_ok(), "{count}");
                    fit += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(fit > 0 && refused > 0, "{fit} {refused}");
    }
}
