//! How far work on many files is.

use std::time::{Duration, Instant};

use super::kind::named_like_a_film;
use super::pace::Pace;
use super::walk::Item;
use crate::matching::Outcome;

/// How far a scan is; counts of what is done.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// All files.
    pub files: u64,
    /// All bytes.
    pub bytes: u64,
    /// Files done, whatever came out.
    pub files_done: u64,
    /// Bytes of those.
    pub bytes_done: u64,
    /// Of those, files whose result was taken over from the journal.
    pub resumed: u64,
    /// Files that matched.
    pub matched: u64,
    /// Files that matched but are allowed.
    pub allowed: u64,
    /// Files that are near something known.
    pub near: u64,
    /// Files with too little detail to be asked about.
    pub too_little_detail: u64,
    /// Files that could not be read.
    pub failed: u64,
    /// Files that were asked about while something of the store was damaged.
    pub damaged: u64,
    /// Playing time of the films that are done, in seconds.
    pub film_seconds: f64,
    /// Time since the start.
    pub elapsed: Duration,
    /// The time that the rest takes, if that is known by now.
    pub left: Option<Duration>,
}

impl Progress {
    /// Files a second, those of the journal aside.
    pub fn rate(&self) -> f64 {
        (self.files_done - self.resumed) as f64 / self.elapsed.as_secs_f64().max(1e-3)
    }
}

/// Counts what is done and knows how long it takes.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) so_far: Progress,
    pace: Pace,
    start: Instant,
}

impl Meter {
    pub(crate) fn new<'a>(items: impl Iterator<Item = &'a Item>) -> Self {
        let (mut pace, mut so_far) = (Pace::default(), Progress::default());
        for item in items {
            pace.expect(named_like_a_film(&item.path), size(item));
            so_far.files += 1;
            so_far.bytes += size(item);
        }
        Self { so_far, pace, start: Instant::now() }
    }

    /// A file that is done, in this time of one thread; `None` if its result was taken over.
    pub(crate) fn add(&mut self, item: &Item, outcome: Outcome, film_seconds: Option<f64>, busy: Option<Duration>) {
        let (bytes, film, now) = (size(item), named_like_a_film(&item.path), self.start.elapsed());
        let so_far = &mut self.so_far;
        so_far.files_done += 1;
        so_far.bytes_done += bytes;
        so_far.film_seconds += film_seconds.unwrap_or(0.0);
        match busy {
            None => {
                so_far.resumed += 1;
                self.pace.skip(film, bytes);
            }
            Some(busy) => self.pace.done(film, bytes, busy, now),
        }
        match outcome {
            Outcome::Match => so_far.matched += 1,
            Outcome::Allowed => so_far.allowed += 1,
            Outcome::Near => so_far.near += 1,
            Outcome::TooLittleDetail => so_far.too_little_detail += 1,
            Outcome::Unreadable => so_far.failed += 1,
            Outcome::NoMatch => {}
        }
        so_far.elapsed = now;
        so_far.left = self.pace.left(now);
    }

    pub(crate) fn stop(mut self) -> Progress {
        self.so_far.elapsed = self.start.elapsed();
        self.so_far
    }
}

fn size(item: &Item) -> u64 {
    item.found.as_ref().map_or(0, |file| file.size)
}
