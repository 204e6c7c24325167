//! The kernels for AVX-512 (F, BW, DQ, VL).

use super::vector::{Lanes, Words};
use crate::simd::avx2::Lanes as Eight;
use crate::simd::{Level, generic};

generic::stamp!(Level::Avx512, generic::row_sums::<Words>, Lanes, 16, Eight, 8, #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]);
