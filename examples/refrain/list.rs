//! `refrain list`: hash lists in and out.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use refrain::Error;
use refrain::bank::lists::{ExportOptions, Format, ImportOptions};
use refrain::report::{Draft, words};

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
        let list: Box<dyn BufRead> = if is_dash(&self.file) {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(&self.file).map_err(|error| Error::io(&self.file, error))?))
        };
        let store = self.store.create()?;
        let mut options = ImportOptions::new(self.format.parse::<Format>()?, &self.bank);
        options.source = self.source.clone().unwrap_or_default();
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(id) = self.id.clone().or(name.filter(|name| name != "-")) {
            options.id = id;
        }
        let imported = store.import(list, &options, |line, became| {
            if let Err(error) = became {
                out::tell(format_args!("{}, line {line}: {}", self.file.display(), words::causes(error)));
            }
            if cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        out::tell(format_args!(
            "{} references added, {} were there already, {} lines refused",
            imported.added, imported.unchanged, imported.refused
        ));
        Ok(if imported.refused > 0 { Exit::Failed } else { Exit::Done })
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
                let exported = store.export(&mut target, &options);
                let exported = exported.map_err(|error| match error {
                    Error::Io { source, .. } => Error::io(file, source),
                    other => other,
                })?;
                target.finish()?;
                exported
            }
            None => {
                let target = io::BufWriter::new(io::stdout().lock());
                match store.export(target, &options) {
                    Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                        return Err(Stop::Closed);
                    }
                    other => other?,
                }
            }
        };
        out::tell(format_args!("{} references exported", exported.written));
        if exported.skipped > 0 {
            let skipped = exported.skipped;
            out::tell(format_args!("{skipped} left out: a {} list has no words for them, jsonl has", self.format));
        }
        if exported.lost > 0 {
            out::tell(format_args!(
                "{} have lost their fingerprints and are not in the list; see `refrain verify`",
                exported.lost
            ));
            return Ok(Exit::Failed);
        }
        Ok(Exit::Done)
    }
}
