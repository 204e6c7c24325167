//! The only folder that names FFmpeg: one medium in, luma of its frames out, under limits.
//!
//! FFmpeg never gets a path. It reads through a callback, its list of protocols is empty, and containers and codecs are
//! explicit lists: a playlist or a `concat` script inside an upload is not on them, so it can open neither a file nor an
//! address. The luma plane goes out as it lies in memory with the range that it has; only pictures without one (RGB,
//! palettes) are converted. FFmpeg's own log is switched off for the whole process.

#![allow(unsafe_code)]

mod pixels;

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use ffmpeg_next as ffmpeg;

use ffmpeg::codec::{self, decoder, threading};
use ffmpeg::format::context::{Input, StreamIo};
use ffmpeg::format::stream::Disposition;
use ffmpeg::{Dictionary, Discard, Packet, ffi, frame, media};

use self::pixels::{Converter, convert, luma};
use super::claimed::{self, Iso};
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

/// Containers that may be opened. None of them can name another file or address that FFmpeg would follow.
const CONTAINERS: &str = "3gp,aac,ac3,amr,apng,asf,av1,avi,caf,dirac,dv,flac,flv,gif,h261,h263,h264,hevc,ivf,m4v,\
    matroska,webm,mjpeg,mov,mp3,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,wav,yuv4mpegpipe";

/// Codecs that may be opened. Sound is never decoded.
const CODECS: &str = "apng,av1,libaom-av1,libdav1d,cavs,cfhd,cinepak,dirac,dnxhd,dvvideo,ffv1,ffvhuff,flv,gif,h261,h263,\
    h263i,h263p,h264,hevc,huffyuv,indeo3,indeo4,indeo5,mjpeg,mjpegb,mpeg1video,mpeg2video,mpeg4,mpegvideo,msmpeg4,\
    msmpeg4v1,msmpeg4v2,msrle,msvideo1,png,prores,qtrle,rawvideo,rpza,rv10,rv20,rv30,rv40,svq1,svq3,theora,utvideo,vc1,\
    vp3,vp4,vp5,vp6,vp6a,vp6f,vp7,vp8,libvpx,vp9,libvpx-vp9,wmv1,wmv2,wmv3";

/// What stills may be made of: streams that were taken out of HEIC and AVIF files, and kinds that `image` does not read.
pub(super) const STILLS: Allowed = Allowed {
    containers: "hevc,ivf,jpegxl_pipe,j2k_pipe,psd_pipe,qoi_pipe,pbm_pipe,pgm_pipe,ppm_pipe,pam_pipe,exr_pipe,ico,\
        tiff_pipe,bmp_pipe,webp_pipe",
    codecs: "hevc,av1,libdav1d,libaom-av1,libjxl,jpeg2000,libopenjpeg,psd,qoi,pbm,pgm,ppm,pam,exr,bmp,png,tiff,webp",
};

pub(super) const FILMS: Allowed = Allowed { containers: CONTAINERS, codecs: CODECS };

/// Names, separated by commas.
#[derive(Clone, Copy)]
pub(super) struct Allowed {
    containers: &'static str,
    codecs: &'static str,
}

/// Threads of one film; each holds some two frames of its own, so that of large pictures there are fewer: as many as one frame each
/// takes this many bytes for, but no fewer than three.
const MAX_THREADS: usize = 8;
const FEW_THREADS: usize = 3;
const THREAD_FRAMES: u64 = 16 << 20;
/// Packets in a row that may be damaged at one and the same place of the file before the rest is given up.
const MAX_STILL: u32 = 1_000;

fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
        // Without this, errors have no words.
        ffmpeg::util::error::register_all();
    });
}

