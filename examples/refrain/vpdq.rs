//! `refrain vpdq`: hash and compare films as vPDQ does.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use comfy_table::Table;
use refrain::Error;
use refrain::fingerprint::{Media, Options};
use refrain::report::words;
use refrain::video::vpdq::{self, Line, Percentages, Rule};
use serde::Serialize;

use crate::limits::LimitsArg;
use crate::{Exit, Stop, out, signal};

/// Hash and compare films as vPDQ (Meta's ThreatExchange) does, for exchange and comparison.
///
/// vPDQ counts which share of the frames of one film has a frame of the other within a distance; it knows neither where nor under
/// which transformation. `match` finds copies that it misses.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain vpdq hash film.mp4 > film.txt
  refrain vpdq compare upload.mp4 film.txt")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Hash(Hash),
    Compare(Compare),
}

#[derive(clap::Args)]
struct Pace {
    /// Seconds of the film from one hash to the next; 0 for every frame
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    every: f64,
    #[command(flatten)]
    limits: LimitsArg,
}

/// Print a film's vPDQ list: `frame number,quality,hash,seconds` a line
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refrain vpdq hash --every 1 film.mp4 > film.txt")]
struct Hash {
    #[command(flatten)]
    pace: Pace,
    /// The film
    #[arg(value_name = "FILM")]
    film: PathBuf,
}

/// Print vPDQ's percentages of a query and of each target
///
/// `tool` is what vPDQ's C++ tool reckons, whose distance of 31 is exclusive; `package` what its Python package does, whose distance is
/// inclusive and which counts frames with the same hash once. The exit code is 0 if any frames are alike and 1 if none are.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain vpdq compare upload.mp4 film.txt
  refrain vpdq compare --json --every 1 upload.mp4 known/*.txt | jq .tool")]
struct Compare {
    #[command(flatten)]
    pace: Pace,
    /// One JSON object for each target
    #[arg(long)]
    json: bool,
    /// Frames below this quality are left out, 0 to 100
    #[arg(long, value_name = "N", default_value_t = Rule::TOOL.min_quality, value_parser = clap::value_parser!(u8).range(..=100))]
    min_quality: u8,
    /// A film, or its list
    query: PathBuf,
    /// Films, or their lists
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let (Command::Hash(Hash { pace, .. }) | Command::Compare(Compare { pace, .. })) = &args.command;
    if !(pace.every >= 0.0 && pace.every.is_finite()) {
        return Err(Error::option("--every", "give a number of seconds, 0 or more").into());
    }
    let work = signal::Breakable::begin(None);
    let mut options = Options::default();
    options.cancel = work.cancel();
    pace.limits.apply(&mut options.limits);
    let exit = match &args.command {
        Command::Hash(hash) => hash.run(&options),
        Command::Compare(compare) => compare.run(&options),
    };
    work.over();
    exit
}

impl Hash {
    fn run(&self, options: &Options) -> Result<Exit, Stop> {
        let lines = film(&self.film, options, self.pace.every)?;
        let mut out = out::Lines::new();
        lines.iter().try_for_each(|line| out.line(line))?;
        out.finish()?;
        Ok(Exit::Done)
    }
}

#[derive(Serialize)]
struct Compared<'a> {
    query: &'a str,
    target: &'a str,
    tool: Shares,
    package: Shares,
}

/// Per cent.
#[derive(Serialize)]
struct Shares {
    query: f64,
    target: f64,
}

impl From<Percentages> for Shares {
    fn from(shares: Percentages) -> Self {
        let rounded = |share: f64| (share * 1e4).round() / 1e4;
        Self { query: rounded(shares.query), target: rounded(shares.target) }
    }
}

impl Compare {
    fn run(&self, options: &Options) -> Result<Exit, Stop> {
        let asked = lines(&self.query, options, self.pace.every)?;
        let (mut alike, mut failed) = (false, false);
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["", "tool: query", "target", "package: query", "target"]);
        for target in &self.targets {
            let held = match lines(target, options, self.pace.every) {
                Ok(held) => held,
                Err(Stop::Error(error)) if !matches!(error, Error::Cancelled) => {
                    out::tell(words::causes(&error));
                    failed = true;
                    continue;
                }
                Err(stop) => return Err(stop),
            };
            let by = |rule: Rule| vpdq::compare(&asked, &held, Rule { min_quality: self.min_quality, ..rule });
            let (tool, package) = (by(Rule::TOOL), by(Rule::PACKAGE));
            alike |= package.query > 0.0;
            let name = target.to_string_lossy();
            if self.json {
                let query = &self.query.to_string_lossy();
                out::json(&Compared { query, target: &name, tool: tool.into(), package: package.into() })?;
            } else {
                let shares = [tool.query, tool.target, package.query, package.target];
                table.add_row(
                    [words::printable(&name).to_string()]
                        .into_iter()
                        .chain(shares.map(|share| format!("{share:.2} %"))),
                );
            }
        }
        if table.row_count() > 0 {
            out::line(table)?;
        }
        Ok(Exit::of_matching(failed, alike))
    }
}

/// The frames of a film or of a list, told apart by what is in them.
fn lines(path: &Path, options: &Options, every: f64) -> Result<Vec<Line>, Stop> {
    let io = |error| Error::io(path, error);
    // A folder or a pipe is refused as media are.
    let reader = Media::file(path).reader(&options.limits)?;
    drop(reader);
    let mut list = BufReader::new(File::open(path).map_err(io)?);
    let mut first = Vec::new();
    loop {
        first.clear();
        if list.by_ref().take(256).read_until(b'\n', &mut first).map_err(io)? == 0 {
            break;
        }
        let line = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first).trim_ascii();
        if !line.is_empty() && !line.starts_with(b"#") {
            break;
        }
    }
    // A list begins with a number and a comma, which no film does.
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first).trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || text.get(digits) != Some(&b',') {
        return film(path, options, every);
    }
    let mut bad = None;
    let lines = vpdq::read(BufReader::new(File::open(path).map_err(io)?), |number, error| {
        bad.get_or_insert((number, error));
    })?;
    match bad {
        Some((number, error)) => Err(Error::decode(format!("line {number}: {error}")).at(path).into()),
        None => Ok(lines),
    }
}

fn film(path: &Path, options: &Options, every: f64) -> Result<Vec<Line>, Stop> {
    let (lines, warnings) = vpdq::hash(&Media::file(path), options, every)?;
    out::warn(&path.to_string_lossy(), &warnings);
    Ok(lines)
}
