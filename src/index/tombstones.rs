//! Which owners were removed, and when.

use std::collections::HashMap;
use std::sync::Arc;

/// Recent tombstones are folded into the shared map when there are more than this many, and more than the map's root.
const RECENT: usize = 64;

/// Owner to the number of its last tombstone. Cloning copies only the recent ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Tombstones {
    old: Arc<HashMap<u64, u64>>,
    recent: HashMap<u64, u64>,
}

impl Tombstones {
    /// Buries what `owner` has under numbers below `number`, which is larger than any before it.
    pub(super) fn insert(&mut self, owner: u64, number: u64) {
        self.recent.insert(owner, number);
        if self.recent.len() > RECENT && self.recent.len() * self.recent.len() > self.old.len() {
            let mut all = HashMap::clone(&self.old);
            all.extend(self.recent.drain());
            self.old = Arc::new(all);
        }
    }

    /// Forgets those numbered less than `cleared`.
    pub(super) fn drop_below(&mut self, cleared: u64) {
        let mut all = HashMap::clone(&self.old);
        all.extend(self.recent.drain());
        all.retain(|_, number| *number >= cleared);
        self.old = Arc::new(all);
    }

    /// Every owner that was removed, with the number of its last tombstone.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let old = self.old.iter().filter(|(owner, _)| !self.recent.contains_key(owner));
        old.chain(&self.recent).map(|(owner, number)| (*owner, *number))
    }

    /// Whether an entry of `owner` that came under `number` is dead.
    #[inline]
    pub(super) fn bury(&self, owner: u64, number: u64) -> bool {
        !self.is_empty() && self.last(owner).is_some_and(|last| number < last)
    }

    fn last(&self, owner: u64) -> Option<u64> {
        self.recent.get(&owner).or_else(|| self.old.get(&owner)).copied()
    }

    /// Whether nothing was removed.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.old.is_empty()
    }

    /// Owners that were removed.
    pub(super) fn len(&self) -> usize {
        self.old.len() + self.recent.keys().filter(|owner| !self.old.contains_key(owner)).count()
    }
}
