//! Encoded still image in, upright pixels out, under fixed decoding rules.

pub(crate) mod canvas;
pub mod content_box;

pub use content_box::{Rect, content_box};

use crate::error::{Error, Result};
use crate::fingerprint::Media;
use crate::hash::PixelBuf;
use crate::limits::Limits;

/// Decodes a still.
pub(crate) fn decode(_media: &Media<'_>, _limits: &Limits) -> Result<PixelBuf> {
    Err(Error::unsupported("no decoder yet"))
}
