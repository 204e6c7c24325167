//! `refrain add`: make files references.

use std::path::PathBuf;

use refrain::bank::{Reference, State};
use refrain::fingerprint::Options;
use refrain::hash::Algorithm;
use refrain::report::words;
use refrain::scan::{self, Parallel, Patterns};
use refrain::{Error, Fingerprint, Store};

use crate::cache::CacheArg;
use crate::limits::LimitsArg;
use crate::store::StoreArg;
use crate::{Exit, Stop, out, signal};

/// Make media references of a bank. What is added is safe on disk, whatever happens to the rest.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refrain add --store known.refrain --bank removed removed/
  refrain add --store known.refrain --bank removed --id case-12 --label policy=7b --source 'report 993' film.mp4")]
pub struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// The bank; one that is not there is made, with views `standard` and no keypoints
    #[arg(long)]
    bank: String,
    /// The reference's id, for a single file; otherwise its file name, or its path where that is the name of another
    #[arg(long)]
    id: Option<String>,
    /// A label, as an incident or a category; may be given more than once
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Who reported it, when, under which case number
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// The hash that a new store is built on, for comparing: pdq, mean, gradient, double_gradient, vertical_gradient,
    /// median or blockhash; all but pdq take stills only, without views
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    limits: LimitsArg,
    #[command(flatten)]
    cache: CacheArg,
    /// Files, or folders with media
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    if key.is_empty() { Err("the key is empty".into()) } else { Ok((key.into(), value.into())) }
}

pub fn run(args: &Args) -> Result<Exit, Stop> {
    let cancel = signal::cancel_on_interrupt();
    let listing = scan::walk(&args.paths, &Patterns::default(), &cancel)?;
    out::passed_over(&listing);
    if args.id.is_some() && listing.items.len() != 1 {
        let detail = format!("is for a single file, and there are {}; leave it out", listing.items.len());
        return Err(Error::option("--id", detail).into());
    }
    let store = args.store.create_with(args.algorithm)?;
    let mut options = Options::default();
    options.algorithm = store.algorithm();
    options.views = store.bank(&args.bank).map(|bank| bank.views).unwrap_or_default();
    options.cancel = cancel.clone();
    args.limits.apply(&mut options.limits);
    let mut how = Parallel::default();
    how.cancel = cancel;
    how.window = 64;
    options.threads = how.share(listing.items.len());

    let cache = args.cache.open();
    let (mut added, mut failed, mut broken_off) = (0u64, 0u64, false);
    let mut reader = out::Reader::new(true);
    let done = scan::ordered(
        &how,
        &listing.items,
        // What waits for its turn is a sixth of what a query would need.
        |item| scan::fingerprint_cached(item, &options, cache.as_deref()).map(Fingerprint::without_orientations),
        |_, _| Ok::<_, Stop>(()),
        |item, print| {
            let name = item.path.file_name().unwrap_or(item.path.as_os_str()).to_string_lossy();
            let path = item.path.to_string_lossy();
            let mut id = args.id.as_deref().unwrap_or(&name);
            let add = |id: &str, print: &Fingerprint| {
                let mut reference = Reference::new(id).bank(&args.bank);
                reference = reference.source(args.source.as_deref().unwrap_or_default());
                for (key, value) in &args.labels {
                    reference = reference.label(key, value);
                }
                store.add(&reference, print).map_err(|error| error.at(&item.path))
            };
            let kept = print.and_then(|print| {
                let kept = match add(id, &print) {
                    // Files of one name in different folders: the first has it, the others their paths.
                    Err(Error::Option { name: "id", .. }) if args.id.is_none() && path != name => {
                        id = &path;
                        add(id, &print)
                    }
                    kept => kept,
                };
                Ok((kept?, print))
            });
            let (raw, id) = (id, words::printable(id));
            match kept {
                Ok((kept, print)) => {
                    if let Fingerprint::Video(video) = &print {
                        out::warn(&item.path.to_string_lossy(), &video.warnings);
                    }
                    added += u64::from(kept.new);
                    let before = if kept.new { Before::Fit } else { args.before(&store, raw)? };
                    match before {
                        Before::Fit => {}
                        Before::Withdrawn => {
                            failed += 1;
                            out::tell(format_args!(
                                "not added: {}: {}/{id} is there and was withdrawn, so that it matches nothing; `refrain reference \
                                 restore` makes it active again, and after `refrain reference remove` it can be added anew",
                                words::printable(&path),
                                args.bank
                            ));
                            return Ok(());
                        }
                        Before::Other => out::tell(format_args!(
                            "{}/{id} keeps the labels and the source that it has: adding it again does not change them; after \
                             `refrain reference remove` it can be added with others",
                            args.bank
                        )),
                    }
                    let what = if kept.new { "added" } else { "already there:" };
                    let said = format!("{what} {}/{id} ({}, {} hashes)", args.bank, describe(&print), kept.hashes);
                    reader.show(|| out::line(said))
                }
                Err(Error::Cancelled) => {
                    broken_off = true;
                    Ok(())
                }
                Err(error) => {
                    failed += 1;
                    let why = words::causes(&error);
                    // Most errors name the file themselves.
                    let named = if why.starts_with(&format!("{path}: ")) { why } else { format!("{path}: {why}") };
                    out::tell(format_args!("not added: {}", words::printable(&named)));
                    Ok(())
                }
            }
        },
    );
    out::tell(format_args!("{added} references added, {failed} files failed"));
    done?;
    if broken_off {
        return Err(Error::Cancelled.into());
    }
    Ok(if failed > 0 { Exit::Failed } else { Exit::Done })
}

/// How a reference that is there already fits what is to be added.
enum Before {
    Fit,
    /// It matches nothing.
    Withdrawn,
    /// It has not the labels or the source that were given.
    Other,
}

impl Args {
    fn before(&self, store: &Store, id: &str) -> Result<Before, Stop> {
        let Some(record) = store.reference(&self.bank, id)? else { return Ok(Before::Fit) };
        let labels = self.labels.iter().all(|(key, value)| record.labels.get(key) == Some(value));
        let source = self.source.as_ref().is_none_or(|source| *source == record.source);
        Ok(match record.state {
            State::Withdrawn => Before::Withdrawn,
            _ if labels && source => Before::Fit,
            _ => Before::Other,
        })
    }
}

fn describe(print: &Fingerprint) -> String {
    match print {
        Fingerprint::Video(video) => format!("video of {:.1} s", video.duration),
        _ => print.kind().into(),
    }
}
