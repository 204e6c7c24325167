//! How the hashes of a film lie in an encoded fingerprint: column by column, so that what is the same for many is said once.

use std::collections::BTreeMap;

use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::{DetailHash, FrameHash, Role, View, fits};
use crate::hash::Hash;
use crate::hash::pdq::{Orientations, Transform};

/// Times that are whole thousandths of a second take a byte or two.
const TICKS: f64 = 1000.0;
/// Stabilities that are whole steps of this take one.
const STEPS: f32 = 200.0;
/// The bits of a kind: which hashes there are.
const PDQ: u8 = 1;
const DETAIL: u8 = 4;
/// .. all eight orientations of either, as they were written before.
const PDQ_EIGHT: u8 = 2;
const DETAIL_EIGHT: u8 = 8;
/// .. the four of them from which the others follow, as they are written.
const PDQ_FOUR: u8 = 32;
const DETAIL_FOUR: u8 = 64;
/// .. and that the picture is plain.
const PLAIN: u8 = 16;
/// Which four, in their order.
const FOUR: [Transform; 4] = [Transform::Original, Transform::Rotate180, Transform::FlipX, Transform::FlipY];

/// What a hash is of and which hashes there are; few of these occur.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
struct Kind {
    role: Role,
    view: View,
    /// The bits above.
    has: u8,
}

#[derive(Debug, Encode, Decode)]
enum Times {
    /// Thousandths of a second after the one before, which may be negative.
    Ticks(Vec<i64>),
    Seconds(Vec<f64>),
}

#[derive(Debug, Encode, Decode)]
enum Stabilities {
    Steps(Vec<u8>),
    Exact(Vec<f32>),
}

/// The hashes of a film.
#[derive(Debug, Encode, Decode)]
pub(super) struct Packed {
    kinds: Vec<Kind>,
    /// For each frame its kind.
    frames: Vec<u32>,
    times: Times,
    qualities: Vec<u8>,
    stabilities: Stabilities,
    /// Of each frame what there is: PDQ, its orientations, the detail hash, its orientations. Queries and what is cached of
    /// them have orientations, which are most of it; the references and uploads of a store never do.
    hashes: Vec<Hash>,
}

/// Thousandths, if that is all that there is to say.
fn ticks(time: f64) -> Option<i64> {
    let ticks = (time * TICKS).round() as i64;
    (ticks.unsigned_abs() < 1 << 50 && (ticks as f64 / TICKS).to_bits() == time.to_bits()).then_some(ticks)
}

fn steps(stability: f32) -> Option<u8> {
    let steps = (stability * STEPS).round() as u8;
    (f32::from(steps) <= STEPS && (f32::from(steps) / STEPS).to_bits() == stability.to_bits()).then_some(steps)
}

/// The nearest time that takes little room.
pub(super) fn short_time(time: f64) -> f64 {
    let ticks = (time * TICKS).round();
    // Never a negative zero, which takes more.
    if ticks.abs() < 1e15 { ticks / TICKS + 0.0 } else { time }
}

/// The next stability that takes little room and is no larger.
pub(super) fn short_stability(stability: f32) -> f32 {
    if steps(stability).is_some() {
        return stability;
    }
    // The product may have been rounded up.
    let steps = (stability * STEPS).floor();
    if steps / STEPS <= stability { steps / STEPS } else { (steps - 1.0) / STEPS }
}

/// Of a frame's hashes which ones there are, in their order: the bit of each and how many it stands for.
fn groups(frame: &FrameHash) -> impl Iterator<Item = (u8, usize)> {
    let detail = frame.detail.as_ref();
    let turned = detail.is_some_and(|detail| detail.orientations.is_some());
    let groups = [
        (frame.hash.is_some(), PDQ, 1),
        (frame.orientations.is_some(), PDQ_FOUR, FOUR.len()),
        (detail.is_some(), DETAIL, 1),
        (turned, DETAIL_FOUR, FOUR.len()),
    ];
    groups.into_iter().filter_map(|(there, bit, count)| there.then_some((bit, count)))
}

/// The hashes of all frames, in order.
fn hashes(frames: &[FrameHash]) -> impl Iterator<Item = Hash> {
    let four = |known: Option<&Orientations>| known.map(|known| FOUR.map(|turn| known.get(turn))).into_iter().flatten();
    frames.iter().flat_map(move |frame| {
        let detail = frame.detail.as_ref();
        let pdq = frame.hash.into_iter().chain(four(frame.orientations.as_deref()));
        let turned = four(detail.and_then(|detail| detail.orientations.as_deref()));
        pdq.chain(detail.map(|detail| detail.hash)).chain(turned)
    })
}

