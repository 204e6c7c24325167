//! A database that could not be written, as on a full disk: redb trusts such a file no more. A writer lets go of it and opens it anew, as
//! the next one after a kill would, and goes on from the last commit; readers that this cuts off begin once more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redb::Builder;

use super::database::{CACHE_BYTES, Database, Inner, checking, contradicts, fenced, from_redb};
use super::quiet::{Quiet, abandon};
use super::storage::Backend;
use crate::error::{Error, Result};

/// How long a database that is to be opened anew waits until everybody has let go of the old one, a transaction that failed included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a reader that was cut off begins anew, before writers wait for it; and as often again then.
const TRIES: usize = 4;
/// How long a writer waits at most for readers that were cut off too often.
const COURTESY: Duration = Duration::from_secs(1);

/// Readers that were cut off again and again, and whom writers let go first.
#[derive(Default)]
pub(super) struct Hurried {
    readers: Mutex<usize>,
    through: Condvar,
}

impl Hurried {
    pub(super) fn any(&self) -> bool {
        *self.readers.lock().unwrap_or_else(PoisonError::into_inner) > 0
    }

    /// Returns once there is none, or after [`COURTESY`].
    pub(super) fn let_go_first(&self) {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.through.wait_timeout_while(readers, COURTESY, |readers| *readers > 0);
    }

    /// One more, until what is returned is dropped.
    fn enter(&self) -> impl Drop + '_ {
        struct Entered<'a>(&'a Hurried);
        impl Drop for Entered<'_> {
            fn drop(&mut self) {
                *self.0.readers.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
                self.0.through.notify_all();
            }
        }
        *self.readers.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Entered(self)
    }
}

