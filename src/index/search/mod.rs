//! Finding what is near: multi-index hashing over a part's postings, or a scan; `plan` chooses.

#[cfg(test)]
mod drawn;
mod mih;
mod plan;
mod reach;
mod scan;
mod sweep;

pub(super) use mih::Mih;
pub(super) use plan::{Plan, plan};
pub(super) use reach::finds;
pub(super) use scan::Scan;
pub(super) use sweep::TOGETHER;

use std::ops::ControlFlow;

use crate::error::Result;

/// Takes a hit: the number of the query, the distance, and the position of the entry within what is searched.
pub(super) type Emit<'a> = dyn FnMut(u32, u32, usize) -> Result<ControlFlow<()>> + 'a;
