//! The kernels for AVX2 with fused multiply-add.

use super::vector::{Lanes, Words};
use crate::simd::{Level, generic};

generic::stamp!(Level::Avx2, generic::row_sums::<Words>, Lanes, 8, Lanes, 8, #[target_feature(enable = "avx2,fma,bmi1,bmi2")]);
