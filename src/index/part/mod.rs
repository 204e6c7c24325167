//! Parts: immutable files of hashes with the postings that find them. `docs/format.md` has the bytes.
//!
//! `layout` says where everything lies, `build` writes, `read` reads any bytes laid out so.

mod build;
mod layout;
mod read;

pub(super) use build::{Built, build};
pub(crate) use layout::entry_bytes;
pub(super) use layout::{Band, Layout, MAX_ENTRIES};
pub(super) use read::Part;
