//! The only file that maps files.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

/// A file mapped for reading.
pub(super) struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Maps all of `file`.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        // SAFETY: parts are written once, under another name, and never changed or cut short afterwards; only this
        // program writes to the folder. Whoever alters a mapped file by other means may see other bytes, which the
        // checksums are for, or, by cutting it short, a signal.
        let map = unsafe { memmap2::Mmap::map(file)? };
        // What is needed is announced, see [`will_need`]; the system's own reading ahead fetches megabytes for one bucket.
        #[cfg(unix)]
        let _ = map.advise(memmap2::Advice::Random); // without it everything is the same, but slower
        Ok(Self(map))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Has the system fetch `bytes` while other work goes on, if they are mapped and not in memory.
pub(super) fn will_need(bytes: &[u8]) {
    #[cfg(unix)]
    {
        const PAGE: usize = 4096; // where pages are larger the call is refused, which does no harm
        // Linux cuts a longer request to what it reads ahead, 128 KiB as a rule, and says nothing.
        const PIECE: usize = 1 << 17;
        let (from, end) = (bytes.as_ptr() as usize / PAGE * PAGE, bytes.as_ptr() as usize + bytes.len());
        for at in (from..end).step_by(PIECE) {
            // SAFETY: this advice changes nothing that a program can see, whatever the range.
            unsafe { libc::madvise(at as *mut libc::c_void, PIECE.min(end - at), libc::MADV_WILLNEED) };
        }
    }
    #[cfg(not(unix))]
    let _ = bytes;
}
