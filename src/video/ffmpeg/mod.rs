//! The only folder that names FFmpeg: one medium in, luma of its frames out, under limits.
//!
//! FFmpeg never gets a path. It reads through a callback, its list of protocols is empty, and containers and codecs are
//! explicit lists: a playlist or a `concat` script inside an upload is not on them, so it can open neither a file nor an
//! address. The luma plane goes out as it lies in memory with the range that it has; only pictures without one (RGB,
//! palettes) are converted. FFmpeg's own log is switched off for the whole process.

#![allow(unsafe_code)]

mod open;
mod pixels;

use std::cell::Cell;
use std::time::Instant;

use ffmpeg_next as ffmpeg;

use ffmpeg::codec::{self, decoder};
use ffmpeg::format::context::Input;
use ffmpeg::{Packet, ffi, frame};

pub(super) use self::open::{Allowed, FILMS, STILLS, STREAMS, Source};
use self::open::{Opened, check_time, stopped, within};
use self::pixels::{Converter, convert, luma};
use super::claimed;
use super::clock::{Clock, JUMP};
use super::glance::{Pick, Watch};
use super::grid::{Shape, Turn};
use super::pass::{Decoded, Film};
use super::timeline::Timeline;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::Options;
use crate::fingerprint::media::Reader;
use crate::limits::Limits;

/// Packets in a row that may be damaged at one and the same place of the file before the rest is given up.
const MAX_STILL: u32 = 1_000;

fn turn_of_stream(input: &Input, index: usize) -> Option<Turn> {
    let stream = input.stream(index)?;
    let matrix = stream.side_data().find(|data| data.kind() == codec::packet::side_data::Type::DisplayMatrix)?;
    turn_of(matrix.data())
}

fn turn_of(matrix: &[u8]) -> Option<Turn> {
    let number = |at: usize| matrix.get(at * 4..at * 4 + 4)?.try_into().ok().map(i32::from_ne_bytes);
    Some(Turn::of_matrix([number(0)?, number(1)?, number(3)?, number(4)?]))
}

impl<'a> Opened<'a> {
    fn state<'s>(&self, sink: &'s mut dyn FnMut(Decoded<'_>) -> Result<()>) -> State<'s>
    where
        'a: 's,
    {
        State {
            limits: &self.options.limits,
            cancel: &self.options.cancel,
            deadline: self.deadline,
            clock: self.clock.clone(),
            timeline: None,
            turn: turn_of_stream(&self.input, self.index),
            frames: 0,
            size: None,
            resized: false,
            luma: Vec::new(),
            converter: None,
            sink,
        }
    }
}

/// Seconds of one tick of each stream.
fn bases(input: &Input) -> Vec<f64> {
    input.streams().map(|stream| f64::from(stream.time_base())).collect()
}

/// When what is in a packet ends, in seconds on the clock of the container; 0 if it does not say.
fn end_of(packet: &Packet, bases: &[f64]) -> f64 {
    let base = bases.get(packet.stream()).copied().unwrap_or(0.0);
    packet.pts().or(packet.dts()).map_or(0.0, |time| (time as f64 + packet.duration().max(0) as f64) * base)
}

/// Whether a packet holds what is shown, and not only what later frames need after the begin that an edit list gives the film.
fn is_shown(packet: &Packet) -> bool {
    // SAFETY: the packet is borrowed for as long as its field is read.
    unsafe { (*ffmpeg::packet::Ref::as_ptr(packet)).flags & ffi::AV_PKT_FLAG_DISCARD == 0 }
}

/// How far FFmpeg has read the file, in bytes.
fn place(input: &Input) -> i64 {
    // SAFETY: what was opened from a stream has a context for reading, whose two pointers are of one buffer, as long as it lives.
    unsafe {
        let io = &*(*input.as_ptr()).pb;
        io.pos - io.buf_end.offset_from(io.buf_ptr) as i64
    }
}

/// Packets that could not be read or decoded.
#[derive(Default)]
struct Damage {
    packets: u64,
    place: i64,
    still: u32,
}

impl Damage {
    /// Whether reading may go on after this error: each damaged packet has to be a step forward in the file now and then. What
    /// is no packet at all, such as a long stretch of zeros, makes a transport stream ask to be tried again.
    fn passes(&mut self, error: ffmpeg::Error, place: i64) -> bool {
        self.still = if place == self.place { self.still + 1 } else { 0 };
        self.place = place;
        let damaged =
            matches!(error, ffmpeg::Error::InvalidData | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN });
        damaged && self.still < MAX_STILL
    }

