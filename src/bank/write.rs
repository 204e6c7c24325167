//! Every way to change a store. Each call is one transaction and lasts when it returns.

use super::config::BankConfig;
use super::log::{Change, LogRecord};
use super::reference::{Added, Kind, Opinion, Reference, ReferenceRecord, State, check_text};
use super::refuse::{Refusal, Upload};
use super::store::Store;
use super::thin::thinned;
use super::transaction::{By, Tx};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, ImageFingerprint, VideoFingerprint, View, ViewHash, ViewSet};
use crate::hash::{Algorithm, Hash};
use crate::index::{Entry, EntryId};
use crate::matching::{self, Item};

/// Set in the ordinal of a detail hash; the rest of it is that of the PDQ hash beside it.
pub(crate) const DETAIL: u32 = 1 << 23;

/// Changes a store in somebody's name, under an id given by the caller.
///
/// An id that was applied before changes nothing and gives the earlier answer: a caller that does not know whether a
/// request arrived can send it again. As another change than before it is refused with [`Error::Option`].
///
/// One change is made at a time, in one transaction. What a call is given to read from or to tell (the iterator of
/// [`Writer::add_many`], the list and the callback of [`Store::import`]) runs within that transaction: if it changes the same store it waits for itself
/// for ever, and while it waits for anything else nobody can write.
#[derive(Clone)]
#[must_use]
pub struct Writer<'s> {
    store: &'s Store,
    by: By,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Self { store, by: By::default() }
    }

    /// Says who does it.
    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.by.author = author.into();
        self
    }

    /// Gives the next change an id, which must not begin with `#`. Calls that make several changes append `#0`, `#1`
    /// and so on, in the order of their arguments.
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.by.operation = Some(operation.into());
        self
    }

    /// Makes a bank or changes its policy. Views, keypoints and minimum quality hold for references added from then on.
    ///
    /// # Errors
    /// [`Error::Option`] if the policy makes no sense.
    pub fn set_bank(&self, config: &BankConfig) -> Result<()> {
        config.check()?;
        self.store.write(|tx| {
            if let Some(record) = tx.applied(&self.by)? {
                return again(
                    &record,
                    matches!(&record.change, Change::BankSet { config: was } if was.name == config.name),
                );
            }
            let was = match tx.bank(&config.name) {
                Err(Error::Corrupt { .. }) => None, // a damaged one is set anew
                was => was?,
            };
            if was.as_ref() == Some(config) && self.by.operation.is_none() {
                return Ok(());
            }
            tx.put_bank(config)?;
            tx.record(&self.by, Change::BankSet { config: config.clone() })?;
            Ok(())
        })
    }

    /// Removes a bank with all its references. Returns how many those were, or `None` if there is no such bank.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remove_bank(&self, name: &str) -> Result<Option<u64>> {
        self.store.write(|tx| {
            if let Some(record) = tx.applied(&self.by)? {
                again(&record, matches!(&record.change, Change::BankRemoved { name: was } if was == name))?;
                return removed_with(tx, &record, name).map(Some);
            }
            let there = match tx.bank(name) {
                Err(Error::Corrupt { .. }) => true,
                bank => bank?.is_some(),
            };
            let author = By { operation: None, ..self.by.clone() };
            let ids = tx.ids_of(name)?;
            if !there && ids.is_empty() {
                return Ok(None);
            }
            for id in &ids {
                remove(tx, &author, name, id)?;
            }
            tx.drop_bank(name)?;
            tx.record(&self.by, Change::BankRemoved { name: name.to_string() })?;
            Ok(Some(ids.len() as u64))
        })
    }

    /// Adds one reference with its fingerprint. The same reference with the same fingerprint again changes nothing.
    ///
    /// # Errors
    /// [`Error::TooLittleDetail`] if no hash reaches the bank's minimum, [`Error::Option`] if the id stands for another
    /// fingerprint, [`Error::Limit`] if a text is too long.
    pub fn add(&self, reference: &Reference, fingerprint: &Fingerprint) -> Result<Added> {
        self.store.write(|tx| add(tx, &self.by, reference, fingerprint, State::Active))
    }

    /// Adds many references in one transaction: all of them last, or none does. A reference that is refused (see
    /// [`Writer::add`]) has its own error and does not hinder the others.
    ///
    /// `references` is gone through within the transaction: it must not change the store, which would wait for ever, and others
    /// cannot write before it has ended. What takes its time (fingerprinting, a slow source) is better gathered before.
    ///
    /// # Errors
    /// Those of the database; then nothing was added.
    pub fn add_many<'a>(
        &self,
        references: impl IntoIterator<Item = (&'a Reference, &'a Fingerprint)>,
    ) -> Result<Vec<Result<Added>>> {
        self.store.write(|tx| {
            let mut outcomes = Vec::new();
            for (at, (reference, fingerprint)) in references.into_iter().enumerate() {
                outcomes.push(refused_or(add(tx, &self.numbered(at), reference, fingerprint, State::Active))?);
            }
            Ok(outcomes)
        })
    }

    /// Adds a reference of which only the hash is known, of the store's algorithm; `None` as quality counts as 100.
    ///
    /// # Errors
    /// As [`Writer::add`].
    pub fn add_hash(&self, reference: &Reference, hash: Hash, quality: Option<u8>) -> Result<Added> {
        self.add(reference, &of_hash(hash, quality, self.store.algorithm()))
    }

    /// Replaces labels, source and metadata of a reference. False if it is not there.
    ///
    /// # Errors
    /// [`Error::Limit`] if a text is too long.
    pub fn edit_reference(&self, reference: &Reference) -> Result<bool> {
        reference.check()?;
        let same = |was: &Change| {
            matches!(was, Change::ReferenceEdited { bank, id, labels, source, .. }
                if *bank == reference.bank && *id == reference.id && *labels == reference.labels && *source == reference.source)
        };
        self.change(&reference.bank, &reference.id, same, |record| {
            record.labels.clone_from(&reference.labels);
            record.source.clone_from(&reference.source);
            record.metadata.clone_from(&reference.metadata);
            Change::ReferenceEdited {
                bank: record.bank.clone(),
                id: record.id.clone(),
                number: record.number,
                labels: record.labels.clone(),
                source: record.source.clone(),
            }
        })
    }

    /// Withdraws a reference, so that it matches nothing but is kept, or makes it active again. False if it is not there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_state(&self, bank: &str, id: &str, state: State) -> Result<bool> {
        let same = |was: &Change| {
            matches!(was, Change::ReferenceState { bank: b, id: i, state: s, .. }
                if b == bank && i == id && *s == state)
        };
        self.change(bank, id, same, |record| {
            record.state = state;
            Change::ReferenceState { bank: record.bank.clone(), id: record.id.clone(), number: record.number, state }
        })
    }

    /// Keeps what a party thinks of a reference. False if it is not there.
    ///
    /// # Errors
    /// [`Error::Limit`] if the party's name is too long.
    pub fn set_opinion(&self, bank: &str, id: &str, party: &str, opinion: Opinion) -> Result<bool> {
        check_text("party", party)?;
        let same = |was: &Change| {
            matches!(was, Change::ReferenceOpinion { bank: b, id: i, party: p, opinion: o, .. }
                if b == bank && i == id && p == party && *o == opinion)
        };
        self.change(bank, id, same, |record| {
            record.opinions.insert(party.to_string(), opinion);
            Change::ReferenceOpinion {
                bank: record.bank.clone(),
                id: record.id.clone(),
                number: record.number,
                party: party.to_string(),
                opinion,
            }
        })
    }

    /// Removes a reference with all its hashes; only who, when and which id stay in the log. False if it is not there.
    /// One whose record or fingerprint is damaged is removed like any other.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remove_reference(&self, bank: &str, id: &str) -> Result<bool> {
        self.store.write(|tx| {
            if let Some(record) = tx.applied(&self.by)? {
                let same =
                    matches!(&record.change, Change::ReferenceRemoved { bank: b, id: i, .. } if b == bank && i == id);
                again(&record, same)?;
                return Ok(true);
            }
            remove(tx, &self.by, bank, id)
        })
    }

    /// Remembers that a person has looked and `upload` does not show the reference: the pair does not match again.
    /// False if there is no such reference.
    ///
    /// # Errors
    /// Those of the database.
    pub fn refuse(&self, upload: &Upload<'_>, bank: &str, id: &str) -> Result<bool> {
        self.pair(upload, bank, id, true)
    }

    /// Takes a refusal back. False if there is no such reference or pair.
    ///
    /// # Errors
    /// Those of the database.
    pub fn restore(&self, upload: &Upload<'_>, bank: &str, id: &str) -> Result<bool> {
        self.pair(upload, bank, id, false)
    }

    fn pair(&self, upload: &Upload<'_>, bank: &str, id: &str, refuse: bool) -> Result<bool> {
        check_text("upload", upload.name())?;
        self.store.write(|tx| {
            if let Some(record) = tx.applied(&self.by)? {
                let same = match (&record.change, refuse) {
                    (Change::PairRefused { bank: b, id: i, upload: u, .. }, true)
                    | (Change::PairRestored { bank: b, id: i, upload: u, .. }, false) => {
                        b == bank && i == id && u == upload.name()
                    }
                    _ => false,
                };
                again(&record, same)?;
                return Ok(true);
            }
            let Some(record) = tx.reference(bank, id)? else { return Ok(false) };
            let (key, hash) = upload.key();
            let known = tx.has_refusal(record.number, &key)?;
            let (bank, id, number, upload) = (record.bank, record.id, record.number, upload.name().to_string());
            match (refuse, known) {
                (true, true) => return Ok(true),
                (false, false) => return Ok(false),
                (true, false) => {
                    tx.put_refusal(number, &key, &Refusal { sequence: tx.next_sequence(), hash })?;
                    tx.record(&self.by, Change::PairRefused { bank, id, number, upload })?;
                }
                (false, true) => {
                    tx.drop_refusal(number, &key)?;
                    tx.record(&self.by, Change::PairRestored { bank, id, number, upload })?;
                }
            }
            Ok(true)
        })
    }

    /// Makes a change of a reference, unless the operation has made it before; `same` knows the change again.
    fn change(
        &self,
        bank: &str,
        id: &str,
        same: impl FnOnce(&Change) -> bool,
        change: impl FnOnce(&mut ReferenceRecord) -> Change,
    ) -> Result<bool> {
        self.store.write(|tx| {
            if let Some(record) = tx.applied(&self.by)? {
                again(&record, same(&record.change))?;
                return Ok(true);
            }
            let Some(was) = tx.reference(bank, id)? else { return Ok(false) };
            let mut record = was.clone();
            let change = change(&mut record);
            if record != was || self.by.operation.is_some() {
                tx.put_reference(&record)?;
                tx.record(&self.by, change)?;
            }
            Ok(true)
        })
    }

    fn numbered(&self, at: usize) -> By {
        By { operation: self.by.operation.as_ref().map(|id| format!("{id}#{at}")), ..self.by.clone() }
    }
}

