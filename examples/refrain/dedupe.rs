//! `refrain dedupe`: groups of near-duplicates within folders.

use std::path::PathBuf;

use refrain::Error;
use refrain::dedupe::{self, Choice, Found, Group, Role};
use refrain::report::{Draft, GroupReport, words};
use refrain::scan::{self, Patterns};
use serde_json::json;

use crate::cache::CacheArg;
use crate::limits::LimitsArg;
use crate::progress::Bar;
use crate::{Exit, Stop, out, signal};

/// Find near-duplicates within folders, and propose which copy of each group to keep. Nothing is ever deleted.
///
/// Any two files of a group are within --max-distance of each other (complete linkage), so a chain of near pairs does not
/// bring strangers together. The best copy has the most pixels, then the most bytes for them, then the greatest age. Hard
/// links and links that were followed are one file.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain dedupe pictures/
  refrain dedupe --report same.html --script plan.sh --reference originals/ downloads/ phone/
  refrain dedupe --json --max-distance 16 pictures/ | jq '.files[]? | select(.proposal == \"remove\") | .path'")]
pub struct Args {
    /// One JSON object a group, and one a file that could not be read
    #[arg(long)]
    json: bool,
    /// Write the groups as one HTML page for people: pictures blurred until asked for, no network
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,
    /// Write the plan as JSON
    #[arg(long, value_name = "OUT.json")]
    plan: Option<PathBuf>,
    /// Write the plan as a shell script, to be read before it is run
    #[arg(long, value_name = "OUT.sh")]
    script: Option<PathBuf>,
    /// The largest distance between two stills of a group, 0 to 64; single frames of films may be 33 further apart
    #[arg(long, value_name = "N", default_value_t = 31, value_parser = clap::value_parser!(u32).range(..=64))]
    max_distance: u32,
    /// Mirrored, turned and negative stills count as copies
    #[arg(long)]
    turned: bool,
    /// The share of the longer of two films that has to agree
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    share: f64,
    /// A folder whose files are compared too but never proposed for removal; may be given more than once
    #[arg(long, value_name = "DIR")]
    reference: Vec<PathBuf>,
    /// Threads, at most 512; 0 takes one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
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
    /// Folders, or files
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
}

/// The plan as JSON.
#[derive(serde::Serialize)]
struct Plan<'a, G> {
    refrain_plan: u32,
    folder: std::borrow::Cow<'a, str>,
    max_distance: u32,
    groups: Vec<G>,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let mut choice = Choice::default();
    choice.max_distance = args.max_distance;
    choice.turned = args.turned;
    choice.share = args.share;
    args.limits.apply(&mut choice.media.limits);
    choice.references = args.reference.clone();
    choice.parallel.threads = args.threads;
    choice.cache = args.cache.open();
    let work = signal::Breakable::begin(choice.cache.as_ref());
    choice.parallel.cancel = work.cancel();
    choice.parallel.window = 4096;
    let plan = args.plan.as_deref().map(Draft::create).transpose()?;
    let script = args.script.as_deref().map(Draft::create).transpose()?;
    let report = args.report.as_ref().map(GroupReport::create).transpose()?;

    let bar = Bar::new(args.quiet);
    bar.say("listing files");
    let patterns = Patterns { include: args.include.clone(), exclude: args.exclude.clone() };
    let roots: Vec<PathBuf> = args.folders.iter().chain(&args.reference).cloned().collect();
    let listing = scan::walk(&roots, &patterns, &choice.parallel.cancel)?;
    let found = dedupe::dedupe(&listing, &choice, |progress| bar.update(progress));
    work.over();
    bar.finish();
    let found = found?;

    for failure in found.failed.iter().map(|(_, failure)| failure) {
        out::tell(words::printable(&failure.message));
    }
    for (path, warnings) in &found.warned {
        out::warn(&path.to_string_lossy(), warnings);
    }
    // What else is wanted is written also if nobody reads the lines.
    let printed = print(&found, args.json);
    if let (Some(mut file), Some(path)) = (plan, &args.plan) {
        let groups: Vec<_> = (1..).zip(&found.groups).map(|(number, group)| group.line(number)).collect();
        let folder = std::env::current_dir().unwrap_or_default();
        let text = Plan { refrain_plan: 1, folder: folder.to_string_lossy(), max_distance: args.max_distance, groups };
        serde_json::to_writer_pretty(&mut file, &text).map_err(|error| Error::io(path, error.into()))?;
        file.finish()?;
        out::tell(format_args!("plan: {}", path.display()));
    }
    if let (Some(mut file), Some(path)) = (script, &args.script) {
        let folder = std::env::current_dir().map_err(|error| Error::io(".", error))?;
        dedupe::script(&found.groups, &folder, &mut file).map_err(|error| Error::io(path, error))?;
        file.finish()?;
        out::tell(format_args!("plan: {}", path.display()));
    }
    if let Some(report) = report {
        let path = report.finish(&found, &choice.parallel.cancel)?;
        out::tell(format_args!("report: {}", path.display()));
    }
    if !args.quiet {
        summarise(&found, &listing);
    }
    let exit = Exit::unless_closed(printed, Exit::of_matching(!found.failed.is_empty(), !found.groups.is_empty()));
    // the process ends, and its memory goes with it at once
    std::mem::forget((found, listing));
    exit
}

fn print(found: &Found, json: bool) -> Result<(), Stop> {
    let mut out = out::Lines::new(); // everything is known: nobody waits for single lines
    if json {
        for (path, failure) in &found.failed {
            out.json(&json!({ "path": path.to_string_lossy(), "error": failure }))?;
        }
        out.each(&found.groups, |text, at, group| out::push_json(text, &group.line(at + 1)))?;
    } else {
        for (number, group) in (1..).zip(&found.groups) {
            print_group(&mut out, number, group)?;
        }
    }
    out.finish()
}

fn print_group(out: &mut out::Lines, number: usize, group: &Group) -> Result<(), Stop> {
    out.line(format_args!("group {number}:"))?;
    for member in &group.members {
        let file = &member.file;
        let proposal = match member.role {
            Role::Keep => "keep  ",
            Role::Reference => "stays ",
            _ => "remove",
        };
        let same = if member.identical && member.role != Role::Keep { ", the same bytes" } else { "" };
        let near = member.distance.filter(|_| member.role != Role::Keep);
        let near = near.map_or(String::new(), |distance| format!(", {}", words::closeness(distance)));
        let name = words::printable(&file.path.to_string_lossy());
        out.line(format_args!(
            "  {proposal} {name} ({} x {}, {} bytes{near}{same})",
            file.width, file.height, file.bytes
        ))?;
    }
    Ok(())
}

fn summarise(found: &Found, listing: &scan::Listing) {
    let files: usize = found.groups.iter().map(|group| group.members.len()).sum();
    let bytes: u64 = found.groups.iter().map(Group::removable).sum();
    out::tell(format_args!("{} files, {files} of them in {} groups", listing.items.len(), found.groups.len()));
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    for (what, count) in [
        ("bytes that could be free", bytes),
        ("too little detail to tell", found.plain.len() as u64),
        ("could not be read", found.failed.len() as u64),
        ("no media", listing.not_media),
        ("archives, not opened", listing.archives.len() as u64),
    ] {
        if count > 0 {
            table.add_row([what.to_string(), count.to_string()]);
        }
    }
    if table.row_count() > 0 {
        out::tell(table);
    }
    out::archives(listing);
}
