//! Lines of a list from outside: numbered, bounded, in UTF-8, without byte order mark, line ends, blank lines and comments.

use std::io::{BufRead, ErrorKind};

use super::MAX_LINE;
use crate::error::{Error, Result};

/// The lines of `input`; an error of one line is followed by the next line, an [`Error::Io`] is the last item.
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    ended: bool,
    comments: bool,
}

impl<R: BufRead> Lines<R> {
    /// `comments`: whether lines that begin with `#` are left out.
    pub(crate) fn new(input: R, comments: bool) -> Self {
        Self { input, number: 0, ended: false, comments }
    }

    fn read(&mut self) -> Option<Result<String>> {
        let mut line = Vec::new();
        let mut length = 0u64;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(Error::io("", error)));
                }
            };
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let take = end.map_or(chunk.len(), |at| at + 1);
            let room = MAX_LINE.saturating_sub(line.len()).min(take);
            line.extend_from_slice(&chunk[..room]);
            length += take as u64;
            let last = take == 0;
            self.input.consume(take);
            if last && length == 0 {
                self.ended = true;
                return None;
            }
            if last || end.is_some() {
                break;
            }
        }
        self.number += 1;
        if length > MAX_LINE as u64 {
            return Some(Err(Error::limit("line bytes", MAX_LINE as u64, length)));
        }
        let bytes = match (self.number, line.as_slice()) {
            (1, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) => {
                self.ended = true;
                return Some(Err(Error::decode("the list is in UTF-16; it has to be in UTF-8")));
            }
            (1, [0xef, 0xbb, 0xbf, rest @ ..]) => rest,
            (_, bytes) => bytes,
        };
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.trim().to_string()),
            Err(error) => Err(Error::decode(format!("not UTF-8 at byte {}", error.valid_up_to() + 1))),
        })
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = (u64, Result<String>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.read()? {
                Ok(line) if line.is_empty() || self.comments && line.starts_with('#') => {}
                line => return Some((self.number.max(1), line)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_marks_blanks_and_comments_are_not_content() {
        let input = b"\xef\xbb\xbffirst\r\n\r\n  # a comment\nsecond  \n\xff\xfe\nlast";
        let lines: Vec<(u64, Option<String>)> =
            Lines::new(&input[..], true).map(|(number, line)| (number, line.ok())).collect();
        let expected = [(1, Some("first")), (4, Some("second")), (5, None), (6, Some("last"))];
        assert_eq!(lines, expected.map(|(number, line)| (number, line.map(str::to_string))));
        assert_eq!(Lines::new(&b""[..], true).count(), 0);
    }

    #[test]
    fn a_huge_line_is_an_error_and_takes_no_memory() {
        let huge = std::io::repeat(b'f');
        let input = std::io::Read::chain(std::io::Read::take(huge, MAX_LINE as u64 + 5), &b"\nnext\n"[..]);
        let mut lines = Lines::new(std::io::BufReader::new(input), true);
        assert!(matches!(lines.next(), Some((1, Err(Error::Limit { limit: "line bytes", .. })))));
        assert!(matches!(lines.next(), Some((2, Ok(line))) if line == "next"));
        assert!(lines.next().is_none());
    }

    #[test]
    fn another_encoding_is_said_once() {
        let lines: Vec<_> = Lines::new(&b"\xff\xfea\0\n\0b\0\n\0"[..], true).collect();
        assert!(matches!(&lines[..], [(1, Err(Error::Decode { .. }))]));
    }
}
