//! Hashing with memory that is kept from one picture to the next, and hashing rows as a decoder delivers them.

use super::filter::Filter;
use super::{Dihedral, Hashed, MIN_SIDE, SIDE, dihedral_with, hash_with};
use crate::error::{Error, Result};
use crate::hash::{Format, Pixels};
use crate::simd::Level;

/// Hashes one picture after another without allocating anew. One for each thread, best made in it: hashers that are made
/// side by side share cache lines.
pub struct Hasher {
    filter: Filter,
}

impl Hasher {
    /// A hasher at the [current level](Level::current).
    pub fn new() -> Self {
        Self::at(Level::current())
    }

    /// A hasher that uses no instructions above `level`. All levels give the same bits.
    pub fn at(level: Level) -> Self {
        Self { filter: Filter::new(level) }
    }

    /// As [`pdq::hash`](super::hash).
    pub fn hash(&mut self, pixels: &Pixels<'_>) -> Option<Hashed> {
        let kernels = self.filter.kernels();
        self.samples(pixels).map(|samples| hash_with(kernels, samples))
    }

    /// As [`pdq::dihedral`](super::dihedral).
    pub fn dihedral(&mut self, pixels: &Pixels<'_>) -> Option<Dihedral> {
        let kernels = self.filter.kernels();
        self.samples(pixels).map(|samples| dihedral_with(kernels, samples))
    }

    /// As [`pdq::samples`](super::samples), borrowed until the next picture.
    pub fn samples(&mut self, pixels: &Pixels<'_>) -> Option<&[f32; SIDE * SIDE]> {
        if pixels.width() < MIN_SIDE || pixels.height() < MIN_SIDE {
            return None;
        }
        self.filter.start(pixels.width(), pixels.height(), pixels.format());
        for y in 0..pixels.height() {
            self.filter.push(pixels.row(y));
        }
        Some(self.filter.finish())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hasher({})", self.filter.kernels().level)
    }
}

/// Hashes a picture whose rows come one at a time, from the top, so that it never has to be in memory as a whole.
///
/// ```
/// use refrain::hash::Format;
/// use refrain::pdq;
///
/// let mut stream = pdq::Stream::new(640, 480, Format::Luma8).expect("large enough");
/// for y in 0..480u32 {
///     let row: Vec<u8> = (0..640u32).map(|x| (x * y / 97) as u8).collect();
///     stream.push_row(&row)?;
/// }
/// let hashed = stream.finish()?;
/// assert!(hashed.quality > 50);
/// # Ok::<(), refrain::Error>(())
/// ```
pub struct Stream {
    filter: Filter,
}

impl Stream {
    /// A stream for a picture of that size, or `None` if a side is below [`MIN_SIDE`] or no row of it fits the address
    /// space. Memory is taken at once: see [`pdq::hash`](super::hash).
    pub fn new(width: usize, height: usize, format: Format) -> Option<Self> {
        let usable = width >= MIN_SIDE && height >= MIN_SIDE;
        if !usable || width.checked_mul(64)?.checked_mul(height.div_ceil(128) + 32)? > isize::MAX as usize {
            return None;
        }
        let mut filter = Filter::new(Level::current());
        filter.start(width, height, format);
        Some(Self { filter })
    }

    /// Takes the next row: the bytes of exactly `width` pixels.
    ///
    /// # Errors
    /// [`Error::Option`] for a row of another length, or for one more than the height.
    pub fn push_row(&mut self, row: &[u8]) -> Result<()> {
        if self.filter.missing() == 0 {
            return Err(Error::option("row", "all rows of the picture have come already"));
        }
        if row.len() != self.filter.row_bytes() {
            return Err(Error::option("row", format!("expected {} bytes, got {}", self.filter.row_bytes(), row.len())));
        }
        self.filter.push(row);
        Ok(())
    }

    /// The hash of the rows.
    ///
    /// # Errors
    /// [`Error::Option`] if rows are missing.
    pub fn finish(mut self) -> Result<Hashed> {
        let kernels = self.filter.kernels();
        self.complete().map(|samples| hash_with(kernels, samples))
    }

    /// All eight orientations of the picture.
    ///
    /// # Errors
    /// As [`Stream::finish`].
    pub fn finish_dihedral(mut self) -> Result<Dihedral> {
        let kernels = self.filter.kernels();
        self.complete().map(|samples| dihedral_with(kernels, samples))
    }

    /// The samples of the rows.
    pub(crate) fn finish_samples(mut self) -> Result<Box<[f32; SIDE * SIDE]>> {
        self.complete().map(|samples| Box::new(*samples))
    }

    fn complete(&mut self) -> Result<&[f32; SIDE * SIDE]> {
        match self.filter.missing() {
            0 => Ok(self.filter.finish()),
            missing => Err(Error::option("row", format!("{missing} rows of the picture have not come"))),
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({}, {} rows to come)", self.filter.kernels().level, self.filter.missing())
    }
}
