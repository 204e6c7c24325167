//! A matched interval of time.

use crate::hash::pdq::Transform;

/// A stretch of the query that shows a stretch of the reference. A still is the interval `[0, 0]`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Segment {
    /// Begin and end in the query, in seconds.
    pub query: [f64; 2],
    /// Begin and end in the reference, in seconds.
    pub reference: [f64; 2],
    /// Seconds of the reference that pass in one second of the query; negative if it runs backwards.
    pub speed: f64,
    /// How the query is laid down, seen from the reference.
    pub transform: Transform,
    /// Whether the query is the negative of the reference.
    pub inverted: bool,
    /// How many hashes of the query agree.
    pub hits: u32,
    /// Their mean distance.
    pub distance: f64,
    /// How much agrees: the sum of what the different pictures weigh, see [`weight`](super::align::weight). At least
    /// [`Agreement::needed`](super::align::Agreement::needed) between two films.
    #[serde(default)]
    pub score: f64,
}
