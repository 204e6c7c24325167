//! The kernels for NEON on 64-bit ARM.

use super::vector::Lanes;
use crate::simd::{Level, generic};

generic::stamp!(Level::Neon, Lanes, 4, Lanes, 4, #[target_feature(enable = "neon")]);
