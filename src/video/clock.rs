//! One unbroken time line out of timestamps that may be missing, repeat, fall or leap.

/// A jump longer than this, in seconds, is believed only within the claimed duration.
pub(super) const JUMP: f64 = 10.0;

/// Turns the timestamps of frames in order into seconds from the first one. What makes no sense becomes one frame's time.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    /// Seconds of one tick.
    pub(super) time_base: f64,
    /// Seconds from one frame to the next by the claimed frame rate.
    pub(super) nominal: f64,
    /// Seconds that the container claims; 0 where it claims none, or what is claimed was made up of the timestamps themselves.
    pub(super) claimed: f64,
    last: Option<(Option<i64>, f64)>,
}

impl Clock {
    /// A clock for a stream that claims this frame rate; 25 frames a second if it claims nothing believable.
    pub(super) fn new(time_base: f64, rate: f64, claimed: f64) -> Self {
        let nominal = if rate.is_finite() && rate > 0.0 { 1.0 / rate.clamp(0.1, 1000.0) } else { 0.04 };
        Self { time_base, nominal, claimed, last: None }
    }

    /// The time of the next frame; never falls.
    pub(super) fn next(&mut self, timestamp: Option<i64>) -> f64 {
        let time = match self.last {
            None => 0.0,
            Some((before, time)) => {
                let step = before.zip(timestamp).map(|(before, now)| (now as f64 - before as f64) * self.time_base);
                match step {
                    Some(step) if step > 0.0 && (step <= JUMP || time + step <= self.claimed) => time + step,
                    _ => time + self.nominal,
                }
            }
        };
        self.last = Some((timestamp, time));
        time
    }

    /// The time of the last frame; 0 before the first.
    pub(super) fn now(&self) -> f64 {
        self.last.map_or(0.0, |(_, time)| time)
    }

    /// How long the last frame is shown if it claims so many ticks; more than [`JUMP`] is believed up to where the film claims to end.
    pub(super) fn duration(&self, ticks: i64) -> f64 {
        let claimed = ticks as f64 * self.time_base;
        let believed = claimed <= JUMP || self.now() + claimed <= self.claimed + 1.0;
        if claimed > 0.0 && believed { claimed } else { self.nominal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(claimed: f64, timestamps: &[Option<i64>]) -> Vec<f64> {
        let mut clock = Clock::new(0.001, 25.0, claimed);
        timestamps.iter().map(|&timestamp| (clock.next(timestamp) * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn sound_timestamps_are_kept_from_whatever_they_begin_with() {
        assert_eq!(times(1.0, &[Some(0), Some(40), Some(100)]), [0.0, 0.04, 0.1]);
        assert_eq!(times(1.0, &[Some(-500), Some(-460), Some(20)]), [0.0, 0.04, 0.52]);
        assert_eq!(times(60.0, &[Some(7_000_000), Some(7_030_000)]), [0.0, 30.0], "a slide show");
    }

    #[test]
    fn what_makes_no_sense_becomes_one_frame() {
        assert_eq!(times(1.0, &[None, None, Some(9), Some(49)]), [0.0, 0.04, 0.08, 0.12], "missing");
        assert_eq!(times(1.0, &[Some(0), Some(0), Some(-90), Some(-50)]), [0.0, 0.04, 0.08, 0.12], "equal and falling");
        assert_eq!(times(1.0, &[Some(0), Some(3_600_000), Some(3_600_040)]), [0.0, 0.04, 0.08], "leaping");
        assert_eq!(times(f64::NAN, &[Some(i64::MIN), Some(i64::MAX), Some(0)]), [0.0, 0.04, 0.08]);
    }

    #[test]
    fn a_rate_or_a_duration_that_cannot_be_is_not_believed() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Clock::new(0.001, rate, 1.0).nominal, 0.04, "{rate}");
        }
        let clock = Clock::new(0.001, 25.0, 1.0);
        assert_eq!([0, -5, 100, 3_600_000].map(|ticks| clock.duration(ticks)), [0.04, 0.04, 0.1, 0.04]);
        let mut slides = Clock::new(0.001, 1.0 / 30.0, 90.0);
        for (time, ticks, shown) in
            [(0, 30_000, 30.0), (30_000, 30_000, 30.0), (60_000, 30_000, 30.0), (60_001, 60_000, 10.0)]
        {
            slides.next(Some(time));
            assert_eq!(slides.duration(ticks), shown, "at {time}");
        }
    }
}
