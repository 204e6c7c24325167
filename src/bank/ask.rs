//! Asking: is this medium known?

use std::collections::BTreeMap;

use super::config::BankConfig;
use super::damage::Damage;
use super::open::fenced;
use super::read::Reading;
use super::reference::{ReferenceRecord, State};
use super::refuse::{SAME, digest, whole};
use super::store::{AskOptions, Store};
use super::write::{DETAIL, Keeps, of_hash};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, View, ViewSet};
use crate::hash::Hash;
use crate::index::{MAX_DISTANCE, Query};
use crate::matching::{self, Closeness, Coverage, Look, Match, Outcome, Pair, Radii, Verdict};

/// Hits of a still on a film belong to one stretch if they are no further apart, in seconds.
const GAP: f64 = 2.0;

/// How near a hash of a film is found in a long list for certain, inclusive. A film is found by any of its frames, so that
/// little is lost by looking no further.
const FILM_CERTAIN: u32 = 15;
/// The same for the whole picture and the content box of a still, which are all that a still has to find a film by, and which
/// a frame that stands for others may be far from.
const WHOLE_CERTAIN: u32 = 31;

/// Most hashes that a reference which was hit is held against, one by one: a tenth of a second.
const MOST_COMPARED: usize = 1 << 26;
/// Pairs after which no more are looked for: films in which one picture stands for long are all near each other.
const MOST_NEAR: usize = 1 << 20;

/// The detail hashes of two films are not compared further apart than this: what their alignment takes.
const FILM_DETAIL_RADIUS: u32 = 50;

impl Store {
    /// Asks whether a medium is known, under every bank's own policy.
    ///
    /// # Errors
    /// Those of the database and the index.
    pub fn ask(&self, fingerprint: &Fingerprint) -> Result<Verdict> {
        self.ask_with(fingerprint, &AskOptions::default())
    }

    /// Asks whether a hash is known, as [`Store::ask`] with nothing but the hash: its orientations cannot be asked.
    ///
    /// # Errors
    /// Those of the database and the index.
    pub fn ask_hash(&self, hash: &Hash) -> Result<Verdict> {
        self.ask_hash_with(hash, &AskOptions::default())
    }

    /// As [`Store::ask_hash`] with options.
    ///
    /// # Errors
    /// As [`Store::ask_with`].
    pub fn ask_hash_with(&self, hash: &Hash, options: &AskOptions) -> Result<Verdict> {
        self.ask_with(&of_hash(*hash, None, self.algorithm()), options)
    }

    /// Asks with options.
    ///
    /// # Errors
    /// [`Error::Option`] for a radius above 96, a bank that is not there, or a fingerprint of another algorithm than the
    /// store's; those of the database and the index.
    pub fn ask_with(&self, fingerprint: &Fingerprint, options: &AskOptions) -> Result<Verdict> {
        self.ask_under(fingerprint, &self.policies(options)?, options)
    }

    /// Asks the banks that have a policy here.
    pub(super) fn ask_under(
        &self,
        fingerprint: &Fingerprint,
        policies: &BTreeMap<String, Policy>,
        options: &AskOptions,
    ) -> Result<Verdict> {
        let Some(looks) = self.looks(fingerprint, policies, options)? else {
            return Ok(Verdict::empty(Outcome::TooLittleDetail));
        };
        let film = matches!(fingerprint, Fingerprint::Video(_));
        fenced(&self.file, || {
            let sequence = self.sequence();
            let far = Far::new(policies, options, film, 0);
            let mut damage = Damage::of(options);
            let candidates = self.candidates(&looks, policies, far, &mut damage)?;
            if candidates.is_empty() {
                return Ok(Verdict::empty(Outcome::NoMatch).despite(damage.told()));
            }
            let reading = self.reading()?;
            let question = Question { fingerprint, looks: &looks, policies, options, far, sequence, reading };
            let mut matches = Vec::new();
            for candidates in candidates.chunk_by(|a, b| a.0 == b.0) {
                matches.extend(damage.bear(question.judge(candidates))?.flatten());
            }
            Ok(Verdict::of(matches).despite(damage.told()))
        })
    }

