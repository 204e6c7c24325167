//! The kernels for AVX2 with fused multiply-add.

mod kernels;
mod vector;

pub(super) use kernels::KERNELS;
#[cfg(test)]
pub(super) use kernels::{division_is_exact, idct};
pub(super) use vector::Lanes;
