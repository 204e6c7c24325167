//! Films: bytes in, fingerprint out, in one streaming pass.
//!
//! FFmpeg hands over frames, [`Grid`] reduces each of them to 128x128 mean samples, and [`Builder`] makes hashes of
//! those: means over windows of time, frames chosen by content, keyframes. Nothing but a few seconds of grids is held
//! at any time, whatever the length of the film. Animations and live streams ([`follow`]) use the same [`Builder`].

mod builder;
#[cfg(feature = "video")]
mod claimed;
#[cfg(feature = "video")]
mod clock;
mod cover;
#[cfg(feature = "video")]
mod ffmpeg;
#[cfg(feature = "video")]
mod freed;
#[cfg(feature = "video")]
mod glance;
mod grid;
mod held;
#[cfg(feature = "video")]
mod incoming;
mod inner;
#[cfg(feature = "video")]
mod late;
mod mixed;
#[cfg(feature = "video")]
mod pass;
mod shown;
mod strip;
mod timeline;

pub mod vpdq;

pub use builder::{Builder, Recipe};
pub use grid::Grid;
pub(crate) use grid::SIDE as GRID_SIDE;
pub(crate) use strip::strip;
pub(crate) use timeline::Timeline;

use std::io::Read;
use std::ops::ControlFlow;
#[cfg(feature = "video")]
use std::time::Duration;

use crate::error::Result;
use crate::fingerprint::{Glance, Media, Options, VideoFingerprint};
use crate::hash::PixelBuf;

/// Decodes a film and fingerprints it. No file but the medium itself is opened, whatever it says.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the file cannot be read; [`Error::Decode`](crate::Error::Decode) if no picture comes out of it;
/// [`Error::Unsupported`](crate::Error::Unsupported) for sound without film, for kinds of files that are not on the list of
/// containers and codecs, and for every film in a build without the feature `video`; [`Error::Limit`](crate::Error::Limit).
#[cfg(feature = "video")]
pub fn fingerprint(media: &Media<'_>, options: &Options) -> Result<VideoFingerprint> {
    Ok(film_or_frame(media, options)?.0)
}

/// As [`fingerprint`]; of a film of a single frame that frame comes as well, since it is a still.
#[cfg(feature = "video")]
pub(crate) fn film_or_frame(media: &Media<'_>, options: &Options) -> Result<(VideoFingerprint, Option<PixelBuf>)> {
    let reader = media.reader(&options.limits)?;
    pass::fingerprint(reader, options).map_err(|error| error.at(media.name()))
}

/// Decodes a film and fingerprints it.
///
/// # Errors
/// Always [`Error::Unsupported`](crate::Error::Unsupported): this build is without the feature `video`.
#[cfg(not(feature = "video"))]
pub fn fingerprint(media: &Media<'_>, _options: &Options) -> Result<VideoFingerprint> {
    Err(crate::Error::unsupported("films: this build has no FFmpeg (feature `video`)").at(media.name()))
}

/// As [`fingerprint`].
#[cfg(not(feature = "video"))]
pub(crate) fn film_or_frame(media: &Media<'_>, options: &Options) -> Result<(VideoFingerprint, Option<PixelBuf>)> {
    Ok((fingerprint(media, options)?, None))
}

/// Decodes and fingerprints a stream while it comes in, such as what a pipe or a connection brings, without seeking in it.
///
/// Every `every` seconds of its own time, at least 0.04, `each` is handed the builder, which tells what is known of the stream so far
/// ([`Builder::so_far`]), and may be told to forget what is older than what is to be asked about ([`Builder::forget`]): memory then
/// stays the same for however long the stream goes on. [`ControlFlow::Break`] ends it. What comes back is the fingerprint of all that
/// was not forgotten.
///
/// A stream has no length and comes at its own pace: of the limits, those on bytes, frames, duration and time say nothing here.
/// The containers are those that can be read in order: MPEG-TS, Matroska and WebM, fragmented MP4 (CMAF) and MP4 whose header comes
/// first, FLV, Ogg, ASF, NUT, MPEG-PS, plain H.264, HEVC and the like.
///
/// # Errors
/// As [`fingerprint`], and those of `each`; [`Error::Cancelled`](crate::Error::Cancelled) once [`Options::cancel`] is set and the
/// stream brings more. A stream whose reader fails is taken as ended, with a warning.
#[cfg(feature = "video")]
pub fn follow(
    stream: impl Read + Send + 'static,
    options: &Options,
    every: f64,
    each: impl FnMut(&mut Builder) -> Result<ControlFlow<()>>,
) -> Result<VideoFingerprint> {
    let mut options = options.clone();
    let limits = &mut options.limits;
    (limits.bytes, limits.frames, limits.duration, limits.time) = (u64::MAX, u64::MAX, f64::INFINITY, Duration::MAX);
    let stream = incoming::Incoming::new(Box::new(stream), &options.limits, &options.cancel);
    pass::follow(stream, &options, every.max(0.04), each)
}

