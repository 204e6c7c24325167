//! A stream asked against a store while it comes in.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use super::guarded;
use super::matching::{Asking, media};
use crate::bank::Store;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, VideoFingerprint};
use crate::report::json::{Failure, MatchLine};
use crate::video;

/// When a stream is asked about, and about how much of it; in seconds of its own time.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Pace {
    /// From one question to the next.
    pub every: f64,
    /// How much of what came last is asked about; what is older is forgotten.
    pub last: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: 10.0, last: 120.0 }
    }
}

impl Pace {
    /// A question every so many seconds, about the last so many.
    ///
    /// # Errors
    /// [`Error::Option`] unless both are numbers from 1 on, and the second is no smaller than the first: something would be asked about
    /// never otherwise.
    pub fn new(every: f64, last: f64) -> Result<Self> {
        let seconds = |name: &'static str, got: f64, least: f64| {
            if got >= least && got.is_finite() {
                return Ok(());
            }
            Err(Error::option(name, format!("{least} seconds or more, got {got}")))
        };
        seconds("every", every, 1.0)?;
        seconds("last", last, every)?;
        Ok(Self { every, last })
    }
}

/// Decodes a stream as it comes in ([`video::follow`]) and asks every now and then whether what came last is known, and once more at
/// its end; `each` gets the line of each question, in which `duration` is how far the stream had come and times count from its begin,
/// and may end it. References that come in the meantime are asked too. Memory stays the same however long the stream lasts.
///
/// Of `how`, the limits on one picture, the cancelling of [`Options`](crate::Options) and what is asked apply; nothing is remembered.
///
/// # Errors
/// [`Error::Cancelled`]. A stream that is no film is a line with the outcome `unreadable`.
pub fn watch(
    store: &Store,
    name: &Path,
    stream: impl Read + Send + 'static,
    how: &Asking,
    pace: Pace,
    mut each: impl FnMut(MatchLine) -> ControlFlow<()>,
) -> Result<()> {
    let options = media(store, how);
    let mut ended = false;
    let followed = guarded(|| {
        video::follow(stream, &options, pace.every, |builder| {
            builder.forget(builder.seconds() - pace.last);
            let flow = each(ask(store, name, builder.so_far(), how));
            ended = flow.is_break();
            Ok(flow)
        })
    });
    match followed {
        _ if ended => Ok(()),
        Err(Error::Cancelled) => Err(Error::Cancelled),
        Ok(mut film) => {
            let from = film.duration - pace.last;
            film.frames.retain(|frame| frame.time >= from);
            _ = each(ask(store, name, film, how));
            Ok(())
        }
        Err(error) => {
            _ = each(MatchLine::answered(name, Err(error.at(name))));
            Ok(())
        }
    }
}

fn ask(store: &Store, name: &Path, film: VideoFingerprint, how: &Asking) -> MatchLine {
    let print = Fingerprint::Video(film);
    let asked = guarded(|| {
        store.refresh()?;
        store.ask_with(&print, &how.ask)
    });
    let store_error = asked.as_ref().err().and_then(Failure::of_store);
    let line = MatchLine::answered(name, asked.map(|verdict| (print.kind(), verdict)));
    let line = if let Some(error) = store_error { line.unasked(error) } else { line };
    line.lasting(Some(&print))
}