fn open(
    reader: Reader,
    allowed: Allowed,
    edits: bool,
    limits: &Limits,
    deadline: Option<Instant>,
    cancel: &Cancel,
) -> Result<Input> {
    let mut options = settings(allowed, limits.streams.saturating_add(1));
    if !edits {
        options.set("advanced_editlist", "0");
    }
    let lent = Lent { reader: Arc::new(Mutex::new(reader)), expired: None };
    let io = StreamIo::from_read_seek_with_capacity(lent.clone(), 1 << 16).map_err(cannot_open)?;
    let stop = cancel.clone();
    let expired = move || stop.is_cancelled() || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    let opened = ffmpeg::format::input_from_stream_with_interrupt(io, None, Some(options), expired.clone());
    opened.map_err(|error| match error {
        ffmpeg::Error::Exit => stopped(limits, cancel),
        NO_ROOM => {
            let streams = streams(Lent { expired: Some(Arc::new(expired)), ..lent }, allowed).unwrap_or(0);
            if streams > limits.streams {
                return Error::limit("streams", limits.streams.into(), streams.into());
            }
            cannot_open(error)
        }
        other => cannot_open(other),
    })
}

fn settings(allowed: Allowed, streams: u32) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", "none");
    options.set("format_whitelist", allowed.containers);
    options.set("codec_whitelist", allowed.codecs);
    options.set("max_streams", &streams.min(i32::MAX as u32).to_string());
    options
}

/// What FFmpeg says of more streams than it may make, and of more memory than it can have.
const NO_ROOM: ffmpeg::Error = ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM };
/// Streams that are counted where there are more than is allowed; each takes a few kilobytes, and is not looked into.
const MOST_STREAMS: u32 = 10_000;

/// How many streams the header of a file tells of; `None` if it cannot be read, or of more than [`MOST_STREAMS`].
fn streams(mut reader: Lent, allowed: Allowed) -> Option<u32> {
    reader.rewind().ok()?;
    let mut io = StreamIo::from_read_seek_with_capacity(reader, 1 << 16).ok()?;
    let options = settings(allowed, MOST_STREAMS);
    // SAFETY: the context is used only while it is there, opening frees it where that fails, and it is closed before what it reads
    // from; the options are taken back, as opening leaves those that it does not know.
    unsafe {
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return None;
        }
        (*context).pb = io.as_mut_ptr();
        (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        let mut options = options.disown();
        let opened = ffi::avformat_open_input(&mut context, ptr::null(), ptr::null_mut(), &mut options);
        drop(Dictionary::own(options));
        if opened < 0 {
            return None;
        }
        let streams = (*context).nb_streams;
        ffi::avformat_close_input(&mut context);
        Some(streams)
    }
}

/// A reader that is there again after FFmpeg could not open what is in it.
#[derive(Clone)]
struct Lent {
    reader: Arc<Mutex<Reader>>,
    /// When reading fails.
    expired: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Lent {
    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Lent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.expired.as_ref().is_some_and(|expired| expired()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.reader().read(buffer)
    }
}

impl Seek for Lent {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader().seek(to)
    }
}

fn cannot_open(error: ffmpeg::Error) -> Error {
    match error {
        ffmpeg::Error::InvalidData => Error::decode("neither a picture nor a film of a known kind"),
        ffmpeg::Error::Eof => Error::decode("ends before its first picture"),
        ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM } => {
            Error::decode("its header asks for more streams or memory than is allowed")
        }
        other => Error::decode(other.to_string()),
    }
}

/// Whether FFmpeg may make its index of an ISO file that claims this much, and whether it may follow edit lists.
fn indexed(iso: &Iso, limits: &Limits) -> Result<bool> {
    let most = [("streams", limits.streams.into(), iso.tracks), ("frames", limits.frames, iso.frames)];
    for (limit, max, got) in most.into_iter().chain([("memory", limits.memory, iso.index)]) {
        if got > max {
            return Err(Error::limit(limit, max, got));
        }
    }
    Ok(iso.edited <= limits.memory)
}

/// Whether there is time left, and nobody asked to stop.
fn check_time(deadline: Option<Instant>, limits: &Limits, cancel: &Cancel) -> Result<()> {
    cancel.check()?;
    match deadline {
        Some(deadline) if Instant::now() >= deadline => Err(stopped(limits, cancel)),
        _ => Ok(()),
    }
}

fn stopped(limits: &Limits, cancel: &Cancel) -> Error {
    if cancel.is_cancelled() {
        return Error::Cancelled;
    }
    Error::limit("time", limits.time.as_secs(), limits.time.as_secs() + 1)
}