/// Whether an operation id stands for the same change as before.
fn again(record: &LogRecord, same: bool) -> Result<()> {
    if same {
        return Ok(());
    }
    Err(Error::option(
        "operation",
        format!("{:?} was applied as record {} and was another change", record.operation, record.sequence),
    ))
}

/// How many references were removed with their bank: their own records, of the same moment, end right before the bank's.
fn removed_with(tx: &Tx<'_>, record: &LogRecord, name: &str) -> Result<u64> {
    let mut count = 0;
    for sequence in (1..record.sequence).rev() {
        let Some(before) = tx.logged(sequence)? else { break };
        let by_itself =
            before.time != record.time || before.author != record.author || !before.operation.starts_with('#');
        if by_itself || !matches!(&before.change, Change::ReferenceRemoved { bank, .. } if bank == name) {
            break;
        }
        count += 1;
    }
    Ok(count)
}

/// Tells the error of one reference, which the others survive, from one of the store.
pub(crate) fn refused_or<T>(outcome: Result<T>) -> Result<Result<T>> {
    match outcome {
        Err(error @ (Error::TooLittleDetail { .. } | Error::Option { .. } | Error::Limit { .. })) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(value) => Ok(Ok(value)),
    }
}

/// The fingerprint of a picture of which only the hash is known.
pub(crate) fn of_hash(hash: Hash, quality: Option<u8>, algorithm: Algorithm) -> Fingerprint {
    let quality = quality.unwrap_or(100);
    let view = ViewHash { view: View::Full, hash, quality, stability: 1.0, orientations: None, detail: None };
    Fingerprint::Image(ImageFingerprint { width: 0, height: 0, algorithm, views: vec![view] })
}

