//! The run over films.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::super::attacks::films::{FilmAttack, films};
use super::super::data::{Data, Excluded, Split};
use super::super::metrics::Stretch;
use super::super::run::{Config, Progress};
use super::edit::{Clip, Edit, Part, available};
use super::report::{Border, Claim, FilmReport, Parts, TemplateReport, report};
use super::template::FilmTemplate;
use crate::bank::{AskOptions, Reference, Store};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Media, Options, RECIPE, Sampling, fingerprint};
use crate::matching::{Match, Segment};
use crate::video::vpdq;

/// Of the strangers, every which attack is made, by turns.
const STRIDE: usize = 4;
/// Films in a template at most.
const IN_TEMPLATE: usize = 40;
/// Films with a lead at most.
const WITH_LEAD: usize = 16;

/// How one film that was made fared.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// Which attack; `None` for a stranger as it is.
    pub(super) attack: Option<usize>,
    /// Which clip it was made of.
    pub(super) clip: usize,
    /// For every part that is true, whether it was found.
    pub(super) found: Vec<bool>,
    /// For every part that was found, where it was and where it is.
    pub(super) borders: Vec<Border>,
    /// Names of references that matched although nothing of them is shown.
    pub(super) wrong: Vec<String>,
    /// What was claimed, for the segment AP.
    pub(super) claims: Vec<Claim>,
    /// What is true, for the segment AP.
    pub(super) truth: Vec<Claim>,
    /// Share of the parts that plain vPDQ finds, by its 80 per cent and by any frame.
    pub(super) plain: [f64; 2],
    /// References that plain vPDQ matches wrongly, by the same two rules.
    pub(super) plain_wrong: [usize; 2],
    /// Milliseconds that the fingerprint and the question took.
    pub(super) millis: [f64; 2],
}

