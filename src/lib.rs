#![doc = include_str!("../README.md")]

pub mod bank;
pub mod cancel;
pub mod dedupe;
pub mod error;
pub mod eval;
pub mod fingerprint;
pub mod hash;
pub mod image;
pub mod index;
pub mod limits;
pub mod matching;
pub mod report;
pub mod scan;
pub mod simd;
pub mod video;

pub use bank::Store;
pub use cancel::Cancel;
pub use error::{Error, Result};
pub use fingerprint::{Fingerprint, Media, Options, fingerprint};
pub use hash::{Hash, pdq};
pub use limits::Limits;
