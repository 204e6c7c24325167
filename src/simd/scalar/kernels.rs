//! The kernels in plain code, for every target.

use super::vector::Lanes;
use crate::simd::{Level, generic};

generic::stamp!(Level::Scalar, Lanes, 4, Lanes, 4,);
