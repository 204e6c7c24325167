//! `refrain completions` and `refrain manual`: from the very definitions that parse the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use refrain::Error;

use crate::{Cli, Exit, Stop, out};

/// Print the completions of a shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain completions bash > ~/.local/share/bash-completion/completions/refrain
  refrain completions zsh > ~/.zfunc/_refrain
  refrain completions fish > ~/.config/fish/completions/refrain.fish")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write one page for each command.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain manual | man -l -
  refrain manual --out ~/.local/share/man/man1")]
pub struct ManualArgs {
    /// A folder for the pages of all commands: refrain.1, refrain-scan.1 and so on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs) -> Result<Exit, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "refrain", &mut script);
    out::raw(&script)?;
    Ok(Exit::Done)
}

pub fn manual(args: &ManualArgs) -> Result<Exit, Stop> {
    let mut command = Cli::command();
    command.build();
    match &args.out {
        None => out::raw(&page(&command)?)?,
        Some(dir) => {
            fs::create_dir_all(dir).map_err(|error| Error::io(dir, error))?;
            let pages = write(&command, dir)?;
            out::tell(format_args!("{pages} pages in {}", dir.display()));
        }
    }
    Ok(Exit::Done)
}

fn write(command: &Command, dir: &Path) -> Result<usize, Stop> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_string();
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command)?).map_err(|error| Error::io(&path, error))?;
    let mut pages = 1;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        pages += write(sub, dir)?;
    }
    Ok(pages)
}

fn page(command: &Command) -> Result<Vec<u8>, Stop> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone().version(env!("CARGO_PKG_VERSION")));
    man.render(&mut page).map_err(|error| Error::io("the manual", error))?;
    Ok(page)
}
