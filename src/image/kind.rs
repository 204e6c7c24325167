//! What a medium is, told by its first bytes and never by its name.

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// JPEG, also in its MPO form.
    Jpeg,
    /// PNG or APNG.
    Png,
    /// GIF, animated or not.
    Gif,
    /// WebP, animated or not.
    WebP,
    /// TIFF, classic or big.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// A picture in an ISO container; the word is `AVIF` or `HEIC`.
    Heif(&'static str),
    /// Another kind of still picture that only FFmpeg may know.
    OtherStill(&'static str),
    /// Something that tells a program to open other files or addresses, or to run; never followed.
    Refused(&'static str),
    /// A film, or nothing that is known here: FFmpeg looks at its content.
    Film,
}

/// As many first bytes as [`sniff`] looks at: the boxes of an ISO file that tell a still from a film lie within them.
pub(crate) const HEAD: usize = 16 << 10;

/// More boxes side by side than any still has.
const MAX_BOXES: usize = 1024;

/// Tells what a medium is by its first [`HEAD`] bytes, or all of them if there are fewer.
pub(crate) fn sniff(head: &[u8]) -> Kind {
    tell(head, head)
}

/// Tells what a medium is by all of its bytes: as [`sniff`], and a film that only begins as a still is a film.
pub(crate) fn of(bytes: &[u8]) -> Kind {
    tell(&bytes[..bytes.len().min(HEAD)], bytes)
}

/// By the `head`, and by the boxes among all `bytes` that are at hand.
fn tell(head: &[u8], bytes: &[u8]) -> Kind {
    match head {
        [0xFF, 0xD8, 0xFF, ..] => Kind::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Kind::Png,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Kind::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::WebP,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Kind::Tiff,
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12..=124, 0, 0, 0, ..] => Kind::Bmp,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => iso(bytes),
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Kind::OtherStill("JPEG XL"),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Kind::OtherStill("JPEG 2000"),
        [b'8', b'B', b'P', b'S', 0, 1, ..] => Kind::OtherStill("Photoshop"),
        [b'q', b'o', b'i', b'f', ..] => Kind::OtherStill("QOI"),
        [0, 0, 1, 0, count, 0, ..] if *count > 0 => Kind::OtherStill("Windows icon"),
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => Kind::OtherStill("portable any map"),
        [0x76, 0x2F, 0x31, 0x01, ..] => Kind::OtherStill("OpenEXR"),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Kind::Refused("a ZIP archive"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Kind::Refused("a PDF document"),
        _ => text(head),
    }
}

/// An ISO base media file: a still claims to be one, holds a `meta` box and no film. A brand alone is soon written into a
/// film, which players show all the same.
fn iso(bytes: &[u8]) -> Kind {
    let (mut rest, mut brands, mut still) = (bytes, &[][..], false);
    for count in 0.. {
        let Some((head, after)) = rest.split_first_chunk::<8>() else { break };
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let (size, content) = match (size, after.first_chunk()) {
            (0, _) => (rest.len(), 8),
            (1, Some(&size)) => (usize::try_from(u64::from_be_bytes(size)).unwrap_or(usize::MAX), 16),
            (size, _) => (size as usize, 8),
        };
        match &head[4..] {
            b"ftyp" if count == 0 => brands = rest.get(content..size.min(rest.len())).unwrap_or_default(),
            b"meta" => still = true,
            b"moov" | b"moof" => return Kind::Film,
            _ if count == MAX_BOXES => return Kind::Film,
            _ => {}
        }
        if size < content {
            break;
        }
        rest = rest.get(size..).unwrap_or_default();
    }
    brand(brands).filter(|_| still).map_or(Kind::Film, Kind::Heif)
}

/// Whether the first bytes are of an ISO file that claims to be a still.
pub(crate) fn claims_a_still(head: &[u8]) -> bool {
    let size = |size: &[u8; 4]| (u32::from_be_bytes(*size) as usize).min(head.len());
    let brands = head.first_chunk().and_then(|first| head.get(8..size(first)));
    head.get(4..8) == Some(b"ftyp") && brands.and_then(brand).is_some()
}

/// The kind of still that the major brand claims, or AVIF among those that it is compatible with; between them stands a
/// version, which is no brand.
fn brand(brands: &[u8]) -> Option<&'static str> {
    let mut brands = brands.chunks_exact(4);
    let major = match brands.next()? {
        b"avif" => Some("AVIF"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"mif1" => Some("HEIC"),
        _ => None,
    };
    if brands.skip(1).any(|brand| brand == b"avif") { Some("AVIF") } else { major }
}

/// Text is never a picture or a film, but some of it names other files, which is worth a word of its own.
fn text(head: &[u8]) -> Kind {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let starts = |word: &[u8]| head.len() >= word.len() && head[..word.len()].eq_ignore_ascii_case(word);
    let holds = |word: &[u8]| head.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word));
    match () {
        () if starts(b"#EXTM3U") => Kind::Refused("an HLS playlist"),
        () if starts(b"ffconcat") || (starts(b"file ") && !head.contains(&0)) => Kind::Refused("a concat script"),
        () if starts(b"[playlist]") => Kind::Refused("a playlist"),
        () if starts(b"v=0") && holds(b"m=") => Kind::Refused("a session description"),
        () if starts(b"<") && holds(b"<MPD") => Kind::Refused("a DASH manifest"),
        () if starts(b"<") && holds(b"<svg") => Kind::Refused("an SVG drawing"),
        () if starts(b"<!doctype html") || starts(b"<html") => Kind::Refused("an HTML page"),
        () => Kind::Film,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ISO file of these brands, the second one its version, and of boxes of 16 bytes each.
    fn boxes(brands: &[&[u8; 4]], kinds: &[&[u8; 4]]) -> Vec<u8> {
        let brands: Vec<u8> = brands.iter().flat_map(|brand| **brand).collect();
        let mut file = [&(8 + brands.len() as u32).to_be_bytes()[..], b"ftyp", &brands].concat();
        for kind in kinds {
            file.extend([&16u32.to_be_bytes()[..], &kind[..], &[0; 8]].concat());
        }
        file
    }

    #[test]
    fn content_decides() {
        let cases: &[(&[u8], Kind)] = &[
            (b"", Kind::Film),
            (b"\xFF\xD8\xFF\xE0", Kind::Jpeg),
            (b"GIF89a..", Kind::Gif),
            (b"RIFF\0\0\0\0WEBPVP8 ", Kind::WebP),
            (b"RIFF\0\0\0\0AVI LIST", Kind::Film),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", Kind::Film),
            (b"\xff\xff\xff\xffftyp", Kind::Film),
            (b"\0\0\0\0ftyp", Kind::Film),
            (b"\0\0\0\x01ftyp", Kind::Film),
            (b"\xEF\xBB\xBF#EXTM3U\n#EXT", Kind::Refused("an HLS playlist")),
            (b"ffconcat version 1.0\nfile x", Kind::Refused("a concat script")),
            (b"file '/etc/passwd'\n", Kind::Refused("a concat script")),
            (b"<?xml version='1.0'?>\n<svg xmlns=''>", Kind::Refused("an SVG drawing")),
            (b"PK\x03\x04", Kind::Refused("a ZIP archive")),
        ];
        for (head, kind) in cases {
            assert_eq!(sniff(head), *kind, "{:?}", String::from_utf8_lossy(head));
        }
    }

    /// Brands, or kinds of boxes.
    type Names = &'static [&'static [u8; 4]];

    #[test]
    fn iso_files_are_what_their_boxes_make_them() {
        let (avif, heic) = (Kind::Heif("AVIF"), Kind::Heif("HEIC"));
        let still: Names = &[b"meta", b"mdat"];
        let cases: &[(Names, Names, Kind)] = &[
            (&[b"avif", b"\0\0\0\0", b"avif", b"mif1", b"miaf"], still, avif),
            (&[b"mif1", b"\0\0\0\0", b"mif1", b"avif", b"miaf"], still, avif),
            (&[b"heic", b"\0\0\0\0", b"mif1", b"heic"], still, heic),
            (&[b"heic", b"\0\0\0\0", b"mif1", b"heic"], &[b"free", b"mdat", b"meta"], heic),
            // The box of a film tells, wherever it stands, and so does that of a still that is missing.
            (&[b"isom", b"\0\0\x02\0", b"isom", b"avc1"], &[b"moov", b"mdat"], Kind::Film),
            (&[b"isom", b"\0\0\x02\0", b"isom", b"avif"], &[b"free", b"mdat", b"moov"], Kind::Film),
            (&[b"avif", b"\0\0\0\0", b"avif"], &[b"free", b"mdat"], Kind::Film),
            (&[b"avis", b"\0\0\0\0", b"avif", b"avis", b"msf1"], &[b"meta", b"moov", b"mdat"], Kind::Film),
            (&[b"avif", b"\0\0\0\0", b"avif"], &[b"meta", b"mdat", b"moof"], Kind::Film),
            // The version is no brand.
            (&[b"isom", b"avif", b"isom", b"avc1"], still, Kind::Film),
        ];
        for (brands, kinds, kind) in cases {
            let file = boxes(brands, kinds);
            assert_eq!((sniff(&file), of(&file)), (*kind, *kind), "{:?}", String::from_utf8_lossy(&file));
        }
        let long: Vec<&[u8; 4]> = std::iter::once(b"meta").chain([b"free"; MAX_BOXES]).collect();
        assert_eq!(of(&boxes(&[b"avif", b"\0\0\0\0"], &long)), Kind::Film);
        // A film behind what the first bytes show of a still.
        let mut late = boxes(&[b"avif", b"\0\0\0\0"], &[b"meta"]);
        late.extend([&(HEAD as u32).to_be_bytes()[..], b"mdat", &vec![0; HEAD - 8]].concat());
        assert_eq!((sniff(&late[..HEAD]), of(&late)), (Kind::Heif("AVIF"), Kind::Heif("AVIF")));
        late.extend(b"\0\0\0\x10moov\0\0\0\0\0\0\0\0");
        assert_eq!(of(&late), Kind::Film);
    }

    #[test]
    fn a_claim_to_be_a_still_is_told_by_the_first_bytes() {
        assert!(claims_a_still(&boxes(&[b"avif", b"\0\0\0\0", b"mif1"], &[b"mdat"])));
        assert!(claims_a_still(&boxes(&[b"isom", b"\0\0\0\0", b"avif"], &[b"moov"])));
        for head in [boxes(&[b"isom", b"avif", b"avc1"], &[b"moov"]), b"ftypavif".to_vec(), Vec::new()] {
            assert!(!claims_a_still(&head), "{head:?}");
        }
        // What makes it a film comes late.
        let mut film = boxes(&[b"avif", b"\0\0\0\0"], &[b"meta"]);
        film.extend([&(2 * HEAD as u32).to_be_bytes()[..], b"free"].concat());
        film.resize(film.len() - 8 + 2 * HEAD, 0);
        film.extend(b"\0\0\0\x10moov\0\0\0\0\0\0\0\0");
        assert!(matches!(sniff(&film[..HEAD]), Kind::Heif(_)));
        assert_eq!(of(&film), Kind::Film);
    }
}