    /// Whether a single picture of a film that was looked at in passing comes as near to a reference as a part of a match
    /// does. `None` if it has too little detail to be asked, or the store is damaged.
    pub(super) fn hints(&self, glance: &Fingerprint, options: &AskOptions) -> Result<Option<bool>> {
        let policies = &self.policies(options)?;
        let Some(looks) = self.looks(glance, policies, options)? else { return Ok(None) };
        fenced(&self.file, || {
            let sequence = self.sequence();
            let far = Far::new(policies, options, true, matching::LEEWAY);
            let mut damage = Damage::of(options);
            let candidates = self.candidates(&looks, policies, far, &mut damage)?;
            if damage.is_there() {
                return Ok(None);
            }
            if candidates.is_empty() {
                return Ok(Some(false));
            }
            let reading = self.reading()?;
            let question = Question { fingerprint: glance, looks: &looks, policies, options, far, sequence, reading };
            for candidates in candidates.chunk_by(|a, b| a.0 == b.0) {
                match damage.bear(question.hints(candidates))? {
                    Some(false) => {}
                    hints => return Ok(hints),
                }
            }
            Ok(Some(false))
        })
    }

    /// What is looked up; `None` if nothing in the fingerprint has enough detail.
    fn looks(
        &self,
        fingerprint: &Fingerprint,
        policies: &BTreeMap<String, Policy>,
        options: &AskOptions,
    ) -> Result<Option<Vec<Look>>> {
        self.takes(fingerprint.algorithm())?;
        let default = BankConfig::new("default");
        let min_quality = policies.values().map(|policy| policy.bank.min_quality).min().unwrap_or(default.min_quality);
        let stabilities = policies.values().map(|policy| policy.bank.min_stability);
        let min_stability = stabilities.min_by(f32::total_cmp).unwrap_or(default.min_stability);
        let mut looks = matching::looks(fingerprint, min_quality, min_stability, options.turned);
        if looks.is_empty() {
            return Ok(None);
        }
        // A stored fingerprint has the views of references, and all of those are asked.
        let film = matches!(fingerprint, Fingerprint::Video(_));
        let boxed = looks.iter().any(|look| look.view == View::Content);
        let asks = |views: ViewSet, view| if film { views.asks_of_film(view) } else { views.asks(view, boxed) };
        for look in &mut looks {
            look.sought = options.turned || policies.values().any(|policy| asks(policy.bank.views, look.view));
        }
        looks.retain(|look| look.sought || !film && matches!(look.view, View::Full | View::Content));
        Ok(Some(looks))
    }

