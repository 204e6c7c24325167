//! `refrain`, the command line: parsing and printing only, one file per subcommand. All else is in the library.
#![allow(unreachable_pub)]

mod add;
mod bank;
mod cache;
mod decide;
mod dedupe;
mod eval;
mod hash;
mod limits;
mod list;
mod manual;
mod matches;
mod out;
mod progress;
mod reference;
mod retro;
mod scan;
mod signal;
mod store;
mod vpdq;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use refrain::report::words;

/// Recognises re-uploads of images and videos that were already removed.
///
/// With --json, standard output has one JSON object a line, in the order of the input, and everything for people goes
/// to standard error.
#[derive(Parser)]
#[command(name = "refrain", version, arg_required_else_help = true, max_term_width = 100, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
To begin:
  refrain add  --store known.refrain --bank removed removed/    make a folder's media references
  refrain scan --store known.refrain uploads/                   look for copies of them in another
  refrain match --store known.refrain --json upload.mp4         ask about one upload

Exit codes:
  0    something matched; for commands that do not match: done
  1    nothing matched
  2    something failed; what could be done was done
  130  interrupted; what was done until then is kept

REFRAIN_STORE can stand in for --store.";

#[derive(Subcommand)]
enum Command {
    Hash(hash::Args),
    Add(add::Args),
    Match(matches::Args),
    Scan(scan::Args),
    Watch(watch::Args),
    Decide(decide::Args),
    Dedupe(dedupe::Args),
    Retro(retro::Args),
    Bank(bank::Args),
    Reference(reference::Args),
    List(list::Args),
    Vpdq(vpdq::Args),
    Eval(eval::Args),
    Stats(store::StatsArgs),
    Verify(store::VerifyArgs),
    Merge(store::MergeArgs),
    Completions(manual::CompletionsArgs),
    Manual(manual::ManualArgs),
}

/// What the calling shell learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something matched, or the command is done.
    Done = 0,
    /// Nothing matched.
    Unmatched = 1,
    /// Something failed, the rest was done.
    Failed = 2,
    /// Interrupted, progress kept.
    Interrupted = 130,
}

impl Exit {
    /// Of a command that matches: a failure weighs more than a match, as scripts must not miss it.
    pub fn of_matching(failed: bool, matched: bool) -> Self {
        match (failed, matched) {
            (true, _) => Self::Failed,
            (false, true) => Self::Done,
            (false, false) => Self::Unmatched,
        }
    }

    /// Of a command that matches and was read by something that may have gone before the end.
    pub fn unless_closed(done: Result<(), Stop>, exit: Self) -> Result<Self, Stop> {
        match done {
            Ok(()) | Err(Stop::Closed) => Ok(exit),
            Err(stop) => Err(stop),
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub enum Stop {
    /// With an error of the library.
    Error(refrain::Error),
    /// Whoever read the output has gone: nothing is left to say, and nobody to say it to.
    Closed,
}

impl From<refrain::Error> for Stop {
    fn from(error: refrain::Error) -> Self {
        Self::Error(error)
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Hash(args) => hash::run(&args),
        Command::Add(args) => add::run(&args),
        Command::Match(args) => matches::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Decide(args) => decide::run(&args),
        Command::Dedupe(args) => dedupe::run(&args),
        Command::Retro(args) => retro::run(&args),
        Command::Bank(args) => bank::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::List(args) => list::run(&args),
        Command::Vpdq(args) => vpdq::run(&args),
        Command::Eval(args) => eval::run_eval(&args),
        Command::Stats(args) => store::stats(&args),
        Command::Verify(args) => store::verify(&args),
        Command::Merge(args) => store::merge(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Manual(args) => manual::manual(&args),
    };
    let exit = match done {
        Ok(exit) => exit,
        Err(Stop::Closed) => Exit::Done,
        Err(Stop::Error(refrain::Error::Cancelled)) => {
            out::tell("interrupted");
            Exit::Interrupted
        }
        Err(Stop::Error(error)) => {
            out::tell(format_args!("refrain: {}", words::printable(&words::causes(&error))));
            Exit::Failed
        }
    };
    ExitCode::from(exit as u8)
}
