//! Asking about a medium with as little decoding as will do: films that nobody knows are seen to be so by few of their frames, and of
//! others only what is around those that hint at something is decoded.

use super::store::{AskOptions, Store};
use crate::error::{Error, Result};
use crate::fingerprint::media::{Seen, see};
use crate::fingerprint::{Fingerprint, Glance, Media, Options, VideoFingerprint};
use crate::matching::{Outcome, Verdict};
use crate::video::Timeline;

/// Seconds around a hint that are decoded.
const AROUND: f64 = 12.0;
/// Stretches that are no further apart are one, in seconds.
const JOIN: f64 = 10.0;
/// A segment that comes this near to the end of what was decoded, in seconds, may go on behind it: so much may be without a hit within a
/// segment, and is looked at where its borders are put.
const NEAR: f64 = 10.0;
/// So many seconds more are decoded then, and as many again as the stretch has already.
const MORE: f64 = 12.0;
/// The share of a film that is decoded in stretches at most.
const MOST: f64 = 0.5;

/// What became of a question about a medium.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// What was looked at.
    pub fingerprint: Fingerprint,
    /// Whether that is all of it. A film that is not known is often looked at in passing only, and one that is long only around what is
    /// known: such a fingerprint must neither become a reference nor be remembered, nor be refused, which is by the whole film.
    pub whole: bool,
    /// The stretches of a film that were decoded, in seconds, if that is not all of it; `fingerprint` has few frames of the rest.
    pub stretches: Vec<[f64; 2]>,
    /// How many frames were decoded for these stretches.
    pub decoded: u64,
    /// The answer.
    pub verdict: Verdict,
}

impl Store {
    /// Decodes a medium and asks whether it is known. A film is looked at in two steps: a glance at few of its frames, and then, around
    /// those that come near to a reference, all frames, as far as what is found goes on. All of the film is decoded if the glance is too
    /// thin to rest an answer on, if that would be most of it, and if it cannot be decoded in parts. For an answer that always rests on
    /// all of it, ask about a [`fingerprint`](crate::fingerprint()) by [`Store::ask_with`].
    ///
    /// With another sampling than [`Sampling::Mixed`](crate::fingerprint::Sampling::Mixed) there is one step, that one.
    ///
    /// # Errors
    /// Those of [`fingerprint`](crate::fingerprint()) and of [`Store::ask_with`].
    pub fn ask_media(&self, media: &Media<'_>, options: &Options, ask: &AskOptions) -> Result<Asked> {
        let options = Options { algorithm: self.algorithm(), ..options.clone() };
        let fingerprint = match see(media, &options, true)? {
            Seen::Whole(fingerprint) => fingerprint,
            Seen::Glance(mut glance) => {
                let mut decoded = 0;
                let look = |glance: &mut Glance, wanted: &[[f64; 2]]| {
                    let more = glance.look_closely(media, &options, wanted)?;
                    decoded += more.unwrap_or(0);
                    Ok(more)
                };
                match self.ask_in_parts(&mut glance, ask, look)? {
                    Some((film, verdict)) => {
                        let fingerprint = Fingerprint::Video(film);
                        return Ok(Asked {
                            fingerprint,
                            whole: false,
                            stretches: glance.stretches(),
                            decoded,
                            verdict,
                        });
                    }
                    None => crate::fingerprint(media.clone(), &options)?,
                }
            }
        };
        let verdict = self.ask_with(&fingerprint, ask)?;
        Ok(Asked { fingerprint, whole: true, stretches: Vec::new(), decoded: 0, verdict })
    }

    /// The answer to a glance, and to as much more of the film as `look` has to see for it; `None` if it has to be looked at whole.
    pub(crate) fn ask_in_parts(
        &self,
        glance: &mut Glance,
        ask: &AskOptions,
        mut look: impl FnMut(&mut Glance, &[[f64; 2]]) -> Result<Option<u64>>,
    ) -> Result<Option<(VideoFingerprint, Verdict)>> {
        let first = Fingerprint::Video(glance.film.clone());
        let timeline = glance.timeline.clone();
        let enough = |times: &[f64]| match &timeline {
            Some(timeline) => most(&around(times, timeline.end), timeline),
            None => !times.is_empty(),
        };
        let Some(times) = self.hints(&first, ask, enough)? else { return Ok(None) };
        if times.is_empty() {
            return Ok(Some((glance.film.clone(), Verdict::empty(Outcome::NoMatch))));
        }
        let Some(timeline) = timeline else { return Ok(None) };
        let mut stretches = around(&times, timeline.end);
        loop {
            if most(&stretches, &timeline) {
                return Ok(None);
            }
            match look(glance, &stretches) {
                Ok(Some(_)) => {}
                Err(error @ (Error::Cancelled | Error::Limit { .. })) => return Err(error),
                // Whatever else is wrong with the file is told by a look at the whole.
                Ok(None) | Err(_) => return Ok(None),
            }
            let print = Fingerprint::Video(glance.so_far());
            let verdict = self.ask_with(&print, ask)?;
            if self.refuses_films(&verdict)? {
                return Ok(None);
            }
            let segments = verdict.matches.iter().flat_map(|found| &found.segments).map(|segment| segment.query);
            let wider = widened(&stretches, segments, timeline.end);
            if wider == stretches {
                let Fingerprint::Video(film) = print else { return Ok(None) };
                return Ok(Some((film, verdict)));
            }
            stretches = wider;
        }
    }

