//! `refrain`, the command line: parsing and printing only, one file per subcommand. All else is in the library.
#![allow(unreachable_pub)]

mod hash;
mod out;
mod signal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Recognises re-uploads of images and videos that were already removed.
///
/// With --json, standard output has one JSON object a line, in the order of the input, and everything for people goes
/// to standard error.
#[derive(Parser)]
#[command(name = "refrain", version, arg_required_else_help = true, max_term_width = 100, after_help = EXITS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXITS: &str = "\
Exit codes:
  0    something matched; for commands that do not match: done
  1    nothing matched
  2    something failed; what could be done was done
  130  interrupted; what was done until then is kept";

#[derive(Subcommand)]
enum Command {
    Hash(hash::Args),
}

/// What the calling shell learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something matched, or the command is done.
    Done = 0,
    /// Something failed, the rest was done.
    Failed = 2,
    /// Interrupted, progress kept.
    Interrupted = 130,
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
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Hash(args) => hash::run(&args),
    };
    let exit = match done {
        Ok(exit) => exit,
        Err(Stop::Closed) => Exit::Done,
        Err(Stop::Error(refrain::Error::Cancelled)) => {
            out::tell("interrupted");
            Exit::Interrupted
        }
        Err(Stop::Error(error)) => {
            out::tell(format_args!("refrain: {}", out::explain(&error)));
            Exit::Failed
        }
    };
    ExitCode::from(exit as u8)
}
