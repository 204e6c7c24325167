//! [`Store`]: opening, asking, reading, and short names for the changes of [`Writer`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::config::BankConfig;
use super::log::LogRecord;
use super::open::{self, PARTS, failed, fenced};
use super::read::Reading;
use super::records::same_algorithm;
use super::reference::{Added, Reference, ReferenceRecord, State};
use super::refuse::{SAME, Upload, whole};
use super::transaction::Tx;
use super::write::Writer;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::hash::{Algorithm, Hash};
use crate::index::database::Database;
use crate::index::quiet::Quiet;
use crate::index::{Index, MAX_DISTANCE, copy_error};
use crate::matching::Altered;

/// A directory that holds everything known: banks, references, fingerprints, the index and the change log.
///
/// One `Store` serves many threads. One process at a time opens a store for writing, any number of others for reading;
/// those see what was written once they call [`Store::refresh`].
///
/// ```
/// use refrain::bank::{BankConfig, Reference};
/// use refrain::matching::Outcome;
/// # let folder = tempfile::tempdir()?;
/// # let hash = "8b2a".repeat(16).parse()?;
/// let store = refrain::Store::create_or_open(folder.path().join("removed.refrain"))?;
/// store.set_bank(&BankConfig::new("removed").max_distance(31))?;
/// store.add_hash(&Reference::new("case-12").bank("removed").label("policy", "7b"), hash, None)?;
/// let verdict = store.ask_hash(&hash)?;
/// assert_eq!(verdict.outcome, Outcome::Match);
/// assert_eq!(verdict.matches[0].reference, "case-12");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Store {
    pub(super) dir: PathBuf,
    pub(super) file: PathBuf,
    pub(super) database: Database,
    pub(super) index: Index,
    known: RwLock<Arc<Known>>,
    /// The uploads that were remembered, once they were asked for.
    pub(super) uploads: Mutex<Option<Arc<Store>>>,
    algorithm: Algorithm,
}

/// What every question needs, kept in memory.
struct Known {
    sequence: u64,
    banks: Vec<BankConfig>,
    /// The banks whose policies are damaged, and how.
    damaged: Vec<(String, Error)>,
    /// Whether any reference is known by plain hashes.
    plain: bool,
}

impl Known {
    fn read(reading: &Reading) -> Result<Self> {
        let (banks, damaged) = reading.banks()?;
        Ok(Self { sequence: reading.sequence()?, banks, damaged, plain: reading.plain()? })
    }
}

/// How a question is asked.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AskOptions {
    /// A radius, 0..=96, instead of every bank's own; nothing is then near.
    pub max_distance: Option<u32>,
    /// The banks to ask; empty for all.
    pub banks: Vec<String>,
    /// The platform's name for the upload, for the pairs that were refused by it.
    pub upload: Option<String>,
    /// Asks plain hashes and stored fingerprints in nearly all their orientations as well, some ten bits off; what comes
    /// from media has the exact ones, which are always asked.
    pub turned: bool,
    /// How near, in bits, hashes are found for certain, instead of [`ViewSet::certain_distance`](crate::fingerprint::ViewSet::certain_distance) (31 for whole pictures) and 15 for films; 96 finds all
    /// that is within the radii. In a list of more than some 30,000 hashes a few in a hundred of what is further off are
    /// missed, for the sake of a question that takes milliseconds (docs/recall.md).
    pub certain: Option<u32>,
    /// Answers from what is whole where something of the store is damaged, and says so in
    /// [`Verdict::damage`](crate::matching::Verdict::damage); otherwise such a question is an error.
    pub despite_damage: bool,
    /// Finds no more than a long list would find, whatever is asked: for the recall benchmark.
    pub(crate) long: bool,
    /// Which side may have been altered.
    pub(crate) altered: Altered,
}

impl AskOptions {
    /// A radius, 0..=96, instead of every bank's own.
    #[must_use]
    pub fn max_distance(mut self, max_distance: u32) -> Self {
        self.max_distance = Some(max_distance);
        self
    }

