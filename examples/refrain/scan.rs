//! `refrain scan`: ask about everything in folders.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use refrain::Error;
use refrain::fingerprint::RECIPE;
use refrain::matching::Outcome;
use refrain::report::html::Report;
use refrain::report::words;
use refrain::scan::{self, Asking, Journal, Patterns, Progress};

use crate::cache::CacheArg;
use crate::limits::LimitsArg;
use crate::progress::Bar;
use crate::store::{Damage, StoreArg};
use crate::{Exit, Stop, out, signal};

/// Ask about everything in folders, in parallel. Ctrl-C stops cleanly; with --resume the next run goes on from there.
///
/// Links are followed. A file `.refrainignore` in a folder says what to leave out, in the syntax of `.gitignore`.
/// Files that are no media and archives are left alone and counted in the summary.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain scan --store known.refrain uploads/
  refrain scan --store known.refrain --json --resume scan.journal /srv/uploads > found.jsonl
  refrain scan --store known.refrain --report found.html --references removed/ uploads/
  find /srv -type f -newer last.txt -print0 | refrain scan --store known.refrain --null --files-from -
  refrain scan --store known.refrain --include '*.mp4' --exclude 'thumbs/' uploads/")]
pub struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Write what was found as one HTML page for people: pictures blurred until asked for, no network
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,
    /// For the report: a folder with pictures that are named like the references
    #[arg(long, value_name = "DIR", requires = "report")]
    references: Option<PathBuf>,
    /// Decode every film whole, also where a look at few of its frames says that little or nothing of it is known
    #[arg(long)]
    whole: bool,
    /// Miss nothing within the radii in a long list either: a question then takes ten to two hundred times as long
    #[arg(long)]
    exact: bool,
    /// Keep a journal here, and go on from it: files that are done and have not changed are not read again, their
    /// results are printed in their place
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Threads, at most 512; 0 takes one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// The largest distance of PDQ hashes that is a match, 0 to 96, instead of every bank's own radii; detail hashes then find
    /// nothing by themselves, and nothing is near
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=96))]
    max_distance: Option<u32>,
    /// Only files that match this pattern, as in .gitignore, also of those that are named; may be given more than once
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// No files or folders that match this pattern; may be given more than once
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    #[command(flatten)]
    limits: LimitsArg,
    #[command(flatten)]
    cache: CacheArg,
    /// No progress and no summary
    #[arg(long, short)]
    quiet: bool,
    /// More folders and files, one a line in this file; `-` reads the list from standard input
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// The paths in the list end with a zero byte, as those of `find -print0`
    #[arg(long, short = '0', requires = "files_from")]
    null: bool,
    /// Folders, or files
    #[arg(required_unless_present = "files_from", value_name = "FOLDER")]
    folders: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let store = args.store.read()?;
    let mut how = Asking::default();
    how.ask.max_distance = args.max_distance;
    how.ask.despite_damage = true;
    how.parallel.threads = args.threads;
    how.whole = args.whole;
    args.limits.apply(&mut how.media.limits);
    if args.exact {
        how.ask = how.ask.exact();
    }
    how.cache = args.cache.open();
    let work = signal::Breakable::begin(how.cache.as_ref());
    how.parallel.cancel = work.cancel();
    how.parallel.window = 1 << 16; // lines are short: one long film holds nobody up
    let journal = args.resume.as_ref().map(|path| Journal::open(path, &args.identity())).transpose()?;

    let mut report = args.report.as_ref().map(|path| Report::create(path, args.references.clone())).transpose()?;
    report = report.map(|report| report.cancelled_by(how.parallel.cancel.clone()));

    let bar = Bar::new(args.quiet);
    bar.say("listing files");
    let patterns = Patterns { include: args.include.clone(), exclude: args.exclude.clone() };
    let mut damage = Damage::default();
    // What can be told in no other way any more does not end the rest.
    let mut unwritten = false;
    let mut reader = out::Reader::new(args.report.is_some() || args.resume.is_some());
    let listing = scan::walk(&args.roots()?, &patterns, &how.parallel.cancel)?;
    let (progress, done) = scan::ask_all(
        &store,
        &listing.items,
        &how,
        journal.as_ref(),
        |progress, _| bar.update(progress),
        |item, line| {
            if let Some(writing) = &mut report
                && let Err(error) = writing.add(&store, &item.path, &line)
            {
                bar.around(|| out::tell(format_args!("no report: {}", words::causes(&error))));
                (report, unwritten) = (None, true);
            }
            let name = words::printable(line.name());
            if bar.around(|| damage.tell(&line)) {
            } else if let Some(error) = &line.error {
                bar.around(|| out::tell(words::printable(&error.message)));
            }
            if !line.warnings.is_empty() {
                bar.around(|| out::warn(line.name(), &line.warnings));
            }
            let known = matches!(line.outcome, Outcome::Match | Outcome::Allowed | Outcome::Near);
            if !args.json && !known {
                return Ok(());
            }
            reader.show(|| {
                bar.around(|| {
                    if args.json {
                        return out::json(&line);
                    }
                    out::line(format_args!("{name}: {}", words::outcome(line.outcome)))?;
                    line.matches.iter().try_for_each(|found| out::line(format_args!("  {}", words::a_match(found))))
                })
            })
        },
    );
    work.over();
    bar.finish();
    if !args.quiet {
        summarise(&progress, &listing);
    }
    if let Some(report) = report {
        let path = report.finish(&progress)?;
        out::tell(format_args!("report: {}", path.display()));
    }
    let failed = progress.failed > 0 || progress.damaged > 0 || unwritten;
    Exit::unless_closed(done, Exit::of_matching(failed, progress.matched > 0))
}

