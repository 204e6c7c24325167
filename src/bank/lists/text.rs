//! The text formats of other programs: PDQ lists, vPDQ frame lists, and what `python-threatexchange` reads and prints.

use std::fmt::Formatter;

use serde::de::{self, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::reference::{Reference, State};
use super::super::write::of_hash;
use super::{Listed, MAX_HASHES, id_of, too_many};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, FrameHash, ImageFingerprint, VideoFingerprint, View, ViewHash};
use crate::hash::{Algorithm, Hash};
use crate::video::vpdq::{Line, MAX_SECONDS, short};

/// Reads `hash` or `hash,metadata`.
pub(super) fn pdq(line: &str) -> Result<Listed> {
    let (hash, metadata) = line.split_once(',').unwrap_or((line, ""));
    Ok(picture(hash.trim().parse()?, None, metadata.trim()))
}

/// A line that [`pdq`] reads. Metadata of several lines become one.
pub(super) fn write_pdq(hash: &Hash, metadata: &str) -> String {
    if metadata.is_empty() { hash.to_string() } else { format!("{hash},{}", one_line(metadata)) }
}

/// What stands for a picture in lists that have one hash of each, wherever it stands among the views.
pub(super) fn whole(image: &ImageFingerprint) -> Option<&ViewHash> {
    image.views.iter().find(|view| view.view == View::Full)
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn picture(hash: Hash, quality: Option<u8>, metadata: &str) -> Listed {
    Listed {
        reference: Reference::new(id_of(&hash, metadata)).bank("").metadata(metadata),
        fingerprint: of_hash(hash, quality, Algorithm::Pdq),
        state: State::Active,
    }
}

/// Reads one frame and its number: `frame number,quality,hash,seconds`.
pub(super) fn vpdq(line: &str) -> Result<(u64, FrameHash)> {
    let line: Line = line.parse()?;
    Ok((line.frame, line.to_frame()))
}

/// A line that [`vpdq`] reads.
pub(super) fn write_vpdq(number: u64, frame: &FrameHash) -> Option<String> {
    let line = Line { frame: number, quality: frame.quality, hash: frame.hash?, seconds: frame.time };
    Some(line.to_string())
}

/// A film of frames from a list; the last frame lasts as long as the one before it.
pub(super) fn film(mut frames: Vec<FrameHash>) -> Fingerprint {
    frames.sort_by(|a, b| a.time.total_cmp(&b.time));
    let last = frames.last().map_or(0.0, |frame| frame.time);
    let step = if frames.len() > 1 { last - frames[frames.len() - 2].time } else { 1.0 };
    let warnings = Vec::new();
    let duration = (last + step).min(MAX_SECONDS);
    Fingerprint::Video(VideoFingerprint { width: 0, height: 0, duration, frames, warnings })
}

/// Reads `type value` or CSV of `type,value[,anything]`; `None` for a heading. What follows the value is metadata in both, as
/// `threatexchange dataset -P` prints it.
pub(super) fn threatexchange(line: &str) -> Result<Option<Listed>> {
    let (kind, rest) = line.split_once(separator).ok_or_else(|| Error::decode("expected a type and a value"))?;
    let kind = kind.trim_matches('"').to_ascii_lowercase();
    let rest = rest.trim_start_matches([',', ' ', '\t']);
    // JSON may stand unquoted, with blanks and commas in it.
    if kind == "vpdq" && rest.starts_with(['[', '{']) {
        let (frames, metadata) = compact(rest)?;
        return Ok(Some(listed_film(frames, &unquoted(metadata))));
    }
    let (value, metadata) = value(rest)?;
    match kind.as_str() {
        "pdq" | "hash_pdq" => Ok(Some(picture(value.parse()?, None, metadata.trim()))),
        "vpdq" => match compact(&value)? {
            (frames, "") => Ok(Some(listed_film(frames, metadata.trim()))),
            (_, rest) => Err(Error::decode(format!("vpdq: {:?} after the frames", short(rest)))),
        },
        "type" | "signal_type" => Ok(None),
        other => Err(Error::unsupported(format!("signals of the type {other:?}; pdq and vpdq are known"))),
    }
}

fn separator(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// A value, quoted as in CSV or up to the next separator, and what follows it.
fn value(text: &str) -> Result<(String, String)> {
    let separator = |c: char| c == ',' || c.is_whitespace();
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(separator).unwrap_or((text, ""));
        return Ok((value.to_string(), unquoted(rest)));
    };
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"').ok_or_else(|| Error::decode("a quotation mark is not closed"))?;
        value.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => return Ok((value, unquoted(after.trim_start_matches(separator)))),
        }
    }
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_string(),
    }
}