/// Runs over the films of a folder; `None` if it has no references among them or the `ffmpeg` command is not there.
///
/// # Errors
/// Those of the store and of files that cannot be written; [`Error::Cancelled`]: what was made until then is kept.
pub fn measure(
    config: &Config,
    data: &mut Data,
    cancel: &Cancel,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Option<FilmReport>> {
    if data.films.iter().all(|film| film.split != Split::Reference) || !available() {
        return Ok(None);
    }
    run(config, data, cancel, progress).map(Some)
}

fn run(config: &Config, data: &mut Data, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<FilmReport> {
    let started = Instant::now();
    let folder = config.out.join("films");
    std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    let bench = Bench::new(config, data, &folder, cancel)?;
    let attacks: Vec<FilmAttack> = films()
        .into_iter()
        .enumerate()
        .filter(|(i, _)| !config.quick || i % 8 == 1)
        .map(|(_, attack)| attack)
        .filter(|attack| bench.of(Split::Reference).into_iter().any(|clip| bench.possible(attack, clip)))
        .collect();
    let jobs = bench.jobs(&attacks, config);
    let templates: Vec<FilmTemplate> =
        if config.quick { vec![FilmTemplate::LowerThird25] } else { FilmTemplate::ALL.to_vec() };
    let in_templates: Vec<(FilmTemplate, Vec<&Clip>)> = templates.iter().map(|&t| (t, bench.in_template(t))).collect();
    let of = jobs.len() + in_templates.iter().map(|(_, clips)| clips.len()).sum::<usize>();
    let done = AtomicUsize::new(0);
    let step = || progress(Progress { done: 1 + done.fetch_add(1, Ordering::Relaxed), of, what: "films" });
    let asked: Vec<Asked> = jobs
        .par_iter()
        .map(|&(attack, clip)| {
            cancel.check()?;
            let asked = bench.ask(attack.map(|at| (at, &attacks[at])), clip)?;
            step();
            Ok(asked)
        })
        .collect::<Result<_>>()?;
    let (retro, retro_seconds) = bench.retro(&attacks, &asked)?;
    let mut shared = Vec::new();
    for (template, clips) in in_templates {
        let prints: Vec<Fingerprint> = clips
            .par_iter()
            .map(|clip| {
                cancel.check()?;
                let print = bench.print(&template.edit(clip, config.seed))?;
                step();
                Ok(print.0)
            })
            .collect::<Result<_>>()?;
        shared.push(bench.shared(template, &clips, &prints)?);
    }
    Ok(report(Parts {
        attacks: &attacks,
        clips: &bench.clips,
        cost: bench.cost,
        asked: &asked,
        retro: &retro,
        retro_seconds,
        templates: shared,
        seconds: started.elapsed().as_secs_f64(),
    }))
}

struct Bench<'a> {
    config: &'a Config,
    folder: &'a Path,
    clips: Vec<Clip>,
    /// Of the clips, one frame a second.
    plain: Vec<Vec<vpdq::Line>>,
    store: Store,
    /// Knows the films that were asked as uploads from before.
    uploads: Store,
    /// Of the references.
    prints: Vec<(String, Fingerprint)>,
    /// Entries and bytes of all references.
    cost: [u64; 2],
}

impl<'a> Bench<'a> {
    fn new(config: &'a Config, data: &mut Data, folder: &'a Path, cancel: &Cancel) -> Result<Self> {
        let mut clips = Vec::new();
        let (mut prints, mut plain) = (Vec::new(), Vec::new());
        let read: Vec<Result<(Clip, Fingerprint, Vec<vpdq::Line>)>> = data
            .films
            .par_iter()
            .map(|film| {
                cancel.check()?;
                let bytes = std::fs::read(&film.path).map_err(|error| Error::io(&film.path, error))?;
                let digest = blake3::hash(&bytes).to_hex();
                drop(bytes);
                // By what the film holds, and not beside it: the folder of media is never written to.
                let (print, line) = prints_of(&film.path, &folder.join(format!("source-{digest}.{RECIPE}.print")))?;
                let (seconds, width, height) = match &print {
                    Fingerprint::Video(video) => (video.duration, video.width, video.height),
                    Fingerprint::Image(image) => (0.0, image.width, image.height),
                };
                let digest = digest[..16].to_string();
                let (name, path, split) = (film.name.clone(), film.path.clone(), film.split);
                Ok((Clip { name, path, split, digest, seconds, width, height }, print, line))
            })
            .collect();
        cancel.check()?;
        for (film, read) in data.films.iter().zip(read) {
            match read {
                Ok((clip, print, line)) => {
                    clips.push(clip);
                    prints.push(print);
                    plain.push(line);
                }
                Err(error) => data.excluded.push(Excluded {
                    name: film.name.clone(),
                    code: error.code().into(),
                    message: error.to_string(),
                }),
            }
        }
        let prints: Vec<(String, Fingerprint)> = clips
            .iter()
            .zip(prints)
            .filter(|(clip, _)| clip.split == Split::Reference)
            .map(|(clip, print)| (clip.name.clone(), print))
            .collect();
        let (store, cost) = store(&folder.join("store"), prints.iter().map(|(name, print)| (name.as_str(), print)))?;
        let uploads = empty(&folder.join("retro"))?;
        Ok(Self { config, folder, clips, plain, store, uploads, prints, cost })
    }

    fn of(&self, split: Split) -> Vec<usize> {
        (0..self.clips.len()).filter(|&at| self.clips[at].split == split).collect()
    }

    /// Which clips go through which attacks.
    fn jobs(&self, attacks: &[FilmAttack], config: &Config) -> Vec<(Option<usize>, usize)> {
        let spread = |all: Vec<usize>, most: usize| -> Vec<usize> {
            let count = all.len().min(most);
            (0..count).map(|i| all[i * all.len() / count]).collect()
        };
        let most = if config.quick { 2 } else { config.clips };
        let references = spread(self.of(Split::Reference), most);
        let strangers = spread(self.of(Split::Distractor), most);
        let mut jobs: Vec<(Option<usize>, usize)> =
            references.iter().flat_map(|&clip| (0..attacks.len()).map(move |attack| (Some(attack), clip))).collect();
        for (at, &clip) in strangers.iter().enumerate() {
            jobs.push((None, clip));
            jobs.extend(
                (0..attacks.len())
                    .filter(|&attack| (attack + at) % STRIDE == 0 && self.possible(&attacks[attack], clip))
                    .map(|attack| (Some(attack), clip)),
            );
        }
        jobs
    }

    fn in_template(&self, template: FilmTemplate) -> Vec<&Clip> {
        let most = match template {
            _ if self.config.quick => 4,
            FilmTemplate::LowerThird12 | FilmTemplate::LowerThird25 | FilmTemplate::Slides => IN_TEMPLATE,
            _ => WITH_LEAD,
        };
        let count = self.clips.len().min(most);
        (0..count).map(|i| &self.clips[i * self.clips.len() / count]).collect()
    }

    /// Makes a film and fingerprints it, or takes both from the folder of results.
    fn print(&self, edit: &Edit) -> Result<(Fingerprint, Vec<vpdq::Line>, f64)> {
        let path = edit.make(self.folder)?;
        let started = Instant::now();
        let (print, plain) = prints_of(&path, &path.with_extension(format!("{RECIPE}.print")))?;
        Ok((print, plain, started.elapsed().as_secs_f64() * 1e3))
    }

    fn group(&self, split: Split) -> Vec<Clip> {
        self.of(split).iter().map(|&at| self.clips[at].clone()).collect()
    }

    /// Whether an attack can be made of a clip; one that can of a reference can of all of them, which are no fillers.
    fn possible(&self, attack: &FilmAttack, clip: usize) -> bool {
        attack.possible(&self.clips[clip], &self.group(Split::Distractor))
    }

    fn edit(&self, attack: Option<&FilmAttack>, clip: &Clip) -> Edit {
        let (strangers, references) = (Split::Distractor, Split::Reference);
        match attack {
            Some(attack) => attack.edit(clip, self.config.seed, &self.group(strangers), &self.group(references)),
            None => Edit::of(clip, "scale=trunc(iw/2)*2:trunc(ih/2)*2,setsar=1"),
        }
    }

    fn ask(&self, attack: Option<(usize, &FilmAttack)>, at: usize) -> Result<Asked> {
        let clip = &self.clips[at];
        let (number, attack) = attack.unzip();
        let edit = self.edit(attack, clip);
        let (print, plain, made) = self.print(&edit).map_err(|error| error.at(&clip.path))?;
        self.uploads.remember(&upload(number, at), "", &print)?;
        let started = Instant::now();
        let verdict = self.store.ask_with(&print, &AskOptions::in_a_long_list())?;
        let millis = [made, started.elapsed().as_secs_f64() * 1e3];
        let known: Vec<&str> = self.known(&edit).map(|part| part.clip.as_str()).collect();
        let mut shown = [0.0; 2];
        let mut plain_wrong = [0; 2];
        for (reference, lines) in self.clips.iter().zip(&self.plain) {
            if reference.split != Split::Reference {
                continue;
            }
            let percentages = vpdq::compare(&plain, lines, vpdq::Rule::PACKAGE);
            let hit = [percentages.query >= 80.0, percentages.query > 0.0];
            let right = known.contains(&reference.name.as_str());
            for (rule, hit) in hit.into_iter().enumerate() {
                shown[rule] += if hit && right { 1.0 / known.len() as f64 } else { 0.0 };
                plain_wrong[rule] += usize::from(hit && !right);
            }
        }
        let asked = Asked { attack: number, clip: at, plain: shown, plain_wrong, millis, ..Asked::default() };
        Ok(self.judged(asked, attack, &edit, &verdict.matches))
    }

    /// The parts of a film that are of references.
    fn known<'e>(&'e self, edit: &'e Edit) -> impl Iterator<Item = &'e Part> + 'e {
        edit.truth.iter().filter(|part| self.is_reference(&part.clip))
    }

    /// How a film fared that matched so.
    fn judged(&self, asked: Asked, attack: Option<&FilmAttack>, edit: &Edit, matches: &[Match]) -> Asked {
        let known: Vec<&Part> = self.known(edit).collect();
        let (mut found, mut borders, mut wrong) = (vec![false; known.len()], Vec::new(), Vec::new());
        let (mut claims, mut truth) = (Vec::new(), Vec::new());
        for (i, part) in known.iter().enumerate() {
            truth.push(Claim { reference: part.clip.clone(), ..Claim::of(part.query, part.reference, 0.0) });
            for matched in matches.iter().filter(|matched| matched.reference == part.clip && !matched.near) {
                let overlapping =
                    matched.segments.iter().filter(|segment| overlaps(segment, part.query, part.reference));
                // A still found as a still has no segments.
                found[i] |= matched.segments.is_empty() || overlapping.clone().next().is_some();
                if let Some(best) = overlapping.max_by(|a, b| length(a).total_cmp(&length(b))) {
                    borders.push(Border {
                        attack: attack.map(|attack| attack.name.clone()).unwrap_or_default(),
                        clip: self.clips[asked.clip].name.clone(),
                        reference: part.clip.clone(),
                        query: [best.query, part.query],
                        span: [best.reference, part.reference],
                        speed: best.speed,
                    });
                }
            }
        }
        for matched in matches.iter().filter(|matched| !matched.near) {
            if known.iter().all(|part| part.clip != matched.reference) {
                wrong.push(matched.reference.clone());
            }
            for segment in &matched.segments {
                let claim = Claim::of(segment.query, segment.reference, segment.score);
                claims.push(Claim { reference: matched.reference.clone(), ..claim });
            }
        }
        Asked { found, borders, wrong, claims, truth, ..asked }
    }

    /// The same films as uploads from before the list knew anything: how they fare when the references come, and how many
    /// seconds it takes to ask for all of those.
    fn retro(&self, attacks: &[FilmAttack], asked: &[Asked]) -> Result<(Vec<Asked>, f64)> {
        add(&self.uploads, self.prints.iter().map(|(name, print)| (name.as_str(), print)))?;
        let mut matches: BTreeMap<String, Vec<Match>> = BTreeMap::new();
        let started = Instant::now();
        self.uploads.retro(0, |retro| {
            matches.entry(retro.remembered.upload).or_default().push(retro.found);
            Ok(())
        })?;
        let seconds = started.elapsed().as_secs_f64();
        let judged = asked.iter().map(|asked| {
            let attack = asked.attack.map(|at| &attacks[at]);
            let matches = matches.get(&upload(asked.attack, asked.clip)).map(Vec::as_slice).unwrap_or_default();
            self.judged(asked.clone(), attack, &self.edit(attack, &self.clips[asked.clip]), matches)
        });
        Ok((judged.collect(), seconds))
    }

    fn is_reference(&self, name: &str) -> bool {
        self.clips.iter().any(|clip| clip.name == name && clip.split == Split::Reference)
    }

    /// Every film of a template asked against all others of it.
    fn shared(&self, template: FilmTemplate, clips: &[&Clip], prints: &[Fingerprint]) -> Result<TemplateReport> {
        let named: Vec<(&str, &Fingerprint)> = clips.iter().map(|clip| clip.name.as_str()).zip(prints).collect();
        let (store, _) = store(&self.folder.join("store"), named.iter().copied())?;
        let mut out = TemplateReport {
            name: template.name().into(),
            is_segment: template.is_segment(),
            films: clips.len(),
            pairs: clips.len() * clips.len().saturating_sub(1),
            alike: 0,
            beyond: 0,
            examples: Vec::new(),
        };
        for (clip, (name, print)) in clips.iter().zip(&named) {
            let [from, to] = template.shared(clip);
            let beyond = |segment: &Segment| segment.query[0] < from - 1.0 || segment.query[1] > to + 1.0;
            for matched in store.ask(print)?.matches.iter().filter(|m| m.reference != *name && !m.near) {
                out.alike += 1;
                out.beyond += usize::from(matched.segments.iter().any(beyond));
                if out.examples.len() < 12 {
                    out.examples.push(format!("{name} {}", matched.reference));
                }
            }
        }
        Ok(out)
    }
}

