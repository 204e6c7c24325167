//! The run: every reference attacked in every way, every stranger, every hard distractor, against the whole list.
//!
//! The work of one picture is one item: items run in parallel, and each leaves a file in the cache under the digest of
//! all that it depends on, so that a run that was stopped goes on where it was, and a second run is nearly free.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::attacks::{Attack, stills};
use super::cache::{Cache, Key};
use super::data::{Data, Split, Still, load};
use super::film;
use super::hard;
use super::list::{Asked, Known, List};
use super::method::Method;
use super::picture::Picture;
use super::summary::{self, Report, Shown};
use super::tally::Tally;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::ImageFingerprint;
use crate::hash::{Pixels, pdq};

/// What is run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The folder of media.
    pub data: PathBuf,
    /// Where reports and the cache go.
    pub out: PathBuf,
    /// The seed of everything drawn.
    pub seed: u64,
    /// A few pictures and every fourth attack only: a check of the machinery, not a measurement.
    pub quick: bool,
    /// At most so many references and so many strangers.
    pub pictures: usize,
    /// At most so many films are altered, and at most so many strange ones.
    pub clips: usize,
}

impl Config {
    /// A full run over a folder.
    pub fn new(data: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), out: out.into(), seed: 1, quick: false, pictures: usize::MAX, clips: 12 }
    }

    /// Every which attack is made of a stranger: every third, by turns, for there are more pairs of them than needed.
    const STRIDE: usize = 3;
    /// Every which picture the classic hashes are taken of: they are slow, and there for comparison only.
    const CLASSIC: usize = 16;

    /// References and strangers at most.
    pub(super) fn most(&self) -> usize {
        if self.quick { self.pictures.min(10) } else { self.pictures }
    }

    /// Whether attack `attack` is made of stranger `at`.
    pub(super) fn attacks_stranger(&self, attack: usize, at: usize) -> bool {
        (attack + at).is_multiple_of(Self::STRIDE)
    }

    /// The attacks of a run.
    pub(super) fn attacks(&self) -> Vec<Attack> {
        let all = stills().into_iter().enumerate();
        all.filter(|(i, _)| !self.quick || i.is_multiple_of(4)).map(|(_, attack)| attack).collect()
    }
}

/// How one picture under one attack fared.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub struct Outcome {
    /// Which attack; the number of attacks for the picture as it is.
    pub attack: u32,
    /// The score of the right reference for each method; empty for a stranger.
    pub right: Vec<f32>,
    /// The distances of the whole picture from its reference, PDQ and detail hash, if both have detail enough.
    pub whole: Option<[u16; 2]>,
    /// The best score of a wrong reference for each method, and which.
    pub wrong: Vec<(f32, u32)>,
    /// Look-ups of each library method.
    pub look_ups: Vec<u32>,
    /// Microseconds that the fingerprint took.
    pub micros: u32,
}

/// How one picture under all its attacks fared.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub struct Fared {
    /// Attack by attack.
    pub outcomes: Vec<Outcome>,
    /// The scores of all wrong references, for each method.
    pub wrong: Vec<Tally>,
    /// The negative distances of whole pictures from all wrong references: PDQ and detail hash.
    pub whole: [Tally; 2],
}

/// Where a run stands, for people.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Pictures or films done.
    pub done: usize,
    /// In all.
    pub of: usize,
    /// Which of the two.
    pub what: &'static str,
}

