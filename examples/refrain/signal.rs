//! Ctrl-C and SIGTERM: the first asks the work to stop, the second ends the process at once.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, process, thread};

use refrain::scan::Cache;
use refrain::{Cancel, Error};

use crate::{Exit, out};

/// How long decoders have to stop.
const PATIENCE: Duration = Duration::from_millis(600);

/// A flag that SIGINT and SIGTERM set.
pub fn cancel_on_interrupt() -> Cancel {
    on_interrupt(|| {})
}

/// Work whose results are worth something however suddenly it ends: a decoder that does not look at the flag, as those of a
/// very large picture, does not keep the process alive.
pub struct Breakable {
    cancel: Cancel,
    over: Arc<AtomicBool>,
}

impl Breakable {
    /// From here on until [`Breakable::over`]. What the cache holds in memory is written before the process ends.
    pub fn begin(cache: Option<&Arc<Cache>>) -> Self {
        let cache = cache.map(Arc::downgrade); // the handler lives on, and the cache is to be closed before
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let cancel = on_interrupt(move || {
            let (ended, cache) = (ended.clone(), cache.clone());
            thread::spawn(move || {
                thread::sleep(PATIENCE);
                if ended.load(Ordering::Acquire) {
                    return;
                }
                if let Some(cache) = cache.and_then(|cache| cache.upgrade()) {
                    cache.flush();
                }
                let _whole_lines = io::stdout().lock();
                out::tell("interrupted amid a file that takes long to decode");
                process::exit(Exit::Interrupted as i32);
            });
        });
        Self { cancel, over }
    }

    /// The flag.
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Nothing is decoded any more: what is left is to be written whole.
    pub fn over(&self) {
        self.over.store(true, Ordering::Release);
    }
}

/// A signal that comes while input is waited for ends the process: nothing is lost, and nothing looks at the flag.
pub struct Waiting;

static WAITING: AtomicBool = AtomicBool::new(false);

impl Waiting {
    pub fn begin() -> Self {
        WAITING.store(true, Ordering::Release);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.store(false, Ordering::Release);
    }
}

/// Input that nobody has to wait for: a signal while nothing comes ends the process.
pub struct Patient(Box<dyn Read + Send>);

impl Patient {
    /// A file, a pipe, or for `-` standard input.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self(Box::new(io::stdin())));
        }
        let _waiting = Waiting::begin(); // a pipe opens once somebody writes
        File::open(path).map(|file| Self(Box::new(file))).map_err(|error| Error::io(path, error))
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let _waiting = Waiting::begin();
        self.0.read(buffer)
    }
}

fn on_interrupt(then: impl Fn() + Send + 'static) -> Cancel {
    let cancel = Cancel::new();
    let flag = cancel.clone();
    let set = ctrlc::set_handler(move || {
        if flag.is_cancelled() || WAITING.load(Ordering::Acquire) {
            process::exit(Exit::Interrupted as i32);
        }
        flag.cancel();
        out::tell("stopping (press Ctrl-C again to stop at once)");
        then();
    });
    if let Err(error) = set {
        out::tell(format_args!("Ctrl-C will not be handled: {error}"));
    }
    cancel
}
