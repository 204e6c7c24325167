//! `refrain list`: hash lists in and out.

use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use refrain::bank::lists::{ExportOptions, Format, ImportOptions};
use refrain::report::{Draft, words};
use refrain::{Cancel, Error};

use crate::store::StoreArg;
use crate::{Exit, Stop, out, signal};

/// Exchange hash lists with others.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain list import --store known.refrain --bank shared --format pdq hashes.txt
  refrain list export --store known.refrain --format jsonl known.jsonl")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Import(Import),
    Export(Export),
}

/// Import a hash list. Lines that cannot be understood are named, the others are imported
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain list import --store known.refrain --bank shared --format pdq hashes.txt
  refrain list import --store known.refrain --bank shared --format jsonl other.jsonl")]
struct Import {
    #[command(flatten)]
    store: StoreArg,
    /// The bank of references whose lines name none; a JSON line that names a bank keeps it
    #[arg(long)]
    bank: String,
    /// pdq: `hash` or `hash,metadata` a line; vpdq: the frames of one film; threatexchange: `type value` or CSV; jsonl:
    /// references with all their hashes, labels and states, and the banks' policies
    #[arg(long, value_parser = ["pdq", "vpdq", "threatexchange", "jsonl"])]
    format: String,
    /// The reference's id, for a vPDQ list; otherwise the list's file name
    #[arg(long)]
    id: Option<String>,
    /// Who made the list, for lines that do not say
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// The list; `-` for standard input
    file: PathBuf,
}

/// Export references as a hash list
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain list export --store known.refrain --format jsonl known.jsonl
  refrain list export --store known.refrain --format vpdq --bank shared --id film film.txt")]
struct Export {
    #[command(flatten)]
    store: StoreArg,
    /// Only this bank
    #[arg(long)]
    bank: Option<String>,
    /// Only the reference with this id; a vPDQ list is of one film
    #[arg(long)]
    id: Option<String>,
    /// As for import; only jsonl has all hashes and what is known of a reference
    #[arg(long, value_parser = ["pdq", "vpdq", "threatexchange", "jsonl"])]
    format: String,
    /// Where to; standard output if left out or `-`
    file: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    match &args.command {
        Command::Import(import) => import.run(),
        Command::Export(export) => export.run(),
    }
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

impl Import {
    fn run(&self) -> Result<Exit, Stop> {
        let cancel = signal::cancel_on_interrupt();
        let list = signal::Patient::open(&self.file)?;
        let list = BufReader::new(Stoppable { list, cancel: cancel.clone() });
        let store = self.store.create()?;
        let mut options = ImportOptions::new(self.format.parse::<Format>()?, &self.bank);
        options.source = self.source.clone().unwrap_or_default();
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(id) = self.id.clone().or(name.filter(|name| name != "-")) {
            options.id = id;
        }
        let name = if is_dash(&self.file) { Path::new("standard input") } else { &self.file };
        let imported = store.import(list, &options, |line, became| {
            if let Err(error) = became {
                // The line's error knows no name.
                let why = words::causes(error);
                let why = why.strip_prefix("input: ").unwrap_or(&why);
                out::tell(words::printable(&format!("{}, line {line}: {why}", name.display())));
            }
            if cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let imported = match imported {
            Err(Error::Io { .. }) if cancel.is_cancelled() => return Err(Error::Cancelled.into()),
            imported => imported.map_err(|error| error.at(name))?,
        };
        out::tell(format_args!(
            "{} references added, {} were there already, {} lines refused",
            imported.added, imported.unchanged, imported.refused
        ));
        Ok(if imported.refused > 0 { Exit::Failed } else { Exit::Done })
    }
}

/// A list that cannot be read on once the work is to stop, so that what is broken off is not imported as if that were its end.
struct Stoppable {
    list: signal::Patient,
    cancel: Cancel,
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.list.read(buffer)?;
        if self.cancel.is_cancelled() { Err(io::Error::other("interrupted")) } else { Ok(read) }
    }
}

impl Export {
    fn run(&self) -> Result<Exit, Stop> {
        let store = self.store.read()?;
        self.bank.iter().try_for_each(|bank| crate::bank::there(&store, bank))?;
        let mut options = ExportOptions::new(self.format.parse::<Format>()?);
        options.bank.clone_from(&self.bank);
        options.id.clone_from(&self.id);
        let exported = match self.file.as_deref().filter(|file| !is_dash(file)) {
            Some(file) => {
                let mut target = Draft::create(file)?;
                // Errors of the store have its files' names.
                let exported = store.export(&mut target, &options).map_err(|error| error.at(file))?;
                target.finish()?;
                exported
            }
            None => {
                let target = io::BufWriter::new(io::stdout().lock());
                match store.export(target, &options) {
                    Err(Error::Io { source, path })
                        if path.as_os_str().is_empty() && source.kind() == io::ErrorKind::BrokenPipe =>
                    {
                        return Err(Stop::Closed);
                    }
                    other => other.map_err(|error| error.at("standard output"))?,
                }
            }
        };
        out::tell(format_args!("{} references exported", exported.written));
        if exported.skipped > 0 {
            let skipped = exported.skipped;
            out::tell(format_args!("{skipped} left out: a {} list has no words for them, jsonl has", self.format));
        }
        exported.problems.iter().for_each(|problem| out::tell(words::causes(problem)));
        if exported.lost > 0 || !exported.problems.is_empty() {
            out::tell(format_args!(
                "{} references are not in the list, since the store is damaged; see `refrain verify`",
                exported.lost
            ));
            return Ok(Exit::Failed);
        }
        Ok(Exit::Done)
    }
}
