use super::*;
use crate::fingerprint::{DetailHash, Role};
use crate::fingerprint::{FrameHash, VideoFingerprint, View};
use crate::hash::Hash;

/// A small generator with a fixed seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn hash(&mut self) -> Hash {
        Hash::from_words([self.next(), self.next(), self.next(), self.next()])
    }
    /// Turns `bits` bits over.
    fn disturbed(&mut self, hash: Hash, bits: u32) -> Hash {
        let mut out = hash;
        for _ in 0..bits {
            let k = (self.next() % 256) as usize;
            out.0[k / 8] ^= 1 << (k % 8);
        }
        out
    }
    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A film is a function from time to pictures: another picture every `shot` seconds, here one hash each.
fn picture(film: u64, t: f64, shot: f64) -> [Hash; 2] {
    let mut random = Random(film.wrapping_mul(1_000_003) ^ (t / shot).floor() as u64);
    [random.hash(), random.hash()]
}

fn frame(time: f64, [hash, detail]: [Hash; 2]) -> FrameHash {
    FrameHash::of_hashes(time, Role::Window, View::Full, hash, Some(detail))
}

fn film(id: u64, seconds: f64, hop: f64) -> VideoFingerprint {
    edited(seconds, hop, |t| Some((id, t)), 0, &mut Random(0))
}

/// A film whose picture at `t` is that of another film at another time, with `noise` bits turned over.
fn edited(
    seconds: f64,
    hop: f64,
    source: impl Fn(f64) -> Option<(u64, f64)>,
    noise: u32,
    random: &mut Random,
) -> VideoFingerprint {
    let count = (seconds / hop) as u32;
    let frames = (0..count).map(|i| {
        let t = (f64::from(i) + 0.5) * hop;
        let [hash, detail] = match source(t) {
            Some((film, t)) => picture(film, t, 0.5),
            None => [random.hash(), random.hash()],
        };
        frame(t, [random.disturbed(hash, noise), random.disturbed(detail, noise)])
    });
    VideoFingerprint::of_frames(seconds, frames.collect())
}

fn near(a: [f64; 2], b: [f64; 2], by: f64) -> bool {
    (a[0] - b[0]).abs() <= by && (a[1] - b[1]).abs() <= by
}

#[test]
fn random_cuttings_are_found_where_they_are() {
    let agreement = Agreement::default();
    let mut random = Random(7);
    let mut close = 0;
    for round in 0..200 {
        let reference = film(1000 + round, random.between(20.0, 120.0), 0.5);
        let length = random.between(4.0, 18.0);
        let from = random.between(0.0, reference.duration - length);
        let lead = random.between(0.0, 20.0);
        let tail = random.between(0.0, 20.0);
        let noise = (random.next() % 30) as u32;
        let query = edited(
            lead + length + tail,
            0.5,
            |t| (t >= lead && t < lead + length).then(|| (1000 + round, t - lead + from)),
            noise,
            &mut random,
        );
        let segments = compare(&query, &reference, &agreement);
        assert_eq!(segments.len(), 1, "round {round}: {segments:?}");
        let segment = &segments[0];
        assert!(near(segment.query, [lead, lead + length], 1.0), "round {round}: {lead} {length} {segment:?}");
        assert!(near(segment.reference, [from, from + length], 1.0), "round {round}: {from} {length} {segment:?}");
        assert_eq!((segment.speed, segment.transform, segment.inverted), (1.0, Transform::Original, false));
        let truth = [([lead, lead + length], segment.query), ([from, from + length], segment.reference)];
        close += usize::from(truth.iter().all(|&(truth, found)| near(found, truth, 0.5)));
    }
    // With a picture every half second on both sides, a border may be anywhere between two.
    assert!(close >= 198, "{close} of 200 within half a second");
}

