//! Whether a file met in a folder is worth trying, by its first bytes or its name.
//!
//! This only keeps a scan of a disk from reporting every text file as damaged; what a medium really is, the decoders say.

use std::path::Path;

use crate::image::kind::{Kind as Still, sniff};

/// What a file in a folder seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A picture or film by its content, or by its name.
    Media,
    /// An archive, which may hold media but is not opened.
    Archive,
    /// Anything else.
    Other,
}

/// How many bytes from the start [`Kind::of`] looks at.
pub(crate) const HEAD: usize = 512;

const MEDIA_NAMES: &[&str] = &[
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "gif", "webp", "bmp", "dib", "tif", "tiff", "heic", "heif", "avif",
    "jxl", "jp2", "ico", "qoi", "exr", "psd", "pnm", "ppm", "pgm", "pbm", "tga", "mp4", "m4v", "mov", "qt", "mkv",
    "webm", "avi", "mpg", "mpeg", "mpe", "m2v", "ts", "m2ts", "mts", "vob", "flv", "f4v", "wmv", "asf", "3gp", "3g2",
    "ogv", "ogm", "mxf", "y4m", "divx", "rm", "rmvb",
];
/// Those of them that are films; stills otherwise.
const FILM_NAMES: &[&str] = &[
    "mp4", "m4v", "mov", "qt", "mkv", "webm", "avi", "mpg", "mpeg", "mpe", "m2v", "ts", "m2ts", "mts", "vob", "flv",
    "f4v", "wmv", "asf", "3gp", "3g2", "ogv", "ogm", "mxf", "y4m", "divx", "rm", "rmvb",
];
const ARCHIVE_NAMES: &[&str] =
    &["zip", "7z", "rar", "tar", "gz", "tgz", "bz2", "tbz2", "xz", "txz", "zst", "lz4", "cab", "iso", "cbz", "cbr"];

impl Kind {
    /// Judges by the first bytes (up to 512 are looked at), then by the name's ending.
    pub fn of(path: &Path, head: &[u8]) -> Self {
        let named = |names| ends_in(path, names);
        if is_media(head) || named(MEDIA_NAMES) {
            Self::Media
        } else if is_archive(head) || named(ARCHIVE_NAMES) {
            Self::Archive
        } else {
            Self::Other
        }
    }
}

/// Whether a file is named like a film: for guesses about what it will cost, nothing else.
pub(crate) fn named_like_a_film(path: &Path) -> bool {
    ends_in(path, FILM_NAMES)
}

fn ends_in(path: &Path, names: &[&str]) -> bool {
    path.extension().is_some_and(|ending| names.iter().any(|name| ending.eq_ignore_ascii_case(name)))
}

fn is_media(head: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let holds = |word: &[u8]| head.windows(word.len()).any(|at| at == word);
    !matches!(sniff(head), Still::Film | Still::Refused(_))
        || at(0, b"RIFF") && at(8, b"AVI ")
        || at(4, b"ftyp")
        || at(4, b"moov")
        || at(4, b"mdat")
        || at(0, b"\x1A\x45\xDF\xA3")
        || at(0, b"FLV\x01")
        || at(0, b"\0\0\x01\xBA")
        || at(0, b"\0\0\x01\xB3")
        || at(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11")
        || at(0, b"\x47") && at(188, b"\x47") && at(376, b"\x47")
        || at(0, b"YUV4MPEG2 ")
        // Most files of this kind are sound alone.
        || at(0, b"OggS") && (holds(b"\x80theora") || holds(b"\x01video\0"))
}

fn is_archive(head: &[u8]) -> bool {
    [
        &b"PK\x03\x04"[..],
        b"7z\xBC\xAF\x27\x1C",
        b"Rar!\x1A\x07",
        b"\x1F\x8B",
        b"BZh",
        b"\xFD7zXZ\0",
        b"\x28\xB5\x2F\xFD",
    ]
    .iter()
    .any(|magic| head.starts_with(magic))
        || head.get(257..262) == Some(b"ustar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_goes_before_the_name() {
        let kind = |name: &str, head: &[u8]| Kind::of(Path::new(name), head);
        assert_eq!(kind("a.txt", b"\x89PNG\r\n\x1A\n...."), Kind::Media);
        assert_eq!(kind("a.jpg", b""), Kind::Media);
        assert_eq!(kind("a.JPG", b"some text"), Kind::Media);
        assert_eq!(kind("a", b"\0\0\0\x20ftypisom"), Kind::Media);
        assert_eq!(kind("a.txt", b"some text"), Kind::Other);
        assert_eq!(kind("a", b""), Kind::Other);
        assert_eq!(kind("a.bin", b"PK\x03\x04"), Kind::Archive);
        assert_eq!(kind("a.tar", b""), Kind::Archive);
        for still in ["qoif\0\0\0\x10", "P6\n4 4\n255\n", "v/1\x01\x02\0\0\0", "\0\0\x01\0\x01\0\x10\x10"] {
            assert_eq!(kind("a", still.as_bytes()), Kind::Media, "{still:?}");
        }
        assert_eq!(kind("a", b"OggS\0\x02\0\0\0\0\x80theora\x03"), Kind::Media);
        assert_eq!(kind("a", b"OggS\0\x02\0\0\0\0\x01vorbis"), Kind::Other);
        assert_eq!(kind("a", b"%PDF-1.4"), Kind::Other);
        assert!(FILM_NAMES.iter().all(|name| MEDIA_NAMES.contains(name)));
        assert!(named_like_a_film(Path::new("a.MP4")) && !named_like_a_film(Path::new("mp4")));
    }
}
