//! The store that a command works on, and `refrain stats` and `refrain verify`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use refrain::hash::Algorithm;
use refrain::report::json::MatchLine;
use refrain::report::words;
use refrain::{Error, Store};

use crate::{Exit, Stop, out, signal};

/// Which store.
#[derive(clap::Args)]
pub struct StoreArg {
    /// The store: a directory that holds banks, references and the index
    #[arg(long = "store", value_name = "DIR", env = "REFRAIN_STORE")]
    dir: PathBuf,
}

impl StoreArg {
    /// For asking: beside any other process.
    pub fn read(&self) -> Result<Store, Stop> {
        Store::open_reader(&self.dir).map_err(|error| self.hint(error))
    }

    /// For changing: one process at a time.
    pub fn write(&self) -> Result<Store, Stop> {
        Store::open(&self.dir).map_err(|error| self.hint(error))
    }

    /// For adding: as [`StoreArg::write`], and makes the store if there is none.
    pub fn create(&self) -> Result<Store, Stop> {
        Store::create_or_open(&self.dir).map_err(Self::mends)
    }

    /// As [`StoreArg::create`], with the hash that a new store is built on.
    pub fn create_with(&self, algorithm: Option<Algorithm>) -> Result<Store, Stop> {
        match algorithm {
            Some(algorithm) => Store::create_or_open_with(&self.dir, algorithm).map_err(Self::mends),
            None => self.create(),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    fn hint(&self, error: Error) -> Stop {
        self.missing(&error);
        Self::mends(error)
    }

    /// Says how a store is made if there is none.
    fn missing(&self, error: &Error) {
        if let Error::Io { source, .. } = error
            && source.kind() == std::io::ErrorKind::NotFound
        {
            out::tell(format_args!(
                "there is no store at {}; make one with `refrain add --store {0} --bank removed FOLDER`",
                self.dir.display()
            ));
        }
    }

    /// Says what helps against damage, or that somebody else writes.
    fn mends(error: Error) -> Stop {
        match &error {
            Error::Corrupt { .. } => out::tell(MENDS),
            Error::Locked { .. } => {
                out::tell("one command at a time may change a store; `match` without --remember and `scan` do not");
            }
            _ => {}
        }
        error.into()
    }
}

const MENDS: &str =
    "`refrain verify --salvage` makes a damaged index anew, and a damaged database as far as it can be read";

/// What was said about damage of the store: each thing once, not with every upload.
#[derive(Default)]
pub struct Damage(HashSet<String>);

impl Damage {
    /// Says it if the line is about a damaged store, and whether it is.
    pub fn tell(&mut self, line: &MatchLine) -> bool {
        let Some(error) = &line.store_error else { return false };
        self.say(&error.message);
        true
    }

    /// Says what a question met that was about many uploads.
    pub fn tell_all(&mut self, met: &[String]) {
        met.iter().for_each(|met| self.say(met));
    }

    fn say(&mut self, message: &str) {
        if self.0.insert(message.to_string()) {
            out::tell(format_args!("{}: the rest of the store answers", words::printable(message)));
            if self.0.len() == 1 {
                out::tell(MENDS);
            }
        }
    }
}

/// Say how much the store holds.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refrain stats --store known.refrain --json | jq .references")]
pub struct StatsArgs {
    #[command(flatten)]
    store: StoreArg,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn stats(args: &StatsArgs) -> Result<Exit, Stop> {
    let stats = args.store.read()?.stats()?;
    if args.json {
        out::json(&stats)?;
    } else {
        out::line(format_args!(
            "{} references in {} banks, {} hashes in {} parts ({} removed ones wait for a merge), {} bytes, {} changes",
            stats.references, stats.banks, stats.hashes, stats.parts, stats.tombstones, stats.bytes, stats.changes
        ))?;
    }
    Ok(Exit::Done)
}

/// Read everything in the store and say what is damaged.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain verify --store known.refrain
  refrain verify --store known.refrain --salvage")]
pub struct VerifyArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Make a damaged index anew from the references, and a damaged database from what can be read of it, then say what is still damaged;
    /// nobody else may write meanwhile
    #[arg(long)]
    salvage: bool,
}

pub fn verify(args: &VerifyArgs) -> Result<Exit, Stop> {
    let mut lost = Vec::new();
    if args.salvage {
        let done = Store::salvage(&args.store.dir, &signal::cancel_on_interrupt())
            .inspect_err(|error| args.store.missing(error))?;
        for damage in &done.damage {
            out::tell(format_args!("mended: {}", words::causes(damage)));
        }
        for old in &done.replaced {
            out::tell(format_args!(
                "{} is the database as it was: what could be read of it may be older than the last change, so compare with a backup",
                old.display()
            ));
        }
        match (done.damage.len(), done.kept) {
            (0, _) => out::line("the index is whole")?,
            (_, 0) => out::line(format_args!("{} hashes made anew", done.rebuilt))?,
            _ => out::line(format_args!(
                "{} hashes made anew, {} kept of references that are damaged themselves",
                done.rebuilt, done.kept
            ))?,
        }
        if let Some(error) = done.unfinished {
            return Err(error.into());
        }
        lost.extend(done.problems.iter().map(|problem| words::causes(problem)));
    }
    let found = args.store.read()?.verify()?;
    let mut problems: Vec<String> = found.problems.iter().map(|problem| words::causes(problem)).collect();
    lost.retain(|lost| !problems.contains(lost));
    problems.extend(lost);
    problems.iter().for_each(out::tell);
    if !args.salvage && found.problems.iter().any(|problem| matches!(problem, Error::Corrupt { .. })) {
        out::tell(MENDS);
    }
    out::line(format_args!(
        "{} references and {} changes read, {} problems",
        found.references,
        found.changes,
        problems.len()
    ))?;
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Make one part of the index, so that removed hashes are gone from the disk; others may ask meanwhile.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  refrain merge --store known.refrain")]
pub struct MergeArgs {
    #[command(flatten)]
    store: StoreArg,
}

pub fn merge(args: &MergeArgs) -> Result<Exit, Stop> {
    let store = args.store.write()?;
    store.merge(&signal::cancel_on_interrupt()).inspect_err(|error| {
        if matches!(error, Error::Corrupt { .. }) {
            out::tell(MENDS);
        }
    })?;
    let stats = store.stats()?;
    out::tell(format_args!("{} hashes in {} parts, {} bytes", stats.hashes, stats.parts, stats.bytes));
    Ok(Exit::Done)
}
