//! What was found, for programs ([`json`]) and for people.

pub mod json;
pub mod truth;
pub mod words;