    /// Counts a packet; those that cannot be decoded may be as many as those that can.
    fn count(&mut self, limits: &Limits) -> Result<()> {
        self.packets += 1;
        if self.packets > limits.frames {
            return Err(Error::limit("frames", limits.frames, self.packets));
        }
        Ok(())
    }
}

/// Decodes the frames that are picked, and hands each to `sink`. `watch` sees every packet of the film, and may end it.
pub(super) fn decode(
    source: impl Into<Source>,
    options: &Options,
    allowed: Allowed,
    pick: Pick,
    watch: &mut Watch,
    mut sink: impl FnMut(Decoded<'_>) -> Result<()>,
) -> Result<Film> {
    let mut opened = Opened::new(source.into(), options, allowed)?;
    let mut decoder = opened.decoder(pick)?;
    let reordered = matches!(decoder.id(), codec::Id::H264 | codec::Id::HEVC);
    let cut = opened.cut.take();
    watch.expect(opened.estimated);
    let mut state = opened.state(&mut sink);
    let (limits, cancel, index, claimed) = (&options.limits, &options.cancel, opened.index, opened.claimed_end);
    let (mut input, mut warnings, refused) = (opened.input, std::mem::take(&mut opened.warnings), opened.refused);
    let (mut damage, mut cut_short, mut thin) = (Damage::default(), None, false);
    // When the last packet of any stream ends, on the clock of the container, and the ticks of each stream.
    let (mut furthest, bases) = (0.0, bases(&input));
    loop {
        // A packet for each: reading into one that holds data already would leak that.
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => break,
            Err(ffmpeg::Error::Exit) => return Err(stopped(limits, cancel)),
            Err(error) if damage.passes(error, place(&input)) => {
                damage.count(limits)?;
                state.check_time()?;
                continue;
            }
            Err(error) => {
                cut_short = Some(error.to_string());
                break;
            }
        }
        furthest = f64::max(furthest, end_of(&packet, &bases));
        if packet.stream() != index {
            state.check_time()?;
            continue;
        }
        thin = !watch.packet(packet.is_key(), packet.pts(), &state.clock);
        if thin {
            break;
        }
        if pick != Pick::Every {
            let stamps = [packet.pts(), packet.dts()];
            let tick = state.clock.time_base;
            watch.recorder.packet(packet.is_key(), is_shown(&packet), stamps, packet.duration(), tick);
        }
        if pick == Pick::Keyframes && !packet.is_key() {
            state.check_time()?;
            continue;
        }
        if let Some((width, height)) = packet.data().and_then(claimed::of_packet) {
            within(limits, width, height)?;
        }
        if decoder.send_packet(&packet).is_err() {
            damage.count(limits)?;
            state.check_time()?;
        }
        state.receive(&mut decoder, &mut damage)?;
        if reordered && pick == Pick::Keyframes {
            // Without what lies between, a decoder that puts pictures in order would wait for it, and mistake one for another.
            _ = decoder.send_eof();
            state.receive(&mut decoder, &mut damage)?;
            decoder.flush();
        }
    }
    if let Some(error) = refused.take() {
        return Err(error);
    }
    // Some decoders tell only now that the last packets were damaged, and have pictures nevertheless.
    _ = decoder.send_eof();
    state.receive(&mut decoder, &mut damage)?;
    if state.size.is_none() {
        // The decoder is told of the limit too, and may have refused the picture for that.
        within(limits, decoder.width(), decoder.height())?;
    }
    let (frames, resized) = (state.frames, state.resized);
    if thin {
        let size = state.size.unwrap_or_default();
        return Ok(Film { size, end: 0.0, thin, sound: true, timeline: None, warnings });
    }
    let rest = if pick == Pick::Keyframes { watch.since() } else { 0.0 };
    let end = state.clock.now() + rest + state.clock.nominal;
    let Some(size) = state.size else {
        return Err(Error::decode("no picture of the film can be decoded"));
    };
    let sound = damage.packets == 0 && cut_short.is_none();
    if damage.packets > 0 {
        warnings.push(format!("{} damaged packets were passed over", damage.packets));
    }
    if let Some(reason) = cut_short {
        warnings.push(format!("reading stopped after {end:.1} seconds: {reason}"));
    } else if furthest > 0.0 && claimed.is_finite() && claimed > furthest + f64::max(1.0, claimed * 0.05) {
        warnings.push(format!("ends after {furthest:.1} of {claimed:.1} claimed seconds"));
    } else {
        warnings.extend(cut);
    }
    if resized {
        warnings.push("changes its resolution midway".into());
    }
    debug_assert!(frames > 0);
    let end = if pick == Pick::Keyframes { end } else { 0.0 };
    let timeline = std::mem::take(&mut watch.recorder).finish(&state.clock).filter(|_| sound);
    Ok(Film { size, end, thin, sound, timeline, warnings })
}

