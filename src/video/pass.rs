//! One pass over a medium: which frames are taken, and what becomes of them.

use std::ops::ControlFlow;

use super::ffmpeg::{FILMS, STILLS, STREAMS, decode, decode_stretches};
use super::glance::{Pick, Watch};
use super::grid::Shape;
use super::incoming::Incoming;
use super::timeline::Timeline;
use super::{Builder, freed};
use crate::error::{Error, Result};
use crate::fingerprint::media::Reader;
use crate::fingerprint::{Glance, Options, Role, Sampling, VideoFingerprint};
use crate::hash::{Format, PixelBuf, Pixels};
use crate::limits::Limits;

/// One decoded frame.
pub(super) struct Decoded<'a> {
    /// Seconds from the first frame; never falls.
    pub(super) time: f64,
    /// Seconds until the next frame, as far as is known.
    pub(super) duration: f64,
    /// Seconds from one frame to the next by the claimed frame rate.
    pub(super) nominal: f64,
    pub(super) key: bool,
    pub(super) pixels: Pixels<'a>,
    pub(super) shape: Shape,
}

/// What is known of the film besides its frames.
pub(super) struct Film {
    /// Upright, pixel aspect applied.
    pub(super) size: (u32, u32),
    /// Seconds from the first frame to the end, where frames after the last one that was taken were passed over.
    pub(super) end: f64,
    /// The watch saw too little, and the rest was left unread.
    pub(super) thin: bool,
    /// Everything in it could be read and decoded.
    pub(super) sound: bool,
    /// Where its frames lie, if they were all seen and their timestamps can be relied on.
    pub(super) timeline: Option<Timeline>,
    pub(super) warnings: Vec<String>,
}

/// Decodes the film and builds its fingerprint. Of a sound film of a single frame, that frame comes as well, upright.
pub(super) fn fingerprint(reader: Reader, options: &Options) -> Result<(VideoFingerprint, Option<PixelBuf>)> {
    let mut builder = Builder::new(options);
    let pick = if options.sampling == Sampling::Keyframes { Pick::Keyframes } else { Pick::Every };
    let (mut frames, mut only) = (0u64, None);
    let film = decode(reader, options, FILMS, pick, &mut Watch::none(), |frame| {
        only = if frames == 0 { Some(owned(&frame)?) } else { None };
        frames += 1;
        builder.push_frame(frame.time, frame.duration, frame.key, &frame.pixels, frame.shape)
    })?;
    only = only.filter(|_| film.sound && pick == Pick::Every);
    let film = film.finish(builder);
    freed::give_back(film.duration);
    Ok((film, only))
}

/// Decodes what comes in, and hands its builder to `each` every so many seconds of its time, until that breaks it off.
pub(super) fn follow(
    stream: Incoming,
    options: &Options,
    every: f64,
    mut each: impl FnMut(&mut Builder) -> Result<ControlFlow<()>>,
) -> Result<VideoFingerprint> {
    let mut builder = Builder::new(options);
    let (mut next, mut enough) = (every, false);
    let pick = if options.sampling == Sampling::Keyframes { Pick::Keyframes } else { Pick::Every };
    let film = decode(stream, options, STREAMS, pick, &mut Watch::none(), |frame| {
        builder.push_frame(frame.time, frame.duration, frame.key, &frame.pixels, frame.shape)?;
        if frame.time >= next {
            next = frame.time + every;
            enough = each(&mut builder)?.is_break();
        }
        // The loop over the frames knows no other way out before the end.
        if enough { Err(Error::Cancelled) } else { Ok(()) }
    });
    match film {
        Err(Error::Cancelled) if enough => Ok(builder.finish()),
        film => Ok(film?.finish(builder)),
    }
}

/// A frame as an upright picture in full range.
fn owned(frame: &Decoded<'_>) -> Result<PixelBuf> {
    let pixels = &frame.pixels;
    let (width, height, bytes) = (pixels.width(), pixels.height(), pixels.format().bytes());
    let (across, down) = if frame.shape.turn.transpose { (height, width) } else { (width, height) };
    let mut data = Vec::with_capacity(width * height * bytes);
    for y in 0..down {
        for x in 0..across {
            let (x, y) = frame.shape.turn.source(x, y, across, down);
            data.extend_from_slice(&pixels.row(y)[x * bytes..][..bytes]);
        }
    }
    if !frame.shape.full_range && pixels.format() == Format::Luma8 {
        stretch(&mut data);
    }
    PixelBuf::new(data, across, down, pixels.format())
}

/// Limited range to full range.
fn stretch(luma: &mut [u8]) {
    for value in luma {
        *value = ((i32::from(*value) - 16) * 255 / 219).clamp(0, 255) as u8;
    }
}