impl Database {
    /// Lets go of a writer's database, if it is one that has failed, and opens it anew.
    pub(super) fn reopen(&self) -> Result<()> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let since = match &**inner {
            Inner::Writer(database) => match database.try_begin_write() {
                Err(redb::TransactionError::Storage(_)) => Instant::now(),
                _ => return Ok(()), // another thread was first
            },
            Inner::Lost(since) => *since,
            _ => return Ok(()),
        };
        let waits = || {
            std::thread::sleep(Duration::from_millis(1));
            since.elapsed() < PATIENCE
        };
        let mut old = std::mem::replace(&mut *inner, Arc::new(Inner::Lost(since)));
        // Who is about to begin a transaction holds it for a moment.
        while let Err(held) = Arc::try_unwrap(old).map(drop) {
            old = held;
            if !waits() {
                *inner = old;
                let source = std::io::Error::other("it could not be written, and is still read: try again");
                return Err(Error::io(&*self.path, source));
            }
        }
        loop {
            match self.open_anew() {
                // The transaction that failed still holds the file, until it ends.
                Err(Error::Locked { .. }) if waits() => {}
                Err(error @ Error::Corrupt { .. }) if self.medium.is_none() => {
                    *inner = Arc::new(Self::as_it_lies(&self.path, error)?);
                    return Ok(());
                }
                opened => {
                    *inner = Arc::new(Inner::Writer(Quiet::new(opened?)));
                    return Ok(());
                }
            }
        }
    }

    fn open_anew(&self) -> Result<redb::Database> {
        fenced(&self.path, || {
            match &self.medium {
                Some(medium) => {
                    Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(Backend(Arc::clone(medium)))
                }
                None => checking().open(&self.path),
            }
            .map_err(|error| from_redb(&self.path, error))
        })
    }

    /// As [`fenced`], for what writes. After a panic the database is let go of as a killed writer would let go of it, and opened anew
    /// by whoever needs it next.
    pub(crate) fn writing<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
            if matches!(&**inner, Inner::Writer(_)) {
                abandon(std::mem::replace(&mut *inner, Arc::new(Inner::Lost(Instant::now()))), PATIENCE);
            }
            Err(contradicts(&self.path))
        })
    }

    /// What `read` returns, which begins transactions of its own. If it is cut off because a writer of this process failed and the
    /// database was opened anew beneath it, it begins once more, on the new one; a reader that this happens to too often is let go first by those
    /// who want to write.
    pub(crate) fn steady<T>(&self, mut read: impl FnMut() -> Result<T>) -> Result<T> {
        let (mut tried, mut _first) = (0, None);
        loop {
            match read() {
                Err(error) if tried < 2 * TRIES && self.is_cut_off(&error) => tried += 1,
                done => return done,
            }
            if tried == TRIES {
                _first = Some(self.hurried.enter());
            }
        }
    }

    /// Whether this is what a reader is told whose database was given up by a writer.
    fn is_cut_off(&self, error: &Error) -> bool {
        let Error::Io { source, .. } = error else { return false };
        let told = source.get_ref().and_then(|inner| inner.downcast_ref::<redb::Error>());
        matches!(told, Some(redb::Error::PreviousIo | redb::Error::DatabaseClosed)) && self.is_writer()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::RwLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use redb::TableDefinition;

    use super::super::storage::Medium;
    use super::*;

    const ONE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("one");
    const OTHER: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("other");

    /// Bytes in memory. The write that counts `left` down to 0 fails, and so do those after it until `left` is set anew.
    #[derive(Debug)]
    struct Fails {
        bytes: RwLock<Vec<u8>>,
        left: AtomicU64,
        failed: AtomicU64,
    }

    impl Fails {
        fn step(&self) -> io::Result<()> {
            let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left == Ok(1) {
                self.failed.fetch_add(1, Ordering::SeqCst);
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        }
    }

    impl Medium for Fails {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.read().unwrap().len() as u64)
        }
        fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
            let bytes = self.bytes.read().unwrap();
            out.copy_from_slice(bytes.get(at as usize..at as usize + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.step()?;
            self.bytes.write().unwrap().resize(len as usize, 0);
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            self.step()
        }
        fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
            self.step()?;
            self.bytes.write().unwrap()[at as usize..][..bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    /// Writes `round` everywhere in both tables, which takes many pages.
    fn change(database: &Database, round: u64) -> Result<()> {
        let write = database.begin_write()?;
        for definition in [ONE, OTHER] {
            let mut table = write.open_table(definition).map_err(|error| database.error(error))?;
            for key in 0..40 {
                let value = [&round.to_le_bytes()[..], &[7; 1500]].concat();
                table.insert(key, value.as_slice()).map_err(|error| database.error(error))?;
            }
        }
        write.commit().map_err(|error| database.error(error))
    }

    /// The round that both tables are of, wholly; goes through all of their pages.
    fn seen(database: &Database) -> Result<u64> {
        let read = database.begin_read()?;
        let mut rounds = Vec::new();
        for definition in [ONE, OTHER] {
            let table = read.open_table(definition).map_err(|error| database.error(error))?;
            for row in table.range::<u64>(..).map_err(|error| database.error(error))? {
                std::thread::yield_now(); // so that the others get on meanwhile
                let (_, value) = row.map_err(|error| database.error(error))?;
                rounds.push(u64::from_le_bytes(value.value()[..8].try_into().unwrap()));
            }
        }
        assert_eq!(rounds.len(), 80);
        assert!(rounds.iter().all(|round| *round == rounds[0]), "of several moments: {rounds:?}");
        Ok(rounds[0])
    }

    #[test]
    fn readers_go_on_while_writes_fail_and_the_database_is_opened_anew() {
        let medium = Arc::new(Fails { bytes: RwLock::default(), left: AtomicU64::new(0), failed: AtomicU64::new(0) });
        let database = Database::in_medium(Path::new("in memory"), Arc::clone(&medium) as Arc<dyn Medium>).unwrap();
        change(&database, 0).unwrap();
        let (over, cut_off, reads) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut last = 0;
                        while !over.load(Ordering::SeqCst) {
                            let read = || {
                                seen(&database).inspect_err(|_| {
                                    cut_off.fetch_add(1, Ordering::SeqCst);
                                })
                            };
                            let round = database.steady(read).unwrap();
                            assert!(round >= last, "{round} after {last}");
                            last = round;
                            reads.fetch_add(1, Ordering::SeqCst);
                        }
                    })
                })
                .collect();
            let (mut stored, mut refused, mut round) = (0, 0, 0);
            // Until there was enough of everything, each operation of a commit having failed several times.
            while refused < 200 || cut_off.load(Ordering::SeqCst) < 20 || reads.load(Ordering::SeqCst) < 100 {
                round += 1;
                medium.left.store(round % 37 + 1, Ordering::SeqCst);
                let changed = change(&database, round);
                medium.left.store(0, Ordering::SeqCst);
                match changed {
                    Ok(()) => stored = round,
                    Err(_) => refused += 1,
                }
                let now = database.steady(|| seen(&database)).unwrap();
                // What failed may be there, as after a crash, if it failed once all was written.
                assert!(now == stored || now == round, "{now}, and {stored} was stored before {round}");
                stored = now;
                if readers.iter().any(|reader| reader.is_finished()) {
                    break; // one has failed, and says so below
                }
            }
            over.store(true, Ordering::SeqCst);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            println!("{round} changes, {refused} refused; readers were cut off {cut_off:?} times in {reads:?}");
        });
    }
}