    /// What is near enough to be judged, in the order of the references.
    fn candidates(
        &self,
        looks: &[Look],
        policies: &BTreeMap<String, Policy>,
        far: Far,
        damage: &mut Damage,
    ) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        if policies.is_empty() {
            return Ok(candidates);
        }
        let Far { film, detail: detail_radius, .. } = far;
        let pdq = |policy: &Policy| policy.radii.pdq.max(policy.radii.pdq_near);
        let pdq_radius = policies.values().map(pdq).max().unwrap_or(0);
        // A film has hundreds of hashes, of which three have to agree. Those with a detail hash are sought by that, near
        // by; only lists without any have to be sought by PDQ as far as frames of one film may be apart.
        let frames = policies.values().map(|policy| policy.frames).max().unwrap_or(0);
        let closest = policies.values().map(|policy| policy.radii.pdq).max().unwrap_or(0);
        let snapshot = self.index.snapshot();
        let mut by_pdq = |radius: u32, asked: &dyn Fn(&Look) -> bool| -> Result<()> {
            let looks = (0u32..).zip(looks).filter(|(_, look)| {
                // Parts are known by their detail hash only.
                matches!(look.view, View::Full | View::Content) && asked(look)
            });
            let known = looks.filter_map(|(at, look)| Some((at, look.hash?)));
            let (at, queries): (Vec<u32>, Vec<Query>) = known.map(|(at, hash)| (at, Query::new(hash, radius))).unzip();
            for hit in damage.search(&snapshot, &queries)? {
                if hit.id.ordinal() & DETAIL == 0 {
                    candidates.push((hit.id.owner(), at[hit.query as usize], hit.id.ordinal()));
                }
            }
            Ok(())
        };
        // Where every reference has a detail hash, as has the query, that finds whatever could match; but for a film and a still whose
        // detail hashes are further apart than those of films may be.
        let plain = self.has_plain() || detail_radius.is_none() || film && far.certain >= MAX_DISTANCE;
        if film {
            by_pdq(closest, &|look| plain && look.detail.is_some())?;
            by_pdq(pdq_radius.max(frames), &|look| look.detail.is_none())?;
        } else {
            by_pdq(pdq_radius, &|look| plain || look.detail.is_none())?;
        }
        if detail_radius.is_some() {
            let (at, queries): (Vec<u32>, Vec<Query>) = (0..)
                .zip(looks)
                .filter(|(_, look)| look.sought)
                .filter_map(|(at, look)| Some((at, far.query(look)?)))
                .unzip();
            for hit in damage.search(&snapshot, &queries)? {
                if hit.id.ordinal() & DETAIL != 0 {
                    candidates.push((hit.id.owner(), at[hit.query as usize], hit.id.ordinal() & !DETAIL));
                }
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        Ok(candidates)
    }

    /// The banks to ask, with the radius of this question.
    fn policies(&self, options: &AskOptions) -> Result<BTreeMap<String, Policy>> {
        if let Some(got) = options.max_distance.filter(|&distance| distance > BankConfig::MAX_DISTANCE) {
            return Err(Error::option("max_distance", format!("at most {}, got {got}", BankConfig::MAX_DISTANCE)));
        }
        let banks = self.banks();
        if let Some(missing) = options.banks.iter().find(|&name| banks.iter().all(|bank| bank.name != *name)) {
            return Err(Error::option("bank", format!("there is no bank {missing:?}")));
        }
        let asked = banks.into_iter().filter(|bank| options.banks.is_empty() || options.banks.contains(&bank.name));
        let policy = |bank: BankConfig| match options.max_distance {
            None => Policy::of(bank),
            Some(pdq) => {
                let radii = Radii { pdq, pdq_near: pdq, detail: None, detail_near: None };
                Policy { radii, frames: pdq, bank }
            }
        };
        Ok(asked.map(|bank| (bank.name.clone(), policy(bank))).collect())
    }
}

/// A bank with the radii of one question.
pub(super) struct Policy {
    bank: BankConfig,
    radii: Radii,
    /// The widest radius between frames of two films.
    frames: u32,
}

impl Policy {
    /// The bank's own.
    pub(super) fn of(bank: BankConfig) -> Self {
        Self { radii: bank.radii(), frames: bank.max_frame_distance.max(bank.max_distance), bank }
    }
}

/// How far is looked.
#[derive(Clone, Copy)]
struct Far {
    /// Whether the query is a film.
    film: bool,
    /// The widest radius of the detail hash of any policy.
    detail: Option<u32>,
    /// So many bits further than the detail hashes of two films may be apart.
    leeway: u32,
    /// How near hashes are found for certain.
    certain: u32,
    /// The same for whole pictures of a still.
    whole: u32,
}

impl Far {
    fn new(policies: &BTreeMap<String, Policy>, options: &AskOptions, film: bool, leeway: u32) -> Self {
        let detail = |policy: &Policy| policy.radii.detail.max(policy.radii.detail_near);
        let certain = |policy: &Policy| if film { FILM_CERTAIN } else { policy.bank.views.certain_distance() };
        let certain = options.certain.or_else(|| policies.values().map(certain).max()).unwrap_or(MAX_DISTANCE);
        let still = !film && options.certain.is_none();
        Self {
            film,
            detail: policies.values().filter_map(detail).max(),
            leeway,
            certain,
            whole: if still { certain.max(WHOLE_CERTAIN) } else { certain },
        }
    }

