//! How close two pictures are: the decision by both hashes.
//!
//! PDQ alone is trusted up to the customary radius. Further out, unrelated pictures in one template (a channel's lower
//! third, a telephone's screen) come near each other, so that the detail hash must agree as well; it keeps nine copies
//! out of ten there and hardly any of those strangers.

use super::Pair;
use crate::fingerprint::View;

/// PDQ hashes further apart than this are never one picture, whatever the detail hash says.
const PDQ_LIMIT: u32 = 85;
/// So much closer a pair must be if one side is only a part of its picture: there are many parts.
const PART: u32 = 16;

/// The radii of a question, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Radii {
    /// PDQ alone: a match.
    pub(crate) pdq: u32,
    /// PDQ alone, where there is no detail hash: near.
    pub(crate) pdq_near: u32,
    /// Detail hash, with PDQ within [`PDQ_LIMIT`]: a match. `None` if it is not asked.
    pub(crate) detail: Option<u32>,
    /// The same: near.
    pub(crate) detail_near: Option<u32>,
}

/// How close a pair is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closeness {
    /// Close enough for a match.
    Match,
    /// Close enough for a person to look.
    Near,
    /// Neither.
    Far,
}

impl Radii {
    /// How close `pair` is under these radii.
    pub(crate) fn judge(&self, pair: &Pair<'_>) -> Closeness {
        let part = [pair.look.view, pair.view].iter().any(|view| !matches!(view, View::Full | View::Content));
        let slack = if part { PART } else { 0 };
        let witnessed = |radius: Option<u32>| {
            pair.distance <= PDQ_LIMIT
                && pair.detail.zip(radius).is_some_and(|(detail, radius)| detail + slack <= radius)
        };
        let alone = self.detail.is_none() || pair.detail.is_none();
        if pair.distance <= self.pdq || witnessed(self.detail) {
            Closeness::Match
        } else if witnessed(self.detail_near) || alone && pair.distance + slack <= self.pdq_near {
            Closeness::Near
        } else {
            Closeness::Far
        }
    }
}
