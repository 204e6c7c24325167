//! Where the frames of a film lie in its file: what it takes to decode stretches of it at the times that they have in the whole.

#[cfg(feature = "video")]
pub(super) use recorder::Recorder;

/// A keyframe: its timestamp, and where to seek it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(crate) struct Key {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
}

/// The times of a film whose timestamps rise from frame to frame and never leap.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(crate) struct Timeline {
    /// Seconds of one tick.
    tick: f64,
    /// The timestamp of the first frame.
    first: i64,
    /// Playing time in seconds.
    pub(crate) end: f64,
    /// In order, hardly closer than a second.
    keys: Vec<Key>,
}

#[cfg_attr(not(feature = "video"), allow(dead_code))]
impl Timeline {
    /// That of a film with a keyframe every so many seconds.
    #[cfg(test)]
    pub(crate) fn regular(end: f64, gop: f64) -> Self {
        let at = |key: u64| (key as f64 * gop * 1000.0) as i64;
        let keys = (0..).map(at).take_while(|&at| at as f64 / 1000.0 < end).map(|at| Key { pts: at, dts: at });
        Self { tick: 0.001, first: 0, end, keys: keys.collect() }
    }

    /// When a frame with this timestamp is shown, in seconds from the first one.
    pub(crate) fn time(&self, pts: i64) -> f64 {
        (pts as f64 - self.first as f64) * self.tick
    }

    /// The last keyframe by this time that is known here, or else the first.
    pub(crate) fn key_before(&self, time: f64) -> Option<Key> {
        let after = self.keys.partition_point(|key| self.time(key.pts) <= time);
        self.keys.get(after.saturating_sub(1)).copied()
    }

    /// From when on a file has to be decoded for the frames from this time on.
    pub(crate) fn decoded_from(&self, time: f64) -> f64 {
        self.key_before(time).map_or(0.0, |key| self.time(key.pts))
    }

    /// Where to seek a keyframe, in millionths of a second.
    pub(crate) fn place(&self, key: Key) -> i64 {
        (key.dts.min(key.pts) as f64 * self.tick * 1e6).floor() as i64
    }
}

#[cfg(feature = "video")]
mod recorder {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::{Key, Timeline};
    use crate::video::clock::{Clock, JUMP};

    /// Frames that a codec may show later than others that come after them, and more.
    const REORDERED: usize = 32;
    /// The shortest time between two keyframes that are kept, in seconds.
    const HOP: f64 = 1.0;

    /// Follows the packets of a film in the order of the file.
    #[derive(Debug, Default)]
    pub(in crate::video) struct Recorder {
        /// Timestamps that wait for earlier ones.
        waiting: BinaryHeap<Reverse<i64>>,
        first: Option<i64>,
        /// The last timestamp in the order of showing, and the last one with what its packet says how long it lasts.
        shown: Option<i64>,
        last: Option<(i64, i64)>,
        keys: Vec<Key>,
        unsound: bool,
    }

    impl Recorder {
        /// Takes the next packet; `shown` is false for one that an edit list leaves out.
        pub(in crate::video) fn packet(
            &mut self,
            key: bool,
            shown: bool,
            [pts, dts]: [Option<i64>; 2],
            duration: i64,
            tick: f64,
        ) {
            let Some(pts) = pts.filter(|_| shown && !self.unsound) else {
                *self = Self { unsound: true, ..Self::default() };
                return;
            };
            if key {
                let before = self.keys.last().map(|last| (pts as f64 - last.pts as f64) * tick);
                self.unsound |= before.is_some_and(|passed| passed <= 0.0);
                if before.is_none_or(|passed| passed >= HOP) {
                    self.keys.push(Key { pts, dts: dts.unwrap_or(pts) });
                }
            }
            if self.last.is_none_or(|(last, _)| pts > last) {
                self.last = Some((pts, duration));
            }
            self.waiting.push(Reverse(pts));
            if self.waiting.len() > REORDERED {
                self.show(tick);
            }
        }

