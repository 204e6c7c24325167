//! The 256-bit hash that everything else is built on, and the algorithms that make one from pixels.
//!
//! Bits are numbered 0..=255 as in Meta's PDQ paper ("Threat Exchange: Hashing", 2019): bit `i*16+j` is the DCT
//! coefficient of row `i` and column `j`. Hexadecimal text prints bit 255 first.

mod algorithm;
pub mod detail;
pub mod pdq;
mod pixels;

pub use algorithm::Algorithm;
pub use pixels::{Format, PixelBuf, Pixels};

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A 256-bit perceptual hash. Stored little-endian: bit `k` is bit `k % 8` of byte `k / 8`.
///
/// The order is that of the 256-bit number, which is that of the hexadecimal text.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize, bincode::Encode, bincode::Decode,
)]
#[serde(into = "String", try_from = "String")]
#[repr(transparent)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The number of bits, and the largest possible distance.
    pub const BITS: u32 = 256;

    /// The four 64-bit words, the lowest bits first.
    #[inline]
    pub fn words(&self) -> [u64; 4] {
        std::array::from_fn(|i| {
            let mut word = [0; 8];
            word.copy_from_slice(&self.0[i * 8..i * 8 + 8]);
            u64::from_le_bytes(word)
        })
    }

    /// The hash with these four words, the lowest bits first.
    #[inline]
    pub fn from_words(words: [u64; 4]) -> Self {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        Self(bytes)
    }

    /// The Hamming distance, 0..=256.
    #[inline]
    pub fn distance(&self, other: &Self) -> u32 {
        let (a, b) = (self.words(), other.words());
        (0..4).map(|i| (a[i] ^ b[i]).count_ones()).sum()
    }

    /// Every bit turned over: the PDQ hash of the negative picture.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self(self.0.map(|byte| !byte))
    }

    /// Whether bit `k` (0..=255) is set.
    #[inline]
    pub fn bit(&self, k: usize) -> bool {
        self.0[k / 8] >> (k % 8) & 1 == 1
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = Error;

    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`Error::Option`] for any other length or digit.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(Error::option("hash", format!("expected 64 hexadecimal digits, got {}", digits.len())));
        }
        let digit = |at: usize| {
            char::from(digits[at])
                .to_digit(16)
                .ok_or_else(|| Error::option("hash", format!("not a hexadecimal digit at position {}", at + 1)))
        };
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().rev().enumerate() {
            *byte = (digit(2 * i)? * 16 + digit(2 * i + 1)?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl Ord for Hash {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_round_and_prints_the_top_bit_first() {
        let text = "8000000000000000000000000000000000000000000000000000000000000003";
        let hash: Hash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert!(hash.bit(255) && hash.bit(0) && hash.bit(1) && !hash.bit(2));
        assert_eq!(hash.words(), [3, 0, 0, 1 << 63]);
        assert_eq!(Hash::from_words(hash.words()), hash);
        assert_eq!(text.to_uppercase().parse::<Hash>().unwrap(), hash);
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["", "0", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
            assert!(matches!(text.parse::<Hash>(), Err(Error::Option { .. })), "{text}");
        }
    }

    #[test]
    fn distance_counts_bits() {
        let zero = Hash::default();
        assert_eq!(zero.distance(&zero.complement()), 256);
        assert_eq!(zero.distance(&Hash::from_words([1, 2, 4, 7])), 6);
        assert!(
            zero < Hash::from_words([0, 0, 0, 1]) && Hash::from_words([9, 0, 0, 0]) < Hash::from_words([0, 0, 0, 1])
        );
    }
}
