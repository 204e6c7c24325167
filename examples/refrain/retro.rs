//! `refrain retro`: earlier uploads that show references which were added since.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use refrain::Error;
use refrain::report::words;

use crate::store::{Damage, StoreArg};
use crate::{Exit, Stop, out};

/// Ask which remembered uploads show references that were added since.
///
/// Uploads are remembered by `refrain match --remember`. One line a pair of upload and reference; without --json the
/// uploads are gathered by uploader.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain retro --store known.refrain --since 24h
  refrain retro --store known.refrain --since 2026-11-01 --json | jq -r .uploader | sort | uniq -c")]
pub struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Only references added since then: a date or time (UTC) as 2026-11-23 or 2026-11-23T08:30:00Z, or how long ago, as
    /// 90m, 24h or 7d; all of them by default
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Milliseconds since 1970.
fn since(text: &str) -> Result<u64, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_millis() as u64;
    let ago = |digits: &str, seconds: u64| {
        let count: u64 = digits.parse().ok()?;
        Some(now.saturating_sub(count.checked_mul(seconds * 1000)?))
    };
    let time = match text.chars().last() {
        Some('m') => ago(&text[..text.len() - 1], 60),
        Some('h') => ago(&text[..text.len() - 1], 3600),
        Some('d') => ago(&text[..text.len() - 1], 86_400),
        _ => date(text),
    };
    time.ok_or_else(|| "write it as 2026-11-23, 2026-11-23T08:30:00Z, 90m, 24h or 7d".into())
}

fn date(text: &str) -> Option<u64> {
    let (day, time) = match text.trim_end_matches('Z').split_once(['T', ' ']) {
        Some((day, time)) => (day, time),
        None => (text, "0:0"),
    };
    let numbers = |text: &str, by: char| text.split(by).map(|n| n.parse::<i64>().ok()).collect::<Option<Vec<_>>>();
    let [year, month, day] = numbers(day, '-')?[..] else { return None };
    let (hour, minute, second) = match numbers(time, ':')?[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    let sane = (1970..10_000).contains(&year)
        && (1..=length).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    if !sane {
        return None;
    }
    let before = year - 1;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let days = (year - 1970) * 365 + leaps(before) - leaps(1969) + lengths[..month as usize - 1].iter().sum::<i64>();
    let seconds = (days + day - 1) * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(seconds * 1000).ok()
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let store = args.store.read()?;
    let mut uploaders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut pairs, mut closed) = (0u64, None);
    let asked = store.retro_despite_damage(args.since.unwrap_or(0), |retro| {
        pairs += 1;
        if !args.json {
            let line = format!("{}: {}", words::printable(&retro.remembered.upload), words::a_match(&retro.found));
            uploaders.entry(retro.remembered.uploader).or_default().push(line);
            return Ok(());
        }
        out::json(&retro).map_err(|stop| {
            closed = Some(stop);
            Error::Cancelled
        })
    });
    if let Some(stop) = closed {
        return Err(stop);
    }
    let damage = asked?;
    for (uploader, lines) in &uploaders {
        let name = if uploader.is_empty() { "uploader not known".into() } else { words::printable(uploader) };
        out::line(format_args!("{name}: {} matches", lines.len()))?;
        lines.iter().try_for_each(|line| out::line(format_args!("  {line}")))?;
    }
    out::tell(format_args!("{pairs} earlier uploads match references added since"));
    Damage::default().tell_all(&damage);
    Ok(Exit::of_matching(!damage.is_empty(), pairs > 0))
}
