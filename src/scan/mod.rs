//! Many files at once: which files ([`walk`]), in parallel with results in the order of the input ([`ordered`]), each
//! with its own outcome, so that one bad file never ends the work.
//!
//! Memory stays bounded whatever the number of files: paths are listed first (so that progress is true), but only a
//! window of results is ever held.

mod cache;
mod decide;
mod journal;
mod kind;
mod matching;
mod order;
mod pace;
mod parallel;
mod place;
mod progress;
mod walk;
mod watch;

pub(crate) use self::cache::Digest;
pub use self::cache::{Cache, Key};
pub use self::decide::{Decided, Decision, Decisions, Ruling};
pub use self::journal::{Journal, last_change};
pub use self::kind::Kind;
pub use self::matching::{Asking, ask_all, ask_bytes, ask_item};
pub use self::parallel::{Parallel, ordered};
pub(crate) use self::place::name_within;
pub(crate) use self::progress::Meter;
pub use self::progress::Progress;
use self::walk::named;
pub use self::walk::{File, IGNORE_FILE, Item, Listing, Patterns, Problem, read_list, walk};
pub use self::watch::{Pace, watch};

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};
use crate::fingerprint::media::{Seen, see};
use crate::fingerprint::{Fingerprint, Glance, Media, Options, fingerprint};

/// Fingerprints one listed file; a problem met while listing comes back as it is, a decoder that panics as
/// [`Error::Decode`].
///
/// # Errors
/// As [`fingerprint`], and whatever listing the file met.
pub fn fingerprint_item(item: &Item, options: &Options) -> Result<Fingerprint> {
    if let Err(problem) = &item.found {
        return Err(problem.to_error(&item.path));
    }
    options.cancel.check()?;
    guarded(|| fingerprint(Media::file(&item.path), options)).map_err(|error| error.at(&item.path))
}

/// As [`fingerprint_item`], but a file that is in the cache and has not changed is not read again.
///
/// # Errors
/// As there.
pub fn fingerprint_cached(item: &Item, options: &Options, cache: Option<&Cache>) -> Result<Fingerprint> {
    let Some(cache) = cache else { return fingerprint_item(item, options) };
    let Some(key) = cache.key(item, options) else { return fingerprint_item(item, options) };
    if let Some(known) = cache.get(&key) {
        return Ok(known);
    }
    let fingerprint = fingerprint_item(item, options)?;
    cache.put(key, &fingerprint);
    Ok(fingerprint)
}

/// As [`fingerprint_cached`], but of a film that is not in the cache whole, few frames are looked at if those are enough for a
/// first answer; a glance is kept beside whole fingerprints and never in the place of one.
pub(crate) fn see_cached(item: &Item, options: &Options, cache: Option<&Cache>) -> Result<Seen> {
    let whole = cache.and_then(|cache| Some((cache, cache.key(item, options)?)));
    if let Some(known) = whole.and_then(|(cache, key)| cache.get(&key)) {
        return Ok(Seen::Whole(known));
    }
    let passing = cache.and_then(|cache| Some((cache, cache.glance_key(item, options)?)));
    if let Some(known) = passing.and_then(|(cache, key)| cache.read(&key, Glance::from_bytes)) {
        return Ok(Seen::Glance(known));
    }
    if let Err(problem) = &item.found {
        return Err(problem.to_error(&item.path));
    }
    options.cancel.check()?;
    let seen = guarded(|| see(&Media::file(&item.path), options, true)).map_err(|error| error.at(&item.path))?;
    match (&seen, whole) {
        (Seen::Whole(print), Some((cache, key))) => cache.put(key, print),
        (Seen::Glance(glance), _) => keep_glance(item, options, cache, glance),
        _ => {}
    }
    Ok(seen)
}

/// Keeps what is known of a film that was not decoded whole.
pub(crate) fn keep_glance(item: &Item, options: &Options, cache: Option<&Cache>, glance: &Glance) {
    let kept = cache.and_then(|cache| Some((cache, cache.glance_key(item, options)?, glance.to_bytes()?)));
    if let Some((cache, key, bytes)) = kept {
        cache.put_bytes(key, bytes);
    }
}

/// Runs `work`, turning a panic inside a decoder into an error of the file that caused it.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::decode(format!("the decoder gave up unexpectedly: {text}")))
    })
}
