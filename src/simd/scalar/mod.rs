//! The kernels in plain code, for every target.

mod kernels;
mod vector;

pub(super) use kernels::KERNELS;
#[cfg(test)]
pub(super) use kernels::{division_is_exact, idct};