/// How many hashes are written of these frames.
pub(super) fn count(frames: &[FrameHash]) -> usize {
    frames.iter().flat_map(groups).map(|(_, count)| count).sum()
}

impl Packed {
    /// Encodes frames as they would be packed, without a second copy of their hashes.
    pub(super) fn encode_frames<E: Encoder>(frames: &[FrameHash], encoder: &mut E) -> Result<(), EncodeError> {
        let Self { kinds, frames: of_frames, times, qualities, stabilities, .. } = Self::columns(frames);
        (kinds, of_frames, times, qualities, stabilities).encode(encoder)?;
        (count(frames) as u64).encode(encoder)?;
        hashes(frames).try_for_each(|hash| hash.encode(encoder))
    }

    /// Everything but the hashes.
    fn columns(frames: &[FrameHash]) -> Self {
        let mut kinds: Vec<Kind> = Vec::new();
        let mut numbers: BTreeMap<(View, u8, u8), u32> = BTreeMap::new();
        let of_frames = frames.iter().map(|frame| {
            let plain = if frame.plain { PLAIN } else { 0 };
            let has = groups(frame).fold(plain, |has, (bit, _)| has | bit);
            let kind = Kind { role: frame.role, view: frame.view, has };
            *numbers.entry((frame.view, frame.role as u8, has)).or_insert_with(|| {
                kinds.push(kind);
                kinds.len() as u32 - 1
            })
        });
        let of_frames = of_frames.collect();
        let mut before = 0;
        let exact: Option<Vec<i64>> = frames.iter().map(|frame| ticks(frame.time)).collect();
        let times = match exact {
            Some(all) => {
                Times::Ticks(all.into_iter().map(|ticks| ticks - std::mem::replace(&mut before, ticks)).collect())
            }
            None => Times::Seconds(frames.iter().map(|frame| frame.time).collect()),
        };
        let exact: Option<Vec<u8>> = frames.iter().map(|frame| steps(frame.stability)).collect();
        let stabilities = match exact {
            Some(all) => Stabilities::Steps(all),
            None => Stabilities::Exact(frames.iter().map(|frame| frame.stability).collect()),
        };
        let qualities = frames.iter().map(|frame| frame.quality).collect();
        Self { kinds, frames: of_frames, times, qualities, stabilities, hashes: Vec::new() }
    }

    /// The frames again; an error if the columns do not fit together.
    pub(super) fn frames(self) -> Result<Vec<FrameHash>, DecodeError> {
        let wrong = |what: &str| DecodeError::OtherString(what.to_string());
        let count = self.frames.len();
        if !fits(count, self.hashes.len()) {
            return Err(DecodeError::LimitExceeded);
        }
        let times = match self.times {
            Times::Seconds(all) => all,
            Times::Ticks(all) => {
                let mut ticks = 0i64;
                let time = |after| {
                    ticks = ticks.checked_add(after)?;
                    Some(ticks as f64 / TICKS)
                };
                all.into_iter().map(time).collect::<Option<_>>().ok_or_else(|| wrong("a time is out of range"))?
            }
        };
        let stabilities = match self.stabilities {
            Stabilities::Exact(all) => all,
            Stabilities::Steps(all) => all.into_iter().map(|steps| f32::from(steps) / STEPS).collect(),
        };
        if [times.len(), stabilities.len(), self.qualities.len()].iter().any(|&length| length != count) {
            return Err(wrong("columns differ in length"));
        }
        let mut hashes = self.hashes.into_iter();
        let mut out = Vec::with_capacity(count);
        for (at, &kind) in self.frames.iter().enumerate() {
            let Kind { role, view, has } = *self.kinds.get(kind as usize).ok_or_else(|| wrong("no such kind"))?;
            let short = || wrong("too few hashes");
            let mut one = |bit: u8| match has & bit {
                0 => Ok(None),
                _ => hashes.next().map(Some).ok_or_else(short),
            };
            let hash = one(PDQ)?;
            let orientations = turned(&mut hashes, [PDQ_EIGHT, PDQ_FOUR].map(|bit| has & bit != 0))?;
            let mut one = |bit: u8| match has & bit {
                0 => Ok(None),
                _ => hashes.next().map(Some).ok_or_else(short),
            };
            let detail = one(DETAIL)?;
            let turned = turned(&mut hashes, [DETAIL_EIGHT, DETAIL_FOUR].map(|bit| has & bit != 0))?;
            let detail = detail.map(|hash| DetailHash { hash, orientations: turned });
            let (time, quality, stability) = (times[at], self.qualities[at], stabilities[at]);
            out.push(FrameHash {
                time,
                role,
                view,
                hash,
                quality,
                stability,
                orientations,
                detail,
                plain: has & PLAIN != 0,
            });
        }
        if hashes.next().is_some() {
            return Err(wrong("hashes are left over"));
        }
        Ok(out)
    }
}