    /// What is asked about the detail hash of a look-up.
    fn query(self, look: &Look) -> Option<Query> {
        let radius = match self.film {
            true => self.detail?.min(FILM_DETAIL_RADIUS + self.leeway),
            false => self.detail?.saturating_sub(matching::least_slack(look.view)),
        };
        let certain = if look.view.is_window() { self.certain } else { self.whole };
        Some(Query::new(look.detail?, radius).certain(certain))
    }
}

/// What a hit says: the reference's number, the look-up, and which of the reference's hashes.
type Candidate = (u64, u32, u32);

struct Question<'q> {
    fingerprint: &'q Fingerprint,
    looks: &'q [Look],
    policies: &'q BTreeMap<String, Policy>,
    options: &'q AskOptions,
    far: Far,
    /// The last change before the index was looked at.
    sequence: u64,
    reading: Reading,
}

impl<'q> Question<'q> {
    /// What the hits on one reference amount to.
    fn judge(&self, candidates: &[Candidate]) -> Result<Option<Match>> {
        let Some((record, policy, reference)) = self.reference(candidates)? else { return Ok(None) };
        let pairs = self.pairs(candidates, policy, &reference);
        let Some(found) = self.found(&record, policy, &reference, pairs) else { return Ok(None) };
        Ok(if self.refused(candidates[0].0)? { None } else { Some(found) })
    }

    /// Whether one of the hits on one reference could be a part of a match, this film being known by few of its frames.
    fn hints(&self, candidates: &[Candidate]) -> Result<bool> {
        let Some((_, policy, reference)) = self.reference(candidates)? else { return Ok(false) };
        let frames = matches!(reference, Fingerprint::Video(_)).then_some(policy.frames);
        Ok(self.pairs(candidates, policy, &reference).iter().any(|pair| match frames {
            Some(frames) => matching::hint_of_a_segment(pair, frames),
            None => {
                let whole = !pair.look.view.is_window() && !pair.view.is_window();
                whole && policy.radii.judge(pair) != Closeness::Far
            }
        }))
    }

    /// The reference that was hit, if it may answer.
    fn reference(&self, candidates: &[Candidate]) -> Result<Option<(ReferenceRecord, &Policy, Fingerprint)>> {
        let number = candidates[0].0;
        let Some(record) = self.reading.reference(number)? else {
            // It was removed after the index was looked at, or something is damaged.
            return if self.reading.sequence()? == self.sequence { Err(self.reading.lost(number)) } else { Ok(None) };
        };
        let Some(policy) = self.policies.get(&record.bank) else { return Ok(None) };
        if record.state != State::Active {
            return Ok(None);
        }
        let fingerprint = self.reading.fingerprint(number)?.ok_or_else(|| self.reading.lost(number))?;
        Ok(Some((record, policy, fingerprint)))
    }

