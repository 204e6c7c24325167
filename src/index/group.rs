//! Group commit: small adds that come at the same time share one transaction, and so one wait for the disk.
//!
//! Whoever finds nobody at work leads: it commits what has gathered, its own entries among them. Those that come
//! meanwhile gather for the next round, which one of them leads. Nothing waits for others to come.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Entry;
use super::snapshot::copy;
use crate::error::{Error, Result};

/// Where adds gather.
#[derive(Debug, Default)]
pub(super) struct Group {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What will be committed next, and how it ended for those that wait for it.
    gathered: Vec<Entry>,
    outcome: Arc<OnceLock<Result<(), Error>>>,
    leading: bool,
}

impl Group {
    /// Returns once `entries` were given to a call of `commit`, by this thread or another, and tells how that ended.
    pub(super) fn add(&self, entries: &[Entry], commit: impl Fn(&[Entry]) -> Result<()>) -> Result<()> {
        let mut state = self.lock();
        state.gathered.extend_from_slice(entries);
        let outcome = Arc::clone(&state.outcome);
        while state.leading && outcome.get().is_none() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if outcome.get().is_none() {
            // Nobody is at work, so this round is still the one that gathers.
            state.leading = true;
            let round = std::mem::take(&mut state.gathered);
            state.outcome = Arc::default();
            drop(state);
            let leader = Leader { group: self, outcome: &outcome };
            let _ = outcome.set(commit(&round));
            drop(leader);
        }
        match outcome.get() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(copy(error)),
            None => Err(Error::Cancelled), // the leader sets it in any case
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the others in any case, so that a commit that panics leaves nobody waiting.
struct Leader<'a> {
    group: &'a Group,
    outcome: &'a OnceLock<Result<(), Error>>,
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.outcome.get_or_init(|| Err(Error::Cancelled));
        self.group.lock().leading = false;
        self.group.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::hash::Hash;
    use crate::index::EntryId;

    fn entry(owner: u64) -> Entry {
        Entry { id: EntryId::new(owner, 0).unwrap(), hash: Hash([0; 32]) }
    }

    #[test]
    fn adds_that_come_during_a_commit_share_the_next_one() {
        let group = Group::default();
        let (commits, gate) = (AtomicUsize::new(0), Mutex::new(()));
        let committed = Mutex::new(Vec::new());
        let commit = |entries: &[Entry]| {
            commits.fetch_add(1, Ordering::SeqCst);
            drop(gate.lock().unwrap());
            committed.lock().unwrap().extend(entries.iter().map(|entry| entry.id.owner()));
            // The round that holds entry 7 fails, for all that share it.
            if entries.iter().any(|entry| entry.id.owner() == 7) { Err(Error::option("seven", "no")) } else { Ok(()) }
        };
        let closed = gate.lock().unwrap();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| group.add(&[entry(0)], commit));
            while commits.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            let (group, commit) = (&group, &commit);
            let others: Vec<_> = (1..10).map(|owner| scope.spawn(move || group.add(&[entry(owner)], commit))).collect();
            while group.lock().gathered.len() < 9 {
                std::thread::yield_now();
            }
            drop(closed);
            assert!(first.join().unwrap().is_ok());
            for other in others {
                assert!(matches!(other.join().unwrap(), Err(Error::Option { name: "seven", .. })));
            }
        });
        assert_eq!(commits.load(Ordering::SeqCst), 2);
        let mut committed = committed.into_inner().unwrap();
        committed.sort_unstable();
        assert_eq!(committed, (0..10).collect::<Vec<u64>>());
        assert!(group.add(&[entry(10)], |_| Ok(())).is_ok());
    }

    #[test]
    fn a_commit_that_panics_leaves_nobody_waiting() {
        let group = Group::default();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            group.add(&[entry(0)], |_| -> Result<()> { panic!("on purpose") })
        }));
        assert!(outcome.is_err());
        assert!(group.add(&[entry(1)], |_| Ok(())).is_ok());
    }
}
