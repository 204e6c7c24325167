//! Media in, fingerprint out: the one call that most users make.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::image::Builder;
use super::{Fingerprint, Glance, ImageFingerprint, VideoFingerprint, ViewSet};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::hash::Algorithm;
use crate::image::kind::{self, HEAD, Kind, sniff};
use crate::image::{Decoded, Streamed, decode, stream};
use crate::limits::Limits;
use crate::video;

/// A medium to fingerprint: its bytes or its file, and a name for errors.
#[derive(Debug, Clone)]
pub struct Media<'a> {
    source: Source<'a>,
    name: PathBuf,
}

#[derive(Debug, Clone)]
enum Source<'a> {
    Bytes(&'a [u8]),
    Shared(Arc<[u8]>),
    File(PathBuf),
}

impl<'a> Media<'a> {
    /// An upload that is already in memory.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self { source: Source::Bytes(bytes), name: PathBuf::new() }
    }

    /// An upload in memory that others hold too; a film in it is read without being copied.
    pub fn shared(bytes: Arc<[u8]>) -> Media<'static> {
        Media { source: Source::Shared(bytes), name: PathBuf::new() }
    }

    /// A file. It must be a regular file or a link to one, and no other file is opened whatever it says.
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

    /// The name that errors carry, empty if none was given.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Opens the medium for reading and seeking.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be opened or is not a regular file (a pipe or device could stall the reader or
    /// never end), [`Error::Limit`] if it is longer than [`Limits::bytes`].
    pub fn reader(&self, limits: &Limits) -> Result<Reader> {
        let reader = match &self.source {
            Source::Bytes(bytes) => Reader::of_bytes(Arc::from(*bytes), limits),
            Source::Shared(bytes) => Reader::of_bytes(Arc::clone(bytes), limits),
            Source::File(path) => Reader::of_file(path, limits),
        };
        reader.map_err(|error| error.at(&self.name))
    }

    /// The bytes if they are in memory already.
    fn in_memory(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Bytes(bytes) => Some(bytes),
            Source::Shared(bytes) => Some(bytes),
            Source::File(_) => None,
        }
    }
}

/// The bytes of a medium, read with seeking and never past [`Limits::bytes`].
#[derive(Debug)]
pub struct Reader {
    inner: Inner,
    length: u64,
}

#[derive(Debug)]
enum Inner {
    Memory(Cursor<Arc<[u8]>>),
    File(File),
}

impl Reader {
    fn of_bytes(bytes: Arc<[u8]>, limits: &Limits) -> Result<Self> {
        let length = bytes.len() as u64;
        within(length, limits)?;
        Ok(Self { inner: Inner::Memory(Cursor::new(bytes)), length })
    }

    /// Bytes that were put together here, as a medium.
    #[cfg(feature = "video")]
    pub(crate) fn of_vec(bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self { inner: Inner::Memory(Cursor::new(bytes.into())), length }
    }

    fn of_file(path: &Path, limits: &Limits) -> Result<Self> {
        let failed = |error| Error::io(path, error);
        // Looked at before it is opened, since opening a pipe waits and opening a device may do anything; and again
        // afterwards, since another may have been put in its place.
        regular(&std::fs::metadata(path).map_err(failed)?).map_err(failed)?;
        let file = open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        regular(&metadata).map_err(failed)?;
        within(metadata.len(), limits)?;
        Ok(Self { inner: Inner::File(file), length: metadata.len() })
    }

    /// Length in bytes when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The first [`HEAD`] bytes; the position is the start again afterwards.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(HEAD);
        self.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        self.rewind()?;
        Ok(head)
    }
}

fn within(length: u64, limits: &Limits) -> Result<()> {
    if length > limits.bytes { Err(Error::limit("bytes", limits.bytes, length)) } else { Ok(()) }
}

fn regular(metadata: &std::fs::Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok(())
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // Should a pipe have taken the file's place, opening must not wait for its writer.
    File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Memory(bytes) => bytes.read(buffer),
            Inner::File(file) => file.read(buffer),
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.inner {
            Inner::Memory(bytes) => bytes.seek(to),
            Inner::File(file) => file.seek(to),
        }
    }
}

/// Which frames of a film are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Sampling {
    /// Windows, covering frames and frames by the clock: what a reference or a careful query needs.
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
    /// Which hash is taken. All but PDQ are for comparing stills: they know no views, and films have none.
    pub algorithm: Algorithm,
    /// Threads that one film may be decoded on, at most 8; 0 takes all cores, or one inside a rayon pool, where other films
    /// keep the cores busy. [`Parallel::share`](crate::scan::Parallel::share) says what few films among many threads may take.
    pub threads: usize,
    /// Stops a long decode: the call then returns [`Error::Cancelled`](crate::Error::Cancelled).
    pub cancel: Cancel,
}

/// Decodes a medium and fingerprints it. What it is, still or film, is told by its content, never by its name: a film or an
/// animation of a single frame is a still.
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
    match see(&media, options, false)? {
        Seen::Whole(fingerprint) => Ok(fingerprint),
        Seen::Glance(glance) => Ok(Fingerprint::Video(glance.film)),
    }
}

