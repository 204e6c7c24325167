//! Making parts out of added entries, and fewer parts out of many.
//!
//! Entries become a part when there are [`FLUSH`] of them, and [`FANOUT`] parts of one size class become one of the
//! next, so that an entry is written once into the database and once for each class: at most about `log4(n / 16384) + 1` times.
//! Removed entries are left out of whatever is written, and a part of which a quarter was removed is written anew.

use std::sync::{Arc, PoisonError};

use super::live::Shared;
use super::part::{Layout, MAX_ENTRIES, Part, build};
use super::quiet::Quiet;
use super::snapshot::{Slot, copy, is_damage};
use super::tables::{self, Record, Swap};
use super::{Entry, EntryId};
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::hash::Hash;

/// Entries that make a part.
pub(super) const FLUSH: usize = 1 << 14;
/// Parts of one size class that become one of the next.
const FANOUT: usize = 4;
/// A part is written anew when one in this many of its entries was removed.
const DEAD: u64 = 4;
/// No merge makes a part of more entries than this, unless it is asked for: it holds the new part in memory.
pub(super) const LARGEST: u64 = 1 << 24;

impl Shared {
    /// What is due: see the module's head.
    pub(super) fn maintain(&self, cancel: &Cancel) -> Result<()> {
        let _alone = Self::lock(&self.maintaining);
        self.refresh()?;
        if self.snapshot().delta.len() >= FLUSH {
            self.rewrite(&[], true, 1, cancel)?;
        }
        while let Some(due) = self.due() {
            cancel.check()?;
            self.rewrite(&due, false, 1, cancel)?;
        }
        Ok(())
    }

    /// Everything into one part.
    pub(super) fn merge_all(&self, cancel: &Cancel) -> Result<()> {
        let _alone = Self::lock(&self.maintaining);
        self.refresh()?;
        let snapshot = self.snapshot();
        let clean = snapshot.parts.len() <= 1 && snapshot.delta.len() == 0 && snapshot.tombstones.is_empty();
        if clean && self.unfinished().is_none() {
            return Ok(());
        }
        let all: Vec<u64> = snapshot.parts.iter().map(|slot| slot.record.number).collect();
        self.rewrite(&all, true, rayon::current_num_threads(), cancel)
    }

    /// Parts that should become one.
    fn due(&self) -> Option<Vec<u64>> {
        if let Some(number) = self.unfinished() {
            return Some(vec![number]);
        }
        let snapshot = self.snapshot();
        let dead = snapshot.dead();
        let mut classes: Vec<Vec<&Slot>> = vec![Vec::new(); 32];
        for (slot, dead) in snapshot.parts.iter().zip(dead).filter(|(slot, _)| slot.part.is_ok()) {
            if *dead > 0 && *dead >= slot.record.entries / DEAD {
                return Some(vec![slot.record.number]);
            }
            let class = (slot.record.entries / FLUSH as u64).max(1).ilog(FANOUT as u64) as usize;
            classes[class].push(slot);
        }
        for mut class in classes {
            // As many as fit, the smallest first.
            class.sort_by_key(|slot| slot.record.entries);
            let mut sum = 0;
            let fits = |slot: &&&Slot| {
                sum += slot.record.entries;
                sum <= LARGEST
            };
            let some: Vec<u64> = class.iter().take_while(fits).map(|slot| slot.record.number).collect();
            if class.len() >= FANOUT && some.len() > 1 {
                return Some(some);
            }
        }
        None
    }

    /// A part that has no postings although it should: a merge did not come to its end.
    pub(super) fn unfinished(&self) -> Option<u64> {
        let snapshot = self.snapshot();
        let bare = |slot: &&Slot| {
            let whole = Layout::new(slot.record.entries as usize).map(|layout| layout.file as u64);
            slot.part.is_ok() && whole.is_some_and(|bytes| slot.record.bytes < bytes)
        };
        snapshot.parts.iter().find(bare).map(|slot| slot.record.number)
    }

