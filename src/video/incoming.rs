//! A film that is read once, as it comes in.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::claimed::{self, Iso};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::media::Reader;
use crate::limits::Limits;

/// Boxes that an ISO file begins with.
const FIRST: [&[u8; 4]; 9] = [b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx"];
/// The longest head of a box.
const HEAD: usize = 16;

/// A stream whose boxes, if it is of an ISO container, are counted one by one before FFmpeg sees them, as those of a file are before it
/// is opened. What lies in the boxes of the media themselves passes as it comes.
pub(super) struct Incoming {
    stream: Box<dyn Read + Send>,
    limits: Limits,
    cancel: Cancel,
    kind: Option<Kind>,
    /// What may be read of what was looked at.
    ready: io::Cursor<Vec<u8>>,
    /// Bytes that pass as they come.
    passing: u64,
    counted: Iso,
    refused: Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Iso,
    Other,
}

/// Why a stream is not read any further, which FFmpeg has no words for.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(Arc<Mutex<Option<Error>>>);

impl Refused {
    pub(super) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: Error) -> io::Error {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::ErrorKind::InvalidData.into()
    }
}

impl Incoming {
    pub(super) fn new(stream: Box<dyn Read + Send>, limits: &Limits, cancel: &Cancel) -> Self {
        Self {
            stream,
            limits: limits.clone(),
            cancel: cancel.clone(),
            kind: None,
            ready: io::Cursor::default(),
            passing: 0,
            counted: Iso::default(),
            refused: Refused::default(),
        }
    }

    /// Where it says why it ended, if it was refused.
    pub(super) fn refused(&self) -> Refused {
        self.refused.clone()
    }

    /// Whether the stream is of an ISO container, by its first box.
    pub(super) fn is_iso(&mut self) -> io::Result<bool> {
        if self.kind.is_none() {
            self.next_box()?;
        }
        Ok(self.kind == Some(Kind::Iso))
    }

