//! Media in, fingerprint out: the one call that most users make.

use std::path::{Path, PathBuf};

use super::{Fingerprint, ImageFingerprint, ViewSet};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::limits::Limits;

/// A medium to fingerprint: its bytes or its file, and a name for errors.
#[allow(dead_code)]
#[derive(Debug, Clone)]
pub struct Media<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) name: PathBuf,
}

#[allow(dead_code)]
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    File(PathBuf),
}

impl<'a> Media<'a> {
    /// An upload that is already in memory.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self { source: Source::Bytes(bytes), name: PathBuf::new() }
    }

    /// A file. It is opened once, and no other file is opened whatever it says.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.clone(), source: Source::File(path) }
    }

    /// The name that errors carry.
    #[must_use]
    pub fn named(mut self, name: impl AsRef<Path>) -> Self {
        self.name = name.as_ref().to_path_buf();
        self
    }
}

/// Which frames of a film are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Sampling {
    /// Windows, anchor frames and keyframes: what a reference or a careful query needs.
    #[default]
    Mixed,
    /// Intra-coded pictures only: the cheapest look.
    Keyframes,
    /// Every frame.
    EveryFrame,
    /// This many frames a second of playing time, above 0.
    Fps(f64),
}

/// How media are fingerprinted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// What a medium may cost.
    pub limits: Limits,
    /// Which views are taken.
    pub views: ViewSet,
    /// Which frames of a film are hashed.
    pub sampling: Sampling,
    /// Stops a long decode: the call then returns [`Error::Cancelled`](crate::Error::Cancelled).
    pub cancel: Cancel,
}

/// Decodes a medium and fingerprints it.
///
/// # Errors
/// [`Error::Io`], [`Error::Decode`], [`Error::Unsupported`], [`Error::Limit`] with the medium's name;
/// [`Error::TooLittleDetail`] only if no hash at all can be made, as of a picture with a side below 5 pixels.
///
/// [`Error::Io`]: crate::Error::Io
/// [`Error::Decode`]: crate::Error::Decode
/// [`Error::Unsupported`]: crate::Error::Unsupported
/// [`Error::Limit`]: crate::Error::Limit
/// [`Error::TooLittleDetail`]: crate::Error::TooLittleDetail
pub fn fingerprint(media: Media<'_>, options: &Options) -> Result<Fingerprint> {
    let pixels = crate::image::decode(&media, &options.limits).map_err(|error| error.at(&media.name))?;
    Ok(Fingerprint::Image(ImageFingerprint::with_views(&pixels.as_pixels(), options.views)))
}
