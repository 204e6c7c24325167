//! Where a segment begins and ends: outwards along its line, as far as more speaks for the same film than against it.

use super::moments::{Moment, Moments};
use super::shots::Cut;

/// Seconds of which nothing is known that end a segment.
const UNKNOWN: f64 = 8.0;
/// So many seconds before the end of either film are counted in if nothing speaks against it, and if both end there, more.
const END: f64 = 2.6;
const BOTH_END: f64 = 5.0;
/// Both films end at one time if that is no further apart, in seconds.
pub(super) const TOGETHER: f64 = 0.5;
/// So many moments that speak against it do not keep a segment from ending where both films do.
const OUTWEIGHED: f64 = 1.0;
/// A segment that comes this near to the end of a film goes on to it, in seconds: nothing is told more exactly. If both end there,
/// more.
const CLOSE: f64 = 0.5;
const BOTH_CLOSE: f64 = 1.0;
/// The most by which a segment reaches beyond the last moment that agrees, if there is one later that does not: half of the
/// way to that.
const REACH: f64 = 1.0;
/// The same where nothing is known of what comes after.
const SHORT_REACH: f64 = 0.5;
/// Seconds before the last moment that agrees in which the query may have cut to something else: a mean over time shows both.
const MEAN_REACH: f64 = 0.75;

impl Moments {
    /// The stretch around the middle of `core` for which most speaks; `cuts` are the query's.
    pub(super) fn borders(&self, core: [f64; 2], cuts: &[Cut]) -> Option<[f64; 2]> {
        let middle = (core[0] + core[1]) / 2.0;
        let agreeing = self.all.iter().filter(|(_, moment)| moment.weight > 0.0);
        let inside = agreeing.filter(|(_, moment)| moment.to >= core[0] && moment.from <= core[1]);
        let apart = |moment: &Moment| ((moment.from + moment.to) / 2.0 - middle).abs();
        let (&seed, _) = inside.min_by(|a, b| apart(a.1).total_cmp(&apart(b.1)))?;
        // Time runs backwards towards the begin.
        let earlier: Vec<Moment> = self.all.range(..=seed).rev().map(|(_, moment)| moment.mirrored()).collect();
        let later: Vec<Moment> = self.all.range(seed..).map(|(_, moment)| *moment).collect();
        let back: Vec<Cut> = cuts.iter().map(Cut::mirrored).collect();
        let begin = -end(&earlier, self.ends.map(|[from, _]| -from), &back)?;
        let end = end(&later, self.ends.map(|[_, to]| to), cuts)?;
        (begin < end).then_some([begin, end])
    }
}

/// Where the stretch that starts with the first of these moments ends, and where the films do.
fn end(moments: &[Moment], ends: [f64; 2], cuts: &[Cut]) -> Option<f64> {
    let (mut sum, mut most, mut reached) = (0.0, 0.0, 0);
    let mut known = moments.first()?.to;
    for (at, moment) in moments.iter().enumerate() {
        if moment.from - known > UNKNOWN {
            break;
        }
        known = moment.to;
        sum += moment.weight;
        if moment.weight > 0.0 && sum >= most {
            (most, reached) = (sum, at);
        }
    }
    let last = moments.get(reached)?.to;
    let over = ends[0].min(ends[1]);
    let together = (ends[0] - ends[1]).abs() <= TOGETHER;
    let against = moments.get(reached + 1..)?.iter().find(|moment| moment.weight < 0.0).map(|moment| moment.from);
    let against = against.filter(|&time| time <= over);
    if over - last <= if together { BOTH_CLOSE } else { CLOSE }
        || against.is_none() && over - last <= if together { BOTH_END } else { END }
        || together && sum + OUTWEIGHED >= most && over - known <= BOTH_END
    {
        return Some(over);
    }
    // The query goes on and shows something else, so that it cuts: where its picture changes most.
    let seen =
        moments[..=reached].iter().filter_map(|moment| moment.seen).fold(f64::NEG_INFINITY, |a, [_, b]| a.max(b));
    let to = against.unwrap_or(last + REACH);
    let between = |[inner, outer]: [f64; 2]| outer > seen && outer >= last - MEAN_REACH && inner < to;
    let likely = cuts.iter().filter(|cut| between(cut.frames)).max_by_key(|cut| cut.bits);
    let end = match (likely, against) {
        (Some(cut), _) => cut.time,
        (None, Some(time)) => last + ((time - last) / 2.0).min(REACH),
        (None, None) => last + SHORT_REACH,
    };
    Some(end.min(over))
}