/// What an altered film is called as an upload.
fn upload(attack: Option<usize>, clip: usize) -> String {
    format!("{clip} {}", attack.map(|at| at.to_string()).unwrap_or_default())
}

/// A store of these references alone, with the entries and the bytes of their fingerprints in it.
fn store<'p>(
    path: &Path,
    references: impl IntoIterator<Item = (&'p str, &'p Fingerprint)>,
) -> Result<(Store, [u64; 2])> {
    let store = empty(path)?;
    let cost = add(&store, references)?;
    Ok((store, cost))
}

fn empty(path: &Path) -> Result<Store> {
    if path.exists() {
        std::fs::remove_dir_all(path).map_err(|error| Error::io(path, error))?;
    }
    Store::create_or_open(path)
}

/// Adds references; how many entries that makes, and how many bytes their fingerprints have in the store.
fn add<'p>(store: &Store, references: impl IntoIterator<Item = (&'p str, &'p Fingerprint)>) -> Result<[u64; 2]> {
    let mut cost = [0; 2];
    for (name, print) in references {
        cost[0] += u64::from(store.add(&Reference::new(name), print)?.hashes);
        if let Some(kept) = store.fingerprint("default", name)? {
            cost[1] += kept.to_bytes()?.len() as u64;
        }
    }
    Ok(cost)
}