/// Decodes stretches of a film whose frames lie as `timeline` says, and hands their frames to `sink` with the number of the stretch.
/// Returns how many frames were decoded for each; `None` if the file turns out to be otherwise.
pub(super) fn decode_stretches(
    reader: Reader,
    options: &Options,
    allowed: Allowed,
    timeline: &Timeline,
    stretches: &[[f64; 2]],
    mut sink: impl FnMut(usize, Decoded<'_>) -> Result<()>,
) -> Result<Option<Vec<u64>>> {
    let mut opened = Opened::new(reader.into(), options, allowed)?;
    let mut decoder = opened.decoder(Pick::Every)?;
    // The stretch, and the times of its first frame and its last so far.
    let (at, times) = (Cell::new(0), Cell::new(None::<[f64; 2]>));
    let mut within = |frame: Decoded<'_>| {
        let [from, to] = stretches[at.get()];
        let first = times.get().map_or(frame.time, |[first, _]| first);
        times.set(Some([first, frame.time]));
        if frame.time < from || frame.time >= to && to < timeline.end { Ok(()) } else { sink(at.get(), frame) }
    };
    let mut state = opened.state(&mut within);
    state.timeline = Some(timeline);
    let mut counts = Vec::with_capacity(stretches.len());
    for (number, &[from, to]) in stretches.iter().enumerate() {
        let before = state.frames;
        at.set(number);
        times.set(None);
        let Some(key) = timeline.key_before(from) else { return Ok(None) };
        decoder.flush();
        let place = timeline.place(key);
        if opened.input.seek(place, ..place).is_err() {
            state.check_time()?;
            return Ok(None);
        }
        let (mut found, mut ended) = (false, false);
        while !ended && times.get().is_none_or(|[_, last]| last < to) {
            let mut packet = Packet::empty();
            match packet.read(&mut opened.input) {
                Ok(()) if packet.stream() != opened.index => state.check_time()?,
                Ok(()) => {
                    found |= packet.is_key() && packet.pts() == Some(key.pts);
                    if !found && packet.is_key() && packet.pts().is_none_or(|pts| pts > key.pts) {
                        return Ok(None);
                    }
                    if found && decoder.send_packet(&packet).is_err() {
                        return Ok(None);
                    }
                    state.check_time()?;
                }
                Err(ffmpeg::Error::Eof) if found && decoder.send_eof().is_ok() => ended = true,
                Err(ffmpeg::Error::Exit) => return Err(stopped(&options.limits, &options.cancel)),
                Err(_) => return Ok(None),
            }
            let mut damage = Damage::default();
            state.receive(&mut decoder, &mut damage)?;
            if state.timeline.is_none() || damage.packets > 0 {
                return Ok(None);
            }
        }
        // What was decoded has to reach from before the begin of the stretch to its end.
        let reaches = |[first, last]: [f64; 2]| first <= from && last + JUMP >= to;
        if !times.get().is_some_and(reaches) {
            return Ok(None);
        }
        counts.push(state.frames - before);
    }
    Ok(Some(counts))
}

