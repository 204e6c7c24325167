//! Progress of a scan: a bar on a terminal, a line now and then anywhere else.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use refrain::scan::Progress;

use crate::out;

/// How often a line is written when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How often the bar changes.
const DRAW_EVERY: Duration = Duration::from_millis(100);

pub struct Bar {
    bar: Option<ProgressBar>,
    lines: bool,
    last: Cell<Option<Instant>>,
}

impl Bar {
    pub fn new(quiet: bool) -> Self {
        let terminal = stderr().is_terminal();
        let bar = (terminal && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("{spinner} {bar:24} {percent:>3} %  {prefix}\n  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▌░"));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, lines: !terminal && !quiet, last: Cell::new(None) }
    }

    /// A word before the first file is done.
    pub fn say(&self, text: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    pub fn update(&self, progress: &Progress) {
        let every = if self.bar.is_some() { DRAW_EVERY } else { LINE_EVERY };
        let now = Instant::now();
        let last = self.last.get().unwrap_or_else(|| {
            self.last.set(Some(now));
            now
        });
        let done = progress.files_done == progress.files;
        if now - last < every && !(done && self.bar.is_some()) {
            return;
        }
        self.last.set(Some(now));
        let (short, long) = describe(progress);
        if let Some(bar) = &self.bar {
            bar.set_length(progress.bytes.max(1));
            bar.set_position(progress.bytes_done);
            bar.set_prefix(short);
            bar.set_message(long);
        } else if self.lines {
            out::tell(format_args!("{long}, {short}"));
        }
    }

    /// Prints something else without tearing the bar.
    pub fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What matters most, and the rest.
fn describe(progress: &Progress) -> (String, String) {
    let left = match progress.left {
        _ if progress.files_done == progress.files => "done".to_string(),
        Some(left) => format!("{} left", duration(left)),
        None => "time left not known yet".into(),
    };
    let short = format!("{left}, {} known, {} failed", progress.matched, progress.failed);
    let long = format!(
        "{} of {} files, {} of {}, {:.0} s of film, {:.1} files/s",
        progress.files_done,
        progress.files,
        HumanBytes(progress.bytes_done),
        HumanBytes(progress.bytes),
        progress.film_seconds,
        progress.rate(),
    );
    (short, long)
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}
