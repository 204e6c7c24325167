//! What was found, for programs ([`json`]) and for people.

pub mod html;
pub mod json;
mod thumbnail;
pub mod truth;
pub mod words;