    /// Reads the next box, or the head of one that passes.
    fn next_box(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEAD);
        self.fill(&mut bytes, 8)?;
        let kind: [u8; 4] = bytes.get(4..8).and_then(|kind| kind.try_into().ok()).unwrap_or_default();
        let iso = *self.kind.get_or_insert(if FIRST.contains(&&kind) { Kind::Iso } else { Kind::Other });
        if iso == Kind::Iso && bytes.len() == 8 {
            let size = match bytes.first_chunk().map_or(0, |&size| u32::from_be_bytes(size)) {
                0 => u64::MAX,
                1 => {
                    self.fill(&mut bytes, HEAD)?;
                    bytes.get(8..HEAD).and_then(|size| size.try_into().ok()).map_or(0, u64::from_be_bytes)
                }
                size => size.into(),
            };
            // It is held twice while it is looked at, and what FFmpeg makes of it is larger.
            let room = self.limits.memory / 8;
            match &kind {
                b"mdat" => self.passing = size.saturating_sub(bytes.len() as u64),
                // A box that says less than its head is none, and what follows is nothing that is known.
                _ if size < bytes.len() as u64 => self.kind = Some(Kind::Other),
                _ if size > room => return Err(self.refused.set(Error::limit("memory", room, size))),
                _ => {
                    self.fill(&mut bytes, usize::try_from(size).unwrap_or(usize::MAX))?;
                    self.count(&bytes).map_err(|error| self.refused.set(error))?;
                }
            }
        }
        self.ready = io::Cursor::new(bytes);
        Ok(())
    }

    /// Reads on until there are so many bytes, or no more.
    fn fill(&mut self, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
        let rest = length.saturating_sub(bytes.len()) as u64;
        self.stream.by_ref().take(rest).read_to_end(bytes).map(drop)
    }

    fn count(&mut self, bytes: &[u8]) -> Result<()> {
        let found = claimed::of_iso(&mut Reader::of_vec(bytes.to_vec()), &|| self.cancel.check())?;
        self.counted.tracks = self.counted.tracks.saturating_add(found.tracks);
        self.counted.edited = self.counted.edited.saturating_add(found.edited);
        let most = [
            ("streams", self.limits.streams.into(), self.counted.tracks),
            ("frames", self.limits.frames, found.frames),
            // What FFmpeg keeps of a fragment it keeps to the end.
            ("memory", self.limits.memory, self.counted.edited),
        ];
        match most.into_iter().find(|(_, max, got)| got > max) {
            Some((limit, max, got)) => Err(Error::limit(limit, max, got)),
            None => Ok(()),
        }
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.ready.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            if self.passing > 0 || self.kind == Some(Kind::Other) {
                let most = if self.kind == Some(Kind::Other) { u64::MAX } else { self.passing };
                let room = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
                let read = self.stream.read(&mut buffer[..room])?;
                self.passing = self.passing.saturating_sub(read as u64);
                return Ok(read);
            }
            self.next_box()?;
            if self.ready.get_ref().is_empty() {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), body].concat()
    }

    fn through(bytes: Vec<u8>, limits: &Limits) -> (io::Result<Vec<u8>>, Option<Error>) {
        let mut incoming = Incoming::new(Box::new(io::Cursor::new(bytes)), limits, &Cancel::new());
        let mut read = Vec::new();
        let ended = incoming.read_to_end(&mut read);
        (ended.map(|_| read), incoming.refused().take())
    }

    #[test]
    fn every_byte_comes_through_as_it_was() {
        let long = [&1u32.to_be_bytes(), b"mdat".as_slice(), &24u64.to_be_bytes(), &[7; 8]].concat();
        let fragment = boxed(b"moof", &boxed(b"traf", &boxed(b"trun", &[0, 0, 0, 0, 0, 0, 0, 9])));
        let iso = [boxed(b"ftyp", b"isom"), boxed(b"free", &[]), fragment, long, boxed(b"mdat", &[1; 99])].concat();
        let open = [boxed(b"ftyp", b"isom"), [&0u32.to_be_bytes(), b"mdat".as_slice(), &[3; 70]].concat()].concat();
        let broken = [boxed(b"ftyp", b"isom"), [&5u32.to_be_bytes(), b"moov".as_slice(), &[3; 70]].concat()].concat();
        let transport = [0x47; 188 * 9].to_vec();
        for bytes in [iso.clone(), iso[..iso.len() - 120].to_vec(), open, broken, transport, vec![0; 3], Vec::new()] {
            let (read, refused) = through(bytes.clone(), &Limits::default());
            assert_eq!(read.unwrap(), bytes);
            assert!(refused.is_none(), "{refused:?}");
        }
    }

    #[test]
    fn what_a_fragment_claims_is_counted_before_anyone_sees_it() {
        let trun = |samples: u32| boxed(b"trun", &[[0; 4], samples.to_be_bytes()].concat());
        let fragment = |samples| boxed(b"moof", &boxed(b"traf", &trun(samples)));
        let header = boxed(b"ftyp", b"isom");
        let whole = [header.clone(), fragment(1_000), fragment(400_000_000)].concat();
        let (read, refused) = through(whole, &Limits::default());
        assert!(read.is_err() && matches!(refused, Some(Error::Limit { limit: "memory", .. })), "{refused:?}");
        // Many small ones add up.
        let many = [header, fragment(9_000_000).repeat(3)].concat();
        let (read, refused) = through(many, &Limits::default());
        assert!(read.is_err() && matches!(refused, Some(Error::Limit { limit: "memory", .. })), "{refused:?}");
        let (read, refused) = through(boxed(b"moov", &[0; 99]), &Limits { memory: 64, ..Limits::default() });
        assert!(
            read.is_err() && matches!(refused, Some(Error::Limit { limit: "memory", got: 107, .. })),
            "{refused:?}"
        );
    }
}
