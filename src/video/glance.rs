//! The cheap look at a film: which frames it takes, and when they are too few to rest an answer on.
//!
//! Nearly all uploads are known to nobody. Keyframes cost a tenth of a whole decode or less, but an encoder may set one
//! every ten seconds, and a known clip of five may lie between two of them. So where keyframes are rare, the frames that
//! others are predicted from are decoded, without the filter that smooths the edges of blocks: about half of the work.

use super::clock::Clock;
use super::pass;
use super::timeline::Recorder;
use crate::error::{Error, Result};
use crate::fingerprint::{FrameHash, Glance, Media, Options, VideoFingerprint};
use crate::hash::pdq::{MIN_QUALITY, MIN_STABILITY};

/// Which frames are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// All.
    Every,
    /// Those that the others are predicted from, their blocks not smoothed.
    References,
    /// Those that stand alone.
    Keyframes,
}

/// The longest time without a keyframe that a look at keyframes may pass over, in seconds, with room for odd frame rates.
const GAP: f64 = 2.1;
/// Moments that need enough detail.
const LEAST: usize = 12;
/// A shorter film, in seconds, is decoded whole: its few frames may all be too far from the windows that a
/// reference keeps every two seconds, and there is little to save.
const SHORT: f64 = 12.0;

/// Watches the packets of a film for stretches without a keyframe.
#[derive(Debug, Default)]
pub(super) struct Watch {
    gap: f64,
    key: Option<i64>,
    since: f64,
    packets: u64,
    /// Seconds that the film may have.
    expected: f64,
    /// Where everything lies in the file.
    pub(super) recorder: Recorder,
}

impl Watch {
    /// Seconds between two frames of a look that does not go by keyframes.
    pub(super) const STEP: f64 = 0.5;
    /// The shortest time between two keyframes of a look: half a second of frames of any rate may be a little less.
    pub(super) const KEY_STEP: f64 = 0.45;

    /// Stops at a stretch of more than [`GAP`].
    fn strict() -> Self {
        Self { gap: GAP, ..Self::default() }
    }

    /// Lets everything pass.
    pub(super) fn none() -> Self {
        Self { gap: f64::INFINITY, ..Self::default() }
    }

    /// Is told how long the film may be, before anything of it is seen.
    pub(super) fn expect(&mut self, seconds: f64) {
        self.expected = seconds;
    }

    /// Sees the next packet of the film, in the order of the file; false once too long a stretch has no keyframe, by its
    /// timestamps or by the number of its frames.
    pub(super) fn packet(&mut self, key: bool, timestamp: Option<i64>, clock: &Clock) -> bool {
        if key {
            (self.key, self.since, self.packets) = (timestamp, 0.0, 0);
            return true;
        }
        self.packets += 1;
        let passed = self.key.zip(timestamp).map_or(0.0, |(from, to)| (to as f64 - from as f64) * clock.time_base);
        let counted = self.packets as f64 * clock.nominal;
        self.since = self.since.max(passed).max(counted);
        self.since <= self.gap
    }

    /// Whether a stretch of this many seconds without a picture may be passed over.
    pub(super) fn allows(&self, seconds: f64) -> bool {
        seconds <= self.gap
    }

    /// Seconds since the last keyframe.
    pub(super) fn since(&self) -> f64 {
        self.since
    }
}

/// The look, or `None` if it is too thin.
pub(super) fn glance(media: &Media<'_>, options: &Options) -> Result<Option<Glance>> {
    for pick in [Pick::Keyframes, Pick::References] {
        let mut watch = if pick == Pick::Keyframes { Watch::strict() } else { Watch::none() };
        match pass::look(media.reader(&options.limits)?, options, pick, &mut watch) {
            Ok(Some(glance)) if enough(&glance.film) && glance.film.duration >= SHORT => return Ok(Some(glance)),
            Ok(_) | Err(Error::Decode { .. } | Error::Unsupported { .. } | Error::TooLittleDetail { .. }) => {}
            Err(error) => return Err(error),
        }
        if watch.expected < SHORT {
            break;
        }
    }
    Ok(None)
}

/// Whether enough moments, and at least half of them, have the detail that a question needs.
fn enough(film: &VideoFingerprint) -> bool {
    let clear = |frame: &FrameHash| frame.quality >= MIN_QUALITY && frame.stability >= MIN_STABILITY;
    let moments = film.frames.chunk_by(|a, b| a.time == b.time);
    let (good, bad): (Vec<_>, Vec<_>) = moments.partition(|moment| moment.iter().any(clear));
    good.len() >= LEAST.max(bad.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{Role, View};

    #[test]
    fn a_long_stretch_without_a_keyframe_is_noticed() {
        let clock = Clock::new(0.001, 25.0, 60.0);
        let seen = |gap: i64, tick: Option<i64>| {
            let mut watch = Watch::strict();
            (0..1000).all(|at| watch.packet(at % gap == 0, tick.map(|tick| at * tick), &clock))
        };
        assert!(seen(50, Some(40)) && !seen(60, Some(40)), "by the timestamps");
        assert!(seen(20, Some(100)) && !seen(25, Some(100)));
        assert!(seen(50, Some(0)) && !seen(60, Some(0)), "timestamps that stand still");
        assert!(seen(50, None) && !seen(60, None), "without timestamps");
        let mut watch = Watch::none();
        assert!((0..100_000).all(|at| watch.packet(at == 0, Some(at * 40), &clock)));
    }

    #[test]
    fn few_or_plain_moments_are_too_thin() {
        let film = |qualities: &[u8]| {
            let frames = qualities.iter().enumerate().map(|(at, &quality)| FrameHash {
                time: at as f64,
                role: Role::Keyframe,
                view: View::Full,
                hash: Some(Default::default()),
                quality,
                stability: 1.0,
                orientations: None,
                detail: None,
                plain: false,
            });
            VideoFingerprint::of_frames(60.0, frames.collect())
        };
        assert!(enough(&film(&[90; 12])) && !enough(&film(&[90; 11])));
        let mixed = |plain: usize| [&[90; 20][..], &vec![10; plain]].concat();
        assert!(enough(&film(&mixed(20))) && !enough(&film(&mixed(21))));
    }
}
