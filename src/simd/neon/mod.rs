//! The kernels for NEON on 64-bit ARM.

mod kernels;
mod vector;

pub(super) use kernels::KERNELS;
#[cfg(test)]
pub(super) use kernels::{division_is_exact, idct};