/// A fingerprint, and what it rests on.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// Everything.
    Whole(Fingerprint),
    /// Few frames of a film: enough to see that nothing in it is known, or where it has to be decoded.
    Glance(Glance),
}

/// As [`fingerprint`]; with `glance` only a few frames of a film are looked at, if those are enough for a first answer.
pub(crate) fn see(media: &Media<'_>, options: &Options, glance: bool) -> Result<Seen> {
    look(media, options, glance).map_err(|error| error.at(&media.name))
}

fn look(media: &Media<'_>, options: &Options, glance: bool) -> Result<Seen> {
    let limits = &options.limits;
    let (head, mut reader) = match media.in_memory() {
        Some(bytes) => (bytes[..bytes.len().min(HEAD)].to_vec(), None),
        None => {
            let mut reader = media.reader(limits)?;
            (reader.head().map_err(|error| Error::io(&media.name, error))?, Some(reader))
        }
    };
    if head.is_empty() {
        return Err(Error::decode("the file is empty"));
    }
    // What the boxes of a file make it that claims to be a still is only told by all of them.
    let mut read = None;
    let kind = match (media.in_memory(), &mut reader) {
        _ if !kind::claims_a_still(&head) => sniff(&head),
        (Some(bytes), _) => kind::of(bytes),
        (None, Some(reader)) if reader.length() <= limits.memory => {
            kind::of(read.insert(whole(media, reader, limits)?))
        }
        _ => sniff(&head),
    };
    match kind {
        Kind::Film if options.algorithm != Algorithm::Pdq => Err(films_have_pdq(options.algorithm)),
        Kind::Film => {
            // Whoever asks for another sampling gets that.
            let glance = glance && options.sampling == Sampling::Mixed;
            if glance && let Some(seen) = video::glance(media, options)? {
                return Ok(Seen::Glance(seen));
            }
            match video::film_or_frame(media, options)? {
                (seen, Some(only)) => {
                    let mut still = ImageFingerprint::with_views(&only.as_pixels(), options.views);
                    (still.width, still.height) = (seen.width, seen.height);
                    image(still).map(Seen::Whole)
                }
                (seen, None) => film(seen).map(Seen::Whole),
            }
        }
        _ => match (media.in_memory(), reader) {
            (Some(bytes), _) => still(bytes, options).map(Seen::Whole),
            (None, Some(mut reader)) => {
                let bytes = read.map_or_else(|| whole(media, &mut reader, limits), Ok)?;
                still(&bytes, options).map(Seen::Whole)
            }
            (None, None) => Err(Error::decode("the file is empty")),
        },
    }
}

/// All bytes of a picture. It is held in memory whole, so its encoded size counts as memory too.
fn whole(media: &Media<'_>, reader: &mut Reader, limits: &Limits) -> Result<Vec<u8>> {
    if reader.length() > limits.memory {
        return Err(Error::limit("memory", limits.memory, reader.length()));
    }
    let mut bytes = Vec::new();
    let room = limits.bytes.min(limits.memory);
    reader.by_ref().take(room).read_to_end(&mut bytes).map_err(|error| Error::io(&media.name, error))?;
    Ok(bytes)
}

fn still(bytes: &[u8], options: &Options) -> Result<Fingerprint> {
    if options.algorithm != Algorithm::Pdq {
        return match decode(bytes, &options.limits)? {
            Decoded::Still(picture) => image(ImageFingerprint::with_algorithm(&picture.as_pixels(), options.algorithm)),
            Decoded::Animation(_) => Err(films_have_pdq(options.algorithm)),
        };
    }
    let views = options.views != ViewSet::Whole;
    if let Streamed::Whole(builder) = stream::<Builder>(bytes, &options.limits, views)? {
        return Ok(Fingerprint::Image(builder.finish(&options.views.windows())));
    }
    match decode(bytes, &options.limits)? {
        Decoded::Still(picture) => image(ImageFingerprint::with_views(&picture.as_pixels(), options.views)),
        Decoded::Animation(animation) => {
            let mut builder = video::Builder::new(options);
            let played = animation.frames(|time, duration, pixels| {
                options.cancel.check()?;
                builder.push(time, duration, pixels)
            })?;
            let mut fingerprint = builder.finish();
            fingerprint.warnings.extend(played.cut_short);
            film(fingerprint)
        }
    }
}

/// A picture that has hashes.
fn image(fingerprint: ImageFingerprint) -> Result<Fingerprint> {
    if fingerprint.views.is_empty() {
        return Err(too_small(fingerprint.width, fingerprint.height));
    }
    Ok(Fingerprint::Image(fingerprint))
}

/// A film that has hashes.
fn film(fingerprint: VideoFingerprint) -> Result<Fingerprint> {
    if fingerprint.frames.is_empty() {
        return Err(too_small(fingerprint.width, fingerprint.height));
    }
    Ok(Fingerprint::Video(fingerprint))
}

fn too_small(width: u32, height: u32) -> Error {
    Error::TooLittleDetail {
        path: PathBuf::new(),
        detail: format!("{width}x{height} pixels; both sides must be at least {}", crate::pdq::MIN_SIDE),
    }
}

fn films_have_pdq(algorithm: Algorithm) -> Error {
    Error::unsupported(format!("films are hashed with pdq alone, not with {algorithm}"))
}
