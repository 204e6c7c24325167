//! Mending a store. If pages of its database are damaged, a new one is made of what can be read (see `rewrite`); if its index is: every
//! hash in it comes from a fingerprint that the store keeps, so that the index can be made anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::BankConfig;
use super::log::Change;
use super::open::{self, PARTS, fenced};
use super::read::Reading;
use super::rewrite::rewrite;
use super::store::Store;
use super::uploads;
use super::write::entries;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::index::rebuild::Rebuild;
use crate::index::{Entry, Index};

/// What [`Store::salvage`] did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Salvaged {
    /// What was wrong with the database's pages or the index; empty if both were whole, and then nothing was done.
    pub damage: Vec<Error>,
    /// Hashes of the new index that were made from the fingerprints of references.
    pub rebuilt: u64,
    /// The database as it was, of each that was made anew because its pages were damaged.
    pub replaced: Vec<PathBuf>,
    /// Hashes that were taken over from the old index, their references' fingerprints being damaged.
    pub kept: u64,
    /// What could not be mended: damage of the records themselves.
    pub problems: Vec<Error>,
}

impl Salvaged {
    fn and(&mut self, other: Self) {
        self.damage.extend(other.damage);
        self.problems.extend(other.problems);
        self.replaced.extend(other.replaced);
        self.rebuilt += other.rebuilt;
        self.kept += other.kept;
    }
}

impl Store {
    /// Makes the index of the store in the directory `dir` anew if it is damaged, and that of its earlier uploads: from the fingerprints of
    /// the references, under the policies that their banks had when they were added. Nothing is lost by damage of the index
    /// alone, whatever its extent. Of a reference whose record or fingerprint is damaged as well, the hashes that are whole are
    /// kept, so that questions near it go on telling of the damage.
    ///
    /// The new index stands beside the old one until it is whole; a crash leaves one of them.
    ///
    /// If pages of the database do not agree with their checksums, all of its rows are written to a new one first, which takes
    /// as much room again, and the damaged one is kept beside it ([`Salvaged::replaced`]): some of what could be read may be older than the last
    /// change, as a write that was lost leaves it. Whoever has the store open for reading goes on with the old one, and should open it anew.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process writes to it, [`Error::Cancelled`] with the store as it was, [`Error::Corrupt`] if rows of the
    /// database cannot be read, with the store as it was, and as [`Store::open`].
    pub fn salvage(dir: impl AsRef<Path>, cancel: &Cancel) -> Result<Salvaged> {
        let dir = dir.as_ref();
        let mut done = salvage(dir, cancel)?;
        let uploads = dir.join(uploads::FOLDER);
        if uploads.try_exists().map_err(|error| Error::io(&uploads, error))? {
            done.and(salvage(&uploads, cancel)?);
        }
        Ok(done)
    }
}