    /// Asks this bank, and others named so, instead of all.
    #[must_use]
    pub fn bank(mut self, bank: impl Into<String>) -> Self {
        self.banks.push(bank.into());
        self
    }

    /// Whether plain hashes are asked in nearly all their orientations as well.
    #[must_use]
    pub fn turned(mut self, turned: bool) -> Self {
        self.turned = turned;
        self
    }

    /// How near, in bits, hashes are found for certain in long lists as well.
    #[must_use]
    pub fn certain(mut self, distance: u32) -> Self {
        self.certain = Some(distance);
        self
    }

    /// Finds all that is within the radii in long lists as well.
    #[must_use]
    pub fn exact(self) -> Self {
        self.certain(MAX_DISTANCE)
    }

    /// Answers from what is whole where something of the store is damaged, and says so in
    /// [`Verdict::damage`](crate::matching::Verdict::damage).
    #[must_use]
    pub fn despite_damage(mut self) -> Self {
        self.despite_damage = true;
        self
    }

    /// Finds no more than a long list would find.
    pub(crate) fn in_a_long_list() -> Self {
        Self { long: true, ..Self::default() }
    }

    /// Asks uploads from before which of them show a reference.
    pub(crate) fn of_uploads() -> Self {
        Self { altered: Altered::Stored, ..Self::default() }.turned(true).exact()
    }

    /// The platform's name for the upload.
    #[must_use]
    pub fn upload(mut self, upload: impl Into<String>) -> Self {
        self.upload = Some(upload.into());
        self
    }
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// References in all states.
    pub references: u64,
    /// Hashes in the index.
    pub hashes: u64,
    /// Immutable files of the index.
    pub parts: u64,
    /// Bytes on disk in all.
    pub bytes: u64,
    /// Removed hashes whose bytes the next merge takes away.
    pub tombstones: u64,
    /// Banks.
    pub banks: u64,
    /// Records in the change log.
    pub changes: u64,
}

/// What was looked at by [`Store::verify`] and what is wrong.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// References whose record and fingerprint were read.
    pub references: u64,
    /// Log records that were read.
    pub changes: u64,
    /// Everything that is damaged; empty if the store is whole.
    pub problems: Vec<Error>,
}

impl Store {
    /// Opens the store in the directory `dir` for writing, and makes an empty one if there is none.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process writes to it, [`Error::Format`] if it is of another version,
    /// [`Error::Corrupt`] if it is damaged, [`Error::Io`].
    pub fn create_or_open(dir: impl AsRef<Path>) -> Result<Self> {
        open::create(dir.as_ref(), Algorithm::Pdq)?;
        Self::open(dir)
    }

    /// As [`Store::create_or_open`], with the hash that a new store is built on; a store that is there keeps its own.
    ///
    /// Classic hashes are for comparing: stills only, no views, no transformations but the negative, and a bank's radius
    /// means something else for each of them.
    ///
    /// # Errors
    /// As [`Store::create_or_open`], and [`Error::Option`] if there is a store on another hash.
    pub fn create_or_open_with(dir: impl AsRef<Path>, algorithm: Algorithm) -> Result<Self> {
        open::create(dir.as_ref(), algorithm)?;
        let store = Self::open(dir)?;
        store.takes(algorithm)?;
        Ok(store)
    }

