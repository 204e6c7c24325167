//! `refrain reference`: what is known.

use refrain::Error;
use refrain::bank::{ReferenceRecord, State};
use refrain::report::words;

use crate::store::StoreArg;
use crate::{Exit, Stop, out};

/// List, show, withdraw, restore and remove references.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain reference list --store known.refrain --bank removed
  refrain reference withdraw --store known.refrain --bank removed case-12")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the references, of all banks or of one
    #[command(after_help = "\
Examples:
  refrain reference list --store known.refrain
  refrain reference list --store known.refrain --bank removed --json | jq -r .id")]
    List {
        #[command(flatten)]
        store: StoreArg,
        /// Only this bank
        #[arg(long)]
        bank: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one reference as JSON
    #[command(after_help = "Example:\n  refrain reference show --store known.refrain --bank removed case-12")]
    Show(One),
    /// Let a reference match nothing any more, but keep it
    #[command(after_help = "Example:\n  refrain reference withdraw --store known.refrain --bank removed case-12")]
    Withdraw(One),
    /// Let a reference that was withdrawn match again
    #[command(after_help = "Example:\n  refrain reference restore --store known.refrain --bank removed case-12")]
    Restore(One),
    /// Remove a reference and all its hashes
    #[command(after_help = "\
Example:
  refrain reference remove --store known.refrain --bank removed case-12
  refrain merge --store known.refrain")]
    Remove(One),
}

#[derive(clap::Args)]
struct One {
    #[command(flatten)]
    store: StoreArg,
    /// Its bank
    #[arg(long)]
    bank: String,
    /// Its id
    id: String,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    match &args.command {
        Command::List { store, bank, json } => list(store, bank.as_deref(), *json),
        Command::Show(one) => match one.store.read()?.reference(&one.bank, &one.id)? {
            Some(record) => out::json(&record).map(|()| Exit::Done),
            None => Err(one.missing()),
        },
        Command::Withdraw(one) => one.done(one.store.write()?.withdraw_reference(&one.bank, &one.id)?, "withdrawn"),
        Command::Restore(one) => {
            let store = one.store.write()?;
            let there = store.writer().set_state(&one.bank, &one.id, State::Active)?;
            one.done(there, "active again")
        }
        Command::Remove(one) => one.done(one.store.write()?.remove_reference(&one.bank, &one.id)?, "removed"),
    }
}

impl One {
    fn done(&self, there: bool, what: &str) -> Result<Exit, Stop> {
        if !there {
            return Err(self.missing());
        }
        out::tell(format_args!("{}/{} {what}", words::printable(&self.bank), words::printable(&self.id)));
        Ok(Exit::Done)
    }

    fn missing(&self) -> Stop {
        let detail =
            format!("there is no {}/{}; `refrain reference list` shows those that are there", self.bank, self.id);
        Error::option("reference", detail).into()
    }
}

fn list(store: &StoreArg, bank: Option<&str>, json: bool) -> Result<Exit, Stop> {
    let store = store.read()?;
    bank.iter().try_for_each(|bank| crate::bank::there(&store, bank))?;
    let mut exit = Exit::Done;
    let mut table = out::table(["bank", "reference", "kind", "hashes", "state", "labels", "source"]);
    for record in store.references(bank)? {
        match record {
            Ok(record) if json => out::json(&record)?,
            Ok(record) => {
                table.add_row(row(&record));
            }
            Err(error) => {
                exit = Exit::Failed;
                out::tell(words::causes(&error));
            }
        }
    }
    if !json {
        out::line(table)?;
    }
    Ok(exit)
}

fn row(record: &ReferenceRecord) -> [String; 7] {
    let labels: Vec<_> = record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let state = if record.state == State::Active { "active" } else { "withdrawn" };
    [
        record.bank.clone(),
        words::printable(&record.id),
        record.kind.name().into(),
        record.hashes.to_string(),
        state.into(),
        words::printable(&labels.join(" ")),
        words::printable(&record.source),
    ]
}
