//! `films FILE`: the hash of a film as `vid_dup_finder_lib` takes it, as a JSON line; for `make bench-video`.

use std::error::Error;
use std::time::Instant;

use vid_dup_finder_lib::VideoHashBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("films FILE")?;
    let begun = Instant::now();
    let hash = VideoHashBuilder::default().hash(path.into()).map_err(|error| format!("{error:?}"))?;
    println!("{{\"seconds\":{:.4},\"duration\":{}}}", begun.elapsed().as_secs_f64(), hash.duration());
    Ok(())
}
