//! A database file that may not be written: what is written stays in memory, on top of it.
//!
//! A database that a killed writer left behind has to be repaired before it can be read, which changes it. On a read-only
//! file system the repair is done here, for as long as it is open; and so is whatever looks at a file that may be damaged, which
//! a repair could make worse.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// Two writes that are further apart have different times on any file system that tells them to a hundredth of a second.
pub(super) const SETTLED: Duration = Duration::from_millis(50);
/// Bytes that are kept together.
const BLOCK: u64 = 4096;

/// Where redb keeps the mark that a writer has the file open, or was killed: a bit of a byte of the header.
const OPEN: (u64, u8) = (9, 2);

/// Where redb keeps how long the file is meant to be: the bytes of a page, the pages before a region's own, the most that it has, the regions that
/// have as many, and how many one more has, in four bytes each.
const LAYOUT: u64 = 12;
/// A file that was cut short is shown as long as it is meant to be, but not longer than so many times what is left.
const MOST: u64 = 64;

/// The file and what lies on top of it.
#[derive(Debug)]
pub(super) struct Overlay {
    layers: Mutex<Layers>,
    locks: Locks,
}

/// What redb is told when it locks ranges of the file.
#[derive(Debug)]
enum Locks {
    /// That there is nothing to lock.
    Unknown,
    /// That it has them.
    Granted,
    /// What the file says.
    Real(FileBackend),
}

#[derive(Debug)]
struct Layers {
    file: File,
    /// Of the file, so much is seen; after it there are zeros.
    below: u64,
    len: u64,
    /// Whole blocks, by number.
    written: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    /// Puts nothing on top of `path`.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let layers = Mutex::new(Layers { file, below: len, len, written: BTreeMap::new() });
        Ok(Self { layers, locks: Locks::Unknown })
    }

    /// As [`Self::new`], for a reader that takes the file as it lies, although its writer was killed.
    pub(super) fn as_it_lies(path: &Path) -> io::Result<Self> {
        let overlay = Self { locks: Locks::Granted, ..Self::new(path)? };
        overlay.lengthen();
        let (at, bit) = OPEN;
        let mut byte = [0];
        overlay.read(at, &mut byte)?;
        overlay.write(at, &[byte[0] & !bit])?;
        Ok(overlay)
    }

    /// As [`Self::new`], with the locks of the file: nobody writes to it meanwhile.
    pub(super) fn locking(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let file = FileBackend::new(file).map_err(io::Error::other)?;
        let overlay = Self { locks: Locks::Real(file), ..Self::new(path)? };
        overlay.lengthen();
        Ok(overlay)
    }

    /// Shows zeros where a file that was cut short is meant to go on, so that the rest of it can be read.
    fn lengthen(&self) {
        let mut head = [0; 20];
        if self.read(LAYOUT, &mut head).is_err() {
            return;
        }
        let number = |at: usize| u64::from(u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
        let [page, before, most, full, last] = [0, 4, 8, 12, 16].map(number);
        let last = if last > 0 { before + last } else { 0 };
        let pages = full.checked_mul(before + most).and_then(|pages| pages.checked_add(last + 1));
        let mut layers = self.lock();
        if let Some(meant) = pages.and_then(|pages| pages.checked_mul(page))
            && meant > layers.len
            && meant / MOST <= layers.len
        {
            layers.len = meant;
        }
    }

    /// As [`is_marked`].
    pub(super) fn is_marked(&self) -> io::Result<bool> {
        let (at, bit) = OPEN;
        let mut byte = [0];
        self.read(at, &mut byte)?;
        Ok(byte[0] & bit != 0)
    }

    fn lock(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file's locks say, or what is said in their place.
    fn locks<T>(
        &self,
        granted: T,
        real: impl FnOnce(&FileBackend) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        match &self.locks {
            Locks::Unknown => Err(BackendError::Unsupported),
            Locks::Granted => Ok(granted),
            Locks::Real(file) => real(file),
        }
    }
}

/// Whether the file is marked as one that a writer has open, or had when it was killed.
pub(super) fn is_marked(path: &Path) -> bool {
    let (at, bit) = OPEN;
    let mut head = vec![0; at as usize + 1];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head[at as usize] & bit != 0
}

/// The blocks that `len` bytes at `at` lie in: number, which bytes of it, and which of those bytes.
fn blocks(at: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>, Range<usize>)> {
    let end = at + len as u64;
    (at / BLOCK..end.div_ceil(BLOCK)).map(move |block| {
        let (from, until) = (at.max(block * BLOCK), end.min((block + 1) * BLOCK));
        let within = |offset: u64, base: u64| (offset - base) as usize;
        (block, within(from, block * BLOCK)..within(until, block * BLOCK), within(from, at)..within(until, at))
    })
}

impl Layers {
    fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let there = self.below.saturating_sub(at).min(out.len() as u64) as usize;
        out[there..].fill(0);
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut out[..there])?;
        let (first, last) = (at / BLOCK, (at + out.len() as u64).div_ceil(BLOCK));
        if self.written.range(first..last).next().is_some() {
            for (block, of_block, of_out) in blocks(at, out.len()) {
                if let Some(bytes) = self.written.get(&block) {
                    out[of_out].copy_from_slice(&bytes[of_block]);
                }
            }
        }
        Ok(())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut layers = self.lock();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > layers.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        layers.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut layers = self.lock();
        if len < layers.len {
            layers.written.retain(|block, _| block * BLOCK < len);
            if let Some(last) = layers.written.get_mut(&(len / BLOCK)) {
                last[(len % BLOCK) as usize..].fill(0);
            }
            layers.below = layers.below.min(len);
        }
        layers.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut layers = self.lock();
        for (block, of_block, of_data) in blocks(offset, data.len()) {
            if !layers.written.contains_key(&block) {
                let mut bytes = vec![0; BLOCK as usize];
                layers.read(block * BLOCK, &mut bytes)?;
                layers.written.insert(block, bytes);
            }
            if let Some(bytes) = layers.written.get_mut(&block) {
                bytes[of_block].copy_from_slice(&data[of_data]);
            }
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        match &self.locks {
            Locks::Real(file) => file.close(),
            _ => Ok(()),
        }
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks(true, |file| file.try_lock_range(start, end))
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks(true, |file| file.try_lock_shared_range(start, end))
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks((), |file| file.lock_range(start, end))
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks((), |file| file.lock_shared_range(start, end))
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks((), |file| file.unlock_range(start, end))
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks(false, |file| file.query_lock_range(start, end))
    }
}

