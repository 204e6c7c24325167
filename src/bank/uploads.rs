//! Retro-matching: the fingerprints of earlier uploads, kept so that a reference that is new today finds every copy that was
//! uploaded before.
//!
//! They are a store of their own in the folder `uploads` of the store: the same tables, the same index, one bank.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::ask::Policy;
use super::config::BankConfig;
use super::damage::Damage;
use super::reference::{Reference, ReferenceRecord, State};
use super::store::{AskOptions, Store};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, ViewSet};
use crate::matching::Match;

pub(super) const FOLDER: &str = "uploads";
const BANK: &str = "uploads";
const UPLOADER: &str = "uploader";

/// An earlier upload that is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Remembered {
    /// The platform's name for it.
    pub upload: String,
    /// The platform's key for whoever uploaded it; empty if there is none.
    pub uploader: String,
    /// Milliseconds since 1970 (UTC) at which it was remembered.
    pub time: u64,
}

/// A reference and an earlier upload that shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Retro {
    /// The upload.
    #[serde(flatten)]
    pub remembered: Remembered,
    /// The evidence, with the upload as the query, as if it were asked now.
    #[serde(flatten)]
    pub found: Match,
}

impl Store {
    fn uploads_folder(&self) -> PathBuf {
        self.path().join(FOLDER)
    }

    /// The uploads; `None` if none was ever remembered and none is to be now.
    pub(super) fn uploads(&self, make: bool) -> Result<Option<Arc<Store>>> {
        let mut held = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            let folder = self.uploads_folder();
            let there = folder.try_exists().map_err(|error| Error::io(&folder, error))?;
            *held = match (self.writes(), there || make) {
                (_, false) => None,
                (true, true) => {
                    let store = Self::create_or_open_with(&folder, self.algorithm())?;
                    // What a query would ask for is kept, and a reference asks with what it is stored with.
                    store.set_bank(&BankConfig::new(BANK).views(ViewSet::Uploads))?;
                    Some(Arc::new(store))
                }
                (false, true) => match Self::open_reader(&folder) {
                    // A folder that was made and not filled, as the disk was full: nothing was ever remembered in it.
                    Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
                    opened => Some(Arc::new(opened?)),
                },
            };
        }
        Ok(held.clone())
    }

    /// Keeps the fingerprint of an upload under the platform's name for it, with the platform's key for the uploader.
    ///
    /// False if it has too little detail ever to be found, or is remembered already.
    ///
    /// # Errors
    /// [`Error::Option`] if the name stands for another fingerprint; those of the database.
    pub fn remember(&self, upload: &str, uploader: &str, fingerprint: &Fingerprint) -> Result<bool> {
        if !self.writes() {
            return Err(Error::option("store", "opened for reading; open it for writing to remember uploads"));
        }
        let Some(uploads) = self.uploads(true)? else { return Ok(false) };
        let mut reference = Reference::new(upload).bank(BANK);
        if !uploader.is_empty() {
            reference = reference.label(UPLOADER, uploader);
        }
        match uploads.add(&reference, fingerprint) {
            Ok(added) => Ok(added.new),
            Err(Error::TooLittleDetail { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets an upload. False if it was not remembered.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget(&self, upload: &str) -> Result<bool> {
        self.uploads(false)?.map_or(Ok(false), |uploads| uploads.remove_reference(BANK, upload))
    }

    /// Asks which remembered uploads show one of the references that were added at `since` (milliseconds since 1970) or
    /// later, and calls `each` for every pair, reference after reference.
    ///
    /// Orientations of stored fingerprints are only nearly known, so that a turned copy has to be some ten bits closer than
    /// it would have to be as a new upload.
    ///
    /// # Errors
    /// Those of the database, damage included, and of `each`.
    pub fn retro(&self, since: u64, each: impl FnMut(Retro) -> Result<()>) -> Result<()> {
        self.retro_with(since, &AskOptions::of_uploads(), each).map(drop)
    }

    /// As [`Store::retro`], but where something of the store or of the uploads is damaged, by the rest of it. Returns what is, for people: of
    /// a reference or an upload that cannot be read, and of the hashes that could not be searched.
    ///
    /// # Errors
    /// Those of the database but for damage, and of `each`.
    pub fn retro_despite_damage(&self, since: u64, each: impl FnMut(Retro) -> Result<()>) -> Result<Vec<String>> {
        self.retro_with(since, &AskOptions::of_uploads().despite_damage(), each)
    }

    /// The fingerprint of a reference that was listed; `None` if it has been removed since.
    fn kept(&self, bank: &str, id: &str) -> Result<Option<Fingerprint>> {
        match self.fingerprint(bank, id)? {
            None if self.reference(bank, id)?.is_some() => {
                Err(Error::corrupt(self.path(), format!("reference {id:?} of {bank:?} has no fingerprint")))
            }
            print => Ok(print),
        }
    }

    /// The bank of a reference that was listed; `None` if it has been removed since.
    fn bank_of(&self, record: &ReferenceRecord) -> Result<Option<BankConfig>> {
        if let Some(bank) = self.bank(&record.bank) {
            return Ok(Some(bank));
        }
        // It may be new.
        self.refresh()?;
        match self.bank(&record.bank) {
            None if self.reference(&record.bank, &record.id)?.is_some() => {
                Err(self.steady(|| Ok(self.lost_bank(&self.reading()?, &record.bank)))?)
            }
            bank => Ok(bank),
        }
    }

    fn retro_with(
        &self,
        since: u64,
        options: &AskOptions,
        mut each: impl FnMut(Retro) -> Result<()>,
    ) -> Result<Vec<String>> {
        let mut damage = Damage::of(options);
        let Some(Some(uploads)) = damage.bear(self.uploads(false))? else { return Ok(damage.told()) };
        damage.bear(uploads.refresh())?;
        for record in self.references(None)? {
            let Some(record) = damage.bear(record)? else { continue };
            if record.added < since || record.state != State::Active {
                continue;
            }
            let Some(bank) = damage.bear(self.bank_of(&record))?.flatten() else { continue };
            let Some(fingerprint) = damage.bear(self.kept(&record.bank, &record.id))?.flatten() else {
                continue;
            };
            let action = bank.action;
            let policies = [(BANK.to_string(), Policy::of(bank))].into();
            let verdict = uploads.ask_under(&fingerprint, &policies, options)?;
            damage.meet(verdict.damage);
            for found in verdict.matches {
                let print = damage.bear(uploads.kept(BANK, &found.reference))?.flatten();
                if self.refused_upload(record.number, &found.reference, print.as_ref())? {
                    continue;
                }
                let Some(upload) = damage.bear(uploads.reference(BANK, &found.reference))?.flatten() else { continue };
                let found = Match { bank: record.bank.clone(), reference: record.id.clone(), action, ..found };
                let uploader = upload.labels.get(UPLOADER).cloned().unwrap_or_default();
                let remembered = Remembered { upload: upload.id, uploader, time: upload.added };
                each(Retro { remembered, found })?;
            }
        }
        Ok(damage.told())
    }
}
