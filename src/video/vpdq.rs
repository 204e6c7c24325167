//! Exchange with vPDQ (Meta, ThreatExchange, `vpdq/`): its hash lists in and out, and its percentages for comparison.
//!
//! A list has one line a frame, `frame number,quality,hash,seconds`. vPDQ compares films as bags of frames: which share of
//! one film's frames has any frame of the other within a distance. That says nothing about where, and a cut of a third
//! of a second can empty it; it is here to read, write and compare, while matches are made by alignment.

use std::io::{BufRead, Write};

use crate::bank::lists::lines::Lines;
use crate::error::{Error, Result};
use crate::fingerprint::{FrameHash, Media, Options, Role, Sampling, VideoFingerprint, View};
use crate::hash::Hash;

/// The latest time that is read of a list, inclusive, in seconds: thirty days. Films from strangers are decoded up to twelve
/// hours ([`Limits::duration`](crate::Limits::duration)).
pub const MAX_SECONDS: f64 = 30.0 * 24.0 * 3600.0;

/// One line of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The number of the frame in the film, from 0.
    pub frame: u64,
    /// PDQ quality, 0..=100.
    pub quality: u8,
    /// PDQ.
    pub hash: Hash,
    /// Seconds from the first frame, 0.0..=[`MAX_SECONDS`]: the frame number over the mean frame rate.
    pub seconds: f64,
}

impl Line {
    /// Reads the fields of a line.
    pub(crate) fn of_fields(frame: &str, quality: &str, hash: &str, seconds: &str) -> Result<Self> {
        let wrong =
            |what: &str, text: &str| Error::option("vPDQ line", format!("expected {what}, got {:?}", short(text)));
        let number = frame.parse().map_err(|_| wrong("a frame number", frame))?;
        let of_100 = quality.parse().ok().filter(|quality: &u8| *quality <= 100);
        let time = seconds.parse().ok().filter(|time| (0.0..=MAX_SECONDS).contains(time));
        Ok(Self {
            frame: number,
            quality: of_100.ok_or_else(|| wrong("a quality of 0 to 100", quality))?,
            hash: hash.parse()?,
            seconds: time.ok_or_else(|| wrong("a time of 0 to 2592000 seconds", seconds))?,
        })
    }

    /// The line as a hash of a film; it has no detail hash.
    pub(crate) fn to_frame(&self) -> FrameHash {
        FrameHash {
            time: self.seconds,
            role: Role::Frame,
            view: View::Full,
            hash: Some(self.hash),
            quality: self.quality,
            stability: 1.0,
            orientations: None,
            detail: None,
            plain: false,
        }
    }
}

/// The beginning of a text from outside, for an error.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

impl std::str::FromStr for Line {
    type Err = Error;

    /// Reads `frame number,quality,hash,seconds`.
    ///
    /// # Errors
    /// [`Error::Option`] that says which field is wrong.
    fn from_str(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.splitn(5, ',').map(str::trim).collect();
        match fields[..] {
            [frame, quality, hash, seconds] => Self::of_fields(frame, quality, hash, seconds),
            _ => {
                let detail = format!("expected frame number, quality, hash and seconds, got {:?}", short(text));
                Err(Error::option("vPDQ line", detail))
            }
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{},{},{:.3}", self.frame, self.quality, self.hash, self.seconds)
    }
}

/// Reads a list. Blank lines and comments (`#`) are passed over; a bad line, as one that is not UTF-8 or longer than
/// [`MAX_LINE`](crate::bank::lists::MAX_LINE), is handed to `bad` with its number, from 1, and the rest is read.
///
/// # Errors
/// [`Error::Io`] if the reader fails.
pub fn read(reader: impl BufRead, mut bad: impl FnMut(usize, Error)) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (number, text) in Lines::new(reader, true) {
        match text.and_then(|text| text.parse()) {
            Ok(line) => lines.push(line),
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => bad(usize::try_from(number).unwrap_or(usize::MAX), error),
        }
    }
    Ok(lines)
}

/// Writes a list.
///
/// # Errors
/// [`Error::Io`] if the writer fails.
pub fn write(mut writer: impl Write, lines: &[Line]) -> Result<()> {
    lines.iter().try_for_each(|line| writeln!(writer, "{line}")).map_err(|error| Error::io("", error))
}

/// The hashes of whole frames of a film as a list; `rate` is its mean number of frames a second, for their numbers.
pub fn lines(film: &VideoFingerprint, rate: f64) -> Vec<Line> {
    let whole = film.frames.iter().filter(|frame| frame.view == View::Full && frame.role != Role::Window);
    whole
        .filter_map(|frame| {
            Some(Line {
                frame: (frame.time * rate).round().max(0.0) as u64,
                quality: frame.quality,
                hash: frame.hash?,
                seconds: frame.time,
            })
        })
        .collect()
}

/// Hashes a film as vPDQ does: every frame, or one every so many seconds (above 0) by the film's mean frame rate, numbered as they come.
/// What was wrong with the film comes as well.
///
/// # Errors
/// As [`video::fingerprint`](super::fingerprint).
pub fn hash(media: &Media<'_>, options: &Options, every: f64) -> Result<(Vec<Line>, Vec<String>)> {
    let options = Options { sampling: Sampling::EveryFrame, ..options.clone() };
    let film = super::fingerprint(media, &options)?;
    let rate = film.frames.len().max(1) as f64 / film.duration.max(1e-3);
    let step = (every * rate).round().max(1.0) as usize;
    let lines = (0..).zip(&film.frames).step_by(step).filter_map(|(number, frame)| {
        let seconds = number as f64 / rate;
        Some(Line { frame: number, quality: frame.quality, hash: frame.hash?, seconds })
    });
    Ok((lines.collect(), film.warnings))
}