/// Reads `hash,quality,seconds`, or `frame number,quality,hash,seconds`.
fn frame(text: &str) -> Result<FrameHash> {
    let fields: Vec<&str> = text.splitn(5, ',').map(str::trim).collect();
    let ([hash, quality, seconds] | [_, quality, hash, seconds]) = fields[..] else {
        return Err(Error::decode(format!("expected hash, quality and seconds, got {:?}", short(text))));
    };
    Ok(Line::of_fields("0", quality, hash, seconds)?.to_frame())
}

/// A film as one JSON value: an array of `hash,quality,seconds`, or an object of frame numbers. Read frame by frame, so that
/// it takes no more memory than the film.
struct Compact(Vec<FrameHash>);

impl<'de> Deserialize<'de> for Compact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Frames)
    }
}

struct Frames;

impl Frames {
    fn push<T, E: de::Error>(frames: &mut Vec<T>, frame: T) -> Result<(), E> {
        if frames.len() == MAX_HASHES {
            return Err(E::custom(too_many()));
        }
        frames.push(frame);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Frames {
    type Value = Compact;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array or an object of frames")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Compact, A::Error> {
        let mut frames = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            Self::push(&mut frames, frame(&text).map_err(A::Error::custom)?)?;
        }
        Ok(Compact(frames))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Compact, A::Error> {
        #[derive(Deserialize)]
        struct Frame {
            hash: String,
            quality: u8,
            timestamp: f64,
        }
        let mut frames = Vec::new();
        while let Some((number, Frame { hash, quality, timestamp })) = map.next_entry::<u64, Frame>()? {
            let line = Line::of_fields("0", &quality.to_string(), &hash, &timestamp.to_string());
            Self::push(&mut frames, (number, line.map_err(A::Error::custom)?.to_frame()))?;
        }
        frames.sort_by_key(|(number, _)| *number);
        if let Some(twice) = frames.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom(format!("frame {} comes twice", twice[0].0)));
        }
        Ok(Compact(frames.into_iter().map(|(_, frame)| frame).collect()))
    }
}

/// Reads one value of frames, and what follows it without the separator.
fn compact(text: &str) -> Result<(Vec<FrameHash>, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Compact>();
    let Compact(frames) = match values.next() {
        Some(read) => read.map_err(|error| Error::decode(format!("vpdq: {error}")))?,
        None => return Err(Error::decode("vpdq: expected frames, got nothing")),
    };
    let rest = &text[values.byte_offset()..];
    let after = rest.trim_start_matches(separator);
    if after.len() == rest.len() && !rest.is_empty() {
        return Err(Error::decode(format!("vpdq: {:?} directly after the frames", short(rest))));
    }
    Ok((frames, after))
}

fn listed_film(frames: Vec<FrameHash>, metadata: &str) -> Listed {
    let mut digest = blake3::Hasher::new();
    frames.iter().filter_map(|frame| frame.hash).for_each(|hash| _ = digest.update(&hash.0));
    digest.update(metadata.as_bytes());
    let id = format!("vpdq-{}", &digest.finalize().to_hex()[..24]);
    let reference = Reference::new(id).bank("").metadata(metadata);
    Listed { reference, fingerprint: film(frames), state: State::Active }
}

