//! Animated GIF, WebP and APNG: short films, delivered frame by frame with the times that a browser would give them.

use std::time::Instant;

use ::image::{Frame, Frames, ImageError, Rgba, RgbaImage};

use super::flatten::over_white;
use super::{fence, from_image};
use crate::error::{Error, Result};
use crate::hash::{Format, PixelBuf, Pixels};
use crate::limits::Limits;

/// Delays up to this many milliseconds are played as [`USUAL_DELAY`], as every browser does.
const SHORTEST_DELAY: f64 = 10.0;
const USUAL_DELAY: f64 = 100.0;

/// A picture that moves: two frames or more, or one where the file means to show others that cannot be decoded.
pub struct Animation<'a> {
    first: Vec<Frame>,
    rest: Frames<'a>,
    /// Why there are none after the first.
    broken: Option<String>,
    format: &'static str,
    limits: Limits,
}

/// What became of the frames of an animation.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Frames delivered.
    pub frames: u64,
    /// Playing time of one round in seconds.
    pub duration: f64,
    /// Why it ended early, for people; `None` if it is whole.
    pub cut_short: Option<String>,
}

/// What the first two frames showed.
pub(super) enum Opened<'a> {
    /// One frame only.
    Still(PixelBuf),
    Moving(Animation<'a>),
}

impl<'a> Animation<'a> {
    /// Decodes the first frame, and the second one if there is one. If that is broken, a file that `moves` is a film all the
    /// same, of its first frame and a word on what is missing; any other is a still of that frame.
    pub(super) fn open(
        mut frames: Frames<'a>,
        moves: bool,
        format: &'static str,
        limits: &Limits,
    ) -> Result<Opened<'a>> {
        let first = match frames.next() {
            None => return Err(Error::decode(format!("{format} without a frame"))),
            Some(frame) => frame.map_err(|error| from_image(format, error, limits))?,
        };
        let (first, broken) = match frames.next() {
            Some(Ok(second)) => (vec![first, second], None),
            Some(Err(ImageError::Limits(_))) => {
                return Err(Error::limit("memory", limits.memory, limits.memory.saturating_add(1)));
            }
            Some(Err(error)) if moves => (vec![first], Some(format!("{format}, frame 2: {error}"))),
            Some(Err(_)) | None => return Ok(Opened::Still(opaque(&first, &mut Vec::new()).map(to_owned)?)),
        };
        Ok(Opened::Moving(Self { first, rest: frames, broken, format, limits: limits.clone() }))
    }

    /// An animation of which not even the first frame can be decoded, but a picture in the place of all of them.
    pub(super) fn stand_in(picture: &PixelBuf, why: String, format: &'static str, limits: &Limits) -> Self {
        let pixels = picture.as_pixels();
        let (width, height, n) = (pixels.width() as u32, pixels.height() as u32, pixels.format().bytes());
        let frame = RgbaImage::from_fn(width, height, |x, y| {
            let at = x as usize * n;
            Rgba(match (pixels.format(), &pixels.row(y as usize)[at..at + n]) {
                (Format::Luma16, &[low, high]) => {
                    let v = ((u32::from(u16::from_le_bytes([low, high])) + 128) / 257) as u8;
                    [v, v, v, 255]
                }
                (_, &[r, g, b, ..]) => [r, g, b, 255],
                (_, rest) => [rest[0], rest[0], rest[0], 255],
            })
        });
        let rest = Frames::new(Box::new(std::iter::empty()));
        let broken = Some(why);
        Self { first: vec![Frame::new(frame)], rest, broken, format, limits: limits.clone() }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.first.first().map_or(0, |frame| frame.buffer().width())
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.first.first().map_or(0, |frame| frame.buffer().height())
    }

    /// Decodes the frames in order of time and hands each to `each` with its time and its duration in seconds.
    ///
    /// # Errors
    /// [`Error::Limit`] past [`Limits::frames`], [`Limits::duration`] or [`Limits::time`], and whatever `each` returns.
    /// Damage after the first frame is not an error: what came before it counts, and [`Played::cut_short`] tells.
    pub fn frames(self, mut each: impl FnMut(f64, f64, &Pixels<'_>) -> Result<()>) -> Result<Played> {
        let Self { first, mut rest, mut broken, format, limits } = self;
        let start = Instant::now();
        let mut first = first.into_iter();
        let mut opaque_bytes = Vec::new();
        let mut played = Played { frames: 0, duration: 0.0, cut_short: None };
        loop {
            let next = match first.next() {
                Some(frame) => Some(Ok(frame)),
                None if broken.is_some() => {
                    played.cut_short = broken.take();
                    break;
                }
                None => fence(format, || Ok(rest.next()))?,
            };
            let frame = match next {
                None => break,
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    played.cut_short = Some(format!("{format}, frame {}: {error}", played.frames + 1));
                    break;
                }
            };
            if played.frames >= limits.frames {
                return Err(Error::limit("frames", limits.frames, played.frames + 1));
            }
            if start.elapsed() > limits.time {
                return Err(Error::limit("time", limits.time.as_secs(), start.elapsed().as_secs()));
            }
            let (numerator, denominator) = frame.delay().numer_denom_ms();
            let delay = f64::from(numerator) / f64::from(denominator.max(1));
            let delay = if delay > SHORTEST_DELAY { delay } else { USUAL_DELAY } / 1000.0;
            each(played.duration, delay, &opaque(&frame, &mut opaque_bytes)?)?;
            played.frames += 1;
            played.duration += delay;
            if played.duration > limits.duration {
                return Err(Error::limit("duration", limits.duration as u64, played.duration as u64));
            }
        }
        Ok(played)
    }
}

impl std::fmt::Debug for Animation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Animation({} {}x{})", self.format, self.width(), self.height())
    }
}

/// A frame over white, in `bytes`.
fn opaque<'b>(frame: &Frame, bytes: &'b mut Vec<u8>) -> Result<Pixels<'b>> {
    let (width, height) = (frame.buffer().width() as usize, frame.buffer().height() as usize);
    bytes.clear();
    bytes.extend(frame.buffer().pixels().flat_map(|p| [p.0[0], p.0[1], p.0[2]].map(|v| over_white(v, p.0[3]))));
    Pixels::new(bytes, width, height, width * 3, Format::Rgb8)
}

fn to_owned(pixels: Pixels<'_>) -> PixelBuf {
    let data = (0..pixels.height()).flat_map(|y| pixels.row(y).iter().copied()).collect();
    PixelBuf::new(data, pixels.width(), pixels.height(), pixels.format()).expect("rows of one picture")
}
