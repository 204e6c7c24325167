//! `films FILE [OTHER]`: the hash of a film as `vid_dup_finder_lib` takes it, and whether it calls both films the same within
//! its default tolerance, as a JSON line; for `make bench-video`.

use std::error::Error;
use std::time::Instant;

use vid_dup_finder_lib::{DEFAULT_SEARCH_TOLERANCE, VideoHash, VideoHashBuilder, search};

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args_os().skip(1);
    let mut next = || -> Result<Option<VideoHash>, String> {
        let hash = |path: std::ffi::OsString| VideoHashBuilder::default().hash(path.into());
        paths.next().map(hash).transpose().map_err(|error| format!("{error:?}"))
    };
    let begun = Instant::now();
    let hash = next()?.ok_or("films FILE [OTHER]")?;
    let (seconds, duration) = (begun.elapsed().as_secs_f64(), hash.duration());
    let same = next()?.map(|other| !search([hash, other], DEFAULT_SEARCH_TOLERANCE).is_empty());
    let same = same.map_or("null".into(), |same| same.to_string());
    println!("{{\"seconds\":{seconds:.4},\"duration\":{duration},\"same\":{same}}}");
    Ok(())
}