    /// Makes one part of the parts with these numbers and, with `delta`, of what is in none.
    ///
    /// The order is: write, sync the file, name it, sync the folder, commit the new list, and only then remove the old
    /// files. Whoever still has them open keeps reading. If old and new together were too much for the disk, that is
    /// done twice: a part without postings takes the place of the old ones, and the whole part takes its place.
    fn rewrite(&self, numbers: &[u64], delta: bool, threads: usize, cancel: &Cancel) -> Result<()> {
        let snapshot = self.snapshot();
        snapshot.ensure_sound(&[])?;
        let old: Vec<&Slot> = snapshot.parts.iter().filter(|slot| numbers.contains(&slot.record.number)).collect();
        let (mut ids, mut hashes) = (Vec::new(), Vec::new());
        {
            let mut entries: Vec<Entry> = Vec::new();
            for slot in &old {
                let part = slot.part.as_ref().map_err(|error| copy(error))?;
                part.ensure_hashes(0, part.len())?;
                for (at, &hash) in part.hashes().iter().enumerate() {
                    let id = part.id(at)?;
                    if !snapshot.tombstones.bury(id.owner(), slot.record.number) {
                        entries.push(Entry { id, hash });
                    }
                }
                cancel.check()?;
            }
            if delta {
                for chunk in &snapshot.delta.chunks {
                    let rows = chunk.ids.iter().zip(&chunk.hashes).zip(&chunk.numbers);
                    let live = rows.filter(|((id, _), number)| !snapshot.tombstones.bury(id.owner(), **number));
                    entries.extend(live.map(|((&id, &hash), _)| Entry { id, hash }));
                }
            }
            sorted(entries, &mut ids, &mut hashes);
        }
        let horizon = snapshot.meta.next;
        // The newest of what went in, so that what is removed from now on is removed from it.
        let newest = old.iter().map(|slot| slot.record.number).max();
        let in_delta = snapshot.delta.chunks.last().and_then(|chunk| chunk.numbers.last().copied());
        let number = newest.max(in_delta.filter(|_| delta)).unwrap_or(0);
        let listed = |record: Record| Record { number, applied: horizon, ..record };
        let flushed = if delta { horizon } else { 0 };
        let numbers: Vec<u64> = old.iter().map(|slot| slot.record.number).collect();
        let layout = layout(ids.len())?;
        let (before, after) = (old.iter().map(|slot| slot.record.bytes).sum::<u64>(), layout.file as u64);
        if ids.is_empty() || before + after <= before.max(after) / 2 * 3 || layout.bands.is_empty() {
            let new = match ids.is_empty() {
                true => None,
                false => Some(listed(self.write_part(&hashes, &ids, &layout, threads, cancel)?)),
            };
            self.commit(&Swap { old: numbers, new, flushed })?;
            self.discard(old);
            return Ok(());
        }
        // Both together would be too much: the hashes alone first, and the whole part once the old ones are gone.
        let bare = Layout::bare(ids.len()).ok_or_else(|| too_many(ids.len()))?;
        let bare = listed(self.write_part(&hashes, &ids, &bare, threads, cancel)?);
        let mut memory = None;
        if ids.len() as u64 <= LARGEST {
            let mut bytes = Vec::with_capacity(layout.file);
            let built = build(&hashes, &ids, &layout, &mut bytes, threads, cancel)?;
            let bytes = Memory(Arc::new(bytes));
            let part = Part::parse(Box::new(bytes.clone()), &self.storage.path(&bare.name()))?;
            *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Some((bare.digest, Arc::new(part)));
            memory = Some((built, bytes));
        }
        let done = self.commit(&Swap { old: numbers, new: Some(bare), flushed });
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = None; // the snapshot has it
        done?;
        self.discard(old);
        let whole = match memory {
            Some((built, bytes)) => self.write_file(ids.len(), |sink| {
                for some in bytes.as_ref().chunks(1 << 22) {
                    cancel.check()?;
                    sink.write_all(some).map_err(|source| Error::io("", source))?;
                }
                Ok(built)
            })?,
            None => self.write_part(&hashes, &ids, &layout, threads, cancel)?,
        };
        let snapshot = self.snapshot();
        self.commit(&Swap { old: vec![number], new: Some(listed(whole)), flushed: 0 })?;
        self.discard(snapshot.parts.iter().filter(|slot| slot.record.number == number));
        Ok(())
    }

