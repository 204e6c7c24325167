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

use bincode::error::DecodeError;

use crate::error::{Error, Result};
use crate::hash::Algorithm;

/// The version that [`Fingerprint::to_bytes`] writes.
pub const VERSION: u8 = 4;
/// How media become fingerprints: raised whenever the same file may give other hashes than before, so that caches notice.
pub const RECIPE: u32 = 11;
/// The longest encoded fingerprint that is read, in bytes. With all orientations, eight hours of film take 320 MB where most happens: 33 times
/// a second PDQ and a detail hash of 160 bytes each, and up to 13 bytes more.
pub const MAX_BYTES: usize = 512 << 20;
/// So much may any bytes claim to hold, and longer ones two to eight times their length.
const ANY_BYTES: usize = 64 << 20;

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
        bincode::encode_to_vec(self, bincode::config::standard()).ok().filter(|bytes| bytes.len() <= MAX_BYTES)
    }

    /// Decodes what [`Glance::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (glance, used) = decode(bytes).ok()?;
        (used == bytes.len()).then_some(glance)
    }
}

/// Decodes something; what lists claim to hold is bounded by how many bytes there are.
fn decode<T: bincode::Decode<()>>(bytes: &[u8]) -> Result<(T, usize), DecodeError> {
    const MORE: usize = ANY_BYTES * 4;
    const MOST: usize = MAX_BYTES * 2;
    fn within<T: bincode::Decode<()>, const MOST: usize>(bytes: &[u8]) -> Result<(T, usize), DecodeError> {
        bincode::decode_from_slice(bytes, bincode::config::standard().with_limit::<MOST>())
    }
    // Decoding counts integers and tags by their size in memory, whatever they take: of what `fits`, no more than as much again.
    let twice = bytes.len().saturating_mul(2);
    if twice <= ANY_BYTES {
        within::<T, ANY_BYTES>(bytes)
    } else if twice <= MORE {
        within::<T, MORE>(bytes)
    } else if twice <= MOST {
        within::<T, MOST>(bytes)
    } else {
        Err(DecodeError::LimitExceeded)
    }
}

/// Whether a film of so many frames and hashes may be decoded: few bytes become much memory only as long as it is not too much.
fn fits(frames: usize, hashes: usize) -> bool {
    frames <= hashes || frames.saturating_mul(size_of::<FrameHash>()) <= ANY_BYTES
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
    /// [`Error::Limit`] if it would be longer than [`MAX_BYTES`], or is of so many frames without hashes that it would not be read again.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (frames, hashes) = match self {
            Self::Video(video) => (video.frames.len(), pack::count(&video.frames)),
            Self::Image(_) => (0, 0),
        };
        let within = |most: usize, got: usize| {
            if got > most { Err(Error::limit("fingerprint bytes", most as u64, got as u64)) } else { Ok(()) }
        };
        // The hashes alone may be too much, which is seen before they are copied.
        let least = hashes * size_of::<crate::Hash>();
        within(MAX_BYTES, least)?;
        if !fits(frames, hashes) {
            within(ANY_BYTES, frames * size_of::<FrameHash>())?;
        }
        let mut bytes = Vec::with_capacity(least + least / 16 + 64);
        bytes.push(VERSION);
        bincode::encode_into_std_write(self, &mut bytes, bincode::config::standard())
            .map_err(|error| Error::decode(format!("fingerprint cannot be encoded: {error}")))?;
        within(MAX_BYTES, bytes.len())?;
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
            Some((&VERSION, rest)) => match decode(rest) {
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

    fn frame(at: usize) -> FrameHash {
        FrameHash {
            time: at as f64 / 1000.0,
            hash: Some(Hash([at as u8; 32])),
            detail: None,
            quality: 100,
            stability: 1.0,
            orientations: None,
            role: Role::Frame,
            view: View::Full,
            plain: false,
        }
    }

    fn film(count: usize, frame: impl Fn(usize) -> FrameHash) -> Fingerprint {
        Fingerprint::Video(VideoFingerprint::of_frames(count as f64, (0..count).map(frame).collect()))
    }

    /// With all that a query has.
    fn turned(at: usize) -> FrameHash {
        let known = Box::new(Orientations::new(Hash([7; 32]), Hash([at as u8; 32]), Hash([3; 32]), Hash([1; 32])));
        let detail = DetailHash { hash: Hash([at as u8; 32]), orientations: Some(known.clone()) };
        FrameHash { orientations: Some(known), detail: Some(detail), ..frame(at) }
    }

    #[test]
    fn what_could_not_be_decoded_is_not_encoded() {
        let empty = |at: usize| FrameHash { hash: None, ..frame(at) };
        let most = ANY_BYTES / size_of::<FrameHash>();
        let bytes = film(most, empty).to_bytes().unwrap();
        assert!(Fingerprint::from_bytes(&bytes).is_ok());
        assert!(matches!(film(most + 1, empty).to_bytes(), Err(Error::Limit { .. })));
        // With a hash each they are no more in memory than a few times their bytes.
        let bytes = film(most + 1, frame).to_bytes().unwrap();
        assert!(Fingerprint::from_bytes(&bytes).is_ok());
        assert!(size_of::<FrameHash>() <= 4 * (size_of::<Hash>() + 4));
    }

    #[test]
    fn eight_hours_with_all_orientations_are_encoded() {
        const COUNT: usize = 130_000; // two hours as films are, and more than 32 MiB
        let print = film(COUNT, turned);
        let bytes = print.to_bytes().unwrap();
        assert!(bytes.len() > ANY_BYTES / 2 && bytes.len() < COUNT * 330, "{}", bytes.len());
        assert!(bytes.len() / COUNT * (8 * 3600 * 33) < MAX_BYTES, "{}", bytes.len());
        assert!(Fingerprint::from_bytes(&bytes).unwrap() == print);
        for length in [0, 1, 9, bytes.len() / 2, bytes.len() - 1] {
            assert!(Fingerprint::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn few_bytes_that_claim_much_are_refused() {
        // A film whose first list claims 2^29 entries, and nothing more.
        let mut bytes = vec![VERSION, 1, 0, 0];
        bytes.extend([0; 8]);
        bytes.push(252);
        bytes.extend((1u32 << 29).to_le_bytes());
        assert!(matches!(Fingerprint::from_bytes(&bytes), Err(Error::Corrupt { .. })));
    }
}