#[test]
fn speeds_and_reversals_are_named() {
    let mut random = Random(11);
    for round in 0..120 {
        let speed = [0.5, 0.8, 0.9, 1.1, 1.25, 1.37, 1.5, 2.0, -1.0, -1.25][round % 10];
        let id = 5000 + round as u64;
        let reference = film(id, 60.0, 0.25);
        let length = random.between(9.0, 20.0);
        let used = length * f64::abs(speed);
        let from = random.between(0.0, 60.0 - used);
        let at = |t: f64| if speed > 0.0 { from + t * speed } else { from + used + t * speed };
        let query = edited(length, 0.25, |t| Some((id, at(t))), 12, &mut random);
        let segments = compare(&query, &reference, &Agreement::default());
        assert!(!segments.is_empty(), "round {round}: speed {speed}");
        let segment = &segments[0];
        assert!((segment.speed - speed).abs() < 0.06 * f64::abs(speed), "round {round}: {speed} {segment:?}");
        assert!(near(segment.query, [0.0, length], 0.5), "round {round}: {length} {segment:?}");
        assert!(near(segment.reference, [from, from + used], 0.5), "round {round}: {from} {used} {segment:?}");
    }
}

#[test]
fn loops_and_disjoint_parts_are_segments_of_their_own() {
    let mut random = Random(13);
    let reference = film(1, 60.0, 0.5);
    // Ten seconds twice, then ten seconds from elsewhere.
    let query =
        edited(30.0, 0.5, |t| Some((1, if t < 20.0 { 5.0 + t % 10.0 } else { 40.0 + (t - 20.0) })), 8, &mut random);
    let mut segments = compare(&query, &reference, &Agreement::default());
    segments.sort_by(|a, b| a.query[0].total_cmp(&b.query[0]));
    assert_eq!(segments.len(), 3, "{segments:?}");
    for (segment, (query, reference)) in
        segments.iter().zip([([0.0, 10.0], [5.0, 15.0]), ([10.0, 20.0], [5.0, 15.0]), ([20.0, 30.0], [40.0, 50.0])])
    {
        assert!(near(segment.query, query, 1.0) && near(segment.reference, reference, 1.0), "{segment:?}");
    }
}

#[test]
fn unrelated_films_share_nothing() {
    for id in 0..100 {
        assert!(compare(&film(id, 60.0, 0.5), &film(id + 500, 60.0, 0.5), &Agreement::default()).is_empty());
    }
}

#[test]
fn a_picture_that_stands_still_counts_once() {
    let mut random = Random(17);
    let still = [random.hash(), random.hash()];
    let mut standing = |id: u64| {
        let mut film = film(id, 60.0, 0.5);
        for frame in &mut film.frames {
            if frame.time > 10.0 && frame.time < 40.0 {
                frame.hash = Some(random.disturbed(still[0], 3));
                frame.detail = Some(DetailHash { hash: random.disturbed(still[1], 50), orientations: None });
            }
        }
        film
    };
    // Half a minute of one picture, seen by one hash only: no witness.
    assert!(compare(&standing(1), &standing(2), &Agreement::default()).is_empty());
}

/// A film that begins with what every such film begins with, a second each: numbers, every second of which is much alike,
/// pages, which are not, all of them plain, and scenes; then it goes on with its own.
fn beginning(id: u64, [numbers, pages, scenes]: [u32; 3], seconds: f64) -> VideoFingerprint {
    let mut film = film(id, seconds, 0.5);
    for frame in film.frames.iter_mut().filter(|frame| frame.time < f64::from(numbers + pages + scenes)) {
        let [mut hash, detail] = picture(77, frame.time, 1.0);
        if frame.time < f64::from(numbers) {
            let ground = picture(77, frame.time % 2.0, 1.0)[0];
            hash = Random(frame.time as u64).disturbed(ground, 30);
        }
        frame.hash = Some(hash);
        frame.detail = Some(DetailHash { hash: detail, orientations: None });
        frame.plain = frame.time < f64::from(numbers + pages);
    }
    film
}

