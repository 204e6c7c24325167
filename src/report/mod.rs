//! What was found, for programs ([`json`]) and for people.

pub mod html;
pub mod json;
mod picture;
pub mod truth;
pub mod words;
