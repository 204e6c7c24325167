//! `refrain watch`: ask about a stream while it comes in.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use refrain::matching::Outcome;
use refrain::report::json::MatchLine;
use refrain::report::words;
use refrain::scan::{self, Asking, Pace};

use crate::store::{Damage, StoreArg};
use crate::{Exit, Stop, out, signal};

/// Ask about a stream while it comes in: whether what it shows is known, before it ends.
///
/// The stream is read once and in order: MPEG-TS, Matroska, FLV, fragmented MP4 and the like. It may last for days; only what came last
/// is kept and asked about. With --json there is one line for each question, as those of `match`, in which `duration` says how far
/// the stream had come; otherwise a line when something that is known begins to be shown. Times count from the begin of the stream.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  ffmpeg -v error -i rtmp://example.org/live -c:v copy -an -f mpegts - | refrain watch --store known.refrain
  refrain watch --store known.refrain --json --every 5 --first recording.ts")]
pub struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// One JSON object for each question
    #[arg(long)]
    json: bool,
    /// Seconds of the stream from one question to the next, 1 or more
    #[arg(long, value_name = "SECONDS", default_value_t = Pace::default().every)]
    every: f64,
    /// Seconds of the stream that are asked about, the last ones; no fewer than --every
    #[arg(long, value_name = "SECONDS", default_value_t = Pace::default().last)]
    last: f64,
    /// End with the first match
    #[arg(long)]
    first: bool,
    /// The largest distance of PDQ hashes that is a match, 0 to 96, instead of every bank's own radii
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=96))]
    max_distance: Option<u32>,
    /// What the stream is called in the output
    #[arg(long, value_name = "NAME")]
    name: Option<PathBuf>,
    /// The stream: a pipe or a file, or `-` for standard input
    #[arg(default_value = "-", value_name = "STREAM")]
    stream: PathBuf,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let pace = Pace::new(args.every, args.last)?;
    let store = args.store.read()?;
    let mut how = Asking::default();
    how.ask.max_distance = args.max_distance;
    how.ask.despite_damage = true;
    how.media.cancel = signal::cancel_on_interrupt();
    let stream = signal::Patient::open(&args.stream)?;
    let name = args.name.as_deref().unwrap_or(&args.stream);
    let mut seen = Seen::default();
    let (mut failed, mut matched, mut printed) = (false, false, Ok(()));
    scan::watch(&store, name, stream, &how, pace, |line| {
        failed |= line.outcome == Outcome::Unreadable || line.store_error.is_some();
        matched |= line.outcome == Outcome::Match;
        printed = seen.print(&line, args.json);
        if printed.is_err() || matched && args.first { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Exit::unless_closed(printed, Exit::of_matching(failed, matched))
}

/// What was said already.
#[derive(Default)]
struct Seen {
    damage: Damage,
    shown: BTreeSet<String>,
}

impl Seen {
    fn print(&mut self, line: &MatchLine, json: bool) -> Result<(), Stop> {
        if self.damage.tell(line) {
        } else if let Some(error) = &line.error.as_ref().filter(|_| line.outcome == Outcome::Unreadable) {
            out::tell(words::printable(&error.message));
        }
        out::warn(line.name(), &line.warnings);
        if json {
            return out::json(line);
        }
        let key = |found: &refrain::matching::Match| format!("{}\n{}", found.bank, found.reference);
        let shown = line.matches.iter().map(key).collect();
        let before = std::mem::replace(&mut self.shown, shown);
        let new = line.matches.iter().filter(|found| !before.contains(&key(found)));
        for found in new {
            let (name, seconds) = (words::printable(line.name()), line.duration.unwrap_or_default());
            out::line(format_args!("{name}, after {seconds:.0} s: {}", words::outcome(line.outcome)))?;
            out::line(format_args!("  {}", words::a_match(found)))?;
        }
        Ok(())
    }
}
