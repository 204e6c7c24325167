//! The kernels for AVX-512 (F, BW, DQ, VL).

mod kernels;
mod vector;

pub(super) use kernels::KERNELS;
#[cfg(test)]
pub(super) use kernels::{division_is_exact, idct};