/// The fingerprint of a film, and one frame a second as vPDQ takes them; both are kept in the file `kept`, which has to be of
/// this film alone.
fn prints_of(path: &Path, kept: &Path) -> Result<(Fingerprint, Vec<vpdq::Line>)> {
    let config = bincode::config::standard().with_limit::<{ 64 << 20 }>();
    if let Ok(bytes) = std::fs::read(kept)
        && let Ok(((print, text), _)) = bincode::decode_from_slice::<(Vec<u8>, Vec<u8>), _>(&bytes, config)
        && let Ok(print) = Fingerprint::from_bytes(&print)
    {
        return Ok((print, vpdq::read(text.as_slice(), |_, _| ())?));
    }
    let print = fingerprint(Media::file(path), &Options::default())?;
    let options = Options { sampling: Sampling::Fps(1.0), ..Options::default() };
    let plain = match fingerprint(Media::file(path), &options)? {
        Fingerprint::Video(video) => vpdq::lines(&video, 1.0),
        Fingerprint::Image(image) => {
            let whole = image.views.iter().take(1);
            whole.map(|view| vpdq::Line { frame: 0, quality: view.quality, hash: view.hash, seconds: 0.0 }).collect()
        }
    };
    let mut text = Vec::new();
    vpdq::write(&mut text, &plain)?;
    if let Ok(bytes) = bincode::encode_to_vec((print.to_bytes()?, text), config) {
        // A cache that cannot be written costs time, nothing else.
        let _ = std::fs::write(kept, bytes);
    }
    Ok((print, plain))
}

/// Whether a segment and what is true have anything in common on both sides; a still has a moment.
fn overlaps(segment: &Segment, query: [f64; 2], reference: [f64; 2]) -> bool {
    let meet = |a: [f64; 2], b: [f64; 2]| a[0].max(b[0]) <= a[1].min(b[1]) + 0.5;
    meet(segment.query, query) && meet(segment.reference, reference)
}

fn length(segment: &Segment) -> f64 {
    segment.query[1] - segment.query[0]
}

impl Claim {
    pub(super) fn of(query: [f64; 2], reference: [f64; 2], score: f64) -> Self {
        Self { reference: String::new(), query, span: reference, score }
    }

    pub(super) fn stretch(&self, pair: u32) -> Stretch {
        Stretch { pair, query: self.query, reference: self.span }
    }
}
