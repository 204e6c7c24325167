//! Mending a store. If pages of its database are damaged, a new one is made of what can be read (see `rewrite`); if its index is: every
//! hash in it comes from a fingerprint that the store keeps, so that the index can be made anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::alone::Alone;
use super::mend::{Policies, mend};
use super::open::{self, PARTS, fenced};
use super::read::Reading;
use super::rewrite::rewrite;
use super::store::Store;
use super::uploads;
use super::write::entries;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::index::database::Database;
use crate::index::rebuild::Rebuild;
use crate::index::{Entry, Index};

/// What [`Store::salvage`] did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Salvaged {
    /// What was wrong and is mended: the database's pages, the index, policies of banks, counters; empty if all was whole, and then nothing was
    /// done.
    pub damage: Vec<Error>,
    /// Hashes of the new index that were made from the fingerprints of references.
    pub rebuilt: u64,
    /// The database as it was, of each that was made anew because its pages were damaged.
    pub replaced: Vec<PathBuf>,
    /// Hashes that were taken over from the old index, their references' fingerprints being damaged.
    pub kept: u64,
    /// What could not be mended: damage of the records themselves, and rows that are lost.
    pub problems: Vec<Error>,
    /// Why it ended before everything was looked at, if it did; what the other fields tell was done nevertheless.
    pub unfinished: Option<Error>,
    /// Whether anything was written.
    changed: bool,
}

impl Salvaged {
    /// For what is handed out only once it is done.
    pub(super) fn begun() -> Self {
        Self { changed: true, ..Self::default() }
    }

    fn and(&mut self, other: Self) {
        self.damage.extend(other.damage);
        self.problems.extend(other.problems);
        self.replaced.extend(other.replaced);
        self.rebuilt += other.rebuilt;
        self.kept += other.kept;
        self.changed |= other.changed;
        self.unfinished = self.unfinished.take().or(other.unfinished);
    }

    /// Ends with this: an error only if nothing was done.
    fn ended(&mut self, ended: Result<()>) -> Result<()> {
        match ended {
            Err(error) if self.changed => {
                self.unfinished = Some(error);
                Ok(())
            }
            ended => ended,
        }
    }
}

impl Store {
    /// Makes the index of the store in the directory `dir` anew if it is damaged, and that of its earlier uploads: from the fingerprints of
    /// the references, under the policies that their banks had when they were added. Nothing is lost by damage of the index
    /// alone, whatever its extent. Of a reference whose record or fingerprint is damaged as well, the hashes that are whole are
    /// kept, so that questions near it go on telling of the damage. A bank's policy that is damaged or missing is taken from the log.
    ///
    /// The new index stands beside the old one until it is whole; a crash leaves one of them.
    ///
    /// If pages of the database do not agree with their checksums, all of its rows that can be read are written to a new one first, which takes
    /// as much room again, and the damaged one is kept beside it ([`Salvaged::replaced`]): some of what could be read may be older than the last
    /// change, as a write that was lost leaves it. What is missing is told ([`Salvaged::problems`]). Whoever has the store open for reading goes on
    /// with the old one, and should open it anew.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process writes to it or salvages it, [`Error::Cancelled`], [`Error::Corrupt`] if too little of the
    /// database can be read, and as [`Store::open`]; all with the store as it was. What fails once something was done is in
    /// [`Salvaged::unfinished`].
    pub fn salvage(dir: impl AsRef<Path>, cancel: &Cancel) -> Result<Salvaged> {
        let dir = dir.as_ref();
        let mut done = salvage(dir, cancel)?;
        let uploads = dir.join(uploads::FOLDER);
        // A folder that was made and not filled, as the disk was full, has nothing that could be damaged.
        if done.unfinished.is_none() && open::is_there(&uploads)? {
            let ended = salvage(&uploads, cancel).map(|other| done.and(other));
            done.ended(ended)?;
        }
        Ok(done)
    }
}

fn salvage(dir: &Path, cancel: &Cancel) -> Result<Salvaged> {
    let file = open::present(dir)?;
    let _alone = Alone::enter(dir)?;
    let mut done = Salvaged::default();
    match open::check(dir) {
        Err(error @ Error::Corrupt { .. }) => {
            done.and(rewrite(dir, cancel).map_err(|why| unmended(&error, why))?);
            done.damage.insert(0, error);
        }
        checked => {
            checked?;
            let ended = fenced(&file, || in_place(dir, cancel, &mut done));
            done.ended(ended)?;
        }
    }
    Ok(done)
}

/// Makes the index anew if it is damaged, and mends what other tables tell.
fn in_place(dir: &Path, cancel: &Cancel, done: &mut Salvaged) -> Result<()> {
    let database = open::writer(dir)?;
    let parts = dir.join(PARTS);
    let mut problems = Vec::new();
    let policies = Policies::read(&database, &mut problems)?;
    let mut damage = Vec::new();
    let old = old_index(&database, &parts, &mut damage)?;
    if damage.is_empty() {
        let reading = Reading::begin(&database)?;
        let mut hashes = 0;
        for number in reading.numbers()? {
            hashes += reading.reference(number).ok().flatten().map_or(0, |record| u64::from(record.hashes));
        }
        // Whoever cannot be read has as many as are too many.
        let indexed = old.as_ref().map_or(0, |old| old.snapshot().len());
        if indexed < hashes {
            let detail = format!("the references have {hashes} hashes, the index holds {indexed}");
            damage.push(Error::corrupt(dir, detail));
        }
    }
    if !damage.is_empty() {
        let mut made = Salvaged { damage, ..Salvaged::begun() };
        let new = fill(&database, &policies, old.as_ref(), &parts, cancel, &mut made)?;
        done.and(made);
        drop(old);
        new.sweep();
    }
    done.changed |= mend(&database, &policies, done)?;
    if !done.damage.is_empty() {
        done.problems.extend(problems);
    }
    Ok(())
}

/// The index as it is, as far as it can be read; what is wrong with it is noted.
pub(super) fn old_index(database: &Database, parts: &Path, damage: &mut Vec<Error>) -> Result<Option<Index>> {
    match Index::open_bearing(database, parts) {
        Ok(index) => {
            damage.extend(index.verify()?.damage);
            Ok(Some(index))
        }
        Err(error @ Error::Corrupt { .. }) => {
            damage.push(error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Makes an index of the references in `database`, which takes the place of what it has; the files of the old one stay until they are swept away.
pub(super) fn fill<'c>(
    database: &Database,
    policies: &Policies,
    old: Option<&Index>,
    parts: &Path,
    cancel: &'c Cancel,
    done: &mut Salvaged,
) -> Result<Rebuild<'c>> {
    let reading = Reading::begin(database)?;
    let mut new = Rebuild::begin(database, parts, cancel);
    let mut unread = BTreeSet::new();
    for number in reading.known_numbers()? {
        cancel.check()?;
        match hashes(&reading, number, policies, database.path()) {
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
        kept.sort_unstable();
        kept.dedup();
        done.kept += kept.len() as u64;
        new.add(kept)?;
    }
    new.finish()?;
    Ok(new)
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
    let lacks = |what: &str| Error::corrupt(file, format!("reference {number} has no {what}"));
    let record = reading.reference(number)?.ok_or_else(|| lacks("record"))?;
    let fingerprint = reading.fingerprint(number)?.ok_or_else(|| lacks("fingerprint"))?;
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