struct State<'a> {
    limits: &'a Limits,
    cancel: &'a Cancel,
    deadline: Option<Instant>,
    clock: Clock,
    /// What the times of frames are known from instead; taken away once a frame does not fit.
    timeline: Option<&'a Timeline>,
    turn: Option<Turn>,
    frames: u64,
    size: Option<(u32, u32)>,
    resized: bool,
    luma: Vec<u8>,
    converter: Option<Converter>,
    sink: &'a mut dyn FnMut(Decoded<'_>) -> Result<()>,
}

impl State<'_> {
    fn check_time(&self) -> Result<()> {
        check_time(self.deadline, self.limits, self.cancel)
    }

    /// Takes what the decoder has, and counts what it could not decode, of which it may have been told much earlier.
    fn receive(&mut self, decoder: &mut decoder::Video, damage: &mut Damage) -> Result<()> {
        let mut picture = frame::Video::empty();
        let mut failed = 0;
        while failed < MAX_STILL {
            match decoder.receive_frame(&mut picture) {
                Ok(()) => {
                    self.take(&picture)?;
                    failed = 0;
                }
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => break,
                Err(_) => {
                    damage.count(self.limits)?;
                    failed += 1;
                }
            }
            self.check_time()?;
        }
        Ok(())
    }

    fn take(&mut self, picture: &frame::Video) -> Result<()> {
        let (limits, (width, height)) = (self.limits, (picture.width(), picture.height()));
        within(limits, width, height)?;
        self.frames += 1;
        if self.frames > limits.frames {
            return Err(Error::limit("frames", limits.frames, self.frames));
        }
        let mut time = self.clock.next(picture.timestamp());
        if let Some(timeline) = self.timeline {
            let known = picture.timestamp().map(|pts| timeline.time(pts));
            match known.filter(|time| (0.0..=timeline.end).contains(time)) {
                Some(known) => time = known,
                None => {
                    self.timeline = None;
                    return Ok(());
                }
            }
        }
        if time > limits.duration {
            return Err(Error::limit("duration", limits.duration as u64, time as u64));
        }
        let turn = *self.turn.get_or_insert_with(|| {
            let data = picture.side_data(frame::side_data::Type::DisplayMatrix);
            data.and_then(|data| turn_of(data.data())).unwrap_or_default()
        });
        let size = upright(width, height, f64::from(picture.aspect_ratio()), turn);
        self.resized |= *self.size.get_or_insert(size) != size;
        let duration = self.clock.duration(picture.packet().duration);
        let (key, nominal) = (picture.is_key(), self.clock.nominal);
        let full = picture.color_range() == ffmpeg::color::Range::JPEG;
        let (pixels, full_range) = match luma(picture, &mut self.luma)? {
            Some((pixels, always_full)) => (pixels, full || always_full),
            None => (convert(picture, &mut self.converter)?, true),
        };
        (self.sink)(Decoded { time, duration, nominal, key, pixels, shape: Shape { full_range, turn } })
    }
}

/// The size on the screen: pixels squared, then turned.
fn upright(width: u32, height: u32, aspect: f64, turn: Turn) -> (u32, u32) {
    let wide = if aspect.is_finite() && aspect > 0.05 && aspect < 20.0 {
        (f64::from(width) * aspect).round() as u32
    } else {
        width
    };
    if turn.transpose { (height, wide) } else { (wide, height) }
}
