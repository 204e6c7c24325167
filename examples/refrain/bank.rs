//! `refrain bank`: the banks of a store and their policies.

use refrain::bank::{Action, BankConfig};
use refrain::fingerprint::ViewSet;
use refrain::{Error, Store};

use crate::store::StoreArg;
use crate::{Exit, Stop, out};

/// List, set and remove banks: named sets of references, each with its own policy.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain bank list --store known.refrain
  refrain bank set --store known.refrain removed --action block --false-alarms 1e-8
  refrain bank remove --store known.refrain trial")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the banks and their policies
    #[command(after_help = "Example:\n  refrain bank list --store known.refrain --json | jq -r .name")]
    List {
        #[command(flatten)]
        store: StoreArg,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    Set(Set),
    /// Remove a bank with all its references
    #[command(after_help = "Example:\n  refrain bank remove --store known.refrain trial")]
    Remove {
        #[command(flatten)]
        store: StoreArg,
        /// The bank
        name: String,
    },
}

/// Make a bank or change its policy; what is not given stays as it is
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  refrain bank set --store known.refrain news --action allow --max-distance 24")]
struct Set {
    #[command(flatten)]
    store: StoreArg,
    /// The bank
    name: String,
    /// What a match asks for
    #[arg(long, value_parser = ["block", "review", "allow", "observe"])]
    action: Option<String>,
    /// The largest distance that is a match, 0 to 96
    #[arg(long, value_name = "N")]
    max_distance: Option<u32>,
    /// The least share of the upload or of the reference, 0 to 1, that two films must have in common to be a match; with less
    /// they are near (a shared title sequence)
    #[arg(long, value_name = "SHARE")]
    min_coverage: Option<f32>,
    /// The radii by what they cost: at most this share of the pairs of an unrelated upload and a reference match by chance,
    /// as 1e-8
    #[arg(long, value_name = "RATE", conflicts_with = "max_distance")]
    false_alarms: Option<f64>,
    /// The smallest quality of a hash, 0 to 100: references and queries below have too little detail
    #[arg(long, value_name = "N")]
    min_quality: Option<u8>,
    /// Which views of a reference are kept, from now on
    #[arg(long, value_parser = ["none", "standard", "thorough"])]
    views: Option<String>,
    /// Keypoints of a reference that are kept: 0, since none are taken yet
    #[arg(long, value_name = "N")]
    keypoints: Option<u32>,
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    match &args.command {
        Command::List { store, json } => list(store, *json),
        Command::Set(set) => set.run(),
        Command::Remove { store, name } => match store.write()?.remove_bank(name)? {
            Some(references) => {
                out::tell(format_args!("bank {name} removed with {references} references"));
                Ok(Exit::Done)
            }
            None => Err(missing(name)),
        },
    }
}

/// An error if there is no such bank.
pub fn there(store: &Store, name: &str) -> Result<(), Stop> {
    if store.bank(name).is_some() { Ok(()) } else { Err(missing(name)) }
}

fn missing(name: &str) -> Stop {
    Error::option("bank", format!("there is no bank {name}; `refrain bank list` shows those that are there")).into()
}

fn list(store: &StoreArg, json: bool) -> Result<Exit, Stop> {
    let banks = store.read()?.banks();
    if json {
        banks.iter().try_for_each(out::json)?;
        return Ok(Exit::Done);
    }
    let mut table = out::table([
        "bank",
        "action",
        "max distance",
        "detail",
        "false alarms a pair",
        "min coverage",
        "min quality",
        "views",
    ]);
    for bank in &banks {
        table.add_row([
            bank.name.clone(),
            bank.action.name().into(),
            bank.max_distance.to_string(),
            bank.max_detail_distance.to_string(),
            format!("{:.0e}", bank.false_alarm_rate()),
            bank.min_coverage.to_string(),
            bank.min_quality.to_string(),
            views_name(bank.views).into(),
        ]);
    }
    out::line(table)?;
    Ok(Exit::Done)
}

impl Set {
    fn run(&self) -> Result<Exit, Stop> {
        let store = self.store.create()?;
        let mut bank = store.bank(&self.name).unwrap_or_else(|| BankConfig::new(&self.name));
        if let Some(action) = &self.action {
            bank = bank.action(action.parse::<Action>()?);
        }
        if let Some(radius) = self.max_distance {
            bank = bank.max_distance(radius);
        }
        if let Some(share) = self.min_coverage {
            bank = bank.min_coverage(share);
        }
        if let Some(quality) = self.min_quality {
            bank = bank.min_quality(quality);
        }
        if let Some(views) = &self.views {
            bank = bank.views(match views.as_str() {
                "none" => ViewSet::None,
                "thorough" => ViewSet::Thorough,
                _ => ViewSet::Standard,
            });
        }
        if let Some(keypoints) = self.keypoints {
            bank.keypoints = keypoints;
        }
        // After the views, which it depends on.
        if let Some(rate) = self.false_alarms {
            bank = bank.false_alarms(rate)?;
        }
        store.set_bank(&bank)?;
        out::tell(format_args!(
            "bank {}: {}, max distance {}, detail {}, min coverage {}, min quality {}, views {}",
            bank.name,
            bank.action.name(),
            bank.max_distance,
            bank.max_detail_distance,
            bank.min_coverage,
            bank.min_quality,
            views_name(bank.views)
        ));
        let references = store.references(Some(&bank.name))?.count();
        out::tell(format_args!(
            "false alarms: {:.0e} a pair{}; {:.1e} an upload to expect at {references} references",
            bank.false_alarm_rate(),
            if bank.false_alarm_rate_was_counted() { "" } else { " (reckoned)" },
            bank.false_alarm_rate() * references as f64
        ));
        Ok(Exit::Done)
    }
}

fn views_name(views: ViewSet) -> &'static str {
    match views {
        ViewSet::None => "none",
        ViewSet::Thorough => "thorough",
        _ => "standard",
    }
}