#[cfg(test)]
mod tests {
    use super::super::Segment;
    use super::super::settle::{places, settle};
    use crate::fingerprint::{FrameHash, Role, VideoFingerprint, View, Window};
    use crate::hash::Hash;
    use crate::hash::pdq::Transform;

    fn word(seed: u64) -> u64 {
        let z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 32)
    }

    /// The hash of a picture, `worn` bits of which are turned over.
    fn hash(seed: u64, worn: usize) -> Hash {
        let mut hash = Hash::from_words([0, 1, 2, 3].map(|k| word(seed * 4 + k)));
        (0..worn).for_each(|bit| hash.0[bit * 3 / 8 % 32] ^= 1 << (bit * 3 % 8));
        hash
    }

    fn mark(time: f64, role: Role, view: View, hash: Hash) -> FrameHash {
        FrameHash::of_hashes(time, role, view, hash, Some(hash))
    }

    /// A frame every half second of picture `picture(at)`.
    fn film(count: u64, worn: usize, picture: impl Fn(u64) -> u64) -> VideoFingerprint {
        let frame = |at: u64| mark(at as f64 / 2.0, Role::Frame, View::Full, hash(picture(at), worn));
        VideoFingerprint::of_frames(count as f64 / 2.0, (0..count).map(frame).collect())
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

    fn placed(segment: Segment, query: &VideoFingerprint, reference: &VideoFingerprint) -> Segment {
        places(vec![segment], query, reference).1.remove(0).0
    }

    fn near(found: [f64; 2], truth: [f64; 2], by: f64) -> bool {
        found.iter().zip(truth).all(|(a, b)| (a - b).abs() <= by)
    }

    #[test]
    fn a_segment_goes_on_as_long_as_the_films_agree_loosely() {
        let known = film(60, 0, |at| at);
        // Seconds 5 to 20 of the query are seconds 10 to 25 of the reference.
        let asked = film(50, 60, |at| if (10..40).contains(&at) { at + 10 } else { at + 1000 });
        let found = placed(segment([10.0, 14.0], [15.0, 19.0], 1.0), &asked, &known);
        assert!(near(found.query, [5.0, 20.0], 0.01) && near(found.reference, [10.0, 25.0], 0.01), "{found:?}");
        let found = placed(segment([10.0, 14.0], [15.0, 19.0], 1.0), &film(50, 110, |at| at + 10), &known);
        assert_eq!(found.query, [10.0, 14.0], "what does not agree even loosely adds nothing");
    }

    #[test]
    fn a_segment_that_was_found_too_long_is_shortened() {
        let known = film(60, 0, |at| at);
        let asked = film(60, 30, |at| if (10..40).contains(&at) { at } else { at + 1000 });
        let found = placed(segment([4.0, 21.5], [4.0, 21.5], 1.0), &asked, &known);
        assert!(near(found.query, [5.0, 20.0], 0.01), "{found:?}");
    }

    #[test]
    fn a_scene_without_motion_is_walked_over() {
        let seldom = |mut film: VideoFingerprint, phase: f64, until: f64| {
            film.frames.retain(|frame| frame.time <= 10.0 || frame.time >= until || (frame.time - phase) % 3.0 == 0.0);
            film
        };
        let asked = seldom(film(50, 0, |at| at.min(20)), 1.5, 30.0);
        let found =
            placed(segment([2.0, 9.0], [2.0, 9.0], 1.0), &asked, &seldom(film(50, 0, |at| at.min(20)), 0.0, 30.0));
        assert!(near(found.query, [0.0, 25.0], 0.1), "both end there and nothing speaks against it: {found:?}");
        let changes = film(50, 0, |at| if at < 32 { at.min(20) } else { at + 500 });
        let found = placed(segment([2.0, 9.0], [2.0, 9.0], 1.0), &asked, &seldom(changes, 0.0, 16.0));
        assert!(near(found.query, [0.0, 16.0], 1.5), "{found:?}");
    }

    #[test]
    fn backwards_and_up_to_the_ends_of_both() {
        let known = film(40, 0, |at| at);
        let asked = film(40, 50, |at| 39 - at);
        let found = placed(segment([8.0, 12.0], [7.5, 11.5], -1.0), &asked, &known);
        assert!(near(found.query, [0.0, 19.75], 0.3) && near(found.reference, [0.0, 19.5], 0.3), "{found:?}");
        let inverted = Segment { inverted: true, ..segment([8.0, 12.0], [7.5, 11.5], -1.0) };
        assert_eq!(placed(inverted, &asked, &known).query, [8.0, 12.0]);
    }

    #[test]
    fn what_differs_in_the_last_second_of_both_is_in_the_segment_and_what_does_before_is_not() {
        let quarters = |count: u64, picture: &dyn Fn(u64) -> u64| {
            let frame = |at: u64| mark(at as f64 / 4.0, Role::Frame, View::Full, hash(picture(at), 0));
            VideoFingerprint::of_frames(count as f64 / 4.0, (0..count).map(frame).collect())
        };
        let known = quarters(40, &|at| at);
        for (begin, end, found) in [(3, 38, [0.0, 10.0]), (8, 33, [2.0, 8.25])] {
            let asked = quarters(40, &|at| if (begin..end).contains(&at) { at } else { at + 1000 });
            let laid = placed(segment([4.0, 6.0], [4.0, 6.0], 1.0), &asked, &known);
            assert!(near(laid.query, found, 0.3) && near(laid.reference, found, 0.3), "{laid:?}");
        }
        // The reference goes on where the query ends.
        let asked = quarters(40, &|at| if at < 38 { at } else { at + 1000 });
        let laid = placed(segment([4.0, 6.0], [4.0, 6.0], 1.0), &asked, &quarters(80, &|at| at));
        assert!(near(laid.query, [0.0, 9.4], 0.2), "{laid:?}");
    }

    #[test]
    fn no_segment_goes_beyond_the_end_of_the_reference() {
        // The last picture of the reference goes on in the query, as a black end does.
        let known = film(24, 0, |at| at);
        let asked = film(60, 0, |at| (at.saturating_sub(10)).min(23));
        let found = placed(segment([8.0, 14.0], [3.0, 9.0], 1.0), &asked, &known);
        assert!(near(found.query, [5.0, 17.0], 0.5) && found.reference[1] <= 12.0, "{found:?}");
    }

    /// Of a crop, one window every two seconds is like the reference, and whole pictures are not.
    #[test]
    fn kinds_that_are_alike_say_where_a_crop_ends_and_others_say_nothing() {
        let window = View::Window(Window::centred(80));
        let mut known = film(60, 0, |at| at);
        known.frames.extend(
            (0..15)
                .map(|at| f64::from(at) * 2.0)
                .map(|time| mark(time, Role::Window, window, hash(5000 + (time * 2.0) as u64, 0))),
        );
        let known = VideoFingerprint::of_frames(30.0, known.frames);
        let cropped = |until: u64| {
            let mut asked = film(60, 0, |at| 9000 + at);
            let picture = |at: u64| if at < until { 5000 + at } else { 7000 + at };
            asked
                .frames
                .extend((0..60).map(|at| mark(at as f64 / 2.0, Role::Window, View::Full, hash(picture(at), 20))));
            VideoFingerprint::of_frames(30.0, asked.frames)
        };
        let found = placed(segment([3.0, 9.0], [3.0, 9.0], 1.0), &cropped(60), &known);
        assert!(near(found.query, [0.0, 30.0], 0.01), "whole pictures that differ do not end it: {found:?}");
        let found = placed(segment([3.0, 9.0], [3.0, 9.0], 1.0), &cropped(39), &known);
        assert!(near(found.query, [0.0, 19.5], 1.0), "{found:?}");
    }

    /// Of a crop, whole pictures are never as near as to agree, and yet nearer than those of another film.
    #[test]
    fn kinds_that_are_only_related_say_where_another_film_follows() {
        let window = View::Window(Window::centred(80));
        let mut known = film(30, 0, |at| at);
        let windows = (0..6).map(|at| f64::from(at) * 2.0);
        known.frames.extend(windows.map(|time| mark(time, Role::Window, window, hash(5000 + (time * 2.0) as u64, 0))));
        let known = VideoFingerprint::of_frames(15.0, known.frames);
        let cropped = |until: u64| {
            let mut frames = film(30, 95, |at| if at < until { at } else { 9000 + at }).frames;
            // Means are there for the first half alone.
            frames.extend((0..21).map(|at| mark(at as f64 / 2.0, Role::Window, View::Full, hash(5000 + at, 20))));
            VideoFingerprint::of_frames(15.0, frames)
        };
        let found = placed(segment([3.0, 9.0], [3.0, 9.0], 1.0), &cropped(30), &known);
        assert!(near(found.query, [0.0, 15.0], 0.05), "nothing speaks against it up to the end of both: {found:?}");
        let found = placed(segment([3.0, 9.0], [3.0, 9.0], 1.0), &cropped(24), &known);
        assert!(found.query[1] >= 10.0 && found.query[1] <= 12.0, "{found:?}");
    }

    /// A picture that turns into another one bit by bit, so that moments are the nearer the less time is between them.
    fn drifting(time: f64) -> Hash {
        let mut hash = hash(1, 0);
        (0..(time * 20.0) as usize).for_each(|bit| hash.0[bit / 8 % 32] ^= 1 << (bit % 8));
        hash
    }

    fn slow(seconds: f64, hop: f64, at: impl Fn(f64) -> f64) -> VideoFingerprint {
        let times = (0..(seconds / hop) as u32).map(|k| 0.75 + f64::from(k) * hop).filter(|t| t + 0.7 < seconds);
        VideoFingerprint::of_frames(
            seconds,
            times.map(|t| mark(t, Role::Window, View::Full, drifting(at(t)))).collect(),
        )
    }

    #[test]
    fn in_a_scene_that_moves_little_the_line_follows_the_motion() {
        let known = slow(24.0, 1.4, |t| t);
        for (speed, from) in [(1.1, 0.0), (0.8, 3.0), (1.0, 5.0), (2.0, 2.0), (-1.0, 20.0)] {
            let seconds = 8.0;
            let asked = slow(seconds, 0.5, |t| from + t * speed);
            let truth = [from, from + seconds * speed];
            let truth = [truth[0].min(truth[1]), truth[0].max(truth[1])];
            // Everything is near everything: the hits lay a line of another speed.
            let middle = (truth[0] + truth[1]) / 2.0;
            let found = placed(segment([0.0, 8.0], [middle - 3.7, middle + 3.7], 1.0), &asked, &known);
            assert!((found.speed - speed).abs() < 0.06 * f64::abs(speed), "{speed}: {found:?}");
            assert!(near(found.query, [0.0, 8.0], 0.5) && near(found.reference, truth, 0.5), "{speed}: {found:?}");
        }
    }

    /// What is drifting, `bits` bits of which are others.
    fn altered(time: f64, bits: usize) -> Hash {
        let mut hash = drifting(time);
        (0..bits).for_each(|bit| hash.0[31 - bit / 8 % 32] ^= 1 << (bit % 8));
        hash
    }

    /// Of a bar of captions with a film in it, means of the part that moves agree, and whole frames never do.
    fn captioned(
        seconds: f64,
        part: View,
        moved: impl Fn(f64) -> usize,
        whole: impl Fn(f64) -> Hash,
    ) -> VideoFingerprint {
        let means = (0..(seconds * 2.0) as u32 - 2).map(|k| 0.75 + f64::from(k) / 2.0);
        let frames = (0..(seconds * 4.0) as u32).map(|k| f64::from(k) / 4.0);
        let means = means.map(|t| mark(t, Role::Window, part, altered(t, moved(t))));
        VideoFingerprint::of_frames(
            seconds,
            means.chain(frames.map(|t| mark(t, Role::Frame, View::Full, whole(t)))).collect(),
        )
    }

    #[test]
    fn where_means_leave_it_open_the_cut_of_the_query_is_the_border() {
        let known = slow(24.0, 1.4, |t| t);
        // The means at 10.25 and 10.75 still show more of the film than of what follows.
        let moved = |t: f64| {
            if t < 10.0 {
                0
            } else if t < 11.0 {
                60
            } else {
                110
            }
        };
        let cut = captioned(20.0, View::Content, moved, |t| hash(if t < 10.0 { 7 } else { 8 }, 0));
        let found = placed(segment([1.0, 9.0], [1.0, 9.0], 1.0), &cut, &known);
        assert!(near(found.query, [0.0, 10.0], 0.05) && near(found.reference, [0.0, 10.0], 0.1), "{found:?}");
        // Backwards in time as well.
        let moved = |t: f64| moved(20.0 - t);
        let cut = captioned(20.0, View::Content, moved, |t| hash(if t < 10.0 { 7 } else { 8 }, 0));
        let found = placed(segment([11.0, 19.0], [11.0, 19.0], 1.0), &cut, &known);
        assert!((found.query[0] - 10.0).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn a_part_that_is_found_elsewhere_within_a_shot_ends_nothing() {
        let known = slow(16.0, 1.4, |t| t);
        let moved = |t: f64| if t < 12.0 { 0 } else { 120 };
        let one_shot = captioned(16.0, View::Inner, moved, |_| hash(7, 0));
        let found = placed(segment([1.0, 11.0], [1.0, 11.0], 1.0), &one_shot, &known);
        assert!(near(found.query, [0.0, 16.0], 0.1), "{found:?}");
        let two_shots = captioned(16.0, View::Inner, moved, |t| hash(if t < 12.0 { 7 } else { 8 }, 0));
        let found = placed(segment([1.0, 11.0], [1.0, 11.0], 1.0), &two_shots, &known);
        assert!(near(found.query, [0.0, 12.0], 0.05), "{found:?}");
    }

    #[test]
    fn a_whole_frame_outweighs_the_means_around_it() {
        let known = slow(30.0, 0.5, |t| t);
        let mut known = known.frames;
        known.extend((0..120).map(|k| f64::from(k) / 4.0).map(|t| mark(t, Role::Cover, View::Full, drifting(t))));
        let known = VideoFingerprint::of_frames(30.0, known);
        // From second 10 on the query fades to something else, without a cut; its means follow later.
        let faded = |t: f64| ((t - 10.0).max(0.0) * 160.0).min(110.0) as usize;
        let frames =
            (0..80).map(|k| f64::from(k) / 4.0).map(|t| mark(t, Role::Frame, View::Full, altered(t, faded(t))));
        let means = (0..36).map(|k| 0.75 + f64::from(k) / 2.0);
        let means = means.map(|t| mark(t, Role::Window, View::Full, altered(t, faded(t - 1.0))));
        let asked = VideoFingerprint::of_frames(20.0, frames.chain(means).collect());
        let found = placed(segment([1.0, 9.0], [1.0, 9.0], 1.0), &asked, &known);
        assert!(near(found.query, [0.0, 10.5], 0.3), "{found:?}");
    }

    #[test]
    fn where_both_films_end_one_moment_does_not_end_a_segment() {
        let picture = |at| match at {
            37 => 900,
            38.. => 901,
            _ => at,
        };
        let odd = film(40, 0, picture);
        let mut asked = film(40, 30, |at| at);
        asked.frames.retain(|frame| frame.time < 18.0 || frame.time == 18.5);
        let found = placed(segment([4.0, 16.0], [4.0, 16.0], 1.0), &asked, &odd);
        assert!(near(found.query, [0.0, 20.0], 0.05), "{found:?}");
        let found = placed(segment([4.0, 16.0], [4.0, 16.0], 1.0), &asked, &film(60, 0, picture));
        assert!((found.query[1] - 18.0).abs() < 0.6, "the reference goes on: {found:?}");
    }

    #[test]
    fn a_scene_that_is_near_another_one_is_no_second_segment() {
        let mut known = slow(16.0, 1.4, |t| t).frames;
        // Later something like it stands still.
        known.extend((0..12).map(|k| 20.0 + f64::from(k)).map(|t| mark(t, Role::Window, View::Full, drifting(4.0))));
        let known = VideoFingerprint::of_frames(32.0, known);
        let asked = slow(8.0, 0.5, |t| t);
        let both = vec![segment([0.0, 8.0], [0.0, 8.0], 1.0), segment([0.0, 8.0], [22.0, 30.0], 1.0)];
        let found = settle(both, &asked, &known);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(near(found[0].reference, [0.0, 8.0], 0.5), "{found:?}");
        // What comes back as it was is one.
        let twice = slow(32.0, 1.4, |t| t % 16.0);
        let both = vec![segment([0.0, 8.0], [0.0, 8.0], 1.0), segment([0.0, 8.0], [16.0, 24.0], 1.0)];
        assert_eq!(settle(both, &asked, &twice).len(), 2);
    }

    #[test]
    fn segments_that_turn_out_to_be_one_are_one() {
        let (known, asked) = (slow(24.0, 1.4, |t| t), slow(8.0, 0.5, |t| 5.0 + t));
        let found = settle(
            vec![segment([0.0, 8.0], [4.0, 13.0], 1.125), segment([0.0, 8.0], [6.0, 13.0], 0.875)],
            &asked,
            &known,
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(near(found[0].reference, [5.0, 13.0], 0.5), "{found:?}");
    }

    #[test]
    fn odd_films_do_no_harm() {
        let empty = VideoFingerprint::of_frames(0.0, Vec::new());
        let mut odd = film(20, 0, |at| at);
        odd.duration = f64::NAN;
        odd.frames[3].time = f64::INFINITY;
        for (query, reference) in [(&empty, &odd), (&odd, &empty), (&odd, &odd)] {
            for speed in [1.0, -1.0, f64::NAN] {
                let found = placed(segment([1.0, 7.0], [1.0, 7.0], speed), query, reference);
                assert!(found.query[0] < found.query[1], "{found:?}");
            }
        }
    }
}
