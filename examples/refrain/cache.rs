//! The cache of fingerprints that `add` and `scan` share.

use std::sync::Arc;

use refrain::report::words;
use refrain::scan::Cache;

use crate::out;

/// Whether there is a cache.
#[derive(clap::Args)]
pub struct CacheArg {
    /// Read every file; by default fingerprints of files that have not changed are kept in the user's cache folder
    /// (REFRAIN_CACHE names another one)
    #[arg(long)]
    no_cache: bool,
    /// Go by what files hold instead of by path, size and time of change: every file is read, those whose content is new
    /// are decoded
    #[arg(long, conflicts_with = "no_cache")]
    checksum: bool,
}

impl CacheArg {
    /// The cache; without one everything works, only more slowly.
    pub fn open(&self) -> Option<Arc<Cache>> {
        let dir = Cache::default_dir().filter(|_| !self.no_cache)?;
        match Cache::open(&dir) {
            Ok(cache) => Some(Arc::new(cache.by_checksum(self.checksum))),
            Err(error) => {
                out::tell(format_args!("going on without a cache of fingerprints: {}", words::causes(&error)));
                None
            }
        }
    }
}