    /// Whether a film was refused as a copy of any of the references that match: it is known again by all of its frames.
    fn refuses_films(&self, verdict: &Verdict) -> Result<bool> {
        if verdict.matches.is_empty() {
            return Ok(false);
        }
        self.steady(|| {
            let reading = self.reading()?;
            for found in &verdict.matches {
                let Some(number) = reading.number(&found.bank, &found.reference)? else { continue };
                if reading.refusals(number)?.iter().any(|(key, _)| key.starts_with("film:")) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}

/// The stretches around these times, in order.
fn around(times: &[f64], end: f64) -> Vec<[f64; 2]> {
    joined(times.iter().map(|time| [time - AROUND, time + AROUND]), end)
}

/// Stretches in the order of their begins, those that are near one another as one.
fn joined(stretches: impl Iterator<Item = [f64; 2]>, end: f64) -> Vec<[f64; 2]> {
    let mut joined: Vec<[f64; 2]> = Vec::new();
    for [from, to] in stretches {
        let from = if from <= JOIN { 0.0 } else { from };
        let to = if to >= end - JOIN { end } else { to };
        match joined.last_mut() {
            Some(last) if from <= last[1] + JOIN => last[1] = last[1].max(to),
            _ => joined.push([from, to]),
        }
    }
    joined
}

/// The stretches, longer where a segment may go on behind an end of one that is not the film's.
fn widened(stretches: &[[f64; 2]], segments: impl Iterator<Item = [f64; 2]>, end: f64) -> Vec<[f64; 2]> {
    let mut wider = stretches.to_vec();
    for [begin, over] in segments {
        for (&[from, to], wider) in stretches.iter().zip(&mut wider) {
            if over <= from || begin >= to {
                continue;
            }
            let more = MORE.max(to - from);
            if from > 0.0 && begin - from < NEAR {
                wider[0] = from - more;
            }
            if to < end && to - over < NEAR {
                wider[1] = to + more;
            }
        }
    }
    joined(wider.into_iter(), end)
}

/// Whether to decode these stretches is to decode most of the film, from the keyframes before them on.
fn most(stretches: &[[f64; 2]], timeline: &Timeline) -> bool {
    let decoded: f64 = stretches.iter().map(|&[from, to]| to - timeline.decoded_from(from)).sum();
    decoded > MOST * timeline.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::{Reference, Upload};
    use crate::fingerprint::{FrameHash, Role, View};
    use crate::hash::Hash;

    /// A frame every half second of picture `picture(at)`; those without one are of nothing known.
    fn film(seconds: u64, picture: impl Fn(u64) -> Option<u64>) -> VideoFingerprint {
        let frame = |at: u64| {
            let seed = picture(at).unwrap_or(at + 1_000_000);
            let word = |k: u64| {
                let x = (seed * 4 + k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ x << 7
            };
            let hash = |salt: u64| Hash::from_words([word(salt), word(salt + 1), word(salt + 2), word(salt + 3)]);
            FrameHash::of_hashes(at as f64 / 2.0, Role::Frame, View::Full, hash(0), Some(hash(70_000)))
        };
        VideoFingerprint::of_frames(seconds as f64, (0..2 * seconds).map(frame).collect())
    }

    /// A store that knows 200 seconds of a film.
    fn known() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create_or_open(dir.path().join("store")).unwrap();
        let print = Fingerprint::Video(film(200, Some));
        store.add(&Reference::new("known").bank("films"), &print).unwrap();
        (dir, store)
    }

    /// Asks about a film of which these moments are looked at first; `gop` seconds are between two keyframes.
    fn ask(store: &Store, film: &VideoFingerprint, first: &[f64], gop: f64) -> Option<(Vec<[f64; 2]>, Verdict)> {
        let mut few = film.clone();
        few.frames.retain(|frame| first.contains(&frame.time));
        let mut glance = Glance::new(few, Some(Timeline::regular(film.duration, gop)));
        let look = |glance: &mut Glance, wanted: &[[f64; 2]]| {
            let before = glance.stretches();
            glance.take(film, wanted);
            Ok(Some(u64::from(glance.stretches() != before)))
        };
        let answer = store.ask_in_parts(&mut glance, &AskOptions::default(), look).unwrap();
        answer.map(|(_, verdict)| (glance.stretches(), verdict))
    }

    fn segments(verdict: &Verdict) -> Vec<[f64; 2]> {
        let mut found: Vec<[f64; 2]> =
            verdict.matches.iter().flat_map(|found| &found.segments).map(|segment| segment.query).collect();
        found.sort_by(|a, b| a[0].total_cmp(&b[0]));
        found
    }

    #[test]
    fn a_segment_is_followed_over_the_ends_of_what_was_decoded() {
        let (_dir, store) = known();
        // Seconds 100 to 220 of ten minutes are known, and one glance in the midst of them shows it.
        let asked = film(600, |at| (200..440).contains(&at).then(|| at - 150));
        let (stretches, verdict) = ask(&store, &asked, &[10.0, 160.0, 400.0], 2.0).unwrap();
        let whole = store.ask(&Fingerprint::Video(asked.clone())).unwrap();
        assert_eq!((segments(&verdict).len(), segments(&whole).len()), (1, 1), "{verdict:?}");
        assert_eq!(verdict.matches[0].segments, whole.matches[0].segments);
        let (part, all) = (verdict.matches[0].coverage.unwrap(), whole.matches[0].coverage.unwrap());
        assert!(
            (part.query - all.query).abs() < 1e-9 && (part.query - 0.2).abs() < 0.01,
            "of the whole film: {part:?}"
        );
        let [[from, to]] = stretches[..] else { panic!("{stretches:?}") };
        assert!(from <= 90.0 && to >= 230.0 && to - from < 300.0, "{stretches:?}");
        // A hint of nothing is followed no further.
        let stray = film(600, |at| (at == 320).then_some(50));
        let (stretches, verdict) = ask(&store, &stray, &[10.0, 160.0, 400.0], 2.0).unwrap();
        assert_eq!((verdict.outcome, stretches), (Outcome::NoMatch, vec![[148.0, 172.0]]));
    }

    #[test]
    fn parts_far_apart_are_decoded_apart_and_near_ones_together() {
        let (_dir, store) = known();
        let asked = film(600, |at| match at {
            100..140 => Some(at),
            900..940 => Some(at - 800),
            960..1000 => Some(at - 700),
            _ => None,
        });
        let first = [5.0, 60.0, 300.0, 460.0, 490.0];
        let (stretches, verdict) = ask(&store, &asked, &first, 2.0).unwrap();
        let whole = store.ask(&Fingerprint::Video(asked.clone())).unwrap();
        assert_eq!(segments(&verdict), segments(&whole));
        assert_eq!(segments(&whole).len(), 3, "{whole:?}");
        assert_eq!(stretches.len(), 2, "{stretches:?}");
        // At an end of the film there is nothing to follow.
        let ends = film(600, |at| (!(40..1160).contains(&at)).then_some(at % 400));
        let (stretches, verdict) = ask(&store, &ends, &[10.0, 300.0, 590.0], 2.0).unwrap();
        assert_eq!(segments(&verdict), segments(&store.ask(&Fingerprint::Video(ends.clone())).unwrap()));
        assert!(stretches[0][0] == 0.0 && stretches[1][1] == 600.0, "{stretches:?}");
    }

    #[test]
    fn most_of_a_film_is_all_of_it() {
        let (_dir, store) = known();
        let asked = film(600, |at| (200..280).contains(&at).then_some(at));
        assert!(ask(&store, &asked, &[110.0, 120.0, 130.0], 2.0).is_some());
        assert!(ask(&store, &asked, &[110.0, 120.0, 130.0], 1e9).is_some(), "near the only keyframe");
        let late = film(600, |at| (1000..1080).contains(&at).then(|| at - 800));
        assert!(
            ask(&store, &late, &[510.0, 520.0, 530.0], 1e9).is_none(),
            "everything before it has to be decoded too"
        );
        let long = film(300, |at| (100..420).contains(&at).then(|| at - 50));
        assert!(ask(&store, &long, &[60.0, 120.0], 2.0).is_none(), "160 of 300 seconds");
        let mut glance = Glance::new(asked.clone(), None);
        let answer = store.ask_in_parts(&mut glance, &AskOptions::default(), |_, _| panic!("no time line"));
        assert_eq!(answer.unwrap(), None);
    }

    #[test]
    fn a_film_that_may_have_been_refused_is_decoded_whole() {
        let (_dir, store) = known();
        let asked = film(600, |at| (200..280).contains(&at).then_some(at));
        assert!(ask(&store, &asked, &[110.0, 120.0], 2.0).is_some());
        let other = Fingerprint::Video(film(600, |at| (300..340).contains(&at).then_some(at)));
        store.writer().refuse(&Upload::Fingerprint(&other), "films", "known").unwrap();
        assert!(ask(&store, &asked, &[110.0, 120.0], 2.0).is_none());
    }
}
