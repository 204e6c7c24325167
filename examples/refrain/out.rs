//! Printing: results to standard output line by line, words for people to standard error.

use std::fmt::Display;
use std::io::{self, Write};

use rayon::prelude::*;
use refrain::report::words;
use refrain::scan::Listing;
use serde::Serialize;

use crate::Stop;

/// Prints one line of results and flushes it.
pub fn line(text: impl Display) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(failed)
}

/// Whoever reads standard output, and may leave before the end.
pub struct Reader {
    /// Whether the work is wanted without one.
    goes_on: bool,
    gone: bool,
}

impl Reader {
    /// `goes_on`: whether something else is wanted than what is printed, so that the work goes on when nobody reads it any more.
    pub fn new(goes_on: bool) -> Self {
        Self { goes_on, gone: false }
    }

    /// Prints, as long as somebody reads.
    pub fn show(&mut self, print: impl FnOnce() -> Result<(), Stop>) -> Result<(), Stop> {
        if self.gone {
            return Ok(());
        }
        match print() {
            Err(Stop::Closed) if self.goes_on => {
                self.gone = true;
                Ok(())
            }
            printed => printed,
        }
    }
}

fn failed(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Closed,
        _ => Stop::Error(refrain::Error::io("standard output", error)),
    }
}

/// Results that are all known at once, written by the block.
pub struct Lines(io::BufWriter<io::StdoutLock<'static>>);

impl Lines {
    pub fn new() -> Self {
        Self(io::BufWriter::with_capacity(1 << 16, io::stdout().lock()))
    }

    pub fn line(&mut self, text: impl Display) -> Result<(), Stop> {
        writeln!(self.0, "{text}").map_err(failed)
    }

    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Stop> {
        let mut text = Vec::new();
        push_json(&mut text, value)?;
        self.0.write_all(&text).map_err(failed)
    }

    /// What `put` makes of each of the items and its place, on all cores.
    pub fn each<T: Sync>(
        &mut self,
        items: &[T],
        put: impl Fn(&mut Vec<u8>, usize, &T) -> Result<(), Stop> + Sync,
    ) -> Result<(), Stop> {
        const HELD: usize = 1 << 14; // in memory as text
        const PART: usize = 1 << 7; // for one core at a time
        self.0.flush().map_err(failed)?;
        for (begin, held) in (0..).step_by(HELD).zip(items.chunks(HELD)) {
            let words = |(part, items): (usize, &[T])| {
                let mut text = Vec::with_capacity(PART * 512);
                let mut items = (begin + part * PART..).zip(items);
                items.try_for_each(|(at, item)| put(&mut text, at, item)).map(|()| text)
            };
            let texts: Vec<_> = held.par_chunks(PART).enumerate().map(words).collect();
            texts.into_iter().try_for_each(|text| self.0.get_mut().write_all(&text?).map_err(failed))?;
        }
        Ok(())
    }

    /// Writes what waits.
    pub fn finish(mut self) -> Result<(), Stop> {
        self.0.flush().map_err(failed)
    }
}

/// Adds one JSON object and the end of its line.
pub fn push_json(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Stop> {
    serde_json::to_writer(&mut *text, value).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    Ok(())
}

/// Prints bytes as they are.
pub fn raw(bytes: &[u8]) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(failed)
}

/// Prints one JSON object.
pub fn json(value: &impl Serialize) -> Result<(), Stop> {
    let text =
        serde_json::to_string(value).map_err(|error| refrain::Error::io("standard output", io::Error::other(error)))?;
    line(text)
}

/// Says something to the person at the terminal. Standard error may be closed; that is no reason to stop.
pub fn tell(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says what was wrong with a file of which nevertheless this much could be used.
pub fn warn(name: &str, warnings: &[String]) {
    for warning in warnings {
        tell(format_args!("{}: warning: {}", words::printable(name), words::printable(warning)));
    }
}

/// Says what was passed over in folders, and if that leaves nothing.
pub fn passed_over(listing: &Listing) {
    if listing.not_media > 0 {
        tell(format_args!("{} files are no media and were passed over", listing.not_media));
    }
    archives(listing);
    if listing.items.is_empty() {
        tell("nothing to do: no media there");
    }
}

/// Names a few archives.
pub fn archives(listing: &Listing) {
    const NAMED: usize = 10;
    for archive in listing.archives.iter().take(NAMED) {
        tell(format_args!("  archive, not opened: {}", words::printable(&archive.to_string_lossy())));
    }
    if listing.archives.len() > NAMED {
        tell(format_args!("  and {} more", listing.archives.len() - NAMED));
    }
}

/// An empty table for people.
pub fn table<const N: usize>(head: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head);
    table
}