/// What tells whether a file was written since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    is: (u64, Option<SystemTime>),
}

impl Stamp {
    /// Of the file as it is now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self { path: path.to_path_buf(), is: (found.len(), found.modified().ok()) })
    }

    /// Whether it was written so long ago that a write after this stamp has another time.
    pub(super) fn is_settled(&self) -> bool {
        // One in the future is that of no write just now.
        self.is.1.is_none_or(|modified| modified.elapsed().map_or(true, |age| age >= SETTLED))
    }

    /// Whether the file is what it was.
    pub(super) fn holds(&self) -> bool {
        Self::of(&self.path).is_ok_and(|now| now == *self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_file_would_and_leaves_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut plain: Vec<u8> = (0..20_000u32).map(|at| (at * 7 / 3) as u8).collect();
        std::fs::write(&path, &plain).unwrap();
        let stamp = Stamp::of(&path).unwrap();
        let overlay = Overlay::new(&path).unwrap();
        let mut state = 1u64;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) % bound
        };
        for round in 0..3000u32 {
            let len = plain.len() as u64;
            match below(10) {
                0 => {
                    let len = below(40_000);
                    overlay.set_len(len).unwrap();
                    plain.resize(len as usize, 0);
                }
                1..5 if len > 0 => {
                    let at = below(len);
                    let data = vec![round as u8; below((len - at).min(9000) + 1) as usize];
                    overlay.write(at, &data).unwrap();
                    plain[at as usize..][..data.len()].copy_from_slice(&data);
                }
                _ => {
                    let at = below(len + 1);
                    let mut out = vec![1; below(len - at + 1) as usize];
                    overlay.read(at, &mut out).unwrap();
                    assert_eq!(out, plain[at as usize..][..out.len()], "round {round}");
                }
            }
            assert_eq!(overlay.len().unwrap(), plain.len() as u64);
        }
        assert!(overlay.read(plain.len() as u64, &mut [0]).is_err());
        assert!(stamp.holds() && std::fs::read(&path).unwrap().len() == 20_000);
        std::fs::write(&path, "other").unwrap();
        assert!(!stamp.holds());
    }

    #[test]
    fn a_file_that_was_cut_short_is_read_as_if_zeros_were_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        drop(redb::Database::create(&path).unwrap());
        let whole = std::fs::read(&path).unwrap();
        for cut in [4096, whole.len() / 2] {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(Overlay::new(&path).unwrap().len().unwrap() as usize, whole.len() - cut);
            for overlay in [Overlay::as_it_lies(&path), Overlay::locking(&path)] {
                let overlay = overlay.unwrap();
                assert_eq!(overlay.len().unwrap() as usize, whole.len());
                let mut bytes = vec![1; whole.len()];
                overlay.read(0, &mut bytes).unwrap();
                assert!(bytes[..whole.len() - cut] == whole[..whole.len() - cut]);
                assert!(bytes[whole.len() - cut..].iter().all(|&byte| byte == 0));
            }
        }
        // Not as long as a header says that is not believed.
        let mut odd = whole.clone();
        odd[24..28].copy_from_slice(&[255, 255, 0, 0]);
        std::fs::write(&path, &odd).unwrap();
        assert_eq!(Overlay::locking(&path).unwrap().len().unwrap() as usize, whole.len());
    }
}