fn remove(tx: &mut Tx<'_>, by: &By, bank: &str, id: &str) -> Result<bool> {
    let Some(number) = tx.drop_reference(bank, id)? else { return Ok(false) };
    tx.record(by, Change::ReferenceRemoved { bank: bank.into(), id: id.into(), number })?;
    Ok(true)
}

/// Makes a bank.
pub(crate) fn make_bank(tx: &mut Tx<'_>, by: &By, config: &BankConfig) -> Result<()> {
    tx.put_bank(config)?;
    tx.record(&By { operation: None, ..by.clone() }, Change::BankSet { config: config.clone() })?;
    Ok(())
}

pub(crate) fn add(
    tx: &mut Tx<'_>,
    by: &By,
    reference: &Reference,
    fingerprint: &Fingerprint,
    state: State,
) -> Result<Added> {
    reference.check()?;
    tx.takes(fingerprint.algorithm())?;
    if let Some(record) = tx.applied(by)? {
        match &record.change {
            Change::ReferenceAdded { bank, id, number, hashes, skipped, .. }
                if *bank == reference.bank && *id == reference.id =>
            {
                return Ok(Added { number: *number, hashes: *hashes, skipped: *skipped, new: false });
            }
            _ => again(&record, false)?,
        }
    }
    let known = tx.bank(&reference.bank)?;
    let config = known.clone().unwrap_or_else(|| BankConfig::new(&reference.bank));
    let stored = stored(fingerprint, &config);
    let bytes = stored.to_bytes()?;
    let existing = tx.reference(&reference.bank, &reference.id)?;
    let number = existing.as_ref().map_or_else(|| tx.next_number(), |record| record.number);
    let (entries, skipped) = entries(number, &stored, &config)?;
    let hashes = entries.len() as u32;
    let plain = matching::items(&stored).iter().any(|item| item.detail.is_none());
    if existing.is_some() {
        if tx.same_fingerprint(number, &bytes)? {
            return Ok(Added { number, hashes, skipped, new: false });
        }
        return Err(Error::option(
            "id",
            format!(
                "{:?} is a reference of {:?} with another fingerprint; remove that one first or choose another id",
                reference.id, reference.bank
            ),
        ));
    }
    if known.is_none() {
        make_bank(tx, by, &config)?;
    }
    let (kind, width, height, duration) = match &stored {
        Fingerprint::Image(image) => (Kind::Image, image.width, image.height, 0.0),
        Fingerprint::Video(video) => (Kind::Video, video.width, video.height, video.duration),
    };
    tx.put_reference(&ReferenceRecord {
        number,
        bank: reference.bank.clone(),
        id: reference.id.clone(),
        kind,
        state,
        added: tx.now(),
        labels: reference.labels.clone(),
        source: reference.source.clone(),
        metadata: reference.metadata.clone(),
        opinions: Default::default(),
        width,
        height,
        duration,
        hashes,
        plain,
    })?;
    tx.put_hashes(number, &bytes, &entries)?;
    tx.record(
        by,
        Change::ReferenceAdded {
            bank: reference.bank.clone(),
            id: reference.id.clone(),
            number,
            kind,
            labels: reference.labels.clone(),
            source: reference.source.clone(),
            hashes,
            skipped,
        },
    )?;
    if state != State::Active {
        // Whoever follows the log takes what was added for active.
        let (bank, id) = (reference.bank.clone(), reference.id.clone());
        tx.record(&By { operation: None, ..by.clone() }, Change::ReferenceState { bank, id, number, state })?;
    }
    Ok(Added { number, hashes, skipped, new: true })
}

