//! The ways of recognising pictures that are compared: the library's presets, plain PDQ, and the classic hashes.

use crate::fingerprint::ViewSet;
use crate::hash::Algorithm;

/// A way of recognising pictures. Its score for a pair is 0 at the edge of a match and higher for surer ones; that of a
/// classic hash is the negative distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// PDQ of the whole picture within 31: everybody's way, but for pictures of a quality below
    /// [`MIN_QUALITY`](crate::hash::pdq::MIN_QUALITY) or a stability below
    /// [`MIN_STABILITY`](crate::hash::pdq::MIN_STABILITY), which match nothing: the library's own rule, as in the rows below.
    PlainPdq,
    /// The same in all orientations and inverted.
    DihedralPdq,
    /// The library with [`ViewSet::None`].
    None,
    /// The library with [`ViewSet::Standard`].
    Standard,
    /// The library with [`ViewSet::Thorough`].
    Thorough,
    /// A classic hash of the whole picture; its radius is the widest that no natural stranger is within.
    Classic(Algorithm),
}

impl Method {
    /// Those that are always run: their scores come out of one comparison.
    pub const LIBRARY: [Self; 5] = [Self::PlainPdq, Self::DihedralPdq, Self::None, Self::Standard, Self::Thorough];

    /// All of them, in the order of every report.
    pub fn all() -> Vec<Self> {
        let classic = Algorithm::ALL.into_iter().skip(1).map(Self::Classic);
        Self::LIBRARY.into_iter().chain(classic).collect()
    }

    /// The word used in reports.
    pub fn name(self) -> String {
        match self {
            Self::PlainPdq => "PDQ at 31".into(),
            Self::DihedralPdq => "PDQ at 31, orientations".into(),
            Self::None => "refrain none".into(),
            Self::Standard => "refrain standard".into(),
            Self::Thorough => "refrain thorough".into(),
            Self::Classic(algorithm) => format!("img_hash {}", algorithm.name()),
        }
    }

    /// The preset that it is, if it is one of the library's.
    pub fn views(self) -> Option<ViewSet> {
        match self {
            Self::None => Some(ViewSet::None),
            Self::Standard => Some(ViewSet::Standard),
            Self::Thorough => Some(ViewSet::Thorough),
            _ => None,
        }
    }
}