    /// Opens the store in the directory `dir` for writing.
    ///
    /// # Errors
    /// As [`Store::create_or_open`], and [`Error::Io`] of the kind `NotFound` if there is no store.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::with(dir.as_ref(), open::writer(dir.as_ref())?)
    }

    /// Opens the store in the directory `dir` for reading, beside any other process.
    ///
    /// # Errors
    /// As [`Store::open`], but [`Error::Locked`] only if another process repairs it after a crash right now.
    pub fn open_reader(dir: impl AsRef<Path>) -> Result<Self> {
        Self::with(dir.as_ref(), open::reader(dir.as_ref())?)
    }

    fn with(dir: &Path, database: Database) -> Result<Self> {
        let file = database.path().to_path_buf();
        fenced(&file, || {
            // In this order, so that the index is never behind the sequence number.
            let reading = Reading::begin(&database)?;
            let index = Index::open(&database, &dir.join(PARTS))?;
            let known = RwLock::new(Arc::new(Known::read(&reading)?));
            let (dir, file, uploads) = (dir.to_path_buf(), file.clone(), Mutex::default());
            Ok(Self { dir, file, algorithm: reading.algorithm()?, database, index, known, uploads })
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The hash that the store is built on, chosen when it was made.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Refuses hashes of another algorithm.
    pub(super) fn takes(&self, algorithm: Algorithm) -> Result<()> {
        same_algorithm(self.algorithm, algorithm)
    }

    /// The number of the last change that this store has seen; grows with every change.
    pub fn sequence(&self) -> u64 {
        self.known().sequence
    }

    /// Whether any reference is known by plain hashes, which only PDQ can be asked about.
    pub(super) fn has_plain(&self) -> bool {
        self.known().plain
    }

    pub(super) fn writes(&self) -> bool {
        self.database.is_writer()
    }

    /// Whether this upload was refused as a copy of the reference, by its name or its fingerprint.
    pub(super) fn refused_upload(&self, number: u64, upload: &str, print: Option<&Fingerprint>) -> Result<bool> {
        let key = Upload::Id(upload).key().0;
        let film = print.map(|print| Upload::Fingerprint(print).key().0);
        let hash = print.and_then(whole);
        self.steady(|| {
            Ok(self.reading()?.refusals(number)?.iter().any(|(found, refusal)| {
                *found == key
                    || Some(found) == film.as_ref()
                    || hash.zip(refusal.hash).is_some_and(|(asked, refused)| asked.distance(&refused) <= SAME)
            }))
        })
    }

    /// Sees what other processes have written since the last time. True if that is anything.
    ///
    /// # Errors
    /// Those of the database.
    pub fn refresh(&self) -> Result<bool> {
        self.steady(|| {
            let reading = self.reading()?;
            let sequence = reading.sequence()?;
            let index = self.index.refresh()?;
            if sequence == self.known().sequence {
                return Ok(index);
            }
            let fresh = Known::read(&reading)?;
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // Another thread may have seen more in the meantime.
            if sequence > known.sequence {
                *known = Arc::new(fresh);
            }
            Ok(true)
        })
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn reading(&self) -> Result<Reading> {
        Reading::begin(&self.database)
    }

    /// What `read` returns, which reads the tables; if the database is opened anew beneath it, it begins once more.
    pub(super) fn steady<T>(&self, read: impl FnMut() -> Result<T>) -> Result<T> {
        fenced(&self.file, || self.database.steady(read))
    }

    /// Runs `work` in one transaction and makes what it did last.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let (done, changed) = self.database.writing(|| {
            let room = self.index.make_room();
            let write = Quiet::new(self.database.begin_write()?);
            let mut tx = Tx::open(&write, &self.index, room, &self.file)?;
            let done = work(&mut tx)?;
            let changed = tx.close()?;
            if changed {
                write.into_inner().commit().map_err(|error| failed(&self.file, error))?;
            }
            Ok((done, changed))
        })?;
        if changed {
            self.refresh()?;
        }
        Ok(done)
    }

    /// Changes in somebody's name or under an id of the caller's: see [`Writer`].
    pub fn writer(&self) -> Writer<'_> {
        Writer::new(self)
    }

    /// As [`Writer::set_bank`].
    ///
    /// # Errors
    /// As there.
    pub fn set_bank(&self, config: &BankConfig) -> Result<()> {
        self.writer().set_bank(config)
    }

    /// As [`Writer::remove_bank`].
    ///
    /// # Errors
    /// As there.
    pub fn remove_bank(&self, name: &str) -> Result<Option<u64>> {
        self.writer().remove_bank(name)
    }

    /// As [`Writer::add`].
    ///
    /// # Errors
    /// As there.
    pub fn add(&self, reference: &Reference, fingerprint: &Fingerprint) -> Result<Added> {
        self.writer().add(reference, fingerprint)
    }

    /// As [`Writer::add_many`].
    ///
    /// # Errors
    /// As there.
    pub fn add_many<'a>(
        &self,
        references: impl IntoIterator<Item = (&'a Reference, &'a Fingerprint)>,
    ) -> Result<Vec<Result<Added>>> {
        self.writer().add_many(references)
    }

    /// As [`Writer::add_hash`].
    ///
    /// # Errors
    /// As there.
    pub fn add_hash(&self, reference: &Reference, hash: Hash, quality: Option<u8>) -> Result<Added> {
        self.writer().add_hash(reference, hash, quality)
    }

    /// As [`Writer::remove_reference`].
    ///
    /// # Errors
    /// As there.
    pub fn remove_reference(&self, bank: &str, id: &str) -> Result<bool> {
        self.writer().remove_reference(bank, id)
    }

    /// As [`Writer::set_state`] with [`State::Withdrawn`].
    ///
    /// # Errors
    /// As there.
    pub fn withdraw_reference(&self, bank: &str, id: &str) -> Result<bool> {
        self.writer().set_state(bank, id, State::Withdrawn)
    }

    /// As [`Writer::refuse`].
    ///
    /// # Errors
    /// As there.
    pub fn refuse(&self, upload: &Upload<'_>, bank: &str, id: &str) -> Result<bool> {
        self.writer().refuse(upload, bank, id)
    }

    /// What is wrong with the policies of these banks, or of any if none is named.
    pub(super) fn damaged_banks(&self, named: &[String]) -> Vec<Error> {
        let known = self.known();
        let named = known.damaged.iter().filter(|(name, _)| named.is_empty() || named.contains(name));
        named.map(|(_, error)| copy_error(error)).collect()
    }

    /// The error for a bank that has references and no policy.
    pub(super) fn lost_bank(&self, reading: &Reading, name: &str) -> Error {
        self.damaged_banks(&[name.to_string()]).pop().unwrap_or_else(|| reading.bankless(name))
    }

    /// All banks in the order of their names, but for those whose policies are damaged: questions and [`Store::verify`] tell of these.
    pub fn banks(&self) -> Vec<BankConfig> {
        self.known().banks.clone()
    }

    /// One bank.
    pub fn bank(&self, name: &str) -> Option<BankConfig> {
        self.known().banks.iter().find(|bank| bank.name == name).cloned()
    }

    /// All references in the order in which they were added, or those of one bank in the order of their ids.
    ///
    /// # Errors
    /// Those of the database; [`Error::Corrupt`] for a damaged record, after which the others follow.
    pub fn references(&self, bank: Option<&str>) -> Result<impl Iterator<Item = Result<ReferenceRecord>>> {
        self.steady(|| self.reading()?.references(bank))
    }

    /// One reference.
    ///
    /// # Errors
    /// Those of the database.
    pub fn reference(&self, bank: &str, id: &str) -> Result<Option<ReferenceRecord>> {
        self.steady(|| self.reading()?.named(bank, id))
    }

    /// The fingerprint of a reference, without the orientations that only queries need.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fingerprint(&self, bank: &str, id: &str) -> Result<Option<Fingerprint>> {
        self.steady(|| {
            let reading = self.reading()?;
            reading.named(bank, id)?.map_or(Ok(None), |record| reading.fingerprint(record.number))
        })
    }

    /// The change log from a sequence number on; the first record is 1.
    ///
    /// # Errors
    /// Those of the database; [`Error::Corrupt`] for a damaged record, after which the others follow.
    pub fn log(&self, from: u64) -> Result<impl Iterator<Item = Result<LogRecord>>> {
        self.steady(|| self.reading()?.log(from))
    }

    /// How much the store holds.
    ///
    /// # Errors
    /// Those of the database.
    pub fn stats(&self) -> Result<Stats> {
        self.steady(|| {
            let (references, changes) = self.reading()?.counts()?;
            let index = self.index.stats();
            let size = std::fs::metadata(&self.file).map_err(|error| Error::io(&self.file, error))?.len();
            Ok(Stats {
                references,
                hashes: index.entries,
                parts: index.parts,
                bytes: size + index.bytes,
                tombstones: index.tombstones,
                banks: self.known().banks.len() as u64,
                changes,
            })
        })
    }

    /// As [`Index::preload`](crate::index::Index::preload), of the index of the references.
    ///
    /// # Errors
    /// As there.
    pub fn preload(&self, cancel: &Cancel) -> Result<()> {
        self.index.preload(cancel)
    }

    /// Reads everything, earlier uploads included, and lists what is damaged.
    ///
    /// The pages of the database are compared with their checksums as well, unless another process or thread writes to it again and again.
    ///
    /// # Errors
    /// Those that keep it from being looked at; damage is in the list.
    pub fn verify(&self) -> Result<Verification> {
        let mut found = Verification::default();
        let mut hashes = 0;
        match self.database.check_pages() {
            Err(error @ Error::Corrupt { .. }) => found.problems.push(error),
            checked => checked?,
        }
        self.refresh()?;
        let known = self.known();
        let before = known.sequence;
        found.problems.extend(self.damaged_banks(&[]));
        let there = known.banks.iter().map(|bank| &bank.name).chain(known.damaged.iter().map(|(name, _)| name));
        let mut bankless = BTreeSet::new();
        for record in self.references(None)? {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    found.problems.push(error);
                    continue;
                }
            };
            found.references += 1;
            hashes += u64::from(record.hashes);
            let number = record.number;
            if !there.clone().any(|name| *name == record.bank) {
                bankless.insert(record.bank.clone());
            }
            let problem = match self.steady(|| {
                let reading = self.reading()?;
                Ok((reading.fingerprint(number)?, reading.number(&record.bank, &record.id)?, reading.refusals(number)?))
            }) {
                Ok((Some(_), Some(named), _)) if named == number => {
                    continue;
                }
                Ok((None, ..)) => Error::corrupt(&self.file, format!("reference {number} has no fingerprint")),
                Ok(_) => Error::corrupt(&self.file, format!("reference {number} is not found by its name")),
                Err(error) => error,
            };
            found.problems.push(problem);
        }
        for record in self.log(0)? {
            match record {
                Ok(_) => found.changes += 1,
                Err(error) => found.problems.push(error),
            }
        }
        self.refresh()?;
        found.problems.extend(self.index.verify()?.damage);
        let indexed = self.index.stats().entries;
        let (named, bankless) = self.steady(|| {
            let reading = self.reading()?;
            let lost: Vec<_> = bankless.iter().map(|name| reading.bankless(name)).collect();
            Ok((reading.names()?, lost))
        })?;
        let still = before == self.known().sequence;
        found.problems.extend(bankless.into_iter().filter(|_| still));
        if found.problems.is_empty() && still && named != found.references {
            let detail = format!("there are {} references, and {named} have names", found.references);
            found.problems.push(Error::corrupt(&self.file, detail));
        }
        // Another process may have written meanwhile; then the two numbers are of different moments.
        if found.problems.is_empty() && still && indexed != hashes {
            let detail = format!("the references have {hashes} hashes, the index holds {indexed}");
            found.problems.push(Error::corrupt(&self.dir, detail));
        }
        if let Some(uploads) = self.uploads(false)? {
            found.problems.extend(uploads.verify()?.problems);
        }
        Ok(found)
    }

    /// Opens the store in the directory `dir` for reading, and does what [`Store::verify`] does. Of one that is too damaged to be opened that is the
    /// list.
    ///
    /// # Errors
    /// As [`Store::open_reader`]; damage is in the list.
    pub fn check(dir: impl AsRef<Path>) -> Result<Verification> {
        match Self::open_reader(dir).and_then(|store| store.verify()) {
            Err(error @ Error::Corrupt { .. }) => Ok(Verification { problems: vec![error], ..Verification::default() }),
            found => found,
        }
    }
}
