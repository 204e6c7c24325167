//! The queries of a run as files, with what is true of them, so that any other program can be scored on the same ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::data::{Data, Split, Still, load};
use super::hard;
use super::list::{Asked, Known, List};
use super::method::Method;
use super::picture::Picture;
use super::run::{Config, Progress, fillers};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::image::{Decoded, decode};
use crate::index::MAX_DISTANCE;
use crate::limits::Limits;
use crate::matching::PDQ_RADIUS;

/// The quality of the JPEGs that queries are written as.
const QUALITY: u8 = 92;
/// Pairs that are further apart are not claimed: three eighths of the bits, inclusive, as in `benches/peers/claims.py`.
const FURTHEST: f32 = MAX_DISTANCE as f32;

/// Writes `references/` (the files as they are), `queries/` (attacked copies and strangers, as JPEGs) and `truth.csv`
/// with the columns `query,reference,attack` into a folder: the pictures and attacks that [`run`](super::run::run) has
/// under the same settings. Names are those of the files, with `_` for what is not a letter, digit, `.` or `-`.
///
/// What each of the run's own methods says of the very files is in `claims/`, a file of `query reference score` lines for
/// each, to be scored as those of any other program are ([`external`](super::external)): of pairs within 96 bits.
///
/// # Errors
/// [`Error::Io`], [`Error::Cancelled`], [`Error::Option`] if the folder of media has no usable stills or two of them come
/// out with one name.
pub fn export(config: &Config, folder: &Path, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<()> {
    let data = Data::open(&config.data, folder, cancel)?;
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
    for name in ["references", "queries", "claims"] {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Error::io(path, error))?;
    }
    let known: Vec<Known> = references
        .par_iter()
        .map(|still| {
            cancel.check()?;
            Ok(Known::new(&load(&still.path)?.to_pixels()?.as_pixels(), true))
        })
        .collect::<Result<_>>()?;
    let index = folder.join(format!("list-{}", std::process::id()));
    let own = Own { list: &List::new(&known, &index, cancel)?, references: &references, methods: Method::all() };
    // Writes a query, and tells what is claimed of it.
    let write = |name: &str, picture: &Picture, claims: &mut [String]| {
        let (path, bytes) = (folder.join("queries").join(name), picture.to_jpeg(QUALITY)?);
        own.claim(name, &bytes, claims)?;
        std::fs::write(&path, bytes).map_err(|error| Error::io(path, error))
    };
    let items: Vec<(usize, bool, &Still)> = references
        .iter()
        .enumerate()
        .map(|(at, still)| (at, true, still))
        .chain(strangers.iter().enumerate().map(|(at, still)| (at, false, still)))
        .collect();
    let done = AtomicUsize::new(0);
    let lines: Vec<(String, Vec<String>)> = items
        .par_iter()
        .map(|&(at, known, still)| {
            let (picture, name, mut lines) = (load(&still.path)?, plain(&still.name), String::new());
            let mut claims = vec![String::new(); own.methods.len()];
            if known {
                let path = folder.join("references").join(&name);
                std::fs::copy(&still.path, &path).map_err(|error| Error::io(path, error))?;
            } else {
                let query = format!("{name}.as_it_is.jpg");
                write(&query, &picture, &mut claims)?;
                let _ = writeln!(lines, "{query},,");
            }
            for (_, attack) in attacks.iter().enumerate().filter(|&(i, _)| known || config.attacks_stranger(i, at)) {
                cancel.check()?;
                let query = format!("{name}.{}.jpg", attack.name);
                write(&query, &attack.apply(&picture, &still.name, config.seed, &fillers), &mut claims)?;
                let _ = match known {
                    true => writeln!(lines, "{query},{name},{}", attack.name),
                    false => writeln!(lines, "{query},,"),
                };
            }
            progress(Progress { done: 1 + done.fetch_add(1, Ordering::Relaxed), of: items.len(), what: "pictures" });
            Ok((lines, claims))
        })
        .collect::<Result<_>>()?;
    hard::remove(&index);
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| Error::io(path, error))
    };
    for (m, method) in own.methods.iter().enumerate() {
        let claims: String = lines.iter().map(|(_, claims)| claims[m].as_str()).collect();
        put(&format!("claims/{}.tsv", plain(&method.name())), claims)?;
    }
    let truth: String = lines.iter().map(|(truth, _)| truth.as_str()).collect();
    put("truth.csv", format!("query,reference,attack\n{truth}"))
}

/// The run's own methods, asked about files as other programs are.
struct Own<'a> {
    list: &'a List,
    references: &'a [Still],
    methods: Vec<Method>,
}

impl Own<'_> {
    /// Appends what each method claims of a query to its lines.
    fn claim(&self, query: &str, bytes: &[u8], claims: &mut [String]) -> Result<()> {
        let Decoded::Still(pixels) = decode(bytes, &Limits::default())? else { return Ok(()) };
        let pixels = pixels.as_pixels();
        let asked = Asked::new(&pixels).with_classic(&pixels);
        for (i, (compared, still)) in self.list.ask(&asked)?.iter().zip(self.references).enumerate() {
            let scores = compared.scores.into_iter().chain(self.list.classic(&asked, i));
            for ((method, score), lines) in self.methods.iter().zip(scores).zip(&mut *claims) {
                if score >= lowest(*method) {
                    let _ = writeln!(lines, "{query}\t{}\t{score}", plain(&still.name));
                }
            }
        }
        Ok(())
    }
}

/// The score of the furthest pair that a method claims.
fn lowest(method: Method) -> f32 {
    match method {
        Method::PlainPdq | Method::DihedralPdq => PDQ_RADIUS as f32 - FURTHEST,
        Method::Classic(_) => -FURTHEST,
        // The index itself looks no further, whatever the views; what it does not come upon is minus infinity.
        Method::None | Method::Standard | Method::Thorough => f32::MIN,
    }
}

fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' }).collect()
}
