//! A matched interval of time.

use crate::hash::pdq::Transform;

/// Which share of each side the segments of a match cover; what two of them cover counts once.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Coverage {
    /// Of the query's playing time, 0.0..=1.0; 1.0 for a still.
    pub query: f64,
    /// Of the reference's playing time, 0.0..=1.0; 1.0 for a still.
    pub reference: f64,
}

impl Coverage {
    /// What these segments cover of a query and a reference of so many seconds, 0 for a still.
    pub fn of(segments: &[Segment], durations: [f64; 2]) -> Self {
        let share = |of: fn(&Segment) -> [f64; 2], duration: f64| {
            if duration > 0.0 {
                // Three digits, as for speeds: more mean nothing.
                ((union(segments.iter().map(of)) / duration).clamp(0.0, 1.0) * 1000.0).round() / 1000.0
            } else {
                1.0
            }
        };
        Self { query: share(|s| s.query, durations[0]), reference: share(|s| s.reference, durations[1]) }
    }

    /// The larger of the two: a short clip of a long film covers its own whole, and so does the film inside a compilation.
    pub fn larger(self) -> f64 {
        self.query.max(self.reference)
    }
}

/// Seconds that lie in at least one of the intervals.
pub(crate) fn union(intervals: impl Iterator<Item = [f64; 2]>) -> f64 {
    let mut intervals: Vec<[f64; 2]> = intervals.collect();
    intervals.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (mut sum, mut end) = (0.0, f64::NEG_INFINITY);
    for [from, to] in intervals {
        sum += (to - from.max(end)).max(0.0);
        end = end.max(to);
    }
    sum
}

/// A stretch of the query that shows a stretch of the reference. A still is the interval `[0, 0]`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "Written")]
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
    /// Their mean distance, by PDQ where both have it, else by the detail hash.
    pub distance: f64,
    /// How much agrees: the sum of what the different pictures weigh, see [`weight`](super::align::weight). At least
    /// [`Agreement::needed`](super::align::Agreement::needed) between two films.
    #[serde(default)]
    pub score: f64,
}

/// A segment as it is written: what its speed says is named as well.
#[derive(serde::Serialize)]
struct Written {
    query: [f64; 2],
    reference: [f64; 2],
    speed: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reversed: bool,
    transform: Transform,
    inverted: bool,
    hits: u32,
    distance: f64,
    score: f64,
}

impl From<Segment> for Written {
    fn from(segment: Segment) -> Self {
        let reversed = segment.is_reversed();
        let Segment { query, reference, speed, transform, inverted, hits, distance, score } = segment;
        // Thousandths: more mean nothing.
        let short = |value: f64| (value * 1000.0).round() / 1000.0;
        let (query, reference, distance) = (query.map(short), reference.map(short), short(distance));
        Self { query, reference, speed, reversed, transform, inverted, hits, distance, score }
    }
}

impl Segment {
    /// Whether the query plays the reference backwards.
    pub fn is_reversed(&self) -> bool {
        self.speed < 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn playing_backwards_is_named_and_read_again() {
        let mut segment = Segment {
            query: [1.0, 4.0],
            reference: [2.0, 5.0],
            speed: -1.0,
            transform: Transform::Original,
            inverted: false,
            hits: 5,
            distance: 9.0,
            score: 15.0,
        };
        let text = serde_json::to_string(&segment).unwrap();
        assert!(text.contains("\"speed\":-1.0,\"reversed\":true,\"transform\""), "{text}");
        assert_eq!(serde_json::from_str::<Segment>(&text).unwrap(), segment);
        segment.speed = 1.0;
        assert!(!serde_json::to_string(&segment).unwrap().contains("reversed"));
    }

    #[test]
    fn overlapping_intervals_count_once() {
        assert_eq!(union([].into_iter()), 0.0);
        assert_eq!(union([[4.0, 6.0], [0.0, 2.0], [1.0, 3.0], [1.5, 2.5], [9.0, 8.0]].into_iter()), 5.0);
    }

    #[test]
    fn what_overlaps_is_covered_once() {
        let segment = |query: [f64; 2], reference: [f64; 2]| Segment {
            query,
            reference,
            speed: 1.0,
            transform: Transform::Original,
            inverted: false,
            hits: 5,
            distance: 9.0,
            score: 15.0,
        };
        // A loop: ten seconds of the reference twice, and something from elsewhere.
        let segments = [
            segment([10.0, 20.0], [5.0, 15.0]),
            segment([0.0, 10.0], [5.0, 15.0]),
            segment([30.0, 35.0], [12.0, 17.0]),
        ];
        let coverage = Coverage::of(&segments, [50.0, 60.0]);
        assert_eq!((coverage.query, coverage.reference, coverage.larger()), (0.5, 0.2, 0.5));
        let still = Coverage::of(&[segment([3.0, 6.0], [0.0, 0.0])], [30.0, 0.0]);
        assert_eq!((still.query, still.reference), (0.1, 1.0));
        assert_eq!(Coverage::of(&segments, [1.0, f64::NAN]), Coverage { query: 1.0, reference: 1.0 });
        assert_eq!(Coverage::of(&[], [10.0, 10.0]).larger(), 0.0);
    }
}