/// Runs the benchmark and writes `report.json`, `recall.csv`, `rates.csv`, `report.html`, `recall.md` and `attacks.jpg` into
/// the folder of results.
///
/// # Errors
/// [`Error::Io`], [`Error::Cancelled`] (the cache is kept), and [`Error::Option`] if the folder has no usable stills.
pub fn run(config: &Config, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report> {
    let started = Instant::now();
    let cache = Cache::open(config.out.join("cache"))?;
    let mut data = Data::open(&config.data, &config.out, cancel)?;
    let films = film::measure(config, &mut data, cancel, progress)?;
    let (references, strangers) = (data.of(Split::Reference, config.most()), data.of(Split::Distractor, config.most()));
    if references.is_empty() {
        return Err(Error::option("data", format!("{} holds no usable still", config.data.display())));
    }
    let attacks = config.attacks();
    let fillers = fillers(&strangers);
    let known: Vec<Known> = references
        .par_iter()
        .map(|still| {
            cancel.check()?;
            Ok(Known::new(&load(&still.path)?.to_pixels()?.as_pixels(), true))
        })
        .collect::<Result<_>>()?;
    cancel.check()?;
    let folder = cache.beside(&format!("list-{}", std::process::id()));
    let mut key = Key::new();
    key.add(config.seed);
    attacks.iter().for_each(|attack| key.add(&attack.name));
    [&references[..], &strangers[..strangers.len().min(FILLERS)]]
        .concat()
        .iter()
        .for_each(|still| key.add(format_args!("{} {}", still.name, still.digest)));
    let bench = Bench {
        config,
        attacks: &attacks,
        fillers: &fillers,
        list: &List::new(&known, &folder, cancel)?,
        cache: &cache,
        key: key.clone(),
    };
    let items: Vec<(usize, Option<usize>, &Still)> = references
        .iter()
        .enumerate()
        .map(|(i, still)| (i, Some(i), still))
        .chain(strangers.iter().enumerate().map(|(i, still)| (i, None, still)))
        .collect();
    let done = AtomicUsize::new(0);
    // One at a time, for some pictures take far longer than others.
    let fared: Vec<Fared> = items
        .par_iter()
        .with_max_len(1)
        .map(|&(at, right, still)| {
            cancel.check()?;
            let fared = bench.picture(at, right, still)?;
            let done = 1 + done.fetch_add(1, Ordering::Relaxed);
            progress(Progress { done, of: items.len(), what: "pictures" });
            Ok(fared)
        })
        .collect::<Result<_>>()?;
    hard::remove(&folder);
    let (of_references, of_strangers) = fared.split_at(references.len());
    strangers.iter().for_each(|still| key.add(format_args!("{} {}", still.name, still.digest)));
    let size = if config.quick { hard::Size::QUICK } else { hard::Size::FULL };
    let hard = cache.get(&key.with(format_args!("hard {size:?}")), || {
        hard::hard(config.seed, &references, &strangers, size, &folder, cancel)
    })?;
    cancel.check()?;
    let report = summary::report(summary::Parts {
        config,
        attacks: &attacks,
        references: &references,
        strangers: &strangers,
        excluded: data.excluded,
        of_references,
        of_strangers,
        known: &known,
        hard,
        films,
        costs: costs(&references)?,
        seconds: started.elapsed().as_secs_f64(),
    });
    let stills: HashMap<&str, &Still> = references.iter().chain(&strangers).map(|s| (s.name.as_str(), s)).collect();
    let side_by_side = |shown: &[Shown]| -> Result<Vec<Pair>> {
        shown.par_iter().map(|shown| bench.side_by_side(shown, &stills)).collect()
    };
    let pairs = Pairs { misses: side_by_side(&report.misses)?, closest: side_by_side(&report.closest)? };
    super::report::write(&config.out, &report, &pairs)?;
    let shown = load(&references[0].path)?;
    let pictures =
        attacks.iter().map(|a| (a.name.as_str(), a.apply(&shown, &references[0].name, config.seed, &fillers)));
    let sheet = super::sheet::sheet(pictures, 12, 108).to_jpeg(70)?;
    let path = config.out.join("attacks.jpg");
    std::fs::write(&path, sheet).map_err(|error| Error::io(path, error))?;
    Ok(report)
}

/// Unrelated pictures for collages and backgrounds are the first so many strangers.
const FILLERS: usize = 24;

pub(super) fn fillers(strangers: &[Still]) -> Vec<Picture> {
    strangers.iter().take(FILLERS).filter_map(|still| load(&still.path).ok()).collect()
}

/// Microseconds to fingerprint a picture as it is asked under each of [`Method::all`]: the median over some pictures.
fn costs(stills: &[Still]) -> Result<Vec<f64>> {
    let step = stills.len().div_ceil(16).max(1);
    let pictures: Vec<Picture> = stills.iter().step_by(step).map(|still| load(&still.path)).collect::<Result<_>>()?;
    let time = |method: Method, pixels: &Pixels<'_>| {
        let started = Instant::now();
        match method {
            Method::PlainPdq => drop(pdq::hash(pixels)),
            Method::DihedralPdq => drop(pdq::dihedral(pixels)),
            Method::Classic(algorithm) => drop(algorithm.hash(pixels)),
            Method::None | Method::Standard | Method::Thorough => {
                let windows = method.views().map(|set| set.query_windows()).unwrap_or_default();
                drop(ImageFingerprint::with_windows(pixels, windows));
            }
        }
        started.elapsed().as_secs_f64() * 1e6
    };
    let of = |method: Method| {
        let mut times: Vec<f64> = pictures
            .iter()
            .filter_map(|picture| picture.to_pixels().ok())
            .map(|pixels| time(method, &pixels.as_pixels()))
            .collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(0.0)
    };
    Ok(Method::all().into_iter().map(of).collect())
}

