//! `refrain match`: ask about single uploads.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use refrain::bank::AskOptions;
use refrain::matching::Outcome;
use refrain::report::json::{Failure, MatchLine};
use refrain::report::words;
use refrain::scan::{self, Asking, Patterns};
use refrain::{Error, Hash, Store};

use crate::limits::LimitsArg;
use crate::store::{Damage, StoreArg};
use crate::{Exit, Stop, out, signal};

/// Ask whether uploads are known.
///
/// A match of a bank whose action is `allow` is the outcome `allowed` and does not count as matched for the exit code,
/// nor does `near`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain match --store known.refrain upload.jpg
  curl -s https://example.org/upload | refrain match --store known.refrain --json -
  refrain match --store known.refrain --json --hashes hashes.txt")]
pub struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// The largest distance of PDQ hashes that is a match, 0 to 96, instead of every bank's own radii; detail hashes then find
    /// nothing by themselves, and nothing is near
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=96))]
    max_distance: Option<u32>,
    /// Decode every film whole, also where a look at few of its frames says that little or nothing of it is known
    #[arg(long)]
    whole: bool,
    /// Miss nothing within the radii in a long list either: a question then takes ten to two hundred times as long
    #[arg(long)]
    exact: bool,
    /// Keep the fingerprints of these uploads, under their paths, so that references which come later are asked against them; a
    /// path that stood for another upload before gets a # and a digest
    #[arg(long, conflicts_with = "hashes")]
    remember: bool,
    /// Whose uploads they are, for --remember
    #[arg(long, value_name = "KEY", requires = "remember")]
    uploader: Option<String>,
    /// Ask about hashes instead: a file with one of 64 hexadecimal digits a line, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    hashes: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitsArg,
    /// Files, or folders with media; `-` reads one upload from standard input
    #[arg(required_unless_present = "hashes", value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What the lines came to.
struct Tally {
    failed: bool,
    matched: bool,
    damage: Damage,
    reader: out::Reader,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let store = if args.remember { args.store.write()? } else { args.store.read()? };
    let mut how = Asking::default();
    how.remember = args.remember.then(|| args.uploader.clone().unwrap_or_default());
    how.parallel.cancel = signal::cancel_on_interrupt();
    how.ask.max_distance = args.max_distance;
    how.ask.despite_damage = true;
    how.whole = args.whole;
    args.limits.apply(&mut how.media.limits);
    if args.exact {
        how.ask = how.ask.exact();
    }
    let reader = out::Reader::new(args.remember);
    let mut tally = Tally { failed: false, matched: false, damage: Damage::default(), reader };
    let asked = match &args.hashes {
        Some(list) => ask_hashes(&store, list, &how.ask, args.json, &mut tally),
        None => ask_paths(&store, args, how, &mut tally),
    };
    Exit::unless_closed(asked, Exit::of_matching(tally.failed, tally.matched))
}

impl Tally {
    fn print(&mut self, line: &MatchLine, json: bool) -> Result<(), Stop> {
        self.failed |= line.outcome == Outcome::Unreadable || line.store_error.is_some();
        self.failed |= line.remember_error.is_some();
        self.matched |= line.outcome == Outcome::Match;
        if self.damage.tell(line) {
        } else if let Some(error) = &line.error {
            out::tell(words::printable(&error.message));
        }
        if let Some(error) = &line.remember_error {
            out::tell(format_args!("{}: {}", words::printable(line.name()), words::printable(&error.message)));
        }
        out::warn(line.name(), &line.warnings);
        self.reader.show(|| {
            if json {
                return out::json(line);
            }
            out::line(format_args!("{}: {}", words::printable(line.name()), words::outcome(line.outcome)))?;
            line.matches.iter().try_for_each(|found| out::line(format_args!("  {}", words::a_match(found))))
        })
    }
}

fn ask_paths(store: &Store, args: &Args, how: Asking, tally: &mut Tally) -> Result<(), Stop> {
    // standard input keeps its place among the files
    for paths in args.paths.chunk_by(|a, b| (a == Path::new("-")) == (b == Path::new("-"))) {
        if paths[0] == Path::new("-") {
            for name in paths {
                let line = match read_upload(how.media.limits.bytes) {
                    Ok(bytes) => scan::ask_bytes(store, name, &bytes, &how),
                    Err(error) => MatchLine::answered(name, Err(error)),
                };
                tally.print(&line, args.json)?;
            }
            continue;
        }
        let listing = scan::walk(paths, &Patterns::default(), &how.parallel.cancel)?;
        out::passed_over(&listing);
        let (_, done) =
            scan::ask_all(store, &listing.items, &how, None, |_, _| {}, |_, line| tally.print(&line, args.json));
        done?;
    }
    Ok(())
}

fn read_upload(limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let _waiting = signal::Waiting::begin();
    let read = io::stdin().lock().take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("standard input", error))?;
    if bytes.len() as u64 > limit { Err(Error::limit("bytes", limit, bytes.len() as u64).at("-")) } else { Ok(bytes) }
}

fn ask_hashes(store: &Store, list: &Path, ask: &AskOptions, json: bool, tally: &mut Tally) -> Result<(), Stop> {
    let name = if list == Path::new("-") { Path::new("standard input") } else { list };
    let io = |error| Error::io(name, error);
    let mut reader: Box<dyn BufRead> = if list == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(list).map_err(io)?))
    };
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        // no line of a hash list is long; a binary file must not fill the memory
        let waiting = signal::Waiting::begin();
        if reader.by_ref().take(1 << 16).read_until(b'\n', &mut line).map_err(io)? == 0 {
            break;
        }
        drop(waiting);
        let content = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&line);
        let text = String::from_utf8_lossy(content);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let mut store_error = None;
        let asked = match text.parse::<Hash>() {
            Ok(hash) => store.ask_hash_with(&hash, ask).inspect_err(|error| store_error = Failure::of_store(error)),
            Err(error) => Err(Error::decode(format!("line {number}: {error}")).at(list)),
        };
        let line = MatchLine::of_hash(text, asked);
        tally.print(&if let Some(error) = store_error { line.unasked(error) } else { line }, json)?;
    }
    Ok(())
}
