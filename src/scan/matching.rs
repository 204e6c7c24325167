//! Many files asked against a store, with progress, a journal to go on from, and a summary.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::cache::Cache;
use super::journal::{Journal, last_change};
use super::parallel::{Parallel, ordered};
use super::progress::{Meter, Progress};
use super::walk::Item;
use super::{fingerprint_cached, guarded, keep_glance, see_cached};
use crate::bank::{AskOptions, Store};
use crate::error::{Error, Result};
use crate::fingerprint::media::{Seen, see};
use crate::fingerprint::{Fingerprint, Glance, Media, Options, fingerprint};
use crate::matching::Outcome;
use crate::report::json::{Failure, MatchLine};

/// How files are asked about.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Asking {
    /// How they are decoded.
    pub media: Options,
    /// How the store is asked.
    pub ask: AskOptions,
    /// Threads, window and cancellation. The flag is shared with the decoders.
    pub parallel: Parallel,
    /// Fingerprints of files that have been read before.
    pub cache: Option<Arc<Cache>>,
    /// Keep each upload's fingerprint under its path, for references that come later, with this key of its uploader (which
    /// may be empty). A path that stood for something else before gets a `#` and a digest of what it stands for now. Needs a store that
    /// is open for writing.
    pub remember: Option<String>,
    /// Decode every film whole. Otherwise few frames are looked at first, and more only around those that come near to a
    /// reference or where they are too few (see [`Store::ask_media`]). What is remembered is always decoded whole.
    pub whole: bool,
}

/// How media are fingerprinted for this store.
pub(super) fn media(store: &Store, how: &Asking) -> Options {
    Options { algorithm: store.algorithm(), ..how.media.clone() }
}

/// The line of one listed file.
pub fn ask_item(store: &Store, item: &Item, how: &Asking) -> MatchLine {
    let (options, cache) = (media(store, how), how.cache.as_deref());
    let upload = Upload {
        name: &item.path,
        media: Media::file(&item.path),
        options: &options,
        see: &|| see_cached(item, &options, cache),
        keep: &|glance| keep_glance(item, &options, cache, glance),
        whole: &|| fingerprint_cached(item, &options, cache),
    };
    upload.answer(store, how)
}

/// The line of one upload in memory, under a name.
pub fn ask_bytes(store: &Store, name: &Path, bytes: &[u8], how: &Asking) -> MatchLine {
    let (options, media) = (media(store, how), Media::bytes(bytes).named(name));
    let upload = Upload {
        name,
        media: media.clone(),
        options: &options,
        see: &|| guarded(|| see(&media, &options, true)),
        keep: &|_| {},
        whole: &|| guarded(|| fingerprint(media.clone(), &options)),
    };
    upload.answer(store, how)
}

/// What is asked about, and the ways to it.
struct Upload<'a> {
    name: &'a Path,
    media: Media<'a>,
    options: &'a Options,
    /// Looks in passing.
    see: &'a dyn Fn() -> Result<Seen>,
    /// Keeps what was looked at more closely.
    keep: &'a dyn Fn(&Glance),
    /// Decodes all of it.
    whole: &'a dyn Fn() -> Result<Fingerprint>,
}

