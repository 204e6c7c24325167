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

/// As many first bytes as [`sniff`] looks at.
pub(crate) const HEAD: usize = 1024;

/// Tells what a medium is by its first [`HEAD`] bytes, or all of them if there are fewer.
pub(crate) fn sniff(head: &[u8]) -> Kind {
    match head {
        [0xFF, 0xD8, 0xFF, ..] => Kind::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Kind::Png,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Kind::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::WebP,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Kind::Tiff,
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12..=124, 0, 0, 0, ..] => Kind::Bmp,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => iso(head),
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

/// An ISO base media file: stills by the brands they claim, all else is a film.
fn iso(head: &[u8]) -> Kind {
    let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let brands = &head[8..size.clamp(8, head.len())];
    let mut major = None;
    for (at, brand) in brands.chunks_exact(4).enumerate() {
        let kind = match brand {
            b"avif" => Kind::Heif("AVIF"),
            b"heic" | b"heix" | b"heim" | b"heis" | b"mif1" => Kind::Heif("HEIC"),
            _ => continue,
        };
        match (at, kind, major) {
            (_, Kind::Heif("AVIF"), _) => return kind,
            (0, ..) => major = Some(kind),
            _ => {}
        }
    }
    major.unwrap_or(Kind::Film)
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

    #[test]
    fn content_decides() {
        let cases: &[(&[u8], Kind)] = &[
            (b"", Kind::Film),
            (b"\xFF\xD8\xFF\xE0", Kind::Jpeg),
            (b"GIF89a..", Kind::Gif),
            (b"RIFF\0\0\0\0WEBPVP8 ", Kind::WebP),
            (b"RIFF\0\0\0\0AVI LIST", Kind::Film),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", Kind::Heif("AVIF")),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", Kind::Heif("AVIF")),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Kind::Heif("HEIC")),
            (b"\0\0\0\x18ftypisom\0\0\x02\0isomavc1", Kind::Film),
            (b"\xff\xff\xff\xffftyp", Kind::Film),
            (b"\0\0\0\0ftyp", Kind::Film),
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
}
