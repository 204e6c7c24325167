//! Asking: is this medium known?

use std::collections::BTreeMap;

use super::config::BankConfig;
use super::damage::Damage;
use super::gather::{Candidate, Gathered};
use super::read::Reading;
use super::reference::{ReferenceRecord, State};
use super::refuse::{SAME, digest, whole};
use super::store::{AskOptions, Store};
use super::write::{DETAIL, Keeps, of_hash};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, View, ViewSet};
use crate::hash::Hash;
use crate::index::{MAX_DISTANCE, Query};
use crate::matching::{self, Altered, Closeness, Coverage, Item, Looks, Match, Outcome, Pair, Radii, Verdict};

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

/// Look-ups that are made at a time: as many as the index takes together.
const TOGETHER: usize = 1 << 13;
/// So many hits at a time are enough: fewer look-ups are made together where there are more, down to the fewest. The first ones of a
/// long film tell how many there are.
const ENOUGH: usize = 1 << 17;
const FEWEST: usize = 1 << 8;
const FIRST: usize = 1 << 11;

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
        self.steady(|| {
            let sequence = self.sequence();
            let far = Far::new(policies, options, film, 0);
            let mut damage = self.damage(options)?;
            let candidates = self.candidates(&looks, policies, far, TOGETHER, &mut damage)?;
            if candidates.is_empty() {
                return Ok(Verdict::empty(Outcome::NoMatch).despite(damage.told()));
            }
            let reading = self.reading()?;
            let question =
                Question { store: self, fingerprint, looks: &looks, policies, options, far, sequence, reading };
            let mut matches = Vec::new();
            for candidates in candidates.chunk_by(|a, b| a.0 == b.0) {
                matches.extend(damage.bear(question.judge(candidates))?.flatten());
            }
            Ok(Verdict::of(matches).despite(damage.told()))
        })
    }

    /// The times of a film that was looked at in passing at which a single picture comes as near to a reference as a part of a match
    /// does, or some of them that are `enough`. `None` if it has too little detail to be asked, or the store is damaged.
    pub(super) fn hints(
        &self,
        glance: &Fingerprint,
        options: &AskOptions,
        enough: impl Fn(&[f64]) -> bool,
    ) -> Result<Option<Vec<f64>>> {
        let policies = &self.policies(options)?;
        let Some(looks) = self.looks(glance, policies, options)? else { return Ok(None) };
        self.steady(|| {
            let sequence = self.sequence();
            let far = Far::new(policies, options, true, matching::LEEWAY);
            let mut damage = self.damage(options)?;
            let candidates = self.candidates(&looks, policies, far, TOGETHER, &mut damage)?;
            if damage.is_there() {
                return Ok(None);
            }
            let mut times = Vec::new();
            if candidates.is_empty() {
                return Ok(Some(times));
            }
            let reading = self.reading()?;
            let question =
                Question { store: self, fingerprint: glance, looks: &looks, policies, options, far, sequence, reading };
            for candidates in candidates.chunk_by(|a, b| a.0 == b.0) {
                match damage.bear(question.hints(candidates))? {
                    Some(hints) => times.extend(hints),
                    None => return Ok(None),
                }
                times.sort_by(f64::total_cmp);
                times.dedup();
                if enough(&times) {
                    break;
                }
            }
            Ok(Some(times))
        })
    }

    /// The damage of this question so far: of a bank whose policy is damaged it is not known how far to look for its references.
    fn damage(&self, options: &AskOptions) -> Result<Damage> {
        let mut damage = Damage::of(options);
        for error in self.damaged_banks(&options.banks) {
            damage.bear(Err::<(), _>(error))?;
        }
        Ok(damage)
    }

    /// What is looked up; `None` if nothing in the fingerprint has enough detail.
    fn looks<'f>(
        &self,
        fingerprint: &'f Fingerprint,
        policies: &BTreeMap<String, Policy>,
        options: &AskOptions,
    ) -> Result<Option<Looks<'f>>> {
        self.takes(fingerprint.algorithm())?;
        let default = BankConfig::new("default");
        let min_quality = policies.values().map(|policy| policy.bank.min_quality).min().unwrap_or(default.min_quality);
        let stabilities = policies.values().map(|policy| policy.bank.min_stability);
        let min_stability = stabilities.min_by(f32::total_cmp).unwrap_or(default.min_stability);
        let mut looks = Looks::new(fingerprint, min_quality, min_stability, options.turned);
        if looks.is_empty() {
            return Ok(None);
        }
        // A stored fingerprint has the views of references, and all of those are asked.
        let film = matches!(fingerprint, Fingerprint::Video(_));
        let boxed = looks.views().any(|view| view == View::Content);
        let asks = |views: ViewSet, view| if film { views.asks_of_film(view) } else { views.asks(view, boxed) };
        looks.keep(|view| {
            let sought = options.turned || policies.values().any(|policy| asks(policy.bank.views, view));
            (sought || !film && matches!(view, View::Full | View::Content)).then_some(sought)
        });
        Ok(Some(looks))
    }

    /// What is near enough to be judged, in the order of the references; so many look-ups are made at a time.
    fn candidates(
        &self,
        looks: &Looks<'_>,
        policies: &BTreeMap<String, Policy>,
        far: Far,
        most: usize,
        damage: &mut Damage,
    ) -> Result<Vec<Candidate>> {
        let mut gathered = Gathered::new(far.film);
        let mut together = most.min(FIRST);
        if policies.is_empty() {
            return Ok(Vec::new());
        }
        let Far { film, detail: detail_radius, .. } = far;
        let pdq = |policy: &Policy| policy.radii.pdq.max(policy.radii.pdq_near);
        let pdq_radius = policies.values().map(pdq).max().unwrap_or(0);
        // A film has hundreds of hashes, of which three have to agree. Those with a detail hash are sought by that, near
        // by; only lists without any have to be sought by PDQ as far as frames of one film may be apart.
        let frames = policies.values().map(|policy| policy.frames).max().unwrap_or(0);
        let closest = policies.values().map(|policy| policy.radii.pdq).max().unwrap_or(0);
        // Where every reference has a detail hash, as has the query, that finds whatever could match; but for a film and a still whose
        // detail hashes are further apart than those of films may be.
        let plain = self.has_plain() || detail_radius.is_none() || film && far.certain >= MAX_DISTANCE;
        let by_pdq = |item: &Item<'_>| {
            // Parts are known by their detail hash only.
            let whole = matches!(item.view, View::Full | View::Content);
            match (film, item.detail.is_some()) {
                _ if !whole => None,
                (_, true) if !plain => None,
                (true, true) => Some(closest),
                (true, false) => Some(pdq_radius.max(frames)),
                (false, _) => Some(pdq_radius),
            }
        };
        let snapshot = self.index.snapshot();
        let mut search = |asked: &mut Vec<(u32, Query)>, kind: u32| -> Result<usize> {
            let (at, queries): (Vec<u32>, Vec<Query>) = asked.drain(..).unzip();
            let hits = damage.search(&snapshot, &queries)?;
            let count = hits.len();
            for hit in hits {
                if hit.id.ordinal() & DETAIL == kind {
                    gathered.push((hit.id.owner(), at[hit.query as usize], hit.id.ordinal() & !DETAIL));
                }
            }
            Ok(count)
        };
        let (mut pdq, mut detail) = (Vec::new(), Vec::new());
        for laid in looks.all() {
            if let Some(radius) = by_pdq(&laid.item) {
                pdq.extend(laid.numbers().filter_map(|at| Some((at, Query::new(laid.hash(at)?, radius)))));
            }
            if detail_radius.is_some() && laid.sought {
                let view = laid.item.view;
                detail.extend(laid.numbers().filter_map(|at| Some((at, far.query(laid.detail(at)?, view)?))));
            }
            for (asked, kind) in [(&mut pdq, 0), (&mut detail, DETAIL)] {
                if asked.len() >= together {
                    together = match search(asked, kind)? {
                        hits if hits > ENOUGH => (together / 2).max(FEWEST),
                        hits if hits <= ENOUGH / 4 => (together * 2).min(most),
                        _ => together,
                    };
                }
            }
        }
        search(&mut pdq, 0)?;
        search(&mut detail, DETAIL)?;
        Ok(gathered.finish())
    }

    /// The banks to ask, with the radius of this question.
    fn policies(&self, options: &AskOptions) -> Result<BTreeMap<String, Policy>> {
        if let Some(got) = options.max_distance.filter(|&distance| distance > BankConfig::MAX_DISTANCE) {
            return Err(Error::option("max_distance", format!("at most {}, got {got}", BankConfig::MAX_DISTANCE)));
        }
        let banks = self.banks();
        let missing = |name: &&String| banks.iter().all(|bank| bank.name != **name);
        let named = |name: &String| self.damaged_banks(std::slice::from_ref(name)).is_empty();
        if let Some(missing) = options.banks.iter().filter(missing).find(|name| named(name)) {
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
    /// Which side may have been altered.
    altered: Altered,
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
            altered: options.altered,
        }
    }

    /// What is asked about a detail hash of a view.
    fn query(self, detail: Hash, view: View) -> Option<Query> {
        let of_films = self.detail?.min(FILM_DETAIL_RADIUS + self.leeway);
        let of_stills = self.detail?.saturating_sub(matching::least_slack(view));
        let radius = match self.film {
            // A still has one picture, and is asked for as if it asked itself.
            true if self.altered == Altered::Stored && !view.is_window() => of_films.max(of_stills),
            true => of_films,
            false => of_stills,
        };
        let certain = if view.is_window() { self.certain } else { self.whole };
        Some(Query::new(detail, radius).certain(certain))
    }
}

