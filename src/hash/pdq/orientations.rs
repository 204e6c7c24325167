//! One hash in all orientations, in half of their room.

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::bits::transposed;
use super::{Dihedral, Transform};
use crate::hash::Hash;

/// A hash in all eight orientations. Those of a picture with its axes swapped are the same bits with rows and columns
/// swapped, so that four are held: films have many hashes. It is written as all eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientations {
    original: Hash,
    half_turn: Hash,
    flip_x: Hash,
    flip_y: Hash,
}

impl Orientations {
    /// Those of which these four are known: as it lies, after half a turn, top and bottom swapped, left and right swapped.
    pub const fn new(original: Hash, half_turn: Hash, flip_x: Hash, flip_y: Hash) -> Self {
        Self { original, half_turn, flip_x, flip_y }
    }

    /// Of all eight in the order of [`Transform::ALL`]. `None` if they are not
    /// those of one picture: each has another one that is its bits with rows and columns swapped.
    pub fn of(all: &[Hash; 8]) -> Option<Self> {
        let [original, _, half_turn, _, flip_x, flip_y, ..] = *all;
        let found = Self { original, half_turn, flip_x, flip_y };
        (found.all() == *all).then_some(found)
    }

    /// All eight in the order of [`Transform::ALL`].
    pub fn all(&self) -> [Hash; 8] {
        Transform::ALL.map(|transform| self.get(transform))
    }

    /// One of them.
    pub fn get(&self, transform: Transform) -> Hash {
        match transform {
            Transform::Original => self.original,
            Transform::Rotate90 => transposed(self.flip_y),
            Transform::Rotate180 => self.half_turn,
            Transform::Rotate270 => transposed(self.flip_x),
            Transform::FlipX => self.flip_x,
            Transform::FlipY => self.flip_y,
            Transform::FlipPlus1 => transposed(self.original),
            Transform::FlipMinus1 => transposed(self.half_turn),
        }
    }
}

impl From<&Dihedral> for Orientations {
    fn from(dihedral: &Dihedral) -> Self {
        let [original, _, half_turn, _, flip_x, flip_y, ..] = dihedral.hashes;
        Self { original, half_turn, flip_x, flip_y }
    }
}

impl Encode for Orientations {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.all().encode(encoder)
    }
}

impl<C> Decode<C> for Orientations {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let all = <[Hash; 8]>::decode(decoder)?;
        Self::of(&all).ok_or_else(|| DecodeError::OtherString("orientations of more than one picture".into()))
    }
}

bincode::impl_borrow_decode!(Orientations);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::pdq::{SIDE, dihedral_of_samples};

    #[test]
    fn all_eight_come_back_and_eight_of_different_pictures_are_refused() {
        for seed in 0..40u32 {
            let mut state = seed;
            let samples: [f32; SIDE * SIDE] = std::array::from_fn(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Every other one symmetric, so that signs and medians meet.
                let at = if seed % 2 == 0 { at } else { at.min(SIDE * SIDE - 1 - at) };
                (at * at % 251) as f32 + (state >> 28) as f32 * (seed % 3) as f32
            });
            let dihedral = dihedral_of_samples(&samples);
            let all = dihedral.hashes;
            let held = Orientations::of(&all).unwrap();
            assert_eq!((held.all(), Orientations::from(&dihedral)), (all, held));
            let config = bincode::config::standard();
            let bytes = bincode::encode_to_vec(held, config).unwrap();
            assert_eq!(bytes, bincode::encode_to_vec(all, config).unwrap());
            assert_eq!(bincode::decode_from_slice(&bytes, config).unwrap(), (held, 256));
            for at in 0..8 {
                let mut spoilt = all;
                spoilt[at].0[at * 3] ^= 16;
                assert_eq!(Orientations::of(&spoilt), None, "{at}");
                let bytes = bincode::encode_to_vec(spoilt, config).unwrap();
                assert!(bincode::decode_from_slice::<Orientations, _>(&bytes, config).is_err());
            }
        }
    }
}
