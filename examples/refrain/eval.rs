//! `refrain eval`: the recall benchmark.

use std::path::PathBuf;

use refrain::eval::{Config, Progress, run};

use crate::{Exit, Stop, out, signal};

/// Measure which altered copies are found, at what rate of false matches, at what cost
#[derive(clap::Args)]
pub struct Args {
    /// A folder of media; MANIFEST.csv with the columns file,split says which are references
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where the reports and the cache go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A few pictures and attacks only: a check of the machinery, not a measurement
    #[arg(long)]
    quick: bool,
    /// At most so many references and so many strangers
    #[arg(long, value_name = "N")]
    pictures: Option<usize>,
    /// The seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Args {
    fn config(&self) -> Config {
        let mut config = Config::new(&self.data, &self.out);
        config.quick = self.quick;
        config.seed = self.seed;
        config.pictures = self.pictures.unwrap_or(usize::MAX);
        config
    }
}

/// Runs the benchmark and says where the reports are.
pub fn run_eval(args: &Args) -> Result<Exit, Stop> {
    let cancel = signal::cancel_on_interrupt();
    let report = run(&args.config(), &cancel, &|Progress { done, of }| {
        if done.is_multiple_of(20) || done == of {
            out::tell(format_args!("{done} of {of} pictures"));
        }
    })?;
    for method in &report.methods {
        out::tell(format_args!(
            "{:26} {:.3} of copies found, {} queries matched a stranger",
            method.name, method.recall.value, method.false_queries
        ));
    }
    for excluded in &report.excluded {
        out::tell(format_args!("left out: {}: {}", excluded.name, excluded.message));
    }
    out::tell(format_args!("{:.0} s; reports are in {}", report.seconds, args.out.display()));
    Ok(Exit::Done)
}
