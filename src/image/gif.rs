//! The blocks of a GIF (version 89a), walked without decoding: whether it means to move, and what a decoder has to be spared.
//!
//! Every viewer passes over extensions that it does not know; `image`'s decoder takes the first one for the end of the file.

use std::borrow::Cow;

/// A GIF for the decoder.
pub(super) struct Blocks<'a> {
    /// Without the extensions that the standard does not know, if there is room for a copy.
    pub(super) bytes: Cow<'a, [u8]>,
    /// More than one picture begins in it, whole or not.
    pub(super) moves: bool,
}

/// Walks the blocks as far as they make sense; a copy may take `room` bytes.
pub(super) fn blocks(bytes: &[u8], room: u64) -> Blocks<'_> {
    let fits = bytes.len() as u64 <= room;
    let (mut pictures, mut from, mut known) = (0, 0, Vec::new());
    let mut at = bytes.get(10).map_or(usize::MAX, |&flags| 13 + colours(flags));
    loop {
        let end = match bytes.get(at..).unwrap_or_default() {
            [0x21, label, ..] => {
                let end = sub_blocks(bytes, at + 2);
                if let (Some(end), false) = (end, matches!(label, 0x01 | 0xF9 | 0xFE | 0xFF) || !fits) {
                    known.reserve_exact(bytes.len() - from);
                    known.extend_from_slice(&bytes[from..at]);
                    from = end;
                }
                end
            }
            [0x2C, head @ ..] => {
                pictures += 1;
                head.get(8).and_then(|&flags| sub_blocks(bytes, at + 11 + colours(flags)))
            }
            _ => None,
        };
        let Some(end) = end else { break };
        at = end;
    }
    let bytes = if from == 0 {
        Cow::Borrowed(bytes)
    } else {
        known.extend_from_slice(&bytes[from..]);
        Cow::Owned(known)
    };
    Blocks { bytes, moves: pictures > 1 }
}

/// The length of a table of colours.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 6 << (flags & 7) }
}

/// Where the sub-blocks from `at` on end; `None` if the file ends before.
fn sub_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let size = usize::from(*bytes.get(at)?);
        at += 1 + size;
        if size == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF";
    const PICTURE: &[u8] = b"\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    const DELAY: &[u8] = b"\x21\xF9\x04\0\x0A\0\0\0";

    #[test]
    fn pictures_are_counted_and_unknown_extensions_left_out() {
        let walk = |parts: &[&[u8]]| {
            let bytes = [&[HEAD], parts].concat().concat();
            let blocks = blocks(&bytes, 1000);
            (blocks.moves, blocks.bytes == bytes, blocks.bytes.into_owned())
        };
        let whole = [HEAD, PICTURE, DELAY, PICTURE, b";"].concat();
        assert_eq!(walk(&[PICTURE, DELAY, PICTURE, b";"]), (true, true, whole.clone()));
        assert_eq!(walk(&[PICTURE, b"!B\0", DELAY, b"!C\x02ab\x01c\0", PICTURE, b";"]), (true, false, whole));
        for still in [&[PICTURE, b";"][..], &[PICTURE], &[PICTURE, DELAY], &[PICTURE, b"junk"], &[&PICTURE[..9]], &[]] {
            let (moves, same, _) = walk(still);
            assert!(!moves && same, "{still:?}");
        }
        // One that breaks off in its second picture, or in an extension.
        assert!(walk(&[PICTURE, &PICTURE[..5]]).0);
        assert_eq!(walk(&[PICTURE, b"!B\x09a"]), (false, true, [HEAD, PICTURE, b"!B\x09a"].concat()));
        assert!(!blocks(b"GIF89a", 1000).moves);
        let cramped = [HEAD, PICTURE, b"!B\0", PICTURE, b";"].concat();
        assert!(matches!(blocks(&cramped, 10), Blocks { bytes: Cow::Borrowed(_), moves: true }));
    }
}