/// The stream to decode: what a player would show. Cover art is not a film.
fn choose(input: &Input, warnings: &mut Vec<String>) -> Result<usize> {
    let (mut films, mut covers, mut sounds) = (Vec::new(), 0, 0);
    for stream in input.streams() {
        match stream.parameters().medium() {
            media::Type::Video if stream.disposition().contains(Disposition::ATTACHED_PIC) => covers += 1,
            media::Type::Video => films.push(stream.index()),
            media::Type::Audio => sounds += 1,
            _ => {}
        }
    }
    let best = input.streams().best(media::Type::Video).map(|stream| stream.index());
    let chosen = best.filter(|best| films.contains(best)).or_else(|| films.first().copied());
    match chosen {
        Some(index) => {
            if films.len() > 1 {
                warnings.push(format!("holds {} films; only stream {index} was looked at", films.len()));
            }
            Ok(index)
        }
        None if covers > 0 => Err(Error::unsupported("sound with a cover picture, no film")),
        None if sounds > 0 => Err(Error::unsupported("sound only, no film")),
        None => Err(Error::decode("no film in it")),
    }
}

fn open_decoder(
    input: &Input,
    index: usize,
    allowed: Allowed,
    options: &Options,
    pick: Pick,
) -> Result<decoder::Video> {
    let stream = input.stream(index).ok_or_else(|| Error::decode("no film in it"))?;
    let parameters = stream.parameters();
    let (width, height) = size(&parameters);
    within(&options.limits, width, height)?;
    let id = parameters.id();
    let codec = decoder::find(id)
        .filter(|codec| allowed.codecs.split(',').any(|allowed| allowed == codec.name()))
        .ok_or_else(|| Error::unsupported(format!("films coded as {}", id.name())))?;
    let mut context = codec::Context::from_parameters(parameters).map_err(cannot_open)?;
    // One film at a time may use every core; inside a parallel batch the films themselves keep the cores busy. Keyframes
    // alone leave nothing to do at the same time.
    let threads = match options.threads {
        _ if pick == Pick::Keyframes => 1,
        0 if rayon::current_thread_index().is_some() => 1,
        0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
        threads => threads,
    }
    .min(most_threads(width, height));
    context.set_threading(threading::Config { count: threads, ..threading::Config::kind(threading::Type::Frame) });
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    match pick {
        Pick::Every => {}
        Pick::References => {
            decoder.skip_frame(Discard::Bidirectional);
            decoder.skip_loop_filter(Discard::All);
        }
        Pick::Keyframes => decoder.skip_frame(Discard::NonKey),
    }
    let mut settings = Dictionary::new();
    settings.set("max_pixels", &options.limits.pixels.min(i64::MAX as u64).to_string());
    settings.set("codec_whitelist", allowed.codecs);
    let opened = decoder.open_as_with(codec, settings).and_then(|opened| opened.video());
    opened.map_err(|error| Error::decode(format!("{} decoder: {error}", id.name())))
}

/// How many threads may decode frames of this size.
fn most_threads(width: u32, height: u32) -> usize {
    let frame = (u64::from(width) * u64::from(height)).saturating_mul(3) / 2;
    let room = THREAD_FRAMES.checked_div(frame).unwrap_or(u64::MAX);
    usize::try_from(room).unwrap_or(MAX_THREADS).clamp(FEW_THREADS, MAX_THREADS)
}

/// Width and height as the container and its parsers have them; 0 where they do not know.
fn size(parameters: &codec::Parameters) -> (u32, u32) {
    // SAFETY: the parameters are of a stream that is borrowed, and hold a pointer to its own for as long as they live.
    let raw = unsafe { &*parameters.as_ptr() };
    (raw.width.max(0) as u32, raw.height.max(0) as u32)
}

/// Whether a frame of this size may be decoded.
fn within(limits: &Limits, width: u32, height: u32) -> Result<()> {
    let area = u64::from(width) * u64::from(height);
    if width.max(height) > limits.side {
        return Err(Error::limit("side", limits.side.into(), width.max(height).into()));
    }
    if area > limits.pixels {
        return Err(Error::limit("pixels", limits.pixels, area));
    }
    if area.saturating_mul(4) > limits.memory {
        return Err(Error::limit("memory", limits.memory, area.saturating_mul(4)));
    }
    Ok(())
}