/// A line that [`threatexchange`] and `python-threatexchange` read. The latter takes everything after the first blank for the value,
/// so that there is no room for metadata.
pub(super) fn write_threatexchange(fingerprint: &Fingerprint) -> Option<String> {
    let (kind, value) = match fingerprint {
        Fingerprint::Image(image) => ("pdq", whole(image)?.hash.to_string()),
        Fingerprint::Video(video) => {
            let whole = video.frames.iter().filter(|frame| frame.view == View::Full);
            let line = |frame: &FrameHash| Some(format!("{},{},{:.3}", frame.hash?, frame.quality, frame.time));
            let frames: Vec<String> = whole.filter_map(line).collect();
            if frames.is_empty() {
                return None;
            }
            ("vpdq", serde_json::to_string(&frames).ok()?)
        }
    };
    Some(format!("{kind} {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22";

    #[test]
    fn threatexchange_lines_come_in_several_shapes() {
        let hash: Hash = HASH.parse().unwrap();
        for (line, metadata) in [
            (format!("pdq {HASH}"), ""),
            (format!("pdq\t{HASH} case 12"), "case 12"),
            (format!("pdq {HASH} 'Collab' INVESTIGATION_SEED"), "'Collab' INVESTIGATION_SEED"),
            (format!("pdq,{HASH}"), ""),
            (format!("\"pdq\",\"{HASH}\",\"a \"\"b\"\", c\""), "a \"b\", c"),
            (format!("PDQ,{HASH},plain"), "plain"),
        ] {
            let listed = threatexchange(&line).unwrap().unwrap();
            assert_eq!(listed.fingerprint, of_hash(hash, None, Algorithm::Pdq), "{line}");
            assert_eq!(listed.reference.metadata, metadata, "{line}");
            let written = write_threatexchange(&listed.fingerprint).unwrap();
            assert_eq!(written, format!("pdq {HASH}"), "{line}");
        }
        assert_eq!(threatexchange("signal_type,signal_str").unwrap(), None);
        for line in ["pdq", "pdq x", "video_md5 0123", &format!("pdq \"{HASH}"), &format!("pdq {HASH}0")] {
            assert!(threatexchange(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_film_goes_through_threatexchange_and_back() {
        let line = format!("vpdq [\"{HASH},100,0.000\", \"{HASH},88,1.500\"]");
        let listed = threatexchange(&line).unwrap().unwrap();
        let Fingerprint::Video(video) = &listed.fingerprint else { panic!("not a film") };
        assert_eq!((video.frames.len(), video.frames[1].quality, video.frames[1].time), (2, 88, 1.5));
        let written = write_threatexchange(&listed.fingerprint).unwrap();
        assert_eq!(threatexchange(&written).unwrap().unwrap(), listed);
        // As that program's lists are read: the type up to the first blank, and the rest is JSON.
        let (kind, value) = written.split_once(' ').unwrap();
        let frames: Vec<String> = serde_json::from_str(value).unwrap();
        assert_eq!((kind, &frames[1]), ("vpdq", &format!("{HASH},88,1.500")));
        let quoted = format!("vpdq,\"{}\",case 12", value.replace('"', "\"\""));
        for (line, metadata) in [
            (format!("{line} 'Collab' INVESTIGATION_SEED"), "'Collab' INVESTIGATION_SEED"),
            (line.replace("vpdq ", "vpdq,") + ",\"a, \"\"b\"\"\"", "a, \"b\""),
            (quoted, "case 12"),
        ] {
            let found = threatexchange(&line).unwrap().unwrap();
            assert_eq!(
                (&found.fingerprint, found.reference.metadata.as_str()),
                (&listed.fingerprint, metadata),
                "{line}"
            );
        }
        let line = format!("vpdq {{\"3\":{{\"hash\":\"{HASH}\",\"quality\":90,\"timestamp\":0.1}}}}");
        assert!(threatexchange(&line).unwrap().is_some());
        for bad in [
            "vpdq []x",
            "vpdq \"[]\"\"\"",
            "vpdq \"[] x\"",
            "vpdq \"\"",
            "vpdq",
            "vpdq [1]",
            "vpdq 1",
            "vpdq [\"a,b\"]",
            &format!("vpdq [\"{HASH},101,0\"]"),
        ] {
            assert!(threatexchange(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn frames_of_a_vpdq_list_are_checked() {
        let (number, frame) = vpdq(&format!("30, 100, {HASH}, 1.000")).unwrap();
        assert_eq!((number, frame.time, frame.quality), (30, 1.0, 100));
        assert_eq!(vpdq(&write_vpdq(number, &frame).unwrap()).unwrap(), (number, frame));
        for bad in ["", "1,2,3", &format!("x,1,{HASH},0"), &format!("0,101,{HASH},0"), &format!("0,1,{HASH},nan")] {
            assert!(vpdq(bad).is_err(), "{bad}");
        }
    }
}
