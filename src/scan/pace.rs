//! How long the rest of a scan takes, from what has been done: an estimate that settles.
//!
//! Films cost more a byte than stills, and a scan meets them in any order, so each kind has a rate of its own. Rates are
//! means over the recent past, and the time at which the scan will end is smoothed, so that the time left counts down
//! rather than jumps.

use std::time::Duration;

/// Work that is this long ago counts half, in seconds of one thread.
const HALF_LIFE: f64 = 120.0;
/// How slowly the expected end follows the rates, as a share of the time left and in seconds at most.
const SMOOTH: (f64, f64) = (0.1, 8.0);
/// Below this much measured work nothing is said, in seconds of one thread.
const ENOUGH: f64 = 0.05;

/// Stills or films.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    /// Bytes that are not done yet.
    left: u64,
    /// Recent seconds of work, and the bytes that they were spent on.
    seconds: f64,
    bytes: f64,
}

/// The estimate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    classes: [Class; 2],
    /// Seconds of work in all, whatever thread did it.
    busy: f64,
    /// When the scan is expected to end, and when that was said, in seconds from its start.
    end: Option<(f64, f64)>,
}

impl Pace {
    /// Work that lies ahead.
    pub(crate) fn expect(&mut self, film: bool, bytes: u64) {
        self.classes[usize::from(film)].left += bytes;
    }

    /// Work that needs not be done.
    pub(crate) fn skip(&mut self, film: bool, bytes: u64) {
        let class = &mut self.classes[usize::from(film)];
        class.left = class.left.saturating_sub(bytes);
    }

    /// Work that was done in this time of one thread, `elapsed` after the start.
    pub(crate) fn done(&mut self, film: bool, bytes: u64, busy: Duration, elapsed: Duration) {
        self.skip(film, bytes);
        let class = &mut self.classes[usize::from(film)];
        let keep = 0.5f64.powf(busy.as_secs_f64() / HALF_LIFE);
        class.seconds = class.seconds * keep + busy.as_secs_f64();
        class.bytes = class.bytes * keep + bytes as f64;
        self.busy += busy.as_secs_f64();
        let elapsed = elapsed.as_secs_f64();
        let Some(left) = self.raw(elapsed) else { return };
        let end = elapsed + left;
        self.end = Some(match self.end {
            None => (end, elapsed),
            Some((before, at)) => {
                let slow = (left * SMOOTH.0).clamp(0.1, SMOOTH.1);
                (before + (end - before) * (1.0 - (-(elapsed - at) / slow).exp()), elapsed)
            }
        });
    }

    /// The time that the rest takes, if that is known by now.
    pub(crate) fn left(&self, elapsed: Duration) -> Option<Duration> {
        if self.classes.iter().all(|class| class.left == 0) {
            return Some(Duration::ZERO);
        }
        let (end, _) = self.end?;
        Some(Duration::from_secs_f64((end - elapsed.as_secs_f64()).max(0.0)))
    }

    fn raw(&self, elapsed: f64) -> Option<f64> {
        let known = |class: &Class| class.bytes > 0.0 && class.seconds > 0.0;
        let (seconds, bytes) = self.classes.iter().fold((0.0, 0.0), |sum, c| (sum.0 + c.seconds, sum.1 + c.bytes));
        if self.busy < ENOUGH || bytes <= 0.0 || elapsed <= 0.0 {
            return None;
        }
        let work: f64 = self
            .classes
            .iter()
            .map(|class| {
                let rate = if known(class) { class.seconds / class.bytes } else { seconds / bytes };
                class.left as f64 * rate
            })
            .sum();
        Some(work / (self.busy / elapsed).max(0.05))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a scan of files `(film, bytes, seconds)` on two threads; the estimate after each file beside the truth.
    fn run(files: &[(bool, u64, f64)]) -> Vec<(f64, f64)> {
        let mut pace = Pace::default();
        files.iter().for_each(|&(film, bytes, _)| pace.expect(film, bytes));
        let total: f64 = files.iter().map(|file| file.2 / 2.0).sum();
        let mut elapsed = 0.0;
        let mut said = Vec::new();
        for &(film, bytes, seconds) in files {
            elapsed += seconds / 2.0;
            let now = Duration::from_secs_f64(elapsed);
            pace.done(film, bytes, Duration::from_secs_f64(seconds), now);
            if let Some(left) = pace.left(now) {
                said.push((left.as_secs_f64(), total - elapsed));
            }
        }
        said
    }

    #[test]
    fn even_work_is_told_right_from_the_start() {
        let files: Vec<_> = (0..1000).map(|at| (false, 90_000 + at % 7 * 3_000, 0.02)).collect();
        let said = run(&files);
        assert!(said.len() > 990);
        for (left, truth) in said {
            assert!((left - truth).abs() <= 0.1 * truth + 0.1, "{left} for {truth}");
        }
    }

    #[test]
    fn films_among_stills_do_not_make_it_jump() {
        // a film costs five times as much a byte; the first half of the stills comes first, then they are mixed
        let stills = |count| (0..count).map(|_| (false, 100_000u64, 0.01)).collect::<Vec<_>>();
        let mut files = stills(1000);
        for _ in 0..100 {
            files.extend(stills(10));
            files.push((true, 2_000_000, 1.0));
        }
        let said = run(&files);
        let settled = &said[1000 + 20 * 11..];
        let jump = settled.windows(2).map(|two| (two[1].0 - two[0].0).abs()).fold(0.0, f64::max);
        assert!(jump < 3.0, "it jumps by {jump} s");
        for (left, truth) in settled {
            assert!((left - truth).abs() <= 0.25 * truth + 3.0, "{left} for {truth}");
        }
    }

    #[test]
    fn nothing_is_said_before_anything_is_known() {
        let mut pace = Pace::default();
        pace.expect(false, 100);
        assert_eq!(pace.left(Duration::from_secs(1)), None);
        pace.skip(false, 100);
        assert_eq!(pace.left(Duration::from_secs(1)), Some(Duration::ZERO));
    }
}
