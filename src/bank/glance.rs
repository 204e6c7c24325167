//! Asking about a medium with as little decoding as will do: films that nobody knows are seen to be so by few of their frames.

use super::store::{AskOptions, Store};
use crate::error::Result;
use crate::fingerprint::media::{Seen, see};
use crate::fingerprint::{Fingerprint, Media, Options};
use crate::matching::{Outcome, Verdict};

/// What became of a question about a medium.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// What was looked at.
    pub fingerprint: Fingerprint,
    /// Whether that is all of it. A film that is not known is often looked at in passing only: such a fingerprint must
    /// neither become a reference nor be remembered.
    pub whole: bool,
    /// The answer.
    pub verdict: Verdict,
}

impl Store {
    /// Decodes a medium and asks whether it is known. A film is looked at in two steps: a glance at few of its frames, and
    /// all of them only if one of those comes near to a reference, or if the glance is too thin to rest an answer on.
    ///
    /// With another sampling than [`Sampling::Mixed`](crate::fingerprint::Sampling::Mixed) there is one step, that one.
    ///
    /// # Errors
    /// Those of [`fingerprint`](crate::fingerprint()) and of [`Store::ask_with`].
    pub fn ask_media(&self, media: &Media<'_>, options: &Options, ask: &AskOptions) -> Result<Asked> {
        let options = Options { algorithm: self.algorithm(), ..options.clone() };
        let fingerprint = match see(media, &options, true)? {
            Seen::Whole(fingerprint) => fingerprint,
            Seen::Glance(fingerprint) => match self.ask_in_passing(&fingerprint, ask)? {
                Some(verdict) => return Ok(Asked { fingerprint, whole: false, verdict }),
                None => crate::fingerprint(media.clone(), &options)?,
            },
        };
        let verdict = self.ask_with(&fingerprint, ask)?;
        Ok(Asked { fingerprint, whole: true, verdict })
    }

    /// The answer to a glance; `None` if the film has to be looked at whole.
    pub(crate) fn ask_in_passing(&self, glance: &Fingerprint, ask: &AskOptions) -> Result<Option<Verdict>> {
        let nothing_known = self.hints(glance, ask)? == Some(false);
        Ok(nothing_known.then(|| Verdict::empty(Outcome::NoMatch)))
    }
}