/// Looks at some frames only; `None` if the watch found them too few before the end.
pub(super) fn look(reader: Reader, options: &Options, pick: Pick, watch: &mut Watch) -> Result<Option<Glance>> {
    let mut builder = Builder::new(options);
    let (mut next, mut last, mut longest) = (0.0, 0.0, 0.0f64);
    let mut film = decode(reader, options, FILMS, pick, watch, |frame| {
        longest = longest.max(frame.time - std::mem::replace(&mut last, frame.time));
        if frame.time >= next {
            // A film may consist of keyframes alone.
            next = frame.time + if pick == Pick::Keyframes { Watch::KEY_STEP } else { Watch::STEP };
            let role = if pick == Pick::Keyframes { Role::Keyframe } else { Role::Frame };
            return builder.look(frame.time, frame.duration, role, &frame.pixels, frame.shape);
        }
        Ok(())
    })?;
    // A container may call anything a keyframe; what came out of the decoder counts.
    let seen = !film.thin && watch.allows(longest);
    let timeline = film.timeline.take();
    Ok(seen.then(|| Glance::new(film.finish(builder), timeline)))
}

/// Seconds before a stretch from which on its hashes are made, so that all that they depend on is known: what moves, what stands still.
const LEAD: f64 = 5.0;

/// From when on a film has to be decoded for a stretch that begins at this time.
pub(super) fn lead(begin: f64) -> f64 {
    (begin - LEAD).max(0.0)
}

/// Decodes stretches only; `None` if the file is not laid down as the timeline says.
pub(super) fn stretches(
    reader: Reader,
    options: &Options,
    timeline: &Timeline,
    stretches: &[[f64; 2]],
) -> Result<Option<Vec<(VideoFingerprint, u64)>>> {
    let led: Vec<[f64; 2]> = stretches.iter().map(|&[from, to]| [lead(from), to]).collect();
    let mut films = Vec::with_capacity(stretches.len());
    let finish = |films: &mut Vec<VideoFingerprint>, builder: Builder| {
        let [from, to] = stretches[films.len()];
        let mut film = builder.finish();
        film.frames.retain(|frame| frame.time >= from && (frame.time < to || to >= timeline.end));
        film.duration = to;
        films.push(film);
    };
    let mut open: Option<(usize, Builder)> = None;
    let counts = decode_stretches(reader, options, FILMS, timeline, &led, |at, frame| {
        if open.as_ref().is_none_or(|(of, _)| *of != at) {
            let Some(builder) = Builder::beginning(options, frame.time, frame.nominal) else { return Ok(()) };
            if let Some((_, ended)) = open.replace((at, builder)) {
                finish(&mut films, ended);
            }
        }
        let Some((_, builder)) = &mut open else { return Ok(()) };
        builder.push_frame(frame.time, frame.duration, frame.key, &frame.pixels, frame.shape)
    })?;
    if let Some((_, ended)) = open {
        finish(&mut films, ended);
    }
    let whole = counts.filter(|counts| counts.len() == films.len());
    Ok(whole.map(|counts| films.into_iter().zip(counts).collect()))
}

impl Film {
    fn finish(self, builder: Builder) -> VideoFingerprint {
        let mut fingerprint = builder.finish();
        (fingerprint.width, fingerprint.height) = self.size;
        fingerprint.duration = fingerprint.duration.max(self.end);
        fingerprint.warnings.extend(self.warnings);
        fingerprint
    }
}

/// Decodes frames, or only keyframes; returns the film's size, upright.
pub(super) fn frames(
    reader: Reader,
    options: &Options,
    keyframes: bool,
    mut each: impl FnMut(f64, &Pixels<'_>, Shape),
) -> Result<(u32, u32)> {
    let pick = if keyframes { Pick::Keyframes } else { Pick::Every };
    let film = decode(reader, options, FILMS, pick, &mut Watch::none(), |frame| {
        each(frame.time, &frame.pixels, frame.shape);
        Ok(())
    })?;
    Ok(film.size)
}

/// Decodes pictures as they lie, in full range, until `each` returns false.
pub(super) fn pictures(reader: Reader, limits: &Limits, mut each: impl FnMut(PixelBuf) -> Result<bool>) -> Result<()> {
    let options = Options { limits: limits.clone(), ..Options::default() };
    let mut enough = false;
    let outcome = decode(reader, &options, STILLS, Pick::Every, &mut Watch::none(), |frame| {
        let pixels = frame.pixels;
        let mut data = Vec::with_capacity(pixels.width() * pixels.height() * pixels.format().bytes());
        for y in 0..pixels.height() {
            data.extend_from_slice(pixels.row(y));
        }
        if !frame.shape.full_range && pixels.format() == Format::Luma8 {
            stretch(&mut data);
        }
        enough = !each(PixelBuf::new(data, pixels.width(), pixels.height(), pixels.format())?)?;
        // The loop over the frames knows no other way out before the end.
        if enough { Err(Error::Cancelled) } else { Ok(()) }
    });
    if enough { Ok(()) } else { outcome.map(drop) }
}
