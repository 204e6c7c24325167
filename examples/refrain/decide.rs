//! `refrain decide`: read back what a person decided in the report.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use refrain::Error;
use refrain::fingerprint::Options;
use refrain::report::words;
use refrain::scan::{Decided, Decisions, Ruling};
use serde_json::json;

use crate::cache::CacheArg;
use crate::limits::LimitsArg;
use crate::store::StoreArg;
use crate::{Exit, Stop, out, signal};

/// Read back the decisions that the report of a scan saved. A refused pair is never shown again.
///
/// The uploads are fingerprinted (or found in the cache), so that a refused one may be moved or renamed. Confirming a pair
/// takes back an earlier refusal.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  refrain decide --store known.refrain --author anna decisions.json")]
pub struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Who decided, for the change log
    #[arg(long, value_name = "NAME", default_value = "")]
    author: String,
    /// One JSON object a decision
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: LimitsArg,
    #[command(flatten)]
    cache: CacheArg,
    /// The file that the report saved; `-` for standard input
    file: PathBuf,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let decisions = if args.file == Path::new("-") {
        Decisions::read(io::stdin().lock(), &args.file)?
    } else {
        Decisions::read(File::open(&args.file).map_err(|error| Error::io(&args.file, error))?, &args.file)?
    };
    let store = args.store.write()?;
    let cache = args.cache.open();
    let mut options = Options::default();
    options.algorithm = store.algorithm();
    options.cancel = signal::cancel_on_interrupt();
    args.limits.apply(&mut options.limits);
    let (mut confirmed, mut refused, mut failed) = (0u64, 0u64, 0u64);
    let mut reader = out::Reader::new(true);
    for decision in &decisions.decisions {
        let kept = decisions.keep(decision, &store, &args.author, &options, cache.as_deref());
        let pair = format!("{} and {}/{}", decision.path, decision.bank, decision.reference);
        let problem = match &kept {
            Err(Error::Cancelled) => return Err(Error::Cancelled.into()),
            Err(error) => Some(words::causes(error)),
            Ok(Decided::NoReference) => Some("there is no such reference any more".to_string()),
            Ok(_) => None,
        };
        match (&problem, decision.decision) {
            (Some(problem), _) => {
                failed += 1;
                out::tell(words::printable(&format!("not kept: {pair}: {problem}")));
            }
            (None, Ruling::Refused) => refused += 1,
            (None, _) => confirmed += 1,
        }
        if args.json {
            let line = json!({
                "path": decision.path,
                "bank": decision.bank,
                "reference": decision.reference,
                "decision": decision.decision,
                "done": kept.ok(),
                "error": problem,
            });
            reader.show(|| out::json(&line))?;
        }
    }
    out::tell(format_args!("{refused} pairs refused, {confirmed} confirmed, {failed} not kept"));
    Ok(if failed > 0 { Exit::Failed } else { Exit::Done })
}
