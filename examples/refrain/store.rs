//! The store that a command works on, and `refrain stats` and `refrain verify`.

use std::path::{Path, PathBuf};

use refrain::hash::Algorithm;
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
        Ok(Store::create_or_open(&self.dir)?)
    }

    /// As [`StoreArg::create`], with the hash that a new store is built on.
    pub fn create_with(&self, algorithm: Option<Algorithm>) -> Result<Store, Stop> {
        match algorithm {
            Some(algorithm) => Ok(Store::create_or_open_with(&self.dir, algorithm)?),
            None => self.create(),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    fn hint(&self, error: Error) -> Stop {
        if let Error::Io { source, .. } = &error
            && source.kind() == std::io::ErrorKind::NotFound
        {
            out::tell(format_args!(
                "there is no store at {}; make one with `refrain add --store {0} --bank removed FOLDER`",
                self.dir.display()
            ));
        }
        error.into()
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
pub struct VerifyArgs {
    #[command(flatten)]
    store: StoreArg,
}

pub fn verify(args: &VerifyArgs) -> Result<Exit, Stop> {
    let found = args.store.read()?.verify()?;
    for problem in &found.problems {
        out::tell(out::explain(problem));
    }
    out::line(format_args!(
        "{} references and {} changes read, {} problems",
        found.references,
        found.changes,
        found.problems.len()
    ))?;
    Ok(if found.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Make one part of the index, so that removed hashes are gone from the disk; others may ask meanwhile.
#[derive(clap::Args)]
pub struct MergeArgs {
    #[command(flatten)]
    store: StoreArg,
}

pub fn merge(args: &MergeArgs) -> Result<Exit, Stop> {
    let store = args.store.write()?;
    store.merge(&signal::cancel_on_interrupt())?;
    let stats = store.stats()?;
    out::tell(format_args!("{} hashes in {} parts, {} bytes", stats.hashes, stats.parts, stats.bytes));
    Ok(Exit::Done)
}
