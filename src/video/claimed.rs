//! What a file claims, read before FFmpeg opens it or where FFmpeg forgets it.
//!
//! It clears the size of a picture that it holds to be impossible (some 2^28 pixels), and then nobody can tell a bomb from a
//! damaged file. And of an ISO file (MP4, MOV, 3GP; ISO/IEC 14496-12) it makes an index of all samples while opening, for which
//! it takes some 40 bytes each, of a table that may take none in the file: "60 million samples of one byte".

use std::io::{Read, Seek, SeekFrom};

use crate::error::{Error, Result};
use crate::fingerprint::media::Reader;

/// The longest page of an Ogg file, in bytes.
const OGG_PAGE: u64 = 65_307;
const ASF_HEADER: [u8; 16] = *b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
const ASF_FILE: [u8; 16] = *b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65";

/// What the header of an AVI file claims.
pub(super) struct Avi {
    /// Width and height.
    pub(super) size: (u32, u32),
    /// Whether its numbers were put in when all was written; into a pipe they cannot be, and anything may be there.
    pub(super) finished: bool,
}

/// What the main header of an AVI file claims, which lies at a fixed place; the reader is at its start again afterwards.
pub(super) fn of_avi(reader: &mut Reader) -> Option<Avi> {
    let mut head = [0; 72];
    let read = reader.read_exact(&mut head);
    reader.rewind().ok()?;
    read.ok()?;
    let named = |at: usize, name: &[u8]| head[at..].starts_with(name);
    let avi = named(0, b"RIFF") && named(8, b"AVI LIST") && named(20, b"hdrlavih");
    avi.then(|| Avi {
        size: (number(&head[64..], u32::from_le_bytes), number(&head[68..], u32::from_le_bytes)),
        finished: !matches!(number(&head[4..], u32::from_le_bytes), 0 | u32::MAX),
    })
}

/// How the end of a file shows that it was cut off, where its container says what that should be: AVI and ASF claim their length
/// (which is what FFmpeg's durations are estimated from once there is less), Ogg marks its last page. The reader is at its start
/// again afterwards.
pub(super) fn cut_off(reader: &mut Reader) -> Option<String> {
    let told = cut(reader);
    reader.rewind().ok()?;
    told
}

fn cut(reader: &mut Reader) -> Option<String> {
    let length = reader.length();
    let mut head = [0; 30];
    reader.read_exact(&mut head).ok()?;
    if head.starts_with(b"OggS") {
        let mut end = Vec::new();
        reader.seek(SeekFrom::Start(length.saturating_sub(OGG_PAGE))).ok()?;
        reader.by_ref().take(OGG_PAGE).read_to_end(&mut end).ok()?;
        // Its version, which is 0, and its flags, of which the third is for the last page of a stream.
        let page = memchr::memmem::rfind(&end, b"OggS\0")?;
        let last = end.get(page + 5)? & 4 != 0;
        return (!last).then(|| "cut off: its last page is not the end of a stream".into());
    }
    let claimed = if head.starts_with(b"RIFF") && head[8..].starts_with(b"AVI ") {
        // Of larger files this is the first part alone, and all ones where it was not known.
        let size = number(&head[4..], u32::from_le_bytes);
        if size == u32::MAX { 0 } else { u64::from(size) + 8 }
    } else if head.starts_with(&ASF_HEADER) {
        asf_length(reader, number(&head[24..], u32::from_le_bytes))?
    } else {
        0
    };
    let cut = claimed.saturating_sub(length) > claimed / 100;
    cut.then(|| format!("cut off: holds {length} of {claimed} claimed bytes"))
}

/// What the file properties among the objects of an ASF header claim.
fn asf_length(reader: &mut Reader, objects: u32) -> Option<u64> {
    for _ in 0..objects.min(64) {
        let mut object = [0; 48];
        reader.read_exact(&mut object).ok()?;
        if object.starts_with(&ASF_FILE) {
            return object[40..].first_chunk().map(|&size| u64::from_le_bytes(size));
        }
        let size = object[16..].first_chunk().map(|&size| u64::from_le_bytes(size))?;
        reader.seek_relative(i64::try_from(size).ok()?.checked_sub(48)?).ok()?;
    }
    None
}

/// What a packet claims that is a PNG picture.
pub(super) fn of_packet(packet: &[u8]) -> Option<(u32, u32)> {
    let png = packet.len() >= 24 && packet.starts_with(b"\x89PNG\r\n\x1a\n") && &packet[12..16] == b"IHDR";
    png.then(|| (number(&packet[16..], u32::from_be_bytes), number(&packet[20..], u32::from_be_bytes)))
}

