//! Where a segment begins and ends: frame by frame along its line, with a looser bound than it took to find it.

use super::{Segment, inverse};
use crate::fingerprint::{FrameHash, VideoFingerprint};
use crate::hash::pdq::{MIN_QUALITY, Transform};

/// Detail hashes within this many bits agree where a segment is known to lie; unrelated pictures are twice as far apart.
const LOOSE: u32 = 68;
/// Seconds that the hashes of one moment may be apart: references have one of some kind at least every 0.9 s.
const MOMENT: f64 = 0.5;
/// Seconds without agreement that end a walk.
const PATIENCE: f64 = 1.1;
/// Seconds without a hash in which a film may have stood still: it is hashed again every 3 s.
const STILL: f64 = 3.5;
/// Seconds by which a segment reaches beyond the last moment that agrees: half of the time to the next one of a query.
const REACH: f64 = 0.25;

/// Moves the borders of a segment outwards as far as the films go on agreeing.
pub(super) fn widen(segment: &mut Segment, query: &VideoFingerprint, reference: &VideoFingerprint) {
    let [begin, end] = segment.query;
    let [first, last] = segment.reference;
    if end - begin < 1e-3 || last - first < 1e-3 {
        return;
    }
    let slope = (last - first) / (end - begin) * segment.speed.signum();
    let line = |time: f64| if slope > 0.0 { first + (time - begin) * slope } else { last + (time - begin) * slope };
    let Some(turn) = Transform::ALL.iter().position(|&turn| inverse(turn) == segment.transform) else { return };
    let agrees = |frame: &&FrameHash| {
        let Some(detail) = frame.detail.as_ref().filter(|_| frame.quality >= MIN_QUALITY) else { return false };
        let Some(hash) =
            detail.orientations.as_ref().map_or((turn == 0).then_some(detail.hash), |all| all.get(turn).copied())
        else {
            return false;
        };
        let hash = if segment.inverted { hash.complement() } else { hash };
        let at = line(frame.time);
        let from = reference.frames.partition_point(|known| known.time < at - MOMENT);
        let (before, after) = reference.frames.split_at(from);
        let mut near: Vec<&FrameHash> = after.iter().take_while(|known| known.time <= at + MOMENT).collect();
        if near.is_empty() {
            // Nothing has changed since the last one.
            near.extend(before.last().filter(|known| at - known.time <= STILL));
        }
        near.iter().filter_map(|known| known.detail.as_ref()).any(|known| known.hash.distance(&hash) <= LOOSE)
    };
    let walk = |from: f64, frames: &mut dyn Iterator<Item = &FrameHash>| -> f64 {
        let (mut reached, mut missed) = (from, false);
        for frame in frames {
            if (frame.time - reached).abs() > if missed { PATIENCE } else { STILL } {
                break;
            }
            missed = !agrees(&frame);
            if !missed {
                reached = frame.time;
            }
        }
        reached
    };
    let before = query.frames.partition_point(|frame| frame.time < begin);
    let after = query.frames.partition_point(|frame| frame.time <= end);
    let earliest = walk(begin, &mut query.frames[..before].iter().rev());
    let latest = walk(end, &mut query.frames[after..].iter());
    let mut borders = segment.query;
    if earliest < begin {
        borders[0] = (earliest - REACH).max(0.0);
    }
    if latest > end {
        borders[1] = latest + REACH;
        if query.duration > 0.0 {
            borders[1] = borders[1].min(query.duration).max(end);
        }
    }
    let known = borders.map(line);
    let length = if reference.duration > 0.0 { reference.duration } else { f64::INFINITY };
    segment.query = borders;
    segment.reference = [known[0].min(known[1]).clamp(0.0, length), known[0].max(known[1]).clamp(0.0, length)];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{DetailHash, Role, View};
    use crate::hash::Hash;

    /// A frame every half second of picture `picture(at)`, `worn` bits of which are turned over.
    fn film(count: u64, worn: usize, picture: impl Fn(u64) -> u64) -> VideoFingerprint {
        let frames = (0..count).map(|at| {
            let seed = picture(at);
            let word = |k: u64| {
                (seed * 8 + k + 1)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .rotate_left(29)
                    .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            };
            let mut hash = Hash::from_words([word(1), word(2), word(3), word(4)]);
            (0..worn).for_each(|bit| hash.0[bit * 3 / 8 % 32] ^= 1 << (bit * 3 % 8));
            let detail = Some(DetailHash { hash, orientations: None });
            let (time, role, view) = (at as f64 / 2.0, Role::Frame, View::Full);
            FrameHash { time, role, view, hash, quality: 100, stability: 1.0, orientations: None, detail }
        });
        VideoFingerprint::of_frames(count as f64 / 2.0, frames.collect())
    }

    fn segment(query: [f64; 2], reference: [f64; 2], speed: f64) -> Segment {
        Segment {
            query,
            reference,
            speed,
            transform: Transform::Original,
            inverted: false,
            hits: 5,
            distance: 20.0,
            score: 9.0,
        }
    }

    #[test]
    fn a_segment_goes_on_as_long_as_the_films_agree_loosely() {
        let known = film(60, 0, |at| at);
        // Seconds 5 to 20 of the query are seconds 10 to 25 of the reference.
        let asked = film(50, 60, |at| if (10..40).contains(&at) { at + 10 } else { at + 1000 });
        let mut found = segment([10.0, 14.0], [15.0, 19.0], 1.0);
        widen(&mut found, &asked, &known);
        assert_eq!((found.query, found.reference), ([4.75, 19.75], [9.75, 24.75]));
        let mut found = segment([10.0, 14.0], [15.0, 19.0], 1.0);
        widen(&mut found, &film(50, 80, |at| at + 10), &known);
        assert_eq!(found.query, [10.0, 14.0], "what does not agree even loosely adds nothing");
    }

    #[test]
    fn a_scene_without_motion_is_walked_over() {
        let seldom = |mut film: VideoFingerprint, phase: f64, until: f64| {
            film.frames.retain(|frame| frame.time <= 10.0 || frame.time >= until || (frame.time - phase) % 3.0 == 0.0);
            film
        };
        let asked = seldom(film(50, 0, |at| at.min(20)), 1.5, 30.0);
        let mut found = segment([2.0, 9.0], [2.0, 9.0], 1.0);
        widen(&mut found, &asked, &seldom(film(50, 0, |at| at.min(20)), 0.0, 30.0));
        assert_eq!(found.query, [0.0, 22.75]);
        let changes = film(50, 0, |at| if at < 32 { at.min(20) } else { at + 500 });
        let mut found = segment([2.0, 9.0], [2.0, 9.0], 1.0);
        widen(&mut found, &asked, &seldom(changes, 0.0, 16.0));
        assert_eq!(found.query, [0.0, 13.75]);
    }

    #[test]
    fn backwards_and_up_to_the_ends_of_both() {
        let known = film(40, 0, |at| at);
        let asked = film(40, 50, |at| 39 - at);
        let mut found = segment([8.0, 12.0], [7.5, 11.5], -1.0);
        widen(&mut found, &asked, &known);
        assert_eq!((found.query, found.reference), ([0.0, 19.75], [0.0, 19.5]));
        let mut inverted = Segment { inverted: true, ..segment([8.0, 12.0], [7.5, 11.5], -1.0) };
        widen(&mut inverted, &asked, &known);
        assert_eq!(inverted.query, [8.0, 12.0]);
    }
}