struct Question<'q> {
    store: &'q Store,
    fingerprint: &'q Fingerprint,
    looks: &'q Looks<'q>,
    policies: &'q BTreeMap<String, Policy>,
    options: &'q AskOptions,
    far: Far,
    /// The last change before the index was looked at.
    sequence: u64,
    reading: Reading,
}

impl Question<'_> {
    /// What the hits on one reference amount to.
    fn judge(&self, candidates: &[Candidate]) -> Result<Option<Match>> {
        let Some((record, policy, reference)) = self.reference(candidates)? else { return Ok(None) };
        let pairs = self.pairs(candidates, policy, &reference, self.far);
        let Some(found) = self.found(&record, policy, &reference, pairs) else { return Ok(None) };
        Ok(if self.refused(candidates[0].0)? { None } else { Some(found) })
    }

    /// When those of the hits on one reference are that could be a part of a match, this film being known by few of its frames.
    fn hints(&self, candidates: &[Candidate]) -> Result<Vec<f64>> {
        let Some((_, policy, reference)) = self.reference(candidates)? else { return Ok(Vec::new()) };
        let frames = matches!(reference, Fingerprint::Video(_)).then_some(policy.frames);
        let hint = |pair: &Pair, leeway: u32| match frames {
            Some(frames) => matching::hint_of_a_segment(pair, frames, leeway),
            None => {
                let whole = !pair.look.view.is_window() && !pair.view.is_window();
                whole && policy.radii.judge(pair) != Closeness::Far
            }
        };
        let mut pairs = self.pairs(candidates, policy, &reference, self.far);
        if pairs.iter().any(|pair| hint(pair, matching::LEEWAY)) {
            let further = Far { leeway: matching::MORE_LEEWAY, ..self.far };
            pairs = self.pairs(candidates, policy, &reference, further);
            pairs.retain(|pair| hint(pair, matching::MORE_LEEWAY));
        } else {
            pairs.clear();
        }
        Ok(pairs.into_iter().map(|pair| pair.look.time).collect())
    }

    /// The reference that was hit, if it may answer.
    fn reference(&self, candidates: &[Candidate]) -> Result<Option<(ReferenceRecord, &Policy, Fingerprint)>> {
        let number = candidates[0].0;
        let Some(record) = self.reading.reference(number)? else {
            // It was removed after the index was looked at, or something is damaged.
            return if self.reading.sequence()? == self.sequence { Err(self.reading.lost(number)) } else { Ok(None) };
        };
        if record.state != State::Active {
            return Ok(None);
        }
        let Some(policy) = self.policies.get(&record.bank) else {
            // It was not asked, or made or removed since the banks were looked at; or its policy is lost.
            let asked = self.options.banks.is_empty() || self.options.banks.contains(&record.bank);
            let lost = asked && self.store.bank(&record.bank).is_none() && self.reading.sequence()? == self.sequence;
            return if lost { Err(self.store.lost_bank(&self.reading, &record.bank)) } else { Ok(None) };
        };
        let fingerprint = self.reading.fingerprint(number)?.ok_or_else(|| self.reading.lost(number))?;
        Ok(Some((record, policy, fingerprint)))
    }

    /// Every pair that the hits stand for: those themselves, and whatever else is near; of films, where the query is laid down as
    /// it is in one of them. A search that misses a few hashes so misses a reference only if it misses all that is near.
    fn pairs(&self, candidates: &[Candidate], policy: &Policy, reference: &Fingerprint, far: Far) -> Vec<Pair> {
        let items = matching::items(reference);
        let mut hits: Vec<(u32, u32)> = candidates.iter().map(|&(_, look, ordinal)| (look, ordinal)).collect();
        if self.options.long {
            hits.retain(|&(look, ordinal)| {
                let known = items.get(ordinal as usize).and_then(|item| item.detail);
                let laid = self.looks.of(look);
                let asked = laid.and_then(|laid| self.far.query(laid.detail(look)?, laid.item.view));
                asked.zip(known).is_none_or(|(query, detail)| query.finds(&detail.hash))
            });
        }
        if (far.certain < MAX_DISTANCE || far.leeway > self.far.leeway) && !hits.is_empty() {
            self.whatever_is_near(&mut hits, &items, policy, reference, far);
        }
        let mut laid = None;
        let pairs = hits.into_iter().filter_map(|(look, ordinal)| {
            // Hits lie in the order of the look-ups, many of one hash after the other.
            if laid.as_ref().is_none_or(|laid: &matching::Laid<'_>| !laid.has(look)) {
                laid = self.looks.of(look);
            }
            Pair::new(laid.as_ref()?, look, &items, ordinal)
        });
        pairs.filter(|pair| pair.look.quality >= policy.bank.min_quality).collect()
    }

    /// Adds the pairs that lie as near as those that the search had to find, in the ways in which any were found.
    fn whatever_is_near(
        &self,
        hits: &mut Vec<(u32, u32)>,
        items: &[Item<'_>],
        policy: &Policy,
        reference: &Fingerprint,
        far: Far,
    ) {
        let stills = !self.far.film && matches!(reference, Fingerprint::Image(_));
        let ways = hits.iter().fold(0u32, |ways, &(look, _)| ways | 1 << Looks::way(look));
        let keeps = Keeps::new(items, matches!(reference, Fingerprint::Video(_)), &policy.bank);
        let kept: Vec<(u32, Hash)> = (0..)
            .zip(items)
            .filter(|(_, item)| keeps.clear(item) && keeps.views(item).1)
            .filter_map(|(ordinal, item)| Some((ordinal, item.detail?.hash)))
            .collect();
        let asked = || {
            let sought = self.looks.all().filter(|laid| laid.sought && laid.item.detail.is_some());
            sought.flat_map(|laid| {
                let laid_so = laid.numbers().filter(|&at| stills || ways >> Looks::way(at) & 1 == 1);
                let asked = laid_so.filter_map(|at| Some((at, far.query(laid.detail(at)?, laid.item.view)?)));
                asked.collect::<Vec<_>>()
            })
        };
        // Two films of hours have hits enough without.
        if asked().count().saturating_mul(kept.len()) <= MOST_COMPARED {
            for (at, query) in asked() {
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

    fn found(
        &self,
        record: &ReferenceRecord,
        policy: &Policy,
        reference: &Fingerprint,
        mut pairs: Vec<Pair>,
    ) -> Option<Match> {
        let seconds = |print: &Fingerprint| match print {
            Fingerprint::Video(film) => Some(film.duration),
            Fingerprint::Image(_) => None,
        };
        let altered = self.options.altered;
        let durations = altered.first([self.fingerprint, reference]).map(|print| seconds(print).unwrap_or(0.0));
        let films = altered.first([self.fingerprint, reference]).map(|print| seconds(print).is_some());
        if films[0] != films[1] {
            // A film brings hundreds of frames: against windows as well, one of them would come near something by chance.
            pairs.retain(|pair| !pair.look.view.is_window() && !pair.view.is_window());
        }
        let closest = pairs.iter().map(|pair| policy.radii.judge(pair)).min()?;
        let mut near = closest == Closeness::Near;
        let mut segments = Vec::new();
        if films == [true; 2] {
            pairs.retain(|pair| {
                pair.distance.is_none_or(|bits| bits <= policy.frames) || policy.radii.judge(pair) == Closeness::Match
            });
            segments = matching::films(&pairs, [self.fingerprint, reference], altered, policy.frames);
            let whole = segments.first()?;
            near = Coverage::of(&segments, durations).larger() < f64::from(policy.bank.min_coverage);
            pairs.retain(|pair| (altered.laid(&pair.look), pair.look.inverted) == (whole.transform, whole.inverted));
        } else {
            if closest == Closeness::Far {
                return None;
            }
            pairs.retain(|pair| policy.radii.judge(pair) == closest);
            if films != [false; 2] {
                segments = matching::still_in_film(&pairs, films[0], altered, GAP);
            }
        }
        let best = matching::best(&pairs)?;
        let [query_view, reference_view] = altered.first([best.look.view, best.view]).map(View::name);
        let whole =
            segments.first().map_or((altered.laid(&best.look), best.look.inverted), |s| (s.transform, s.inverted));
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
            query_view,
            reference_view,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::Reference;
    use crate::fingerprint::{DetailHash, FrameHash, Role, VideoFingerprint};
    use crate::hash::pdq::Orientations;

    fn hash(seed: u64) -> Hash {
        let word = |k: u64| {
            let x = (seed * 4 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ x << 7
        };
        Hash::from_words([word(1), word(2), word(3), word(4)])
    }

    /// Frames half a second apart, in all orientations; every third is known by PDQ alone.
    fn film(seeds: impl IntoIterator<Item = u64>) -> Fingerprint {
        let eight = |seed: u64| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| hash(seed + 1_000_003 * k));
            Box::new(Orientations::new(a, b, c, d))
        };
        let frame = |(at, seed): (usize, u64)| FrameHash {
            time: at as f64 / 2.0,
            role: Role::Frame,
            view: View::Full,
            hash: Some(hash(seed)),
            quality: 90,
            stability: 0.9,
            orientations: Some(eight(seed)),
            detail: (seed % 3 > 0)
                .then(|| DetailHash { hash: hash(seed + 7_000_001), orientations: Some(eight(seed + 7_000_001)) }),
            plain: false,
        };
        let frames: Vec<FrameHash> = seeds.into_iter().enumerate().map(frame).collect();
        Fingerprint::Video(VideoFingerprint::of_frames(frames.len() as f64 / 2.0, frames))
    }

    #[test]
    fn look_ups_in_pieces_find_what_all_at_once_find() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create_or_open(dir.path().join("store")).unwrap();
        for (name, from) in [("a", 10_000), ("b", 20_000), ("c", 30_000)] {
            store.add(&Reference::new(name).bank("films"), &film(from..from + 40)).unwrap();
        }
        // Parts of all of them far apart in a film whose look-ups fill more than one piece.
        let parts = [10_010..10_030, 0..400, 20_000..20_040, 400..1200, 10_000..10_015, 30_020..30_040u64];
        let query = film(parts.into_iter().flatten());
        let options = AskOptions::default();
        let policies = store.policies(&options).unwrap();
        let looks = store.looks(&query, &policies, &options).unwrap().unwrap();
        assert!(looks.all().map(|laid| laid.numbers().count()).sum::<usize>() > 2 * TOGETHER);
        let far = Far::new(&policies, &options, true, 0);
        let found = |together| store.candidates(&looks, &policies, far, together, &mut Damage::of(&options)).unwrap();
        let all = found(usize::MAX);
        assert!(all.len() >= 95, "{}", all.len());
        for together in [1, 100, TOGETHER] {
            assert_eq!(found(together), all, "{together}");
        }
        let verdict = store.ask(&query).unwrap();
        let begins: Vec<(&str, f64)> = verdict
            .matches
            .iter()
            .flat_map(|found| found.segments.iter().map(|segment| (&*found.reference, segment.query[0])))
            .collect();
        for (name, begin) in [("a", 0.0), ("b", 210.0), ("a", 630.0), ("c", 637.5)] {
            assert!(begins.iter().any(|&(id, at)| id == name && (at - begin).abs() <= 0.5), "{name}: {begins:?}");
        }
    }
}