fn number(bytes: &[u8], of: fn([u8; 4]) -> u32) -> u32 {
    bytes.first_chunk().map_or(0, |&four| of(four))
}

/// What the index takes for each sample: an entry (24 bytes), its size, its offset of time.
const SAMPLE: u64 = 40;
/// And for each piece of sound whose samples are not indexed one by one.
const PIECE: u64 = 24;
/// Such a piece has about 1024 samples, and of some codecs as few as these.
const PIECE_SAMPLES: u64 = 160;
/// What a sample's key takes where samples are encrypted, in units of [`SAMPLE`].
const KEY: u64 = 4;
/// FFmpeg itself follows boxes no deeper.
const DEPTH: usize = 12;
const BLOCK: u64 = 4096;
/// The boxes in which a file has what it is there for.
const MEDIA: [&[u8; 4]; 4] = [b"moov", b"moof", b"mdat", b"mfra"];
/// The boxes that say of what kind a track is and what its index holds.
const TABLES: [&[u8; 4]; 7] = [b"hdlr", b"stsz", b"stz2", b"stts", b"stsc", b"stco", b"co64"];

/// What an ISO file claims, all of it 0 for any other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Iso {
    /// Streams.
    pub(super) tracks: u64,
    /// Samples of the film that has the most.
    pub(super) frames: u64,
    /// Bytes that FFmpeg's index takes.
    pub(super) index: u64,
    /// The same if edit lists are followed, each entry of which may repeat all samples.
    pub(super) edited: u64,
    /// Where the last box would end, if that is past the end of the file.
    pub(super) cut: Option<u64>,
}

/// Looks at the boxes of an ISO file; the reader is at its start again afterwards. `go_on` is asked now and then.
///
/// FFmpeg takes a table for the track in which it stands at whatever depth, so every box that it enters is entered here too. Each
/// box is looked at once, within the box around it, so that there is no more work than the file is long.
pub(super) fn of_iso(reader: &mut Reader, go_on: &dyn Fn() -> Result<()>) -> Result<Iso> {
    let (length, mut iso) = (reader.length(), Iso::default());
    let mut file = Blocks { reader, at: 0, block: Vec::new() };
    // The ends of the boxes that are entered, first of all the file's; and a track with their number.
    let (mut ends, mut track) = (vec![length], None::<(usize, Track)>);
    let (mut at, mut seen) = (0, 0u64);
    while let Some(&end) = ends.last() {
        seen += 1;
        if seen.is_multiple_of(1024) {
            go_on()?;
        }
        let Some(found) = file.header(at, end)? else {
            at = end;
            ends.pop();
            if let Some((_, ended)) = track.take_if(|(depth, _)| ends.len() < *depth) {
                ended.finish(&mut iso);
            }
            continue;
        };
        let (body, room) = (found.body, found.end.saturating_sub(found.body));
        if ends.len() == 1 && MEDIA.contains(&&found.kind) {
            iso.cut = Some(found.claimed).filter(|claimed| *claimed > length);
        }
        at = found.end;
        let mut inside = None;
        match &found.kind {
            b"trak" if track.is_none() => {
                iso.tracks += 1;
                track = Some((ends.len() + 1, Track::default()));
                inside = Some(body);
            }
            b"moov" | b"mdia" | b"minf" | b"stbl" | b"dinf" | b"edts" | b"udta" | b"ilst" | b"tref" | b"mvex"
            | b"moof" | b"traf" | b"sinf" | b"schi" | b"wave" => inside = Some(body),
            // What FFmpeg takes for a header that was overwritten with free space.
            b"free" | b"hoov" if matches!(file.bytes(body + 4)?.as_ref(), Some(b"mvhd" | b"cmov")) => {
                inside = Some(body)
            }
            b"meta" => inside = file.first_handler(body, found.end, go_on)?,
            b"cmov" => return Err(Error::unsupported("films whose header is compressed (cmov)")),
            b"trun" => iso.add(file.number(body + 4)?),
            b"senc" => iso.add(file.number(body + 4)?.saturating_mul(KEY)),
            b"saiz" => {
                // Two words that a flag announces, a byte, and the number.
                let skipped = if file.number(body)? & 1 == 1 { 13 } else { 5 };
                iso.add(file.number(body + skipped)?.saturating_mul(KEY));
            }
            kind => {
                if let Some((_, track)) = &mut track {
                    track.table(kind, &mut file, body, room, go_on)?;
                }
            }
        }
        if let Some(from) = inside.filter(|_| ends.len() < DEPTH) {
            ends.push(found.end);
            at = from;
        } else if let Some((_, deep)) = track.take_if(|(depth, _)| ends.len() < *depth) {
            deep.finish(&mut iso);
        }
    }
    file.reader.rewind().map_err(|error| Error::io("", error))?;
    Ok(iso)
}

