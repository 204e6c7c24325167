//! The eight orientations, in the reference implementation's words and order.

/// One of the eight ways to lay a picture down. Names and order are the reference implementation's.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Transform {
    /// As it is.
    Original,
    /// A quarter turn counter-clockwise.
    Rotate90,
    /// Half a turn.
    Rotate180,
    /// A quarter turn clockwise.
    Rotate270,
    /// Top and bottom swapped.
    FlipX,
    /// Left and right swapped: the mirror image.
    FlipY,
    /// Mirrored at the main diagonal (transposed).
    FlipPlus1,
    /// Mirrored at the other diagonal.
    FlipMinus1,
}

impl Transform {
    /// All eight, in the reference's order.
    pub const ALL: [Self; 8] = [
        Self::Original,
        Self::Rotate90,
        Self::Rotate180,
        Self::Rotate270,
        Self::FlipX,
        Self::FlipY,
        Self::FlipPlus1,
        Self::FlipMinus1,
    ];

    /// The word used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Rotate90 => "rotate90",
            Self::Rotate180 => "rotate180",
            Self::Rotate270 => "rotate270",
            Self::FlipX => "flip_x",
            Self::FlipY => "flip_y",
            Self::FlipPlus1 => "flip_plus1",
            Self::FlipMinus1 => "flip_minus1",
        }
    }
}
