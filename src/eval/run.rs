//! The run: every reference attacked in every way, every stranger, every hard distractor, against the whole list.
//!
//! The work of one picture is one item: items run in parallel, and each leaves a file in the cache under the digest of
//! all that it depends on, so that a run that was stopped goes on where it was, and a second run is nearly free.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;

use super::attacks::{Attack, stills};
use super::data::{Data, Split, Still, load};
use super::distractors::{Synthetic, Template, synthetic};
use super::film;
use super::method::{Asked, Known, Method};
use super::picture::Picture;
use super::summary::{self, Report};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

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
}

/// How one picture under one attack fared.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub struct Outcome {
    /// Which attack; the number of attacks for the picture as it is.
    pub attack: u32,
    /// The score of the right reference for each method; empty for a stranger.
    pub right: Vec<f32>,
    /// The best score of a wrong reference for each method, and which.
    pub wrong: Vec<(f32, u32)>,
    /// Look-ups of each library method.
    pub look_ups: Vec<u32>,
    /// Microseconds that the fingerprint took.
    pub micros: u32,
}

/// Where a run stands, for people.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Pictures done.
    pub done: usize,
    /// Pictures in all.
    pub of: usize,
}

/// Runs the benchmark and writes `report.json`, `recall.csv`, `report.html`, `recall.md` and `attacks.jpg` into the
/// folder of results.
///
/// # Errors
/// [`Error::Io`], [`Error::Cancelled`] (the cache is kept), and [`Error::Option`] if the folder has no usable stills.
pub fn run(config: &Config, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report> {
    let started = Instant::now();
    let cache = config.out.join("cache");
    std::fs::create_dir_all(&cache).map_err(|error| Error::io(&cache, error))?;
    let mut data = Data::open(&config.data, cancel)?;
    let films = film::measure(config, &mut data, cancel, &|_| ())?;
    let most = if config.quick { config.pictures.min(10) } else { config.pictures };
    let (references, strangers) = (data.of(Split::Reference, most), data.of(Split::Distractor, most));
    if references.is_empty() {
        return Err(Error::option("data", format!("{} holds no usable still", config.data.display())));
    }
    let attacks: Vec<Attack> = stills()
        .into_iter()
        .enumerate()
        .filter(|(i, _)| !config.quick || i.is_multiple_of(4))
        .map(|(_, a)| a)
        .collect();
    let fillers: Vec<Picture> = strangers.iter().take(24).filter_map(|still| load(&still.path).ok()).collect();
    let known: Vec<(Known, Vec<usize>)> = references
        .par_iter()
        .map(|still| {
            let pixels = load(&still.path)?.to_pixels()?;
            let (known, print) = Known::new(&pixels.as_pixels(), true);
            Ok((known, Method::LIBRARY.iter().map(|method| method.entries(&print)).collect()))
        })
        .collect::<Result<_>>()?;
    cancel.check()?;
    let bench = Bench {
        config,
        attacks: &attacks,
        fillers: &fillers,
        known: &known,
        cache: &cache,
        run: config.key(&data, &attacks),
    };
    let items: Vec<(usize, Option<usize>, &Still)> = references
        .iter()
        .enumerate()
        .map(|(i, still)| (i, Some(i), still))
        .chain(strangers.iter().enumerate().map(|(i, still)| (i, None, still)))
        .collect();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let outcomes: Vec<Vec<Outcome>> = items
        .par_iter()
        .map(|&(at, right, still)| {
            cancel.check()?;
            let outcomes = bench.picture(at, right, still)?;
            let done = 1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            progress(Progress { done, of: items.len() });
            Ok(outcomes)
        })
        .collect::<Result<_>>()?;
    let (of_references, of_strangers) = outcomes.split_at(references.len());
    let hard = if config.quick {
        hard(config, &references, &strangers, 4)?
    } else {
        hard(config, &references, &strangers, 90)?
    };
    cancel.check()?;
    let entries = known.iter().map(|k| k.1.clone()).collect::<Vec<_>>();
    let report = summary::report(summary::Parts {
        config,
        attacks: &attacks,
        references: &references,
        excluded: data.excluded,
        of_references,
        of_strangers,
        entries: &entries,
        hard,
        films,
        seconds: started.elapsed().as_secs_f64(),
    });
    super::report::write(&config.out, &report)?;
    let shown = load(&references[0].path)?;
    let pictures =
        attacks.iter().map(|a| (a.name.as_str(), a.apply(&shown, &references[0].name, config.seed, &fillers)));
    let sheet = super::sheet::sheet(pictures, 10, 140).to_jpeg(75)?;
    let path = config.out.join("attacks.jpg");
    std::fs::write(&path, sheet).map_err(|error| Error::io(path, error))?;
    Ok(report)
}

impl Config {
    /// What every item of the cache depends on.
    fn key(&self, data: &Data, attacks: &[Attack]) -> String {
        let mut text = format!("{} {} {} {:?}", env!("CARGO_PKG_VERSION"), self.seed, self.quick, self.pictures);
        text.extend(attacks.iter().map(|a| format!(" {}", a.name)));
        for still in &data.stills {
            let size = std::fs::metadata(&still.path).map(|meta| meta.len()).unwrap_or(0);
            text.push_str(&format!(" {} {size} {:?}", still.name, still.split));
        }
        let windows = crate::fingerprint::ViewSet::Thorough.windows();
        text.push_str(&format!(" {windows:?} {} {}", crate::matching::DETAIL_RADIUS, crate::matching::PDQ_LIMIT));
        blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
    }
}

struct Bench<'a> {
    config: &'a Config,
    attacks: &'a [Attack],
    fillers: &'a [Picture],
    known: &'a [(Known, Vec<usize>)],
    cache: &'a Path,
    run: String,
}