impl Iso {
    /// Counts samples that belong to no track known here.
    fn add(&mut self, samples: u64) {
        let bytes = samples.saturating_mul(SAMPLE);
        self.index = self.index.saturating_add(bytes);
        self.edited = self.edited.saturating_add(bytes);
    }
}

/// The tables of one track; of several of one kind, what costs most.
#[derive(Debug, Default)]
struct Track {
    film: bool,
    sound: bool,
    samples: u64,
    chunks: u64,
    /// Pieces of sound in all chunks but those of the last run, and where that begins with how many samples to a chunk.
    pieces: u64,
    last: Option<[u64; 2]>,
    /// Whether every sample lasts one tick, by every table of times.
    ticks: Option<bool>,
    edits: u64,
}

impl Track {
    /// Takes a table whose content begins at `body` and has `room` bytes. As FFmpeg does, numbers are read even past its end.
    fn table(
        &mut self,
        kind: &[u8; 4],
        file: &mut Blocks<'_>,
        body: u64,
        room: u64,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        match kind {
            b"hdlr" => match file.bytes(body + 8)?.as_ref() {
                Some(b"vide") => self.film = true,
                Some(b"soun") => self.sound = true,
                _ => {}
            },
            b"stsz" | b"stz2" => self.samples = self.samples.max(file.number(body + 8)?),
            b"stco" | b"co64" => self.chunks = self.chunks.max(file.number(body + 4)?),
            b"stts" => {
                let plain = file.number(body + 4)? == 1 && file.number(body + 12)? == 1;
                self.ticks = Some(plain && self.ticks != Some(false));
            }
            b"elst" => self.edits = self.edits.max(file.number(body + 4)?.min(room / 12)),
            b"stsc" => {
                let (mut pieces, mut last) = (0u64, None);
                for at in 0..file.number(body + 4)?.min(room.saturating_sub(8) / 12) {
                    if at.is_multiple_of(1024) {
                        go_on()?;
                    }
                    let run = [file.number(body + 8 + at * 12)?, file.number(body + 12 + at * 12)?];
                    if let Some([from, samples]) = last.replace(run) {
                        pieces = pieces.saturating_add(run[0].saturating_sub(from).max(1) * in_pieces(samples));
                    }
                }
                self.pieces = self.pieces.max(pieces);
                self.last = match self.last.zip(last) {
                    Some(([a, b], [from, samples])) => Some([a.min(from), b.max(samples)]),
                    None => self.last.or(last),
                };
            }
            b"stsd" => {
                // FFmpeg takes boxes at the end of a description as well; a table has no business there.
                for at in body + 8..(body + room).saturating_sub(8) {
                    if at.is_multiple_of(1 << 16) {
                        go_on()?;
                    }
                    let name = file.bytes(at)?;
                    if name.is_some_and(|name| TABLES.contains(&&name)) {
                        return Err(Error::decode("a table of samples within the description of its codec"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self, iso: &mut Iso) {
        let [from, samples] = self.last.unwrap_or([1, 0]);
        let rest = (self.chunks + 1).saturating_sub(from).saturating_mul(in_pieces(samples));
        // Uncompressed sound has a sample for each of its values, and FFmpeg indexes pieces of chunks.
        let bytes = if self.sound && !self.film && self.ticks == Some(true) {
            self.pieces.saturating_add(rest).saturating_mul(PIECE)
        } else {
            self.samples * SAMPLE
        };
        iso.index = iso.index.saturating_add(bytes);
        iso.edited = iso.edited.saturating_add(bytes.saturating_mul(self.edits.max(1)));
        if self.film {
            iso.frames = iso.frames.max(self.samples);
        }
    }
}

fn in_pieces(samples: u64) -> u64 {
    samples.div_ceil(PIECE_SAMPLES)
}

/// Where a box lies: its content from `body` to `end`.
struct Found {
    kind: [u8; 4],
    body: u64,
    end: u64,
    /// Where it says that it ends, within what is around it or not.
    claimed: u64,
}

/// Reads anywhere in a file, a block at a time.
struct Blocks<'a> {
    reader: &'a mut Reader,
    at: u64,
    block: Vec<u8>,
}

impl Blocks<'_> {
    /// Bytes at a place; `None` past the end of the file.
    fn bytes<const N: usize>(&mut self, from: u64) -> Result<Option<[u8; N]>> {
        let io = |error| Error::io("", error);
        let held = |at: u64, block: &[u8]| -> Option<[u8; N]> {
            let skipped = usize::try_from(from.checked_sub(at)?).ok()?;
            block.get(skipped..)?.first_chunk().copied()
        };
        if let Some(found) = held(self.at, &self.block) {
            return Ok(Some(found));
        }
        if from >= self.reader.length() {
            return Ok(None);
        }
        self.block.clear();
        self.at = self.reader.seek(SeekFrom::Start(from)).map_err(io)?;
        self.reader.by_ref().take(BLOCK).read_to_end(&mut self.block).map_err(io)?;
        Ok(held(self.at, &self.block))
    }

    /// A number of four bytes, 0 past the end of the file.
    fn number(&mut self, from: u64) -> Result<u64> {
        Ok(self.bytes(from)?.map_or(0, |four| u32::from_be_bytes(four).into()))
    }

    /// The box that begins at a place within a box that ends at `end`.
    fn header(&mut self, at: u64, end: u64) -> Result<Option<Found>> {
        if end.saturating_sub(at) < 8 {
            return Ok(None);
        }
        let Some([size, kind]) = self.bytes::<8>(at)?.map(|[a, b, c, d, kind @ ..]| [[a, b, c, d], kind]) else {
            return Ok(None);
        };
        let (head, size) = match u32::from_be_bytes(size) {
            0 => (8, end - at),
            1 => (16, self.bytes(at + 8)?.map_or(0, u64::from_be_bytes)),
            size => (8, size.into()),
        };
        let claimed = at.saturating_add(size);
        Ok((size >= head).then_some(Found { kind, body: at + head, end: claimed.min(end), claimed }))
    }

    /// Where the boxes of a `meta` begin: with the first that says whose they are.
    fn first_handler(&mut self, body: u64, end: u64, go_on: &dyn Fn() -> Result<()>) -> Result<Option<u64>> {
        for at in (body..end.saturating_sub(8)).step_by(4) {
            if at.is_multiple_of(1 << 16) {
                go_on()?;
            }
            if matches!(self.bytes(at + 4)?.as_ref(), Some(b"hdlr")) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, &content].concat()
    }

    /// A box that begins with its version and flags.
    fn table(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        boxed(kind, &[&[0; 4], &numbers])
    }

    fn track(kind: &[u8; 4], tables: &[Vec<u8>]) -> Vec<u8> {
        let handler = boxed(b"hdlr", &[&[0; 8], kind, &[0; 13]]);
        let media = boxed(b"minf", &[&boxed(b"stbl", &[&tables.concat()])]);
        boxed(b"trak", &[&boxed(b"mdia", &[&handler, &media])])
    }

    fn of(bytes: &[u8]) -> Result<Iso> {
        let mut reader = Reader::of_vec(bytes.to_vec());
        let found = of_iso(&mut reader, &|| Ok(()));
        assert!(found.is_err() || reader.stream_position().unwrap() == 0);
        found
    }

    #[test]
    fn samples_are_counted_wherever_the_header_lies() {
        let film = track(b"vide", &[table(b"stsz", &[1, 5_000_000]), table(b"stts", &[1, 5_000_000, 1])]);
        let sound = track(b"soun", &[table(b"stts", &[1, 70, 1024]), table(b"stz2", &[16, 70])]);
        let header = boxed(b"moov", &[&film, &sound]);
        let index = 5_000_070 * SAMPLE;
        let claimed = Iso { tracks: 2, frames: 5_000_000, index, edited: index, cut: None };
        let large = [&1u32.to_be_bytes()[..], b"mdat", &(16u64 + 9000).to_be_bytes(), &[7; 9000]].concat();
        let mut last = header.clone();
        last[..4].fill(0);
        for bytes in [header.clone(), [large, last].concat(), boxed(b"free", &[&table(b"mvhd", &[0]), &header[8..]])] {
            assert_eq!(of(&bytes).unwrap(), claimed);
        }
        let misplaced = boxed(b"moov", &[&boxed(b"trak", &[&boxed(b"edts", &[&table(b"stsz", &[1, 9_000_000])])])]);
        assert_eq!(of(&misplaced).unwrap().index, 9_000_000 * SAMPLE);
    }

    #[test]
    fn samples_of_fragments_take_no_bytes_in_the_file() {
        let runs = [table(b"trun", &[1_000_000]), table(b"trun", &[2_000_000])];
        let fragment = boxed(b"moof", &[&boxed(b"traf", &[&runs.concat()])]);
        assert_eq!(of(&[&fragment[..], &fragment].concat()).unwrap().index, 6_000_000 * SAMPLE);
    }

    #[test]
    fn uncompressed_sound_is_indexed_by_pieces() {
        // Twelve hours of 48,000 a second, a chunk for each second but the last, which is halved.
        let tables = |ticks: u32| {
            let sizes = table(b"stsz", &[2, 43_200 * 48_000]);
            let runs = table(b"stsc", &[2, 1, 48_000, 1, 43_200, 24_000, 1]);
            [table(b"stts", &[1, 43_200 * 48_000, ticks]), sizes, runs, table(b"stco", &[43_201])]
        };
        let plain = of(&boxed(b"moov", &[&track(b"soun", &tables(1))])).unwrap();
        assert_eq!((plain.frames, plain.index), (0, (43_199 * 300 + 2 * 150) * PIECE));
        assert!(plain.index < 1 << 30, "an ordinary film may have that");
        for other in [track(b"soun", &tables(2)), track(b"vide", &tables(1))] {
            assert_eq!(of(&boxed(b"moov", &[&other])).unwrap().index, 43_200 * 48_000 * SAMPLE);
        }
    }

    #[test]
    fn a_box_that_goes_on_past_the_end_was_cut_off() {
        let whole = [boxed(b"moov", &[&[0; 30]]), boxed(b"moof", &[&[0; 20]]), boxed(b"mdat", &[&[7; 90]])].concat();
        for (length, cut) in
            [(whole.len(), None), (whole.len() - 1, Some(whole.len() as u64)), (50, Some(66)), (38, None)]
        {
            assert_eq!(of(&whole[..length]).unwrap().cut, cut, "{length}");
        }
        let open = [&whole[..66], &0u32.to_be_bytes(), b"mdat", &[7; 40]].concat();
        assert_eq!(of(&open).unwrap().cut, None, "up to the end, however far that is");
    }

    #[test]
    fn every_edit_may_repeat_all() {
        let edits = table(b"elst", &[3, 9, 0, 1 << 16, 9, 0, 1 << 16, 9, 0, 1 << 16]);
        let film = boxed(b"moov", &[&track(b"vide", &[table(b"stsz", &[1, 1000]), edits])]);
        let found = of(&film).unwrap();
        assert_eq!((found.index, found.edited), (1000 * SAMPLE, 3000 * SAMPLE));
        let lying = boxed(b"moov", &[&track(b"vide", &[table(b"stsz", &[1, 1000]), table(b"elst", &[1 << 31])])]);
        assert_eq!(of(&lying).unwrap().edited, 1000 * SAMPLE, "more than there is room for");
    }

    #[test]
    fn what_cannot_be_counted_is_refused_and_what_is_broken_ends() {
        let packed = boxed(b"moov", &[&boxed(b"cmov", &[&[0; 40]])]);
        assert!(matches!(of(&packed), Err(Error::Unsupported { .. })));
        let hidden = track(b"vide", &[boxed(b"stsd", &[&[0; 40], &table(b"stsz", &[1, 1 << 31])])]);
        assert!(matches!(of(&boxed(b"moov", &[&hidden])), Err(Error::Decode { .. })));

        let whole =
            boxed(b"moov", &[&track(b"vide", &[table(b"stsz", &[1, 8]), table(b"stsc", &[u32::MAX, 1, 1, 1])])]);
        for length in 0..whole.len() {
            let found = of(&whole[..length]).unwrap();
            assert!(found.frames <= 8 && found.tracks <= 1, "{length}: {found:?}");
        }
        let deep = (0..50).fold(table(b"trun", &[7]), |inner, _| boxed(b"moof", &[&inner]));
        assert_eq!(of(&deep).unwrap(), Iso::default(), "deeper than FFmpeg goes");
        for bytes in
            [&[][..], b"RIFF\0\0\0\0AVI ", &[0; 300], &[0xff; 300], b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(Iso { cut: None, ..of(bytes).unwrap() }, Iso::default());
        }
        let stopped = of_iso(&mut Reader::of_vec(boxed(b"skip", &[]).repeat(5000)), &|| Err(Error::Cancelled));
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }
}
