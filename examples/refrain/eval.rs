//! `refrain eval`: the recall benchmark.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use refrain::Cancel;
use refrain::Error;
use refrain::eval::data::{Data, Excluded, Split};
use refrain::eval::external::{self, Claims, Truth};
use refrain::eval::film;
use refrain::eval::{Config, Progress, export, run};
use refrain::report::words;

use crate::{Exit, Stop, out, signal};

/// Measure which altered copies are found, at what rate of false matches, at what cost
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain eval --data media/ --out report/
  refrain eval --data media/ --out report/ --films --clips 24
  refrain eval --data media/ --export queries/
  refrain eval --claims claims.txt --truth queries/truth.csv")]
pub struct Args {
    /// A folder of media; MANIFEST.csv with the columns file,split says which are references
    #[arg(long, value_name = "DIR", required_unless_present = "claims")]
    data: Option<PathBuf>,
    /// Where the reports and the cache go
    #[arg(long, value_name = "DIR", required_unless_present_any = ["claims", "export"])]
    out: Option<PathBuf>,
    /// Instead of measuring, write the references, the attacked copies and truth.csv into a folder, for other programs
    #[arg(long, value_name = "DIR", requires = "data", conflicts_with_all = ["out", "claims"])]
    export: Option<PathBuf>,
    /// Score another program instead: its lines of `query reference score` (a higher score is surer), `-` for standard
    /// input
    #[arg(long, value_name = "FILE", requires = "truth", conflicts_with_all = ["data", "out"])]
    claims: Option<PathBuf>,
    /// What is true of its queries: a CSV with the columns query,reference,attack; the reference is empty for a query that
    /// shows nothing known
    #[arg(long, value_name = "FILE", requires = "claims")]
    truth: Option<PathBuf>,
    /// A few pictures and attacks only: a check of the machinery, not a measurement
    #[arg(long)]
    quick: bool,
    /// At most so many references and so many strangers
    #[arg(long, value_name = "N")]
    pictures: Option<usize>,
    /// Films alone: writes films.json and films.md. Needs the ffmpeg command, as films always do
    #[arg(long, conflicts_with_all = ["claims", "export"])]
    films: bool,
    /// At most so many films are altered, and at most so many strange ones
    #[arg(long, value_name = "N", default_value_t = 12)]
    clips: usize,
    /// The seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Args {
    fn config(&self) -> Config {
        let folder = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        let mut config = Config::new(folder(&self.data), folder(&self.out));
        config.quick = self.quick;
        config.seed = self.seed;
        config.pictures = self.pictures.unwrap_or(usize::MAX);
        config.clips = self.clips;
        config
    }
}

/// Runs the benchmark and says where the reports are.
pub fn run_eval(args: &Args) -> Result<Exit, Stop> {
    if let (Some(claims), Some(truth)) = (&args.claims, &args.truth) {
        return score_claims(claims, truth, args.seed);
    }
    let cancel = signal::cancel_on_interrupt();
    let config = args.config();
    if args.films {
        return films(&config, &cancel);
    }
    if let Some(folder) = &args.export {
        export(&config, folder, &cancel, &tell)?;
        out::tell(format_args!("references, queries and truth.csv are in {}", folder.display()));
        return Ok(Exit::Done);
    }
    let report = run(&config, &cancel, &tell)?;
    for method in &report.methods {
        out::tell(format_args!(
            "{:26} {:.3} of copies found, {} queries matched a stranger",
            method.name, method.recall.value, method.false_queries
        ));
    }
    left_out(&report.excluded);
    out::tell(format_args!("{:.0} s; reports are in {}", report.seconds, config.out.display()));
    Ok(Exit::Done)
}

fn left_out(excluded: &[Excluded]) {
    for excluded in excluded {
        out::tell(words::printable(&format!("left out: {}: {}", excluded.name, excluded.message)));
    }
}

/// One line for every twenty.
fn tell(Progress { done, of, what, .. }: Progress) {
    if done.is_multiple_of(20) || done == of {
        out::tell(format_args!("{done} of {of} {what}"));
    }
}

/// Films alone.
fn films(config: &Config, cancel: &Cancel) -> Result<Exit, Stop> {
    let mut data = Data::open(&config.data, &config.out, cancel)?;
    let report = film::measure(config, &mut data, cancel, &tell)?;
    let Some(report) = report else {
        let detail = match data.films.iter().any(|film| film.split == Split::Reference) {
            true => "needs the ffmpeg command, which cannot be started: install FFmpeg, or put it on the PATH".into(),
            false => format!(
                "no film in {} is a reference: put films there, or call some `index` in its MANIFEST.csv",
                config.data.display()
            ),
        };
        return Err(Error::option("--films", detail).into());
    };
    let write = |name: &str, text: String| {
        let path = config.out.join(name);
        std::fs::write(&path, text).map_err(|error| Error::io(path, error))
    };
    write("films.json", serde_json::to_string_pretty(&report).map_err(|error| Error::decode(error.to_string()))?)?;
    write("films.md", film::markdown(&report))?;
    left_out(&data.excluded);
    out::tell(format_args!(
        "{:.3} of copies found, {} unrelated pairs matched; {:.0} s; films.json and films.md are in {}",
        report.recall.value,
        report.wrong.len(),
        report.seconds,
        config.out.display()
    ));
    Ok(Exit::Done)
}

/// Prints one JSON object, and the main figures in words.
fn score_claims(claims: &Path, truth: &Path, seed: u64) -> Result<Exit, Stop> {
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(|error| Error::io(path, error));
    let truth = Truth::read(open(truth)?).map_err(|error| error.at(truth))?;
    let claims = match claims == Path::new("-") {
        true => Claims::read(io::stdin().lock()).map_err(|error| error.at("standard input")),
        false => Claims::read(open(claims)?).map_err(|error| error.at(claims)),
    }?;
    let scored = external::score(&truth, &claims, seed)?;
    out::json(&scored)?;
    out::tell(format_args!(
        "{} claims about {} queries and {} references: micro-AP {:.3}, recall at precision 0.9 {:.3}",
        scored.claims, scored.queries, scored.references, scored.micro_average_precision, scored.recall_at_precision_90
    ));
    if scored.unknown > 0 {
        out::tell(format_args!("{} claims name what the table does not have; they count nowhere", scored.unknown));
    }
    Ok(Exit::Done)
}