impl Bench<'_> {
    fn picture(&self, at: usize, right: Option<usize>, still: &Still) -> Result<Vec<Outcome>> {
        let kind = if right.is_some() { "reference" } else { "stranger" };
        let path = self.cache.join(format!("{}-{kind}-{at}", self.run));
        let config = bincode::config::standard().with_limit::<{ 16 << 20 }>();
        if let Ok(bytes) = std::fs::read(&path)
            && let Ok((outcomes, _)) = bincode::decode_from_slice(&bytes, config)
        {
            return Ok(outcomes);
        }
        let picture = load(&still.path)?;
        let mut outcomes = Vec::new();
        if right.is_none() {
            outcomes.push(self.outcome(self.attacks.len(), right, &picture, at)?);
        }
        for (i, attack) in self.attacks.iter().enumerate() {
            if right.is_none() && !(i + at).is_multiple_of(Config::STRIDE) {
                continue;
            }
            let attacked = attack.apply(&picture, &still.name, self.config.seed, self.fillers);
            outcomes.push(self.outcome(i, right, &attacked, at)?);
        }
        if let Ok(bytes) = bincode::encode_to_vec(&outcomes, config) {
            // A cache that cannot be written costs time, nothing else.
            let _ = std::fs::write(&path, bytes);
        }
        Ok(outcomes)
    }

    fn outcome(&self, attack: usize, right: Option<usize>, picture: &Picture, at: usize) -> Result<Outcome> {
        let pixels = picture.to_pixels()?;
        // The classic hashes are slow and for comparison only: every fourth picture.
        let classic = at.is_multiple_of(4);
        let started = Instant::now();
        let asked = Asked::new(&pixels.as_pixels(), false);
        let micros = started.elapsed().as_micros().min(u128::from(u32::MAX)) as u32;
        let asked = if classic { asked.with_classic(&pixels.as_pixels()) } else { asked };
        let mut outcome = Outcome {
            attack: attack as u32,
            right: Vec::new(),
            wrong: Vec::new(),
            look_ups: Method::LIBRARY.iter().map(|&method| asked.look_ups(method) as u32).collect(),
            micros,
        };
        for (i, (known, _)) in self.known.iter().enumerate() {
            let scores = asked.scores(known);
            if Some(i) == right {
                outcome.right = scores;
                continue;
            }
            outcome.wrong.resize(scores.len(), (f32::NEG_INFINITY, 0));
            for (best, score) in outcome.wrong.iter_mut().zip(scores) {
                if score > best.0 {
                    *best = (score, i as u32);
                }
            }
        }
        Ok(outcome)
    }
}

/// Innocent queries of one kind of hard distractor, and how many of them matched something under each method.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Hard {
    /// The template or the kind of picture.
    pub name: String,
    /// References in the list.
    pub list: usize,
    /// Queries.
    pub queries: usize,
    /// Queries that matched something, for each library method.
    pub hits: Vec<usize>,
}

/// Templates: `count` references of each in one list, other pictures in the same templates as queries. Kinds: so many
/// pictures of each in one list, others of the kind as queries.
fn hard(config: &Config, references: &[Still], strangers: &[Still], count: usize) -> Result<Vec<Hard>> {
    let in_template = |stills: &[Still]| -> Result<Vec<Vec<Asked>>> {
        let chosen: Vec<&Still> = stills.iter().take(count).collect();
        let all: Vec<Vec<(Asked, ())>> = chosen
            .par_iter()
            .map(|still| {
                let picture = load(&still.path)?;
                Template::ALL
                    .iter()
                    .map(|t| {
                        let pixels = t.apply(&picture, &still.name, config.seed).to_pixels()?;
                        Ok((Asked::new(&pixels.as_pixels(), false), ()))
                    })
                    .collect()
            })
            .collect::<Result<_>>()?;
        Ok(all.into_iter().map(|row| row.into_iter().map(|a| a.0).collect()).collect())
    };
    let (list, queries) = (in_template(references)?, in_template(strangers)?);
    let known: Vec<Known> = list.iter().flatten().map(Asked::to_known).collect();
    let hits = |asked: &Asked, known: &[Known]| -> Vec<bool> {
        let mut hit = vec![false; Method::LIBRARY.len()];
        for known in known {
            for (hit, score) in hit.iter_mut().zip(asked.scores(known)) {
                *hit |= score >= 0.0;
            }
        }
        hit
    };
    let counted = |queries: Vec<&Asked>, known: &[Known], name: String| -> Hard {
        let all: Vec<Vec<bool>> = queries.par_iter().map(|asked| hits(asked, known)).collect();
        let sum = |m: usize| all.iter().filter(|hit| hit[m]).count();
        Hard { name, list: known.len(), queries: queries.len(), hits: (0..Method::LIBRARY.len()).map(sum).collect() }
    };
    let mut out: Vec<Hard> = Template::ALL
        .iter()
        .enumerate()
        .map(|(t, template)| counted(queries.iter().map(|row| &row[t]).collect(), &known, template.name().into()))
        .collect();
    let each = count.min(20);
    for kind in Synthetic::ALL {
        let all: Vec<Asked> = (0..2 * each)
            .into_par_iter()
            .map(|i| Ok(Asked::new(&synthetic(kind, i, config.seed).to_pixels()?.as_pixels(), false)))
            .collect::<Result<_>>()?;
        let (list, queries) = all.split_at(each);
        let known: Vec<Known> = list.iter().map(Asked::to_known).collect();
        out.push(counted(queries.iter().collect(), &known, kind.name().into()));
    }
    Ok(out)
}
