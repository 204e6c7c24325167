//! What was found, for programs ([`json`]) and for people.

pub mod json;
pub mod words;
