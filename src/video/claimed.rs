//! The size of a picture by its own header, where FFmpeg forgets it: it clears a size that it holds to be impossible (some
//! 2^28 pixels), and then nobody can tell a bomb from a damaged file.

use std::io::{Read, Seek};

use crate::fingerprint::media::Reader;

/// What the main header of an AVI file claims, which lies at a fixed place; the reader is at its start again afterwards.
pub(super) fn of_avi(reader: &mut Reader) -> Option<(u32, u32)> {
    let mut head = [0; 72];
    let read = reader.read_exact(&mut head);
    reader.rewind().ok()?;
    read.ok()?;
    let named = |at: usize, name: &[u8]| head[at..].starts_with(name);
    let avi = named(0, b"RIFF") && named(8, b"AVI LIST") && named(20, b"hdrlavih");
    avi.then(|| (number(&head[64..], u32::from_le_bytes), number(&head[68..], u32::from_le_bytes)))
}

/// What a packet claims that is a PNG picture.
pub(super) fn of_packet(packet: &[u8]) -> Option<(u32, u32)> {
    let png = packet.len() >= 24 && packet.starts_with(b"\x89PNG\r\n\x1a\n") && &packet[12..16] == b"IHDR";
    png.then(|| (number(&packet[16..], u32::from_be_bytes), number(&packet[20..], u32::from_be_bytes)))
}

fn number(bytes: &[u8], of: fn([u8; 4]) -> u32) -> u32 {
    bytes.first_chunk().map_or(0, |&four| of(four))
}
