//! The kernels in plain code, for every target.

use super::vector::Lanes;
use crate::simd::{Level, generic};

generic::stamp!(Level::Scalar, generic::plain_row_sums, Lanes, 4, Lanes, 4,);
