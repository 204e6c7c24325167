//! Bounds on what a single medium may cost before and while it is decoded. A bound that is reached is a typed outcome
//! ([`Error::Limit`](crate::Error::Limit)), never a crash.

use std::time::Duration;

/// Inclusive upper bounds for one medium. The defaults suit uploads from strangers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Encoded size in bytes.
    pub bytes: u64,
    /// Width and height in pixels, each.
    pub side: u32,
    /// Width times height in pixels.
    pub pixels: u64,
    /// Memory that decoding one still or one frame may take, in bytes; and the index of an MP4 or MOV file, some 40 bytes a sample.
    pub memory: u64,
    /// Frames that are decoded of one film or animation, or that an MP4 or MOV file claims to hold.
    pub frames: u64,
    /// Streams in a container.
    pub streams: u32,
    /// Length of a film in seconds of playing time.
    pub duration: f64,
    /// Wall-clock time for decoding one medium.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 8 << 30,
            side: 32_768,
            pixels: 200_000_000,
            memory: 1 << 30,
            frames: 4_000_000,
            streams: 64,
            duration: 12.0 * 3600.0,
            time: Duration::from_secs(600),
        }
    }
}