impl Args {
    /// What is to be scanned, the list's last.
    fn roots(&self) -> Result<Vec<PathBuf>, Stop> {
        let mut roots = self.folders.clone();
        let end = if self.null { 0 } else { b'\n' };
        match &self.files_from {
            None => {}
            Some(list) if list == Path::new("-") => roots.extend(scan::read_list(io::stdin().lock(), end)?),
            Some(list) => {
                roots.extend(scan::read_list(File::open(list).map_err(|error| Error::io(list, error))?, end)?);
            }
        }
        Ok(roots)
    }

    /// What makes a scan the same scan, for its journal: the store, by whatever way it was named, what is asked, and the
    /// program that looks at the files.
    fn identity(&self) -> String {
        let radius = self.max_distance.map_or("the banks'".into(), |radius| radius.to_string());
        let exact = if self.exact { ", exact" } else { "" };
        let whole = if self.whole { ", whole" } else { "" };
        let there = self.store.path();
        let there = fs::canonicalize(there).unwrap_or_else(|_| there.to_path_buf());
        let program = format!("refrain {}, fingerprints {RECIPE}", env!("CARGO_PKG_VERSION"));
        format!("store {}, distance {radius}{exact}{whole}, {program}", there.display())
    }
}

fn summarise(progress: &Progress, listing: &scan::Listing) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let asked = progress.files_done - progress.failed - progress.too_little_detail;
    let not_known = asked - progress.matched - progress.allowed - progress.near;
    for (what, count) in [
        ("known", progress.matched),
        ("known and allowed", progress.allowed),
        ("perhaps known", progress.near),
        ("not known", not_known),
        ("too little detail to tell", progress.too_little_detail),
        ("could not be read", progress.failed),
        ("asked about although the store is damaged", progress.damaged),
        ("taken over from the journal", progress.resumed),
        ("not done", progress.files - progress.files_done),
        ("below two of the folders, done once", listing.repeated),
        ("no media", listing.not_media),
        ("archives, not opened", listing.archives.len() as u64),
    ] {
        if count > 0 {
            table.add_row([what.to_string(), count.to_string()]);
        }
    }
    out::tell(format_args!(
        "{} of {} files, {}, {:.0} s of film, in {:.1} s ({:.1} files a second)",
        progress.files_done,
        progress.files,
        HumanBytes(progress.bytes_done),
        progress.film_seconds,
        progress.elapsed.as_secs_f64(),
        progress.rate()
    ));
    if table.row_count() > 0 {
        out::tell(table);
    }
    out::archives(listing);
}
