//! What of redb may panic while it is dropped.
//!
//! redb may panic on a file that was altered behind its back, and what it has open then panics once more as it is dropped, because of
//! a lock that the first panic left poisoned. Within an unwinding thread that ends the process.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A database, a transaction or a table whose end is never felt: that it panics once more says nothing new.
pub(crate) struct Quiet<T>(Option<T>);

impl<T> Quiet<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(Some(inner))
    }

    /// What is in it, no longer held.
    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("only dropping takes it")
    }
}

impl<T> Deref for Quiet<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("only dropping takes it")
    }
}

impl<T> DerefMut for Quiet<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("only dropping takes it")
    }
}

impl<T> Drop for Quiet<T> {
    fn drop(&mut self) {
        let inner = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(inner)));
    }
}

/// Lets go of what holds a database as a killed process would: redb writes nothing while a thread unwinds, where closing the database
/// would commit once more. Waits `patience` for others that hold it; what they hold then is never closed.
pub(super) fn abandon<T>(mut held: Arc<T>, patience: Duration) {
    let since = Instant::now();
    loop {
        match Arc::try_unwrap(held) {
            Ok(inner) => {
                let _ = catch_unwind(AssertUnwindSafe(move || {
                    let _inner = Quiet::new(inner);
                    resume_unwind(Box::new("let go"))
                }));
                return;
            }
            Err(still) if since.elapsed() < patience => held = still,
            Err(still) => return std::mem::forget(still),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