fn salvage(dir: &Path, cancel: &Cancel) -> Result<Salvaged> {
    let mut done = Salvaged::default();
    match open::check(dir) {
        Err(error @ Error::Corrupt { .. }) => {
            done.replaced.push(rewrite(dir).map_err(|why| unmended(&error, why))?);
            done.damage.push(error);
        }
        checked => checked?,
    }
    let database = open::writer(dir)?;
    let file = database.path().to_path_buf();
    fenced(&file, || {
        let reading = Reading::begin(&database)?;
        let numbers = reading.numbers()?;
        let parts = dir.join(PARTS);
        let old = match Index::open_still(&database, &parts) {
            Ok(index) => {
                done.damage.extend(index.verify()?.damage);
                Some(index)
            }
            Err(error @ Error::Corrupt { .. }) => {
                done.damage.push(error);
                None
            }
            Err(error) => return Err(error),
        };
        let old = old.as_ref().map(Index::snapshot);
        if done.damage.is_empty() {
            let mut hashes = 0;
            for &number in &numbers {
                hashes += reading.reference(number).ok().flatten().map_or(0, |record| u64::from(record.hashes));
            }
            // Whoever cannot be read has as many as are too many.
            let indexed = old.as_ref().map_or(0, |index| index.len());
            if indexed < hashes {
                let detail = format!("the references have {hashes} hashes, the index holds {indexed}");
                done.damage.push(Error::corrupt(dir, detail));
            }
        }
        if done.damage.is_empty() {
            return Ok(());
        }
        let policies = Policies::read(&database, &mut done.problems)?;
        let mut new = Rebuild::begin(&database, &parts, cancel);
        let mut unread = BTreeSet::new();
        for number in numbers {
            cancel.check()?;
            match hashes(&reading, number, &policies, &file) {
                Ok(entries) => {
                    done.rebuilt += entries.len() as u64;
                    new.add(entries)?;
                }
                Err(error) => {
                    done.problems.push(error);
                    unread.insert(number);
                }
            }
        }
        if let Some(old) = old.filter(|_| !unread.is_empty()) {
            let mut kept = Vec::new();
            old.whole_entries(|entry| kept.extend(Some(entry).filter(|entry| unread.contains(&entry.id.owner()))));
            done.kept = kept.len() as u64;
            new.add(kept)?;
        }
        new.finish()
    })?;
    Ok(done)
}

/// What is wrong with a database that cannot be made anew.
fn unmended(damage: &Error, why: Error) -> Error {
    match (damage, why) {
        (Error::Corrupt { path, detail }, Error::Corrupt { detail: why, .. }) => {
            Error::corrupt(path, format!("{detail}; it cannot be salvaged ({why}), and is as it was"))
        }
        (_, why) => why,
    }
}

/// The entries of a reference, as they were when it was added.
fn hashes(reading: &Reading, number: u64, policies: &Policies, file: &Path) -> Result<Vec<Entry>> {
    let record = reading.reference(number)?.ok_or_else(|| reading.lost(number))?;
    let fingerprint = reading.fingerprint(number)?.ok_or_else(|| reading.lost(number))?;
    let mut got = 0;
    for policy in policies.of(number, &record.bank) {
        let (entries, _) = entries(number, &fingerprint, policy)?;
        if entries.len() == record.hashes as usize {
            return Ok(entries);
        }
        got = entries.len();
    }
    let detail = format!("reference {number} had {} hashes in the index, its fingerprint makes {got}", record.hashes);
    Err(Error::corrupt(file, detail))
}

/// The policies under which references were added: a bank may have been changed since.
struct Policies {
    then: HashMap<u64, Arc<BankConfig>>,
    now: BTreeMap<String, BankConfig>,
}

impl Policies {
    /// Follows the log from its beginning. What of it is damaged is noted.
    fn read(database: &crate::index::database::Database, problems: &mut Vec<Error>) -> Result<Self> {
        let reading = Reading::begin(database)?;
        let now = reading.banks()?.0.into_iter().map(|bank| (bank.name.clone(), bank)).collect();
        let mut banks: BTreeMap<String, Arc<BankConfig>> = BTreeMap::new();
        let mut then = HashMap::new();
        for record in reading.log(0)? {
            match record.map(|record| record.change) {
                Ok(Change::BankSet { config }) => {
                    banks.insert(config.name.clone(), Arc::new(config));
                }
                Ok(Change::ReferenceAdded { number, bank, .. }) => {
                    then.extend(banks.get(&bank).map(|policy| (number, Arc::clone(policy))));
                }
                Ok(Change::ReferenceRemoved { number, .. }) => {
                    then.remove(&number);
                }
                Ok(_) => {}
                Err(error) => problems.push(error),
            }
        }
        Ok(Self { then, now })
    }

    /// What the reference may have been added under, likelier ones first.
    fn of(&self, number: u64, bank: &str) -> impl Iterator<Item = &BankConfig> {
        self.then.get(&number).map(Arc::as_ref).into_iter().chain(self.now.get(bank))
    }
}
