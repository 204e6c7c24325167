//! The fingerprint of a film.

use super::pack::{Packed, short_stability, short_time};
use super::plain::is_plain;
use super::{DetailHash, View, ViewHash};
use crate::hash::pdq::Orientations;
use crate::hash::{Hash, pdq};

/// How the frame or the stretch of film behind a hash was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
#[non_exhaustive]
pub enum Role {
    /// The mean of the frames in a window of time: moves slowly under a shift of the sampling times.
    Window,
    /// An intra-coded picture of the codec.
    Keyframe,
    /// A frame taken by the clock.
    Frame,
    /// An anchor: a frame that stands for those around it. Whatever is shown, one of these is near.
    Cover,
}

impl Role {
    /// The word used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Keyframe => "keyframe",
            Self::Frame => "frame",
            Self::Cover => "anchor",
        }
    }
}

/// One hash of a film.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameHash {
    /// Seconds from the first frame; the middle of a window.
    pub time: f64,
    /// How it was chosen.
    pub role: Role,
    /// Which part of the picture.
    pub view: View,
    /// PDQ; `None` where a reference is known by the detail hash alone.
    pub hash: Option<Hash>,
    /// 0..=100.
    pub quality: u8,
    /// 0.0..=1.0.
    pub stability: f32,
    /// All eight orientations, for queries; references do without.
    pub orientations: Option<Box<Orientations>>,
    /// The second hash; `None` where only PDQ is known, as in imported lists.
    pub detail: Option<DetailHash>,
    /// Whether the whole picture is plain: a number, a few words, a sign on an even ground, which unrelated films share.
    /// False where that is not known, as in imported lists.
    pub plain: bool,
}

impl FrameHash {
    /// Both hashes of 64x64 samples of luma.
    pub fn of_samples(time: f64, role: Role, view: View, samples: &[f32; pdq::SIDE * pdq::SIDE]) -> Self {
        Self::of_view(time, role, ViewHash::of_samples(view, samples), is_plain(samples))
    }

    /// One that is made up, with plenty of detail.
    #[cfg(test)]
    pub(crate) fn of_hashes(time: f64, role: Role, view: View, hash: Hash, detail: Option<Hash>) -> Self {
        let detail = detail.map(|hash| DetailHash { hash, orientations: None });
        let (hash, quality, stability) = (Some(hash), 100, 1.0);
        Self { time, role, view, hash, quality, stability, orientations: None, detail, plain: false }
    }

    /// Leaves the one orientation in which the frame lies.
    pub(super) fn lay_down(&mut self) {
        self.orientations = None;
        if let Some(detail) = &mut self.detail {
            detail.orientations = None;
        }
    }

    /// A copy in the one orientation in which the frame lies.
    pub(crate) fn as_it_lies(&self) -> Self {
        let detail = self.detail.as_ref();
        let detail = detail.map(|detail| DetailHash { hash: detail.hash, orientations: None });
        Self { orientations: None, detail, ..*self }
    }

    /// The hashes of a view, at a time.
    pub(crate) fn of_view(time: f64, role: Role, hashed: ViewHash, plain: bool) -> Self {
        let ViewHash { view, hash, quality, stability, orientations, detail } = hashed;
        Self { time, role, view, hash: Some(hash), quality, stability, orientations, detail, plain }
    }
}

/// The fingerprint of a film.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VideoFingerprint {
    /// Width of the upright frames in pixels, pixel aspect applied.
    pub width: u32,
    /// Height of the upright frames in pixels.
    pub height: u32,
    /// Playing time in seconds, from the first frame to the end of the last one.
    pub duration: f64,
    /// The hashes in order of time.
    pub frames: Vec<FrameHash>,
    /// What was wrong with the file although this much of it could be used, for people.
    pub warnings: Vec<String>,
}

impl VideoFingerprint {
    /// A fingerprint of hashes from elsewhere, of a film of this many seconds; they are put in order of time.
    pub fn of_frames(duration: f64, mut frames: Vec<FrameHash>) -> Self {
        frames.sort_by(|a, b| a.time.total_cmp(&b.time));
        Self { width: 0, height: 0, duration, frames, warnings: Vec::new() }
    }

    /// Without the orientations that only queries need, times to a thousandth of a second, and stabilities rounded down to a
    /// 200th: what takes less room.
    #[must_use]
    pub fn into_reference(mut self) -> Self {
        for frame in &mut self.frames {
            frame.time = short_time(frame.time);
            frame.stability = short_stability(frame.stability);
            frame.lay_down();
        }
        self
    }
}

impl bincode::Encode for VideoFingerprint {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        (self.width, self.height, self.duration).encode(encoder)?;
        Packed::encode_frames(&self.frames, encoder)?;
        self.warnings.encode(encoder)
    }
}

impl<C> bincode::Decode<C> for VideoFingerprint {
    fn decode<D: bincode::de::Decoder<Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        let (width, height, duration) = bincode::Decode::decode(decoder)?;
        let frames = Packed::decode(decoder)?.frames()?;
        Ok(Self { width, height, duration, frames, warnings: bincode::Decode::decode(decoder)? })
    }
}

bincode::impl_borrow_decode!(VideoFingerprint);
