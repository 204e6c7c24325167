//! Opening a medium: what FFmpeg may read it with, and what it claims before a picture of it is decoded.

use std::io::{self, Read, Seek, SeekFrom};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use ffmpeg_next as ffmpeg;

use ffmpeg::codec::{self, decoder, threading};
use ffmpeg::format::context::{Input, StreamIo};
use ffmpeg::format::stream::Disposition;
use ffmpeg::{Dictionary, Discard, ffi, media};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::Options;
use crate::fingerprint::media::Reader;
use crate::limits::Limits;
use crate::video::claimed::{self, Iso};
use crate::video::clock::Clock;
use crate::video::glance::Pick;
use crate::video::incoming::{Incoming, Refused};

/// Containers that may be opened. None of them can name another file or address that FFmpeg would follow.
const CONTAINERS: &str = "3gp,aac,ac3,amr,apng,asf,av1,avi,caf,dirac,dv,flac,flv,gif,h261,h263,h264,hevc,ivf,m4v,\
    matroska,webm,mjpeg,mov,mp3,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,wav,yuv4mpegpipe";

/// Codecs that may be opened. Sound is never decoded.
const CODECS: &str = "apng,av1,libaom-av1,libdav1d,cavs,cfhd,cinepak,dirac,dnxhd,dvvideo,ffv1,ffvhuff,flv,gif,h261,h263,\
    h263i,h263p,h264,hevc,huffyuv,indeo3,indeo4,indeo5,mjpeg,mjpegb,mpeg1video,mpeg2video,mpeg4,mpegvideo,msmpeg4,\
    msmpeg4v1,msmpeg4v2,msrle,msvideo1,png,prores,qtrle,rawvideo,rpza,rv10,rv20,rv30,rv40,svq1,svq3,theora,utvideo,vc1,\
    vp3,vp4,vp5,vp6,vp6a,vp6f,vp7,vp8,libvpx,vp9,libvpx-vp9,wmv1,wmv2,wmv3";

/// What stills may be made of: streams that were taken out of HEIC and AVIF files, and kinds that `image` does not read.
pub(in crate::video) const STILLS: Allowed = Allowed {
    containers: "hevc,ivf,jpegxl_pipe,j2k_pipe,psd_pipe,qoi_pipe,pbm_pipe,pgm_pipe,ppm_pipe,pam_pipe,exr_pipe,ico,\
        tiff_pipe,bmp_pipe,webp_pipe",
    codecs: "hevc,av1,libdav1d,libaom-av1,libjxl,jpeg2000,libopenjpeg,psd,qoi,pbm,pgm,ppm,pam,exr,bmp,png,tiff,webp",
};

pub(in crate::video) const FILMS: Allowed = Allowed { containers: CONTAINERS, codecs: CODECS };

/// Names, separated by commas.
#[derive(Clone, Copy)]
pub(in crate::video) struct Allowed {
    containers: &'static str,
    codecs: &'static str,
}

/// Threads of one film; each holds some two frames of its own, so that of large pictures there are fewer: as many as one frame each
/// takes this many bytes for, but no fewer than three.
const MAX_THREADS: usize = 8;
const FEW_THREADS: usize = 3;
const THREAD_FRAMES: u64 = 16 << 20;

/// What may be followed while it comes in: what can be read without seeking.
pub(in crate::video) const STREAMS: Allowed = Allowed {
    containers: "asf,flv,h263,h264,hevc,ivf,m4v,matroska,webm,mjpeg,mpeg,mpegts,mpegvideo,nut,obu,ogg,vc1,yuv4mpegpipe",
    codecs: CODECS,
};

/// The same of a stream whose boxes are counted before FFmpeg sees them, and of no other.
const ISO_STREAMS: Allowed = Allowed { containers: "mov,mp4,3gp", codecs: CODECS };

/// What a medium is read from.
pub(in crate::video) enum Source {
    /// A file, or memory.
    Whole(Reader),
    /// What is read once, as it comes in.
    Stream(Incoming),
}

impl From<Reader> for Source {
    fn from(reader: Reader) -> Self {
        Self::Whole(reader)
    }
}

impl From<Incoming> for Source {
    fn from(stream: Incoming) -> Self {
        Self::Stream(stream)
    }
}

/// A medium that is open, and the film in it that is looked at.
pub(super) struct Opened<'a> {
    pub(super) options: &'a Options,
    pub(super) allowed: Allowed,
    pub(super) deadline: Option<Instant>,
    pub(super) input: Input,
    pub(super) index: usize,
    pub(super) clock: Clock,
    pub(super) warnings: Vec<String>,
    /// How long the film may be, in seconds, by whatever there is to guess it from.
    pub(super) estimated: f64,
    /// How the boxes of the file show that it was cut off.
    pub(super) cut: Option<String>,
    /// Seconds from nought to where the container claims to end, on the clock of its packets; infinite where it claims nothing that
    /// was not made up of their timestamps.
    pub(super) claimed_end: f64,
    /// Why a stream ended, if it was refused.
    pub(super) refused: Refused,
}

