//! What was found, for programs ([`json`]) and for people.

mod draft;
mod groups;
pub mod html;
pub mod json;
mod picture;
pub mod truth;
pub mod words;

pub use draft::Draft;
pub use groups::GroupReport;