#[test]
fn plain_pictures_alone_are_no_segment() {
    let found = |query: &VideoFingerprint, reference: &VideoFingerprint| -> Vec<Segment> {
        let segments = compare(query, reference, &Agreement::default());
        assert_eq!(segments.len(), compare(reference, query, &Agreement::default()).len(), "either way");
        segments
    };
    let both = |shared: [u32; 3]| found(&beginning(1, shared, 40.0), &beginning(2, shared, 40.0));
    let begins = |segments: &[Segment], seconds: f64| {
        assert_eq!(segments.len(), 1, "{segments:?}");
        assert!(near(segments[0].query, [0.0, seconds], 1.0), "{segments:?}");
        assert!(near(segments[0].reference, [0.0, seconds], 1.0), "{segments:?}");
    };
    for shared in [[6, 0, 0], [11, 0, 0], [20, 0, 0], [0, 6, 0], [0, 9, 0]] {
        assert_eq!(both(shared), [], "{shared:?}");
    }
    // Pages of text are more than any countdown has.
    begins(&both([0, 12, 0]), 12.0);
    // Another scene beside them, and what is plain belongs to the segment.
    begins(&both([6, 0, 2]), 8.0);
    // One of the films has nothing else.
    begins(&found(&beginning(1, [6, 0, 0], 6.0), &beginning(2, [6, 0, 0], 40.0)), 6.0);
    // It is not known what is plain, as in a list.
    let list = |id| {
        let mut film = beginning(id, [6, 0, 0], 40.0);
        film.frames.iter_mut().for_each(|frame| frame.plain = false);
        film
    };
    begins(&found(&list(1), &list(2)), 6.0);
    // On one side only, as where the copy has a caption.
    begins(&found(&list(1), &beginning(2, [6, 0, 0], 40.0)), 6.0);
}

#[test]
fn a_copy_of_a_film_that_begins_with_plain_pictures_begins_with_them() {
    let mut random = Random(23);
    let reference = beginning(1, [6, 0, 0], 40.0);
    let mut copy = reference.clone();
    for frame in &mut copy.frames {
        frame.hash = frame.hash.map(|hash| random.disturbed(hash, 20));
        frame.plain &= frame.time > 2.0;
    }
    let segments = compare(&copy, &reference, &Agreement::default());
    assert_eq!(segments.len(), 1, "{segments:?}");
    assert!(near(segments[0].query, [0.0, 40.0], 0.1) && near(segments[0].reference, [0.0, 40.0], 0.1), "{segments:?}");
}

#[test]
fn a_shared_template_is_refused_by_the_detail_hash() {
    let mut random = Random(19);
    let (a, mut b) = (film(1, 60.0, 0.5), film(2, 60.0, 0.5));
    for (frame, like) in b.frames.iter_mut().zip(&a.frames) {
        frame.hash = like.hash.map(|hash| random.disturbed(hash, 40));
    }
    assert!(compare(&b, &a, &Agreement::default()).is_empty());
}

#[test]
fn odd_hits_do_no_harm() {
    let hit = FrameHit {
        query_time: f64::NAN,
        reference_time: f64::INFINITY,
        query_run: Run::default(),
        reference_run: Run::default(),
        distance: Some(0),
        detail: None,
        transform: Transform::Original,
        inverted: false,
        sparse: false,
    };
    let side = |duration| Side { duration, scenes: 1, plain: false };
    assert!(align(&[hit; 9], [side(f64::NAN), side(-1.0)], &Agreement::default()).is_empty());
    assert!(align(&[], [side(0.0); 2], &Agreement::default()).is_empty());
    let same = FrameHit { query_time: 1.0, reference_time: 1.0, ..hit };
    assert_eq!(align(&[same; 9], [side(f64::NAN), side(-1.0)], &Agreement::default()).len(), 1);
    let many = Side { duration: 9.0, scenes: 7, plain: false };
    assert!(align(&[same; 9], [many; 2], &Agreement::default()).is_empty(), "one scene of many");
    let nowhere = Agreement { tolerance: -1.0, ..Agreement::default() };
    assert!(align(&[same, FrameHit { query_time: 2.0, ..same }], [side(9.0); 2], &nowhere).len() <= 1);
}

/// One picture of a film of many, shown from `query_time` on and from `reference_time` on.
fn shown(query_time: f64, reference_time: f64, number: u32) -> FrameHit {
    let run = Run { number, scene: number, plain: false };
    FrameHit {
        query_time,
        reference_time,
        query_run: run,
        reference_run: run,
        distance: Some(4),
        detail: Some(4),
        transform: Transform::Original,
        inverted: false,
        sparse: false,
    }
}

const FILM: Side = Side { duration: 100_000.0, scenes: 100_000, plain: false };

