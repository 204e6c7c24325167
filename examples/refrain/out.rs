//! Printing: results to standard output line by line, words for people to standard error.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use crate::Stop;

/// Prints one line of results and flushes it.
pub fn line(text: impl Display) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(failed)
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
        serde_json::to_writer(&mut self.0, value).map_err(|error| failed(error.into()))?;
        self.0.write_all(b"\n").map_err(failed)
    }

    /// Writes what waits.
    pub fn finish(mut self) -> Result<(), Stop> {
        self.0.flush().map_err(failed)
    }
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

/// An error with all its causes on one line.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// An empty table for people.
pub fn table<const N: usize>(head: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(head);
    table
}
