//! Progress of a scan: a bar on a terminal, a line now and then anywhere else.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use refrain::scan::Progress;

use crate::out;

/// How often a line is written when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub struct Bar {
    bar: Option<ProgressBar>,
    lines: bool,
    last: Cell<Instant>,
}

impl Bar {
    pub fn new(quiet: bool) -> Self {
        let terminal = stderr().is_terminal();
        let bar = (terminal && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("{spinner} {bar:24} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▌░"));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, lines: !terminal && !quiet, last: Cell::new(Instant::now()) }
    }

    /// A word before the first file is done.
    pub fn say(&self, text: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    pub fn update(&self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.bytes.max(1));
            bar.set_position(progress.bytes_done);
            bar.set_message(describe(progress));
        } else if self.lines && self.last.get().elapsed() > LINE_EVERY {
            self.last.set(Instant::now());
            out::tell(describe(progress));
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

fn describe(progress: &Progress) -> String {
    let left = match progress.left() {
        _ if progress.files_done == progress.files => "done".to_string(),
        Some(left) => format!("{} left", duration(left)),
        None => "time left not known yet".into(),
    };
    format!(
        "{} of {} files, {} of {}, {:.1} files/s, {left}, {} known, {} failed",
        progress.files_done,
        progress.files,
        HumanBytes(progress.bytes_done),
        HumanBytes(progress.bytes),
        progress.rate(),
        progress.matched,
        progress.failed,
    )
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}
