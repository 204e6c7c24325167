//! The recall benchmark: which altered copies are found, at what rate of false matches, at what cost.
//!
//! Attacks and hard distractors are generated from a folder of media by a seed; metrics follow the DISC21 (Douze et al.
//! 2021) and VSC2022 (Pizzi et al. 2023) challenges. The command `refrain eval` runs it all and writes the report.

pub mod attacks;
mod cache;
pub mod data;
pub mod distractors;
pub mod export;
pub mod external;
pub mod film;
pub mod font;
pub mod hard;
pub mod list;
pub mod method;
pub mod metrics;
mod page;
pub mod picture;
pub mod random;
pub mod report;
pub mod run;
pub mod sheet;
pub mod summary;
pub mod tally;

pub use attacks::{Attack, Context, Group};
pub use distractors::{Synthetic, Template, synthetic};
pub use export::export;
pub use method::Method;
pub use picture::Picture;
pub use random::Random;
pub use run::{Config, Progress, run};
pub use summary::Report;
