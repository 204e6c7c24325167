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
        Ok(Self(unsafe { memmap2::Mmap::map(file)? }))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