/// A list as a fingerprint that can be matched and stored; it has no detail hashes.
pub fn fingerprint(lines: &[Line]) -> VideoFingerprint {
    let end = lines.iter().map(|line| line.seconds).fold(0.0, f64::max);
    let step = if lines.len() > 1 { end / (lines.len() - 1) as f64 } else { 0.0 };
    let frames = lines.iter().map(Line::to_frame);
    VideoFingerprint::of_frames((end + step).min(MAX_SECONDS), frames.collect())
}

/// Which frames vPDQ counts as alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Frames below this quality are left out.
    pub min_quality: u8,
    /// Inclusive.
    pub max_distance: u32,
    /// Whether frames with the same hash count once.
    pub distinct: bool,
}

impl Rule {
    /// What the C++ tool does: its distance of 31 is exclusive.
    pub const TOOL: Self = Self { min_quality: 50, max_distance: 30, distinct: false };
    /// What the Python package does.
    pub const PACKAGE: Self = Self { min_quality: 50, max_distance: 31, distinct: true };
}

/// vPDQ's two percentages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentages {
    /// Of the query's frames, 0.0..=100.0, those with a frame of the target within the distance.
    pub query: f64,
    /// Of the target's frames, those with one of the query.
    pub target: f64,
}

/// Compares two films as vPDQ does. A film without a frame of enough quality has 0 per cent.
pub fn compare(query: &[Line], target: &[Line], rule: Rule) -> Percentages {
    let hashes = |lines: &[Line]| {
        let mut hashes: Vec<Hash> =
            lines.iter().filter(|line| line.quality >= rule.min_quality).map(|line| line.hash).collect();
        if rule.distinct {
            hashes.sort_unstable();
            hashes.dedup();
        }
        hashes
    };
    let (query, target) = (hashes(query), hashes(target));
    let share = |of: &[Hash], by: &[Hash]| {
        let near = of.iter().filter(|a| by.iter().any(|b| a.distance(b) <= rule.max_distance)).count();
        if of.is_empty() { 0.0 } else { 100.0 * near as f64 / of.len() as f64 }
    };
    Percentages { query: share(&query, &target), target: share(&target, &query) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::lists::MAX_LINE;

    const HASH: &str = "e271017837246aaccddea259648fb7d62f435c89d9e99b2497763e216c8d055c";

    #[test]
    fn lines_go_round() {
        let text = format!("30,100,{HASH},1.000\n\n60,49,{HASH},2.002\n");
        let lines = read(text.as_bytes(), |number, error| panic!("{number}: {error}")).unwrap();
        assert_eq!((lines.len(), lines[0].frame, lines[1].quality, lines[1].seconds), (2, 30, 49, 2.002));
        let mut out = Vec::new();
        write(&mut out, &lines).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text.replace("\n\n", "\n"));
        let film = fingerprint(&lines);
        assert_eq!(film.frames.len(), 2);
        assert_eq!(self::lines(&film, 29.97)[0], lines[0]);
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_is_read() {
        let text = format!(
            "0,101,{HASH},0\n1,100,{HASH},0.1\nx,1,{HASH},0\n2,1,beef,0\n3,1,{HASH}\n4,1,{HASH},nan\n5,1,{HASH},0,9\n-1,1,{HASH},0\n6,1,{HASH},2592000.1\n"
        );
        let mut bad = Vec::new();
        let lines = read(text.as_bytes(), |number, _| bad.push(number)).unwrap();
        assert_eq!((lines.len(), bad), (1, vec![1, 3, 4, 5, 6, 7, 8, 9]));
    }

    #[test]
    fn lines_that_are_no_text_or_have_no_end_are_bad_lines() {
        let mut list = b"\xef\xbb\xbf# frames\n0,1,\xff\n".to_vec();
        list.extend(format!("1,100,{HASH},0.1\r\n").bytes());
        list.extend(format!("{}\n2,100,{HASH},0.2", ",".repeat(9 << 20)).bytes());
        let mut bad = Vec::new();
        let lines = read(list.as_slice(), |number, error| bad.push((number, error.to_string()))).unwrap();
        assert_eq!(lines.iter().map(|line| line.frame).collect::<Vec<_>>(), [1, 2]);
        assert!(
            matches!(&bad[..], [(2, utf8), (4, commas)] if utf8.contains("UTF-8") && commas.len() < 300),
            "{bad:?}"
        );
        let endless = std::io::Read::take(std::io::repeat(b'0'), MAX_LINE as u64 + 1);
        let mut bad = Vec::new();
        read(std::io::BufReader::new(endless), |number, error| bad.push((number, error))).unwrap();
        assert!(matches!(&bad[..], [(1, Error::Limit { .. })]), "{bad:?}");
    }

    #[test]
    fn percentages_count_what_they_say() {
        let line = |hash: Hash, quality| Line { frame: 0, quality, hash, seconds: 0.0 };
        let zero = Hash::default();
        let at = |bits: u32| Hash::from_words([if bits == 0 { 0 } else { u64::MAX >> (64 - bits) }, 0, 0, 0]);
        let query = [line(zero, 100), line(zero, 100), line(zero.complement(), 100), line(zero.complement(), 49)];
        let target = [line(at(31), 50)];
        assert_eq!(compare(&query, &target, Rule::TOOL), Percentages { query: 0.0, target: 0.0 });
        assert_eq!(compare(&query, &target, Rule::PACKAGE), Percentages { query: 50.0, target: 100.0 });
        let near = [line(at(30), 50)];
        let tool = compare(&query, &near, Rule::TOOL);
        assert!((tool.query - 200.0 / 3.0).abs() < 1e-9 && tool.target == 100.0);
        assert_eq!(compare(&[], &target, Rule::TOOL), Percentages { query: 0.0, target: 0.0 });
    }
}
