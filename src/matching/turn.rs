//! The other orientations of a picture of which only the hash is known, nearly.
//!
//! Turning a picture moves its DCT coefficients about and changes signs, so it moves bits about and turns them over. It is
//! not exact, since the median is not quite zero: coefficients between the median and its negative come out wrong.

use crate::hash::Hash;
use crate::hash::pdq::{Orientations, Transform};

/// The hashes in all orientations, in the order of [`Transform::ALL`]; the first is `hash` itself.
pub(crate) fn turned(hash: &Hash) -> [Hash; 8] {
    Transform::ALL.map(|transform| laid(hash, transform))
}

/// The hash in one orientation.
pub(crate) fn laid(hash: &Hash, transform: Transform) -> Hash {
    // Row 0 holds the frequency 1, so an even index is an odd frequency: those change their sign under a flip.
    const ROWS: u64 = 0x0000_ffff_0000_ffff;
    const COLUMNS: u64 = 0x5555_5555_5555_5555;
    let [half_turn, flip_x, flip_y] =
        [ROWS ^ COLUMNS, ROWS, COLUMNS].map(|signs| Hash::from_words(hash.words().map(|word| word ^ signs)));
    Orientations::new(*hash, half_turn, flip_x, flip_y).get(transform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_undo_one_another() {
        let hash: Hash = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22".parse().unwrap();
        let all = turned(&hash);
        assert_eq!(all[0], hash);
        for (at, back) in [(1, 3), (2, 2), (3, 1), (4, 4), (5, 5), (6, 6), (7, 7)] {
            assert_eq!(turned(&all[at])[back], hash, "{:?}", Transform::ALL[at]);
        }
    }

    /// Bit by bit, by the sign of each coefficient.
    fn bit_by_bit(hash: &Hash, transform: Transform) -> Hash {
        let mut out = Hash::default();
        for k in 0..256 {
            let (i, j) = (k / 16, k % 16);
            let (row, column, both) = (i % 2 == 0, j % 2 == 0, (i + j) % 2 == 1);
            let (swapped, negated) = match transform {
                Transform::Original => (false, false),
                Transform::Rotate90 => (true, column),
                Transform::Rotate180 => (false, both),
                Transform::Rotate270 => (true, row),
                Transform::FlipX => (false, row),
                Transform::FlipY => (false, column),
                Transform::FlipPlus1 => (true, false),
                Transform::FlipMinus1 => (true, both),
            };
            let at = if swapped { j * 16 + i } else { k };
            if hash.bit(k) != negated {
                out.0[at / 8] |= 1 << (at % 8);
            }
        }
        out
    }

    #[test]
    fn words_are_turned_as_bits_are() {
        for k in 0..64u64 {
            let word = |at: u64| (k * 4 + at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) ^ k;
            let hash = Hash::from_words([0, 1, 2, 3].map(word));
            assert_eq!(turned(&hash), Transform::ALL.map(|transform| bit_by_bit(&hash, transform)), "{hash}");
        }
    }

    /// Against the exact hashes of real and synthetic pictures of enough detail.
    #[test]
    fn a_few_bits_differ_from_the_exact_hashes() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/pdq/expected-pixels.tsv");
        let Ok(table) = std::fs::read_to_string(&path) else {
            println!("skipped: {} is not there", path.display());
            return;
        };
        let heading: Vec<&str> = table.lines().next().unwrap().split('\t').collect();
        let column = |name: &str| heading.iter().position(|found| *found == name).unwrap();
        let (quality, sensitive) = (column("quality"), column("rounding_sensitive"));
        let mut distances = Vec::new();
        for row in table.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>()) {
            let hashes: Vec<Hash> = row.iter().filter_map(|cell| cell.parse().ok()).collect();
            let exact = &hashes[hashes.len() - 8..];
            if row[quality].parse::<u32>().unwrap() >= 50 && row[sensitive] != "yes" {
                distances.extend(turned(&exact[0]).iter().zip(exact).map(|(near, exact)| near.distance(exact)));
            }
        }
        let worst = distances.iter().max().copied().unwrap_or_default();
        let mean = f64::from(distances.iter().sum::<u32>()) / distances.len() as f64;
        println!("{} orientations: {mean:.1} bits off in the mean, at most {worst}", distances.len());
        assert!(distances.len() >= 80, "{}", distances.len());
        assert!(mean < 8.0, "{mean}");
    }
}
