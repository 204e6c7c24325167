//! What of a store's small tables other tables tell: the policy of a bank is in the log, and what the counters count can be counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::config::BankConfig;
use super::log::Change;
use super::open::failed;
use super::read::Reading;
use super::records::{self, BANKS, META, PLAIN};
use super::salvage::Salvaged;
use crate::error::{Error, Result};
use crate::index::database::Database;
use crate::index::quiet::Quiet;

/// The policies under which references were added, a bank may have been changed since; and what else the log tells.
pub(super) struct Policies {
    then: HashMap<u64, Arc<BankConfig>>,
    now: BTreeMap<String, BankConfig>,
    /// The banks as the log has them last.
    logged: BTreeMap<String, Arc<BankConfig>>,
    /// The last number that a reference was given.
    number: u64,
    /// The last record.
    sequence: u64,
    /// Whether all of the log could be read.
    whole: bool,
}

impl Policies {
    /// Follows the log from its beginning. What of it is damaged is noted.
    pub(super) fn read(database: &Database, problems: &mut Vec<Error>) -> Result<Self> {
        let reading = Reading::begin(database)?;
        let now = reading.banks()?.0.into_iter().map(|bank| (bank.name.clone(), bank)).collect();
        let (then, logged) = (HashMap::new(), BTreeMap::new());
        let mut policies = Self { then, now, logged, number: 0, sequence: 0, whole: true };
        for record in reading.log(0)? {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    problems.push(error);
                    policies.whole = false;
                    continue;
                }
            };
            policies.sequence = policies.sequence.max(record.sequence);
            match record.change {
                Change::BankSet { config } => {
                    policies.logged.insert(config.name.clone(), Arc::new(config));
                }
                Change::BankRemoved { name } => {
                    policies.logged.remove(&name);
                }
                Change::ReferenceAdded { number, bank, .. } => {
                    policies.number = policies.number.max(number);
                    policies.then.extend(policies.logged.get(&bank).map(|policy| (number, Arc::clone(policy))));
                }
                Change::ReferenceRemoved { number, .. } => {
                    policies.then.remove(&number);
                }
                _ => {}
            }
        }
        Ok(policies)
    }

    /// What the reference may have been added under, likelier ones first.
    pub(super) fn of(&self, number: u64, bank: &str) -> impl Iterator<Item = &BankConfig> {
        let logged = self.logged.get(bank).map(Arc::as_ref);
        self.then.get(&number).map(Arc::as_ref).into_iter().chain(self.now.get(bank)).chain(logged)
    }
}

/// Puts banks that are damaged or missing back as the log has them, and counters that are behind to what they count. True if there was any.
pub(super) fn mend(database: &Database, policies: &Policies, done: &mut Salvaged) -> Result<bool> {
    let file = database.path();
    let reading = Reading::begin(database)?;
    let mut used = BTreeSet::new();
    let (mut number, mut plain) = (policies.number, 0);
    for found in reading.numbers()? {
        if let Ok(Some(record)) = reading.reference(found) {
            number = number.max(found);
            plain += u64::from(record.plain);
            used.insert(record.bank);
        }
    }
    let (_, mut lost) = reading.banks()?;
    if policies.whole {
        used.extend(policies.logged.keys().cloned());
    }
    for name in used {
        if !policies.now.contains_key(&name) && lost.iter().all(|(damaged, _)| *damaged != name) {
            let error = reading.bankless(&name);
            lost.push((name, error));
        }
    }
    let mut banks = Vec::new();
    for (name, error) in lost {
        match policies.logged.get(&name) {
            Some(config) if matches!(error, Error::Corrupt { .. }) => {
                banks.push(config);
                done.damage.push(error);
            }
            _ => done.problems.push(error),
        }
    }
    let mut counters = Vec::new();
    for (name, least) in [("sequence", policies.sequence), ("number", number), (PLAIN, plain)] {
        let stands = reading.counter(name)?;
        if stands < least {
            done.damage.push(Error::corrupt(file, format!("the counter {name} is {stands}, and should be {least}")));
            counters.push((name, least));
        }
    }
    drop(reading);
    if banks.is_empty() && counters.is_empty() {
        return Ok(false);
    }
    let wrong = |error: redb::Error| failed(file, error);
    let write = Quiet::new(database.begin_write()?);
    {
        let mut table = Quiet::new(write.open_table(BANKS).map_err(|error| wrong(error.into()))?);
        for config in banks {
            let bytes = records::encode(&**config)?;
            table.insert(config.name.as_str(), bytes.as_slice()).map_err(|error| wrong(error.into()))?;
        }
        let mut table = Quiet::new(write.open_table(META).map_err(|error| wrong(error.into()))?);
        for (name, least) in counters {
            table.insert(name, least).map_err(|error| wrong(error.into()))?;
        }
    }
    write.into_inner().commit().map_err(|error| wrong(error.into()))?;
    Ok(true)
}