        fn show(&mut self, tick: f64) {
            let Some(Reverse(pts)) = self.waiting.pop() else { return };
            self.first.get_or_insert(pts);
            if let Some(before) = self.shown.replace(pts) {
                let step = (pts as f64 - before as f64) * tick;
                self.unsound |= !(step > 0.0 && step <= JUMP);
            }
        }

        /// What was seen of a film that was read to its end; `None` if its frames may not lie where their timestamps say, or if it does not
        /// begin with a keyframe.
        pub(in crate::video) fn finish(mut self, clock: &Clock) -> Option<Timeline> {
            while !self.unsound && !self.waiting.is_empty() {
                self.show(clock.time_base);
            }
            let (first, (last, duration)) = (self.first?, self.last?);
            let begins = self.keys.first().is_some_and(|key| key.pts == first);
            let timeline = Timeline { tick: clock.time_base, first, end: 0.0, keys: self.keys };
            let end = timeline.time(last) + clock.duration(duration);
            (!self.unsound && begins && end.is_finite()).then_some(Timeline { end, ..timeline })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn recorded(packets: &[(bool, Option<i64>)]) -> Option<Timeline> {
            let (clock, mut recorder) = (Clock::new(0.001, 25.0, 1e4), Recorder::default());
            packets.iter().for_each(|&(key, pts)| recorder.packet(key, true, [pts, None], 40, 0.001));
            recorder.finish(&clock)
        }

        /// Frames 40 ms apart from a timestamp on, a keyframe every `gop`, every second frame shown before the one that came before it.
        fn film(from: i64, count: i64, gop: i64) -> Vec<(bool, Option<i64>)> {
            let order = |at: i64| {
                if at % gop == 0 {
                    at
                } else {
                    at + if at % 2 == 1 && (at + 1) % gop > 0 && at + 1 < count {
                        1
                    } else if at % 2 == 0 {
                        -1
                    } else {
                        0
                    }
                }
            };
            (0..count).map(|at| (at % gop == 0, Some(from + 40 * order(at)))).collect()
        }

        #[test]
        fn a_sound_film_is_known_by_its_keyframes() {
            let timeline = recorded(&film(-500, 1000, 50)).unwrap();
            assert!((timeline.end - 40.0).abs() < 1e-9, "{}", timeline.end);
            assert_eq!(timeline.keys.len(), 20);
            for (time, from) in [(-1.0, 0.0), (0.0, 0.0), (1.99, 0.0), (2.0, 2.0), (17.5, 16.0), (99.0, 38.0)] {
                assert!((timeline.decoded_from(time) - from).abs() < 1e-9, "{time}");
            }
            assert_eq!(timeline.place(timeline.key_before(2.5).unwrap()), 1_500_000);
            let all = film(0, 1000, 1);
            assert_eq!(recorded(&all).unwrap().keys.len(), 40, "no more than one a second");
        }

        #[test]
        fn what_leaps_falls_or_is_missing_is_no_time_line() {
            let sound = film(0, 192, 24);
            assert!(recorded(&sound).is_some() && recorded(&[]).is_none());
            let with = |at: usize, pts: Option<i64>| {
                let mut film = sound.clone();
                film[at].1 = pts;
                recorded(&film)
            };
            assert!(with(70, None).is_none(), "missing");
            assert!(with(77, sound[74].1).is_none(), "equal");
            assert!(with(150, Some(0)).is_none(), "falling");
            let leap: Vec<_> =
                sound.iter().map(|&(key, pts)| (key, pts.map(|t| if t >= 4000 { t + 20_000 } else { t }))).collect();
            assert!(recorded(&leap).is_none(), "leaping");
            let slides: Vec<_> = sound.iter().map(|&(key, pts)| (key, pts.map(|t| t * 100))).collect();
            assert!(recorded(&slides).is_some(), "four seconds a picture");
            assert!(recorded(&sound[1..]).is_none(), "begins with no keyframe");
            let (clock, mut left_out) = (Clock::new(0.001, 25.0, 8.0), Recorder::default());
            sound.iter().enumerate().for_each(|(at, &(key, pts))| left_out.packet(key, at > 30, [pts, pts], 40, 0.001));
            assert!(left_out.finish(&clock).is_none(), "an edit list");
        }
    }
}
