//! The queries of a run as files, with what is true of them, so that any other program can be scored on the same ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::data::{Data, Split, Still, load};
use super::picture::Picture;
use super::run::{Config, Progress, fillers};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// The quality of the JPEGs that queries are written as.
const QUALITY: u8 = 92;

/// Writes `references/` (the files as they are), `queries/` (attacked copies and strangers, as JPEGs) and `truth.csv`
/// with the columns `query,reference,attack` into a folder: the pictures and attacks that [`run`](super::run::run) has
/// under the same settings. Names are those of the files, with `_` for what is not a letter, digit, `.` or `-`.
///
/// # Errors
/// [`Error::Io`], [`Error::Cancelled`], [`Error::Option`] if the folder of media has no usable stills or two of them come
/// out with one name.
pub fn export(config: &Config, folder: &Path, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<()> {
    let data = Data::open(&config.data, cancel)?;
    let (references, strangers) = (data.of(Split::Reference, config.most()), data.of(Split::Distractor, config.most()));
    if references.is_empty() {
        return Err(Error::option("data", format!("{} holds no usable still", config.data.display())));
    }
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for still in references.iter().chain(&strangers) {
        if let Some(other) = names.insert(plain(&still.name), &still.name) {
            return Err(Error::option("data", format!("{other} and {} would have one name", still.name)));
        }
    }
    let (attacks, fillers) = (config.attacks(), fillers(&strangers));
    for name in ["references", "queries"] {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Error::io(path, error))?;
    }
    let write = |name: &str, picture: &Picture| {
        let path = folder.join("queries").join(name);
        std::fs::write(&path, picture.to_jpeg(QUALITY)?).map_err(|error| Error::io(path, error))
    };
    let items: Vec<(usize, bool, &Still)> = references
        .iter()
        .enumerate()
        .map(|(at, still)| (at, true, still))
        .chain(strangers.iter().enumerate().map(|(at, still)| (at, false, still)))
        .collect();
    let done = AtomicUsize::new(0);
    let lines: Vec<String> = items
        .par_iter()
        .map(|&(at, known, still)| {
            let (picture, name, mut lines) = (load(&still.path)?, plain(&still.name), String::new());
            if known {
                let path = folder.join("references").join(&name);
                std::fs::copy(&still.path, &path).map_err(|error| Error::io(path, error))?;
            } else {
                let query = format!("{name}.as_it_is.jpg");
                write(&query, &picture)?;
                let _ = writeln!(lines, "{query},,");
            }
            for (_, attack) in attacks.iter().enumerate().filter(|&(i, _)| known || config.attacks_stranger(i, at)) {
                cancel.check()?;
                let query = format!("{name}.{}.jpg", attack.name);
                write(&query, &attack.apply(&picture, &still.name, config.seed, &fillers))?;
                let _ = match known {
                    true => writeln!(lines, "{query},{name},{}", attack.name),
                    false => writeln!(lines, "{query},,"),
                };
            }
            progress(Progress { done: 1 + done.fetch_add(1, Ordering::Relaxed), of: items.len(), what: "pictures" });
            Ok(lines)
        })
        .collect::<Result<_>>()?;
    let path = folder.join("truth.csv");
    std::fs::write(&path, format!("query,reference,attack\n{}", lines.concat())).map_err(|error| Error::io(path, error))
}

fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' }).collect()
}