impl<'a> Opened<'a> {
    /// Opens what is to be read, under the options' limits.
    pub(super) fn new(source: Source, options: &'a Options, allowed: Allowed) -> Result<Self> {
        crate::video::late::load()?;
        silence();
        let (limits, cancel) = (&options.limits, &options.cancel);
        let mut warnings = Vec::new();
        let (mut avi, mut deadline, mut cut, mut refused) = (None, None, None, Refused::default());
        let input = match source {
            Source::Whole(mut reader) => {
                deadline = Instant::now().checked_add(limits.time);
                avi = claimed::of_avi(&mut reader);
                warnings.extend(claimed::cut_off(&mut reader));
                let iso = claimed::of_iso(&mut reader, &|| check_time(deadline, limits, cancel))?;
                let edits = indexed(&iso, limits)?;
                let length = reader.length();
                cut = iso.cut.map(|claimed| format!("cut off: holds {length} of {claimed} claimed bytes"));
                if !edits {
                    warnings.push("its edit list repeats too much to be followed".into());
                }
                open(reader, allowed, edits, limits, deadline, cancel)?
            }
            Source::Stream(mut stream) => {
                refused = stream.refused();
                let iso = stream.is_iso().map_err(|error| refused.take().unwrap_or_else(|| Error::io("", error)))?;
                let allowed = if iso { ISO_STREAMS } else { allowed };
                open_stream(stream, allowed, limits, cancel).map_err(|error| refused.take().unwrap_or(error))?
            }
        };
        if input.nb_streams() > limits.streams {
            return Err(Error::limit("streams", limits.streams.into(), input.nb_streams().into()));
        }
        let estimated = input.duration() as f64 / f64::from(ffi::AV_TIME_BASE);
        let claim = claimed_times(&input).filter(|_| avi.as_ref().is_none_or(|avi| avi.finished));
        let claimed = claim.map_or(0.0, |[begin, end]| end - begin);
        if claimed > limits.duration {
            return Err(Error::limit("duration", limits.duration as u64, claimed as u64));
        }
        let index = choose(&input, &mut warnings)?;
        if let Some((width, height)) = avi.map(|avi| avi.size) {
            within(limits, width, height)?;
        }
        let (time_base, rate) = match input.stream(index) {
            Some(stream) => (f64::from(stream.time_base()), f64::from(stream.avg_frame_rate())),
            None => (0.0, 0.0),
        };
        let clock = Clock::new(time_base, rate, claimed);
        let claimed_end = claim.map_or(f64::INFINITY, |[_, end]| end);
        Ok(Self { options, allowed, deadline, input, index, clock, warnings, estimated, cut, claimed_end, refused })
    }

    /// A decoder for what is picked of the film.
    pub(super) fn decoder(&self, pick: Pick) -> Result<decoder::Video> {
        open_decoder(&self.input, self.index, self.allowed, self.options, pick)
    }
}

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

/// Opens what comes in, which is looked into for two seconds of its time at most, and for as long as it takes.
fn open_stream(stream: Incoming, allowed: Allowed, limits: &Limits, cancel: &Cancel) -> Result<Input> {
    let mut options = settings(allowed, limits.streams.saturating_add(1));
    options.set("analyzeduration", "2000000");
    let io = StreamIo::from_read_with_capacity(stream, 1 << 15).map_err(cannot_open)?;
    let stop = cancel.clone();
    let opened = ffmpeg::format::input_from_stream_with_interrupt(io, None, Some(options), move || stop.is_cancelled());
    opened.map_err(|error| if cancel.is_cancelled() { Error::Cancelled } else { cannot_open(error) })
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
pub(super) fn check_time(deadline: Option<Instant>, limits: &Limits, cancel: &Cancel) -> Result<()> {
    cancel.check()?;
    match deadline {
        Some(deadline) if Instant::now() >= deadline => Err(stopped(limits, cancel)),
        _ => Ok(()),
    }
}

pub(super) fn stopped(limits: &Limits, cancel: &Cancel) -> Error {
    if cancel.is_cancelled() {
        return Error::Cancelled;
    }
    Error::limit("time", limits.time.as_secs(), limits.time.as_secs() + 1)
}

/// When the container says that it begins and ends, in seconds. `None` where it says nothing by itself: FFmpeg makes durations up of the
/// first and the last timestamp of MPEG-TS and MPEG-PS, between which clocks may have been set anew, and of the bitrate.
fn claimed_times(input: &Input) -> Option<[f64; 2]> {
    // SAFETY: the context is borrowed for as long as its fields are read.
    let (duration, begin, by) = unsafe {
        let context = &*input.as_ptr();
        (context.duration, context.start_time, context.duration_estimation_method)
    };
    let stated = by == ffi::AVDurationEstimationMethod::AVFMT_DURATION_FROM_STREAM;
    let seconds = |time: i64| time as f64 / f64::from(ffi::AV_TIME_BASE);
    let begin = if begin == ffi::AV_NOPTS_VALUE { 0.0 } else { seconds(begin).max(0.0) };
    let duration = Some(seconds(duration)).filter(|duration| stated && *duration > 0.0)?;
    // Some containers state how long they are, and others when they end.
    Some([begin.min(duration), duration])
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
pub(super) fn within(limits: &Limits, width: u32, height: u32) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_decoded_on_fewer_threads() {
        let sizes = [(0, 0), (640, 360), (1280, 720), (1920, 1080), (3840, 2160), (u32::MAX, u32::MAX)];
        assert_eq!(sizes.map(|(width, height)| most_threads(width, height)), [8, 8, 8, 5, 3, 3]);
    }
}
