//! The kernels in plain code, for every target.

use super::vector::{Lanes, Words};
use crate::simd::{Level, generic};

generic::stamp!(Level::Scalar, Words, Lanes, 4, Lanes, 4,);