/// The orientations of a hash, if all eight of them or four are there.
fn turned(
    hashes: &mut impl Iterator<Item = Hash>,
    [eight, four]: [bool; 2],
) -> Result<Option<Box<Orientations>>, DecodeError> {
    let wrong = |what: &str| DecodeError::OtherString(what.to_string());
    let short = |_: Vec<Hash>| wrong("too few hashes");
    let known = match (eight, four) {
        (false, false) => return Ok(None),
        (true, true) => return Err(wrong("orientations are there twice")),
        (true, false) => {
            let all: [Hash; 8] = hashes.take(8).collect::<Vec<_>>().try_into().map_err(short)?;
            Orientations::of(&all).ok_or_else(|| wrong("orientations of more than one picture"))?
        }
        (false, true) => {
            let four: [Hash; FOUR.len()] = hashes.take(FOUR.len()).collect::<Vec<_>>().try_into().map_err(short)?;
            let [original, half_turn, flip_x, flip_y] = four;
            Orientations::new(original, half_turn, flip_x, flip_y)
        }
    };
    Ok(Some(Box::new(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{ANY_BYTES, Fingerprint, VERSION, VideoFingerprint, Window};

    fn hash(seed: usize) -> Hash {
        Hash(std::array::from_fn(|k| (seed * 31 + k * 7) as u8))
    }

    /// Frames with every mixture of hashes, at times and stabilities that are `short` or are not.
    fn frames(short: bool) -> Vec<FrameHash> {
        let views = [View::Full, View::Content, View::Window(Window::centred(80)), View::Upright, View::Inner];
        let roles = [Role::Window, Role::Keyframe, Role::Frame, Role::Cover];
        let eight = |seed: usize| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| hash(seed + k));
            Box::new(Orientations::new(a, b, c, d))
        };
        let frame = |at: usize| FrameHash {
            time: if short { at as f64 * 40.0 / 1000.0 } else { at as f64 / 23.976 },
            role: roles[at % 4],
            view: views[at % 5],
            hash: (at & 1 == 0).then(|| hash(at)),
            quality: (at % 101) as u8,
            stability: if short { (at % 201) as f32 / 200.0 } else { at as f32 / 999.0 },
            orientations: (at & 2 == 0).then(|| eight(at)),
            detail: (at & 4 == 0)
                .then(|| DetailHash { hash: hash(at + 500), orientations: (at & 8 == 0).then(|| eight(at + 600)) }),
            plain: at.is_multiple_of(3),
        };
        (0..400).map(frame).collect()
    }

    fn packed(frames: &[FrameHash]) -> Packed {
        Packed { hashes: hashes(frames).collect(), ..Packed::columns(frames) }
    }

    /// As they were packed while all eight orientations were written.
    fn packed_before(frames: &[FrameHash]) -> Packed {
        let mut packed = packed(frames);
        for kind in &mut packed.kinds {
            let had = |four: u8, eight: u8| if kind.has & four == 0 { 0 } else { eight };
            let eights = had(PDQ_FOUR, PDQ_EIGHT) | had(DETAIL_FOUR, DETAIL_EIGHT);
            kind.has = kind.has & !(PDQ_FOUR | DETAIL_FOUR) | eights;
        }
        let all = |known: &Option<Box<Orientations>>| known.as_ref().map_or(Vec::new(), |known| known.all().to_vec());
        packed.hashes.clear();
        for frame in frames {
            packed.hashes.extend(frame.hash);
            packed.hashes.extend(all(&frame.orientations));
            if let Some(detail) = &frame.detail {
                packed.hashes.push(detail.hash);
                packed.hashes.extend(all(&detail.orientations));
            }
        }
        packed
    }

    #[test]
    fn what_was_written_with_eight_orientations_is_read() {
        for frames in [frames(true), frames(false)] {
            let before = packed_before(&frames);
            assert!(before.hashes.len() > count(&frames) + 800);
            assert_eq!(before.frames().unwrap(), frames);
        }
        let spoilt: [fn(&mut Packed); 3] = [
            |packed| packed.hashes.swap(2, 3),
            |packed| packed.hashes.truncate(7),
            |packed| packed.kinds[0].has |= PDQ_FOUR,
        ];
        for (at, spoil) in spoilt.into_iter().enumerate() {
            let mut before = packed_before(&frames(true));
            spoil(&mut before);
            assert!(before.frames().is_err(), "{at}");
        }
    }

    #[test]
    fn frames_are_written_as_the_columns_that_are_read() {
        struct Frames(Vec<FrameHash>);
        impl Encode for Frames {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                Packed::encode_frames(&self.0, encoder)
            }
        }
        for frames in [frames(true), frames(false), Vec::new()] {
            let whole = bincode::encode_to_vec(packed(&frames), bincode::config::standard()).unwrap();
            assert!(whole.len() >= 32 * count(&frames));
            assert_eq!(bincode::encode_to_vec(Frames(frames), bincode::config::standard()).unwrap(), whole);
        }
    }

    fn film(frames: Vec<FrameHash>) -> Fingerprint {
        let warnings = vec!["it ends early".to_string()];
        Fingerprint::Video(VideoFingerprint { width: 640, height: 360, duration: 16.5, frames, warnings })
    }

    #[test]
    fn every_film_comes_back_bit_by_bit() {
        let mut odd = frames(false);
        for (frame, time) in odd.iter_mut().zip([-0.0, f64::INFINITY, 1e300, -5.25, f64::MIN_POSITIVE]) {
            frame.time = time;
        }
        odd[7].stability = -0.0;
        let mut backwards = frames(true);
        backwards.reverse();
        let mut zeros = frames(true);
        (zeros[3].time, zeros[5].stability) = (-0.0, -0.0);
        for frames in [frames(true), frames(false), odd, backwards, zeros, Vec::new()] {
            let print = film(frames);
            let back = Fingerprint::from_bytes(&print.to_bytes().unwrap()).unwrap();
            assert_eq!(back, print);
            let times = |print: &Fingerprint| match print {
                Fingerprint::Video(film) => {
                    film.frames.iter().map(|f| (f.time.to_bits(), f.stability.to_bits())).collect()
                }
                Fingerprint::Image(_) => Vec::new(),
            };
            assert_eq!(times(&back), times(&print), "signs of zeros as well");
        }
    }

    #[test]
    fn a_reference_takes_its_hashes_and_few_bytes_more() {
        let mut film = VideoFingerprint::of_frames(16.5, frames(false)).into_reference();
        film.frames.iter_mut().for_each(|frame| frame.hash = None);
        let kept = film.frames.iter().filter(|frame| frame.detail.is_some()).count();
        let bytes = Fingerprint::Video(film.clone()).to_bytes().unwrap();
        assert!(bytes.len() < kept * 32 + film.frames.len() * 6 + 500, "{}", bytes.len());
        assert_eq!(film.clone().into_reference(), film, "made short once and for all");
        for stability in (0..2000).map(|k| k as f32 / 2000.0).chain([0.849_999_96, 0.0, 1.0, 1e-9]) {
            let short = short_stability(stability);
            assert!(short <= stability && stability - short < 0.0051 && short_stability(short) == short, "{stability}");
        }
        assert_eq!(short_time(-0.0001).to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn what_is_cut_off_or_does_not_fit_together_is_refused() {
        let bytes = film(frames(true)).to_bytes().unwrap();
        for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            assert!(Fingerprint::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        let fits = || packed(&frames(true));
        assert!(fits().frames().is_ok());
        let spoilt: [fn(&mut Packed); 8] = [
            |packed| packed.hashes.truncate(9),
            |packed| packed.kinds[0].has |= PDQ_EIGHT,
            |packed| packed.hashes.push(Hash::default()),
            |packed| packed.qualities.truncate(9),
            |packed| packed.frames[3] = 1000,
            |packed| packed.times = Times::Ticks(vec![i64::MAX; 400]),
            |packed| packed.stabilities = Stabilities::Exact(Vec::new()),
            |packed| packed.kinds.clear(),
        ];
        for (at, spoil) in spoilt.into_iter().enumerate() {
            let mut packed = fits();
            spoil(&mut packed);
            assert!(packed.frames().is_err(), "{at}");
        }
    }

    /// Frames without hashes take five bytes each and forty times as much when they are read.
    #[test]
    fn few_bytes_do_not_become_much_memory() {
        let count = ANY_BYTES / size_of::<FrameHash>() + 1;
        let packed = Packed {
            kinds: vec![Kind { role: Role::Frame, view: View::Full, has: 0 }],
            frames: vec![0; count],
            times: Times::Ticks(vec![0; count]),
            qualities: vec![0; count],
            stabilities: Stabilities::Steps(vec![0; count]),
            hashes: Vec::new(),
        };
        let mut bytes = vec![VERSION, 1, 0, 0];
        bytes.extend([0; 8]);
        bincode::encode_into_std_write(&packed, &mut bytes, bincode::config::standard()).unwrap();
        bytes.push(0);
        assert!(Fingerprint::from_bytes(&bytes).is_err());
    }
}
