//! `refrain hash`: fingerprint files.

use std::path::PathBuf;

use refrain::fingerprint::{Options, Sampling};
use refrain::report::json::HashLine;
use refrain::report::words;
use refrain::scan::{self, Parallel, Patterns};

use crate::limits::LimitsArg;
use crate::{Exit, Stop, out, signal};

/// Fingerprint pictures and films: hash, quality, stability; for films the hashes with their times.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain hash photo.jpg
  refrain hash --json --dihedral photo.jpg
  refrain hash --json --fps 1 film.mp4 | jq '.hashes | length'")]
pub struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// All eight orientations of a picture
    #[arg(long)]
    dihedral: bool,
    /// This many frames a second of a film
    #[arg(long, value_name = "N", group = "sampling")]
    fps: Option<f64>,
    /// Every frame of a film
    #[arg(long, group = "sampling")]
    every_frame: bool,
    /// Only the keyframes of a film: the quickest look
    #[arg(long, group = "sampling")]
    keyframes: bool,
    #[command(flatten)]
    limits: LimitsArg,
    /// Files, or folders with media
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Args {
    fn sampling(&self) -> Result<Sampling, Stop> {
        match self.fps {
            Some(fps) if fps.is_finite() && fps > 0.0 => Ok(Sampling::Fps(fps)),
            Some(_) => Err(refrain::Error::option("--fps", "give a number above 0").into()),
            None if self.every_frame => Ok(Sampling::EveryFrame),
            None if self.keyframes => Ok(Sampling::Keyframes),
            None => Ok(Sampling::Mixed),
        }
    }
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let work = signal::Breakable::begin(None);
    let cancel = work.cancel();
    let mut options = Options::default();
    options.sampling = args.sampling()?;
    options.cancel = cancel.clone();
    args.limits.apply(&mut options.limits);
    let listing = scan::walk(&args.paths, &Patterns::default(), &cancel)?;
    out::passed_over(&listing);
    let mut how = Parallel::default();
    how.cancel = cancel;
    how.window = 64; // fingerprints of films may take megabytes
    options.threads = how.share(listing.items.len());

    let (mut exit, mut broken_off) = (Exit::Done, false);
    let done = scan::ordered(
        &how,
        &listing.items,
        |item| {
            let line = HashLine::new(&item.path, &scan::fingerprint_item(item, &options), args.dihedral);
            // What was broken off is not to blame, and has no line.
            Some(line).filter(|line| !(line.is_failure() && how.cancel.is_cancelled()))
        },
        |_, _| Ok(()),
        |_, line| {
            let Some(line) = line else {
                broken_off = true;
                return Ok(());
            };
            if let HashLine::Failed { error, .. } = &line {
                exit = Exit::Failed;
                out::tell(words::printable(&error.message));
            }
            if let HashLine::Video { path, warnings, .. } = &line {
                out::warn(path, warnings);
            }
            print(&line, args.json)
        },
    );
    work.over();
    if broken_off && done.is_ok() {
        return Err(refrain::Error::Cancelled.into());
    }
    Exit::unless_closed(done, exit)
}

fn print(line: &HashLine, json: bool) -> Result<(), Stop> {
    if json {
        return out::json(line);
    }
    match line {
        HashLine::Image { path, hash, quality, dihedral, .. } => {
            out::line(format_args!("{hash}  {quality:3}  {}", words::printable(path)))?;
            for (transform, hash) in dihedral.iter().flatten() {
                out::line(format_args!("{hash}       {}", transform.name()))?;
            }
            Ok(())
        }
        HashLine::Video { path, duration, hashes, .. } => {
            let path = words::printable(path);
            out::line(format_args!("{path}: {duration:.1} s, {} hashes", hashes.len()))?;
            for frame in hashes {
                out::line(format_args!("{}  {:3}  {:9.3} s  {}", frame.hash, frame.quality, frame.time, frame.role))?;
            }
            Ok(())
        }
        HashLine::Failed { .. } => Ok(()),
    }
}
