//! What was found, for programs ([`json`]) and for people.

mod groups;
pub mod html;
pub mod json;
mod picture;
pub mod truth;
pub mod words;

pub use groups::GroupReport;