/// Two pictures as they stand on the page, small.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What they are.
    pub shown: Shown,
    /// The reference and the query, as JPEGs.
    pub jpegs: [Vec<u8>; 2],
}

/// The pictures of the page.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    /// Of [`Report::misses`].
    pub misses: Vec<Pair>,
    /// Of [`Report::closest`].
    pub closest: Vec<Pair>,
}

struct Bench<'a> {
    config: &'a Config,
    attacks: &'a [Attack],
    fillers: &'a [Picture],
    list: &'a List,
    cache: &'a Cache,
    key: Key,
}

impl Bench<'_> {
    fn picture(&self, at: usize, right: Option<usize>, still: &Still) -> Result<Fared> {
        let key = self.key.with(format_args!("{} {} {at} {right:?}", still.name, still.digest));
        self.cache.get(&key, || self.fresh(at, right, still))
    }

    /// The two pictures again, small.
    fn side_by_side(&self, shown: &Shown, stills: &HashMap<&str, &Still>) -> Result<Pair> {
        let load = |name: &str| match stills.get(name) {
            Some(still) => load(&still.path),
            None => Err(Error::option("data", format!("{name} is not there any more"))),
        };
        let (reference, mut query) = (load(&shown.reference)?, load(&shown.picture)?);
        if let Some(attack) = self.attacks.iter().find(|attack| attack.name == shown.attack) {
            query = attack.apply(&query, &shown.picture, self.config.seed, self.fillers);
        }
        let small = |picture: &Picture| picture.fit(180, 180).to_jpeg(70);
        Ok(Pair { shown: shown.clone(), jpegs: [small(&reference)?, small(&query)?] })
    }

    fn fresh(&self, at: usize, right: Option<usize>, still: &Still) -> Result<Fared> {
        let picture = load(&still.path)?;
        let methods = Method::all().len();
        let mut fared = Fared {
            outcomes: Vec::new(),
            wrong: vec![Tally::default(); methods],
            whole: [Tally::default(), Tally::default()],
        };
        if right.is_none() {
            self.ask(self.attacks.len(), right, &picture, at, &mut fared)?;
        }
        for (i, attack) in self.attacks.iter().enumerate() {
            if right.is_none() && !self.config.attacks_stranger(i, at) {
                continue;
            }
            let attacked = attack.apply(&picture, &still.name, self.config.seed, self.fillers);
            self.ask(i, right, &attacked, at, &mut fared)?;
        }
        Ok(fared)
    }

    fn ask(&self, attack: usize, right: Option<usize>, picture: &Picture, at: usize, fared: &mut Fared) -> Result<()> {
        let pixels = picture.to_pixels()?;
        let started = Instant::now();
        let asked = Asked::new(&pixels.as_pixels());
        let micros = started.elapsed().as_micros().min(u128::from(u32::MAX)) as u32;
        let classic = at.is_multiple_of(Config::CLASSIC);
        let asked = if classic { asked.with_classic(&pixels.as_pixels()) } else { asked };
        let mut outcome = Outcome {
            attack: attack as u32,
            right: Vec::new(),
            whole: None,
            wrong: vec![(f32::NEG_INFINITY, 0); if classic { fared.wrong.len() } else { Method::LIBRARY.len() }],
            look_ups: Method::LIBRARY.iter().map(|&method| asked.look_ups(method) as u32).collect(),
            micros,
        };
        for (i, compared) in self.list.ask(&asked)?.iter().enumerate() {
            let ours = if right == Some(i) { compared.scores } else { compared.whole_search };
            let scores = ours.into_iter().chain(self.list.classic(&asked, i));
            if Some(i) == right {
                outcome.right = scores.collect();
                outcome.whole = compared.whole;
                continue;
            }
            for ((best, tally), score) in outcome.wrong.iter_mut().zip(&mut fared.wrong).zip(scores) {
                tally.add(score);
                if score > best.0 {
                    *best = (score, i as u32);
                }
            }
            if let Some(distances) = compared.whole {
                fared.whole.iter_mut().zip(distances).for_each(|(tally, d)| tally.add(-f32::from(d)));
            }
        }
        fared.outcomes.push(outcome);
        Ok(())
    }
}