impl Upload<'_> {
    /// Asks about what is seen in passing, and about more of it where that is not enough or is to be kept.
    fn answer(&self, store: &Store, how: &Asking) -> MatchLine {
        let (mut seen, mut store_error, mut forgotten) = (None, None, None);
        let mut of_store = |error: Error| {
            store_error = Failure::of_store(&error);
            error
        };
        let asked = (|| {
            // A fingerprint that is kept for references to come has to be whole.
            let first = if how.whole || how.remember.is_some() { None } else { Some((self.see)()?) };
            let print = match first {
                Some(Seen::Whole(print)) => print,
                Some(Seen::Glance(mut glance)) => {
                    let look = |glance: &mut Glance, wanted: &[[f64; 2]]| {
                        let more = guarded(|| glance.look_closely(&self.media, self.options, wanted));
                        if matches!(more, Ok(Some(1..))) {
                            (self.keep)(glance);
                        }
                        more
                    };
                    let known = guarded(|| store.ask_in_parts(&mut glance, &how.ask, look)).map_err(&mut of_store)?;
                    match known {
                        Some((film, verdict)) => {
                            return Ok((seen.insert(Fingerprint::Video(film)).kind(), verdict));
                        }
                        None => (self.whole)()?,
                    }
                }
                None => (self.whole)()?,
            };
            let print = &*seen.insert(print);
            let verdict = guarded(|| store.ask_with(print, &how.ask)).map_err(&mut of_store)?;
            if let Some(uploader) = &how.remember {
                // What cannot be kept is answered nevertheless.
                forgotten = guarded(|| remember(store, &self.name.to_string_lossy(), uploader, print)).err();
            }
            Ok((print.kind(), verdict))
        })();
        let line = MatchLine::answered(self.name, asked);
        let line = if let Some(error) = store_error { line.unasked(error) } else { line };
        let line = if let Some(error) = &forgotten { line.forgotten(error) } else { line };
        line.lasting(seen.as_ref())
    }
}

/// Keeps an upload under its name, or under the name and a digest if that stands for another upload: a path whose file has changed,
/// standard input.
fn remember(store: &Store, name: &str, uploader: &str, print: &Fingerprint) -> Result<bool> {
    match store.remember(name, uploader, print) {
        Err(Error::Option { .. }) => {
            let digest = blake3::hash(&print.to_bytes()?).to_hex();
            store.remember(&format!("{name}#{}", &digest[..16]), uploader, print)
        }
        kept => kept,
    }
}

/// Asks about every item in parallel. `progress` is called after each file and sees the file that is done; `sink` gets
/// the lines in the order of `items`. Files in the journal that have not changed are not read again.
///
/// Returns how far it came, also if it ended early.
///
/// # Errors
/// Whatever `sink` returns; [`Error::Cancelled`]; [`Error::Io`] if the journal cannot be written.
pub fn ask_all<E: From<Error>>(
    store: &Store,
    items: &[Item],
    how: &Asking,
    journal: Option<&Journal>,
    mut progress: impl FnMut(&Progress, &Item),
    mut sink: impl FnMut(&Item, MatchLine) -> Result<(), E>,
) -> (Progress, Result<(), E>) {
    let mut how = how.clone();
    how.media.cancel = how.parallel.cancel.clone();
    how.media.threads = how.parallel.share(items.len());
    let (how, cancel) = (&how, &how.parallel.cancel);
    let change = journal.map(|_| last_change(store)).unwrap_or_default();
    let mut meter = Meter::new(items.iter());
    let outcome = ordered(
        &how.parallel,
        items,
        |item| match journal.and_then(|journal| journal.recorded(item, &change)) {
            Some(line) => Some((line, None)),
            None => {
                let begun = Instant::now();
                Some(ask_item(store, item, how))
                    .filter(|line| !(line.outcome == Outcome::Unreadable && cancel.is_cancelled()))
                    .map(|line| (line, Some(begun.elapsed())))
            }
        },
        |item, result| {
            let Some((line, busy)) = result else { return Ok(()) };
            if let (Some(journal), Some(_)) = (journal, busy) {
                journal.record(item, &change, line)?;
            }
            meter.add(item, line.outcome, line.duration, *busy);
            meter.so_far.damaged += u64::from(line.store_error.is_some());
            progress(&meter.so_far, item);
            Ok(())
        },
        |item, result| result.map_or(Ok(()), |(line, _)| sink(item, line)),
    );
    let so_far = meter.stop();
    // a decode that the flag broke off has no line: the work is not whole even if every item was started
    let broken_off = outcome.is_ok() && so_far.files_done < so_far.files;
    (so_far, if broken_off { Err(Error::Cancelled.into()) } else { outcome })
}
