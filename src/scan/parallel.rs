//! Work on many items in parallel, results in the order of the input, a bounded number of them in memory.
//!
//! One slow item (a long film) holds back neither the others' work nor their progress, only the order of the output,
//! until the window is full.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

use crate::cancel::Cancel;
use crate::error::Error;

const MOST_THREADS: usize = 512;

/// How [`ordered`] runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parallel {
    /// Threads, at most 512; 0 takes one for each core.
    pub threads: usize,
    /// Items that may be started before the oldest unfinished one is done, at least 1.
    pub window: usize,
    /// Stops the work: items that have not been started are left out.
    pub cancel: Cancel,
}

impl Default for Parallel {
    fn default() -> Self {
        Self { threads: 0, window: 1024, cancel: Cancel::new() }
    }
}

impl Parallel {
    /// Threads of a pool, as rayon counts them.
    pub(crate) fn pool(&self) -> usize {
        self.threads.min(MOST_THREADS)
    }

    /// Threads that each of so few items may use for itself: a single film all of them, as many films as threads one each.
    pub fn share(&self, items: usize) -> usize {
        let threads = match self.pool() {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            threads => threads,
        };
        (threads / items.max(1)).max(1)
    }
}

/// Runs `work` on every item, on a pool of its own. `done` sees each result as soon as it is there, in any order; `sink`
/// takes them in the order of `items`. Both run on the calling thread. An error from either ends the work.
///
/// After a cancellation, the results that are finished still reach `done` and `sink`, in order.
///
/// # Errors
/// Whatever `done` or `sink` return; [`Error::Cancelled`] if the flag was set before every item was done;
/// [`Error::Io`] if no threads can be had.
pub fn ordered<I: Sync, T: Send, E: From<Error>>(
    how: &Parallel,
    items: &[I],
    work: impl Fn(&I) -> T + Sync,
    mut done: impl FnMut(&I, &T) -> Result<(), E>,
    mut sink: impl FnMut(&I, T) -> Result<(), E>,
) -> Result<(), E> {
    type Finished<T> = (usize, Option<Result<T, Box<dyn Any + Send>>>);
    let pool = rayon::ThreadPoolBuilder::new()
        // No more than have something to do: making thousands of them takes longer than the work.
        .num_threads(how.pool().min(items.len().max(1)))
        .build()
        .map_err(|error| Error::io("threads", std::io::Error::other(error)))?;
    let stop = Cancel::new(); // set when `done` or `sink` fail; the caller's flag is not ours to set
    let (send, receive) = mpsc::channel::<Finished<T>>();
    let (work, stop, cancel) = (&work, &stop, &how.cancel);
    pool.in_place_scope_fifo(|scope| {
        let mut waiting: BTreeMap<usize, Option<T>> = BTreeMap::new();
        let (mut started, mut finished, mut emitted) = (0, 0, 0);
        let mut left_out = false;
        let mut outcome = Ok(());
        loop {
            while started < items.len() && started - emitted < how.window.max(1) && !cancel.is_cancelled() {
                if outcome.is_err() {
                    break;
                }
                let (index, send) = (started, send.clone());
                scope.spawn_fifo(move |_| {
                    let skip = stop.is_cancelled() || cancel.is_cancelled();
                    let result = (!skip).then(|| catch_unwind(AssertUnwindSafe(|| work(&items[index]))));
                    let _ = send.send((index, result)); // the receiver lives until every task has been heard
                });
                started += 1;
            }
            if finished == started {
                break;
            }
            let Ok((index, result)) = receive.recv() else { break };
            finished += 1;
            let result = result.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)));
            left_out |= result.is_none();
            if let (Ok(()), Some(result)) = (&outcome, &result) {
                outcome = done(&items[index], result);
            }
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&emitted) {
                if let (Ok(()), Some(result)) = (&outcome, result) {
                    outcome = sink(&items[emitted], result);
                }
                emitted += 1;
            }
            if outcome.is_err() {
                stop.cancel();
            }
        }
        match outcome {
            Ok(()) if left_out || started < items.len() => Err(Error::Cancelled.into()),
            other => other,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_the_window_holds() {
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        let items: Vec<usize> = (0..500).collect();
        let emitted = AtomicUsize::new(0);
        let (mut seen, mut out) = (0, vec![]);
        let how = Parallel { threads: 4, window: 16, ..Parallel::default() };
        ordered(
            &how,
            &items,
            |&item| {
                assert!(item - emitted.load(SeqCst) <= 16);
                if item % 7 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                item * 2
            },
            |_, _| {
                seen += 1;
                Ok::<_, Error>(())
            },
            |_, result| {
                out.push(result);
                emitted.store(out.len(), SeqCst);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, 500);
        assert_eq!(out, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn few_items_share_the_threads() {
        let how = Parallel { threads: 8, ..Parallel::default() };
        assert_eq!([0, 1, 2, 3, 8, 1000].map(|items| how.share(items)), [8, 8, 4, 2, 1, 1]);
        assert!(Parallel::default().share(1) >= 1);
    }

    #[test]
    fn cancelling_keeps_what_is_done() {
        let items: Vec<usize> = (0..1000).collect();
        let cancel = Cancel::new();
        let how = Parallel { threads: 2, window: 64, cancel: cancel.clone() };
        let mut out = vec![];
        let result = ordered(
            &how,
            &items,
            |&item| {
                if item == 100 {
                    cancel.cancel();
                }
                item
            },
            |_, _| Ok::<_, Error>(()),
            |_, item| {
                out.push(item);
                Ok(())
            },
        );
        assert!(matches!(result, Err(Error::Cancelled)));
        assert!(out.len() >= 100 && out.len() < 300 && out.is_sorted(), "{}", out.len());
    }

    #[test]
    fn an_error_of_the_sink_ends_the_work() {
        let items: Vec<usize> = (0..1000).collect();
        let result = ordered(
            &Parallel::default(),
            &items,
            |&item| item,
            |_, _| Ok::<_, Error>(()),
            |_, item| if item == 10 { Err(Error::option("sink", "enough")) } else { Ok(()) },
        );
        assert!(matches!(result, Err(Error::Option { .. })));
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_reaches_the_caller() {
        let ok = |_: &i32, ()| Ok::<_, Error>(());
        let _ = ordered(&Parallel::default(), &[1, 2, 3], |_| panic!("on purpose"), |_, ()| Ok(()), ok);
    }
}