fn turn_of_stream(input: &Input, index: usize) -> Option<Turn> {
    let stream = input.stream(index)?;
    let matrix = stream.side_data().find(|data| data.kind() == codec::packet::side_data::Type::DisplayMatrix)?;
    turn_of(matrix.data())
}

fn turn_of(matrix: &[u8]) -> Option<Turn> {
    let number = |at: usize| matrix.get(at * 4..at * 4 + 4)?.try_into().ok().map(i32::from_ne_bytes);
    Some(Turn::of_matrix([number(0)?, number(1)?, number(3)?, number(4)?]))
}

/// A medium that is open, and the film in it that is looked at.
struct Opened<'a> {
    options: &'a Options,
    allowed: Allowed,
    deadline: Option<Instant>,
    input: Input,
    index: usize,
    clock: Clock,
    warnings: Vec<String>,
}

impl<'a> Opened<'a> {
    fn new(mut reader: Reader, options: &'a Options, allowed: Allowed) -> Result<Self> {
        super::late::load()?;
        silence();
        let limits = &options.limits;
        let deadline = Instant::now().checked_add(limits.time);
        let avi = claimed::of_avi(&mut reader);
        let cut_off = claimed::cut_off(&mut reader);
        let iso = claimed::of_iso(&mut reader, &|| check_time(deadline, limits, &options.cancel))?;
        let edits = indexed(&iso, limits)?;
        let input = open(reader, allowed, edits, limits, deadline, &options.cancel)?;
        if input.nb_streams() > limits.streams {
            return Err(Error::limit("streams", limits.streams.into(), input.nb_streams().into()));
        }
        let claimed = input.duration() as f64 / f64::from(ffi::AV_TIME_BASE);
        if claimed > limits.duration {
            return Err(Error::limit("duration", limits.duration as u64, claimed as u64));
        }
        let mut warnings = Vec::from_iter(cut_off);
        if !edits {
            warnings.push("its edit list repeats too much to be followed".into());
        }
        let index = choose(&input, &mut warnings)?;
        if let Some((width, height)) = avi {
            within(limits, width, height)?;
        }
        let (time_base, rate) = match input.stream(index) {
            Some(stream) => (f64::from(stream.time_base()), f64::from(stream.avg_frame_rate())),
            None => (0.0, 0.0),
        };
        let clock = Clock::new(time_base, rate, claimed);
        Ok(Self { options, allowed, deadline, input, index, clock, warnings })
    }

    fn decoder(&self, pick: Pick) -> Result<decoder::Video> {
        open_decoder(&self.input, self.index, self.allowed, self.options, pick)
    }

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
    reader: Reader,
    options: &Options,
    allowed: Allowed,
    pick: Pick,
    watch: &mut Watch,
    mut sink: impl FnMut(Decoded<'_>) -> Result<()>,
) -> Result<Film> {
    let mut opened = Opened::new(reader, options, allowed)?;
    let mut decoder = opened.decoder(pick)?;
    let mut state = opened.state(&mut sink);
    let (limits, cancel, index, claimed) = (&options.limits, &options.cancel, opened.index, opened.clock.claimed);
    let (mut input, mut warnings) = (opened.input, std::mem::take(&mut opened.warnings));
    let (mut damage, mut cut_short, mut thin) = (Damage::default(), None, false);
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
        state.receive(&mut decoder)?;
    }
    if decoder.send_eof().is_ok() {
        state.receive(&mut decoder)?;
    }
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
    } else if claimed > end + f64::max(1.0, claimed * 0.05) {
        warnings.push(format!("ends after {end:.1} of {claimed:.1} claimed seconds"));
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
    let mut opened = Opened::new(reader, options, allowed)?;
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
            state.receive(&mut decoder)?;
            if state.timeline.is_none() {
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

    fn receive(&mut self, decoder: &mut decoder::Video) -> Result<()> {
        let mut picture = frame::Video::empty();
        while decoder.receive_frame(&mut picture).is_ok() {
            self.check_time()?;
            self.take(&picture)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_decoded_on_fewer_threads() {
        let sizes = [(0, 0), (640, 360), (1280, 720), (1920, 1080), (3840, 2160), (u32::MAX, u32::MAX)];
        assert_eq!(sizes.map(|(width, height)| most_threads(width, height)), [8, 8, 8, 5, 3, 3]);
    }
}