/// What is kept of a reference's fingerprint: the bank's views, without the orientations that only queries need; of a film, PDQ
/// where the index has it as well.
fn stored(fingerprint: &Fingerprint, config: &BankConfig) -> Fingerprint {
    match fingerprint {
        Fingerprint::Image(image) => {
            let mut image = image.clone();
            let kept = |view: View| view == View::Full || config.views.stores(view, true);
            image.views.retain(|view| kept(view.view));
            Fingerprint::Image(image.into_reference())
        }
        Fingerprint::Video(video) => {
            let &VideoFingerprint { width, height, duration, .. } = video;
            let (frames, warnings) = (thinned(&video.frames, config.views), video.warnings.clone());
            let mut video = VideoFingerprint { width, height, duration, frames, warnings }.into_reference();
            let by_pdq = matching::by_pdq(&video.frames);
            for (frame, _) in video.frames.iter_mut().zip(by_pdq).filter(|(_, by_pdq)| !by_pdq) {
                frame.hash = None;
            }
            Fingerprint::Video(video)
        }
    }
}

/// Which hashes of a reference a bank keeps in the index.
pub(super) struct Keeps<'c> {
    config: &'c BankConfig,
    film: bool,
    boxed: bool,
}

impl<'c> Keeps<'c> {
    /// Those of a reference with these hashes.
    pub(super) fn new(items: &[Item<'_>], film: bool, config: &'c BankConfig) -> Self {
        let mut keeps = Self { config, film, boxed: false };
        keeps.boxed = items.iter().any(|item| item.view == View::Content && keeps.clear(item));
        keeps
    }

    /// Whether there is enough detail.
    pub(super) fn clear(&self, item: &Item<'_>) -> bool {
        item.quality >= self.config.min_quality && item.stability >= self.config.min_stability
    }

    /// Whether the view is kept by its PDQ hash, and by its detail hash.
    pub(super) fn views(&self, item: &Item<'_>) -> (bool, bool) {
        let views = self.config.views;
        if self.film {
            let kept = views.stores_of_film(item.view);
            return (kept && item.by_pdq, kept);
        }
        // Plain hashes are asked about whole pictures, whatever the views; and about content boxes where both are kept.
        let kept = views.stores(item.view, self.boxed);
        (item.by_pdq && (kept && views != ViewSet::None || item.view == View::Full), kept)
    }
}

/// The hashes with enough detail, as entries of the index, and how many have not.
pub(super) fn entries(number: u64, fingerprint: &Fingerprint, config: &BankConfig) -> Result<(Vec<Entry>, u32)> {
    let items = matching::items(fingerprint);
    let keeps = Keeps::new(&items, matches!(fingerprint, Fingerprint::Video(_)), config);
    let mut entries = Vec::with_capacity(2 * items.len());
    let mut skipped = 0;
    for (at, item) in items.iter().enumerate() {
        let (by_pdq, by_detail) = keeps.views(item);
        if !by_pdq && !by_detail {
            continue;
        }
        if !keeps.clear(item) {
            skipped += 1;
            continue;
        }
        let at = u32::try_from(at).ok().filter(|&at| at < DETAIL);
        let at = at.ok_or_else(|| Error::limit("hashes of a reference", u64::from(DETAIL), items.len() as u64))?;
        let id = |ordinal| {
            EntryId::new(number, ordinal).ok_or_else(|| Error::limit("references", EntryId::MAX_OWNER, number))
        };
        if by_pdq && let Some(hash) = item.hash {
            entries.push(Entry { id: id(at)?, hash });
        }
        if by_detail && let Some(detail) = item.detail {
            entries.push(Entry { id: id(at | DETAIL)?, hash: detail.hash });
        }
    }
    if entries.is_empty() {
        let best = items.iter().max_by(|a, b| a.quality.cmp(&b.quality).then(a.stability.total_cmp(&b.stability)));
        let detail = match best {
            None => "the medium has no hash: it is too small or empty".to_string(),
            Some(best) => format!(
                "the best of {} hashes has quality {} and stability {:.2}; bank {:?} asks for {} and {:.2}",
                items.len(),
                best.quality,
                best.stability,
                config.name,
                config.min_quality,
                config.min_stability
            ),
        };
        return Err(Error::TooLittleDetail { path: Default::default(), detail });
    }
    Ok((entries, skipped))
}