    /// Removes the files of parts that are no longer listed. Two parts of the same contents share a file.
    fn discard<'a>(&self, old: impl IntoIterator<Item = &'a Slot>) {
        let snapshot = self.snapshot();
        for slot in old {
            if snapshot.parts.iter().all(|listed| listed.record.digest != slot.record.digest) {
                let _ = self.storage.remove(&slot.record.name()); // refused while it is open: swept at the next open
            }
        }
    }

    /// Swaps the list of parts in one transaction, and takes it up.
    pub(super) fn commit(&self, swap: &Swap) -> Result<()> {
        let txn = Quiet::new(self.database.begin_write()?);
        tables::swap(&self.database, &txn, swap)?;
        txn.into_inner().commit().map_err(|error| self.database.error(error))?;
        self.refresh().map(drop)
    }

    /// Saves what is whole of every damaged part into a new one, and leaves the damaged one out of the list. Returns
    /// entries saved and entries lost. What only cannot be opened now, or by this program, is an error before anything is changed.
    pub(super) fn salvage(&self) -> Result<(u64, u64)> {
        let _alone = Self::lock(&self.maintaining);
        self.refresh()?;
        let snapshot = self.snapshot();
        let mut errors = snapshot.parts.iter().filter_map(|slot| slot.part.as_ref().err());
        if let Some(error) = errors.find(|error| !is_damage(error)) {
            return Err(copy(error));
        }
        let (mut saved, mut lost) = (0, 0);
        for slot in &snapshot.parts {
            let mut entries = Vec::new();
            let gone = match &slot.part {
                Ok(part) if whole(part) => continue,
                Ok(part) => part.salvage(|id, hash| entries.push(Entry { id, hash })) as u64,
                Err(_) => match self.open_by_record(&slot.record)? {
                    Some(part) => part.salvage(|id, hash| entries.push(Entry { id, hash })) as u64,
                    None => slot.record.entries,
                },
            };
            let (mut ids, mut hashes) = (Vec::new(), Vec::new());
            entries.retain(|entry| !snapshot.tombstones.bury(entry.id.owner(), slot.record.number));
            sorted(entries, &mut ids, &mut hashes);
            let mut new = None;
            if !ids.is_empty() {
                let (layout, threads) = (layout(ids.len())?, rayon::current_num_threads());
                let record = self.write_part(&hashes, &ids, &layout, threads, &Cancel::new())?;
                new = Some(Record { number: slot.record.number, applied: snapshot.meta.next, ..record });
            }
            saved += ids.len() as u64;
            lost += gone;
            self.commit(&Swap { old: vec![slot.record.number], new, flushed: 0 })?;
            self.discard([slot]);
        }
        Ok((saved, lost))
    }

    /// A part whose header or end is damaged: its record says how it is laid out. `None` if it is gone, or of another length.
    pub(super) fn open_by_record(&self, record: &Record) -> Result<Option<Part>> {
        let path = self.storage.path(&record.name());
        let bytes = match self.storage.open(&record.name()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|source| Error::io(&path, source))?,
        };
        let layouts = [Layout::new(record.entries as usize), Layout::bare(record.entries as usize)];
        let layout = layouts.into_iter().flatten().find(|layout| layout.file as u64 == record.bytes);
        Ok(layout.and_then(|layout| Part::laid_out(bytes, &path, layout).ok()))
    }
}

/// A part that is still in memory.
#[derive(Clone)]
struct Memory(Arc<Vec<u8>>);

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The layout of a part of so many entries.
pub(super) fn layout(entries: usize) -> Result<Layout> {
    Layout::new(entries).ok_or_else(|| too_many(entries))
}

fn too_many(entries: usize) -> Error {
    Error::limit("entries of a part", MAX_ENTRIES as u64, entries as u64)
}

fn whole(part: &Arc<Part>) -> bool {
    part.damage().next().is_none()
}

/// Sorts entries by id and then hash, as parts hold them.
pub(super) fn sorted(mut entries: Vec<Entry>, ids: &mut Vec<EntryId>, hashes: &mut Vec<Hash>) {
    // Runs that are sorted already, as parts are, are merged rather than sorted.
    entries.sort();
    ids.extend(entries.iter().map(|entry| entry.id));
    hashes.extend(entries.iter().map(|entry| entry.hash));
}