    /// Every pair that the hits stand for: those themselves, and whatever else is near; of films, where the query is laid down as
    /// it is in one of them. A search that misses a few hashes so misses a reference only if it misses all that is near.
    fn pairs(&self, candidates: &[Candidate], policy: &Policy, reference: &Fingerprint) -> Vec<Pair<'q>> {
        let items = matching::items(reference);
        let mut hits: Vec<(u32, u32)> = candidates.iter().map(|&(_, look, ordinal)| (look, ordinal)).collect();
        if self.options.long {
            hits.retain(|&(look, ordinal)| {
                let detail = items.get(ordinal as usize).and_then(|item| item.detail);
                let query = self.far.query(&self.looks[look as usize]);
                query.zip(detail).is_none_or(|(query, detail)| query.finds(&detail.hash))
            });
        }
        if self.far.certain < MAX_DISTANCE && !hits.is_empty() {
            let laid = |look: u32| (self.looks[look as usize].transform, self.looks[look as usize].inverted);
            let mut ways: Vec<_> = hits.iter().map(|&(look, _)| laid(look)).collect();
            ways.sort_unstable();
            ways.dedup();
            let stills = !self.far.film && matches!(reference, Fingerprint::Image(_));
            let keeps = Keeps::new(&items, matches!(reference, Fingerprint::Video(_)), &policy.bank);
            let kept: Vec<(u32, Hash)> = (0..)
                .zip(&items)
                .filter(|(_, item)| keeps.clear(item) && keeps.views(item).1)
                .filter_map(|(ordinal, item)| Some((ordinal, item.detail?.hash)))
                .collect();
            let asked = (0..)
                .zip(self.looks)
                .filter(|(at, look)| look.sought && (stills || ways.binary_search(&laid(*at)).is_ok()));
            let asked: Vec<(u32, Query)> = asked.filter_map(|(at, look)| Some((at, self.far.query(look)?))).collect();
            // Two films of hours have hits enough without.
            if asked.len().saturating_mul(kept.len()) <= MOST_COMPARED {
                for (at, query) in asked {
                    if hits.len() > MOST_NEAR {
                        break;
                    }
                    let near = kept.iter().filter(|(_, hash)| query.hash.distance(hash) <= query.max_distance);
                    hits.extend(near.map(|&(ordinal, _)| (at, ordinal)));
                }
            }
            hits.sort_unstable();
            hits.dedup();
        }
        hits.into_iter()
            .filter_map(|(look, ordinal)| Pair::new(&self.looks[look as usize], &items, ordinal))
            .filter(|pair| pair.look.quality >= policy.bank.min_quality)
            .collect()
    }

    fn found(
        &self,
        record: &ReferenceRecord,
        policy: &Policy,
        reference: &Fingerprint,
        mut pairs: Vec<Pair<'_>>,
    ) -> Option<Match> {
        let seconds = |print: &Fingerprint| match print {
            Fingerprint::Video(film) => Some(film.duration),
            Fingerprint::Image(_) => None,
        };
        let (query_is_film, reference_is_film) = (seconds(self.fingerprint).is_some(), seconds(reference).is_some());
        let durations = [self.fingerprint, reference].map(|print| seconds(print).unwrap_or(0.0));
        if query_is_film != reference_is_film {
            // A film brings hundreds of frames: against windows as well, one of them would come near something by chance.
            pairs.retain(|pair| !pair.look.view.is_window() && !pair.view.is_window());
        }
        let closest = pairs.iter().map(|pair| policy.radii.judge(pair)).min()?;
        let mut near = closest == Closeness::Near;
        let mut segments = Vec::new();
        if query_is_film && reference_is_film {
            pairs.retain(|pair| {
                pair.distance.is_none_or(|bits| bits <= policy.frames) || policy.radii.judge(pair) == Closeness::Match
            });
            segments = matching::films(&pairs, self.fingerprint, reference, policy.frames);
            let whole = segments.first()?;
            near = Coverage::of(&segments, durations).larger() < f64::from(policy.bank.min_coverage);
            pairs.retain(|pair| (pair.look.transform, pair.look.inverted) == (whole.transform, whole.inverted));
        } else {
            if closest == Closeness::Far {
                return None;
            }
            pairs.retain(|pair| policy.radii.judge(pair) == closest);
            if query_is_film || reference_is_film {
                segments = matching::still_in_film(&pairs, query_is_film, GAP);
            }
        }
        let best = matching::best(&pairs)?;
        let whole = segments.first().map_or((best.look.transform, best.look.inverted), |s| (s.transform, s.inverted));
        Some(Match {
            bank: record.bank.clone(),
            reference: record.id.clone(),
            action: policy.bank.action,
            near,
            distance: best.bits(),
            detail_distance: best.detail,
            quality: best.look.quality.min(best.quality),
            coverage: (!segments.is_empty()).then(|| Coverage::of(&segments, durations)),
            transform: whole.0,
            inverted: whole.1,
            query_view: best.look.view.name(),
            reference_view: best.view.name(),
            segments,
        })
    }

    /// Whether a person has said that this upload does not show the reference.
    fn refused(&self, number: u64) -> Result<bool> {
        let refusals = self.reading.refusals(number)?;
        if refusals.is_empty() {
            return Ok(false);
        }
        let upload = self.options.upload.as_ref().map(|id| format!("id:{id}"));
        let (hash, film) = (whole(self.fingerprint), format!("film:{}", digest(self.fingerprint)));
        Ok(refusals.iter().any(|(key, refusal)| {
            upload.as_ref() == Some(key)
                || *key == film
                || hash.zip(refusal.hash).is_some_and(|(asked, refused)| asked.distance(&refused) <= SAME)
        }))
    }
}