#[test]
fn what_is_as_short_as_a_moment_does_not_run_backwards() {
    for step in [0.0, 0.04, 0.1] {
        let hits: Vec<FrameHit> = (0..3).map(|at| shown(f64::from(at) * step, f64::from(at) * step, at)).collect();
        let found = align(&hits, [FILM; 2], &Agreement::default());
        assert!(found.len() == 1 && found[0].speed == 1.0, "{step}: {found:?}");
    }
    let backwards: Vec<FrameHit> = (0..40).map(|at| shown(f64::from(at), 40.0 - f64::from(at), at)).collect();
    assert_eq!(align(&backwards, [FILM; 2], &Agreement::default())[0].speed, -1.0);
}

#[test]
fn of_very_many_segments_the_strongest_are_kept_however_they_are_laid() {
    let parts = |count: u32, length: u32| {
        (0..count).flat_map(move |part| (0..length).map(move |k| (f64::from(part * 40 + k), part * 40 + k)))
    };
    // A hundred parts of one line come first, and one that is mirrored and stronger than any of them last.
    let mut hits: Vec<FrameHit> = parts(100, 3).map(|(at, number)| shown(at, at, number)).collect();
    let mirrored = parts(1, 20).map(|(at, number)| shown(9000.0 + at, 9000.0 + at, 9000 + number));
    hits.extend(mirrored.map(|hit| FrameHit { transform: Transform::FlipX, ..hit }));
    let found = align(&hits, [FILM; 2], &Agreement::default());
    assert_eq!((found.len(), found[0].transform), (MAX_SEGMENTS, Transform::FlipX));
}

/// A still that one film shows for hours and the other one for a moment lies on thousands of lines, none of which is a segment.
#[test]
fn a_scene_that_is_shown_for_hours_is_given_up() {
    let still = |at: u32| FrameHit { reference_time: 5.0, ..shown(f64::from(at) * 3.0, 5.0, 7) };
    let hits: Vec<FrameHit> = (0..9_000).map(still).collect();
    assert!(align(&hits, [FILM; 2], &Agreement::default()).is_empty());
}

/// Seconds of the query, and seconds of the reference that they show, of the latter backwards if it says so.
type Piece = ([f64; 2], [f64; 2], bool);

#[test]
fn parts_are_told_apart_however_little_lies_between_them() {
    let mut random = Random(17);
    let edits: [&[Piece]; 6] = [
        &[([0.0, 6.0], [10.0, 16.0], false), ([6.0, 12.0], [17.5, 23.5], false)],
        &[([0.0, 5.0], [10.0, 15.0], false), ([5.0, 11.0], [19.0, 25.0], false)],
        &[([0.0, 5.0], [18.0, 23.0], false), ([5.0, 10.0], [10.0, 15.0], false)],
        &[([0.0, 4.0], [12.0, 16.0], false), ([4.0, 8.0], [12.0, 16.0], false), ([8.0, 12.0], [12.0, 16.0], false)],
        &[([0.0, 5.0], [11.0, 16.0], false), ([5.0, 10.0], [11.0, 16.0], true)],
        &[([0.0, 5.0], [10.0, 15.0], true), ([5.0, 12.0], [15.0, 22.0], false)],
    ];
    for round in 0..60 {
        let (id, truth) = (7000 + round as u64, edits[round % edits.len()]);
        let reference = film(id, 40.0, 0.25);
        let shows = |t: f64| {
            let (query, known, back) = truth.iter().find(|(query, ..)| (query[0]..query[1]).contains(&t))?;
            Some((id, if *back { known[1] - (t - query[0]) } else { known[0] + t - query[0] }))
        };
        let seconds = truth.last().map_or(0.0, |last| last.0[1]);
        let query = edited(seconds, 0.25, shows, 12, &mut random);
        let mut segments = compare(&query, &reference, &Agreement::default());
        segments.sort_by(|a, b| a.query[0].total_cmp(&b.query[0]));
        assert_eq!(segments.len(), truth.len(), "round {round}: {segments:?}");
        for (segment, (asked, known, back)) in segments.iter().zip(truth) {
            assert!(near(segment.query, *asked, 0.5), "round {round}: {asked:?} {segments:?}");
            assert!(near(segment.reference, *known, 0.6), "round {round}: {known:?} {segments:?}");
            assert_eq!(segment.is_reversed(), *back, "round {round}: {segments:?}");
        }
    }
}
