//! The kernels for NEON on 64-bit ARM.

use super::vector::{Lanes, Words};
use crate::simd::{Level, generic};

generic::stamp!(Level::Neon, generic::row_sums::<Words>, Lanes, 4, Lanes, 4, #[target_feature(enable = "neon")]);