/// Decodes and fingerprints a stream while it comes in.
///
/// # Errors
/// Always [`Error::Unsupported`](crate::Error::Unsupported): this build is without the feature `video`.
#[cfg(not(feature = "video"))]
pub fn follow(
    _stream: impl Read + Send + 'static,
    _options: &Options,
    _every: f64,
    _each: impl FnMut(&mut Builder) -> Result<ControlFlow<()>>,
) -> Result<VideoFingerprint> {
    Err(crate::Error::unsupported("films: this build has no FFmpeg (feature `video`)"))
}

/// Looks at few frames of a film, for a question that most films answer with "not known": keyframes if there is one at
/// least every two seconds, otherwise two frames a second of those that the others are predicted from. `None` if that is too
/// thin to rest an answer on, as for short or plain films; see `docs/design-video.md` for the rule.
///
/// # Errors
/// As [`fingerprint`], except that what cannot be decoded in this way is too thin.
#[cfg(feature = "video")]
pub(crate) fn glance(media: &Media<'_>, options: &Options) -> Result<Option<Glance>> {
    glance::glance(media, options).map_err(|error| error.at(media.name()))
}

/// Without FFmpeg there is nothing to look at.
#[cfg(not(feature = "video"))]
pub(crate) fn glance(_media: &Media<'_>, _options: &Options) -> Result<Option<Glance>> {
    Ok(None)
}

/// Decodes stretches of a film, apart and in order, whose frames lie as `timeline` says: the hashes that the whole film would have
/// there, and the number of frames that were decoded for each. `None` if the file turns out to be laid down otherwise, or cannot be
/// sought in.
///
/// # Errors
/// As [`fingerprint`].
#[cfg(feature = "video")]
pub(crate) fn stretches(
    media: &Media<'_>,
    options: &Options,
    timeline: &Timeline,
    stretches: &[[f64; 2]],
) -> Result<Option<Vec<(VideoFingerprint, u64)>>> {
    let reader = media.reader(&options.limits)?;
    pass::stretches(reader, options, timeline, stretches).map_err(|error| error.at(media.name()))
}

/// Without FFmpeg there are none.
#[cfg(not(feature = "video"))]
pub(crate) fn stretches(
    _media: &Media<'_>,
    _options: &Options,
    _timeline: &Timeline,
    _stretches: &[[f64; 2]],
) -> Result<Option<Vec<(VideoFingerprint, u64)>>> {
    Ok(None)
}

/// Decodes the pictures in a still of a kind that only FFmpeg knows, or in a plain HEVC or AV1 stream, as they lie and in
/// full range, until `each` returns false.
#[cfg(feature = "video")]
pub(crate) fn pictures(
    bytes: Vec<u8>,
    limits: &crate::Limits,
    each: impl FnMut(crate::hash::PixelBuf) -> Result<bool>,
) -> Result<()> {
    pass::pictures(crate::fingerprint::media::Reader::of_vec(bytes), limits, each)
}

/// Without FFmpeg there are none.
#[cfg(not(feature = "video"))]
pub(crate) fn pictures(
    _bytes: Vec<u8>,
    _limits: &crate::Limits,
    _each: impl FnMut(crate::hash::PixelBuf) -> Result<bool>,
) -> Result<()> {
    Err(crate::Error::unsupported("this build has no FFmpeg (feature `video`)"))
}
