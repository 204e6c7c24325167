//! What a scan has done, on disk, so that it goes on where it was stopped: by Ctrl-C, a kill or a power cut.
//!
//! JSON lines: a head that says which scan it is, then one line a file that is done, with its size and time of change
//! and its result. A torn last line (the power cut) is cut off. Only offsets are kept in memory. The file is locked while it is
//! open: two scans would cut off each other's lines.

use std::collections::HashMap;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::walk::{File, Item};
use crate::bank::Store;
use crate::error::{Error, Result};
use crate::report::json::MatchLine;

/// The version of the file, in its head.
const VERSION: u32 = 1;
/// The longest line that is read back.
const MAX_LINE: u64 = 64 << 20;
/// How much work a power cut may cost.
const SYNC_EVERY: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize)]
struct Head {
    refrain_journal: u32,
    scan: String,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// The path's own bytes in hexadecimal if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    size: u64,
    modified: Option<Duration>,
    /// The last change of the store that the answer knew of, as [`last_change`].
    store: String,
    line: MatchLine,
}

/// The journal of one scan. Shared by threads.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<Open>,
    known: HashMap<[u8; 8], (u64, u64)>,
}

#[derive(Debug)]
struct Open {
    file: fs::File,
    synced: Instant,
}

impl Journal {
    /// Opens the journal at `path` for going on, or begins it. `scan` names what is scanned and how: results are only
    /// taken over by the same scan.
    ///
    /// # Errors
    /// [`Error::Locked`] while another scan keeps its journal there, [`Error::Option`] if the file is the journal of another scan,
    /// [`Error::Format`] if it is none or of another version, [`Error::Io`].
    pub fn open(path: impl Into<PathBuf>, scan: &str) -> Result<Self> {
        let path = path.into();
        let io = |error| Error::io(&path, error);
        let mut how = OpenOptions::new();
        // What is only appended to cannot be cut on Windows, where the lock keeps others from writing anyway.
        let how = how.read(true).write(true).append(cfg!(unix)).create(true).truncate(false);
        let file = how.open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { path }),
            // A file system without locks; what is appended comes whole at least.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let mut reader = BufReader::new(file);
        let mut known = HashMap::new();
        let (mut whole, mut line) = (0, Vec::new());
        loop {
            line.clear();
            let length = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).map_err(io)? as u64;
            if line.last() != Some(&b'\n') {
                break; // the end, or what a power cut left of a line
            }
            if whole == 0 {
                check_head(&path, &line, scan)?;
            } else if let Ok(entry) = serde_json::from_slice::<Entry>(&line) {
                known.insert(key(&entry.bytes()), (whole, length));
            }
            whole += length;
        }
        let mut file = reader.into_inner();
        if whole == 0 && !line.is_empty() && !b"{\"refrain_journal\"".starts_with(&line[..line.len().min(18)]) {
            check_head(&path, &line, scan)?; // a foreign file is not overwritten
        }
        file.set_len(whole).map_err(io)?;
        file.seek(SeekFrom::Start(whole)).map_err(io)?;
        if whole == 0 {
            let head = Head { refrain_journal: VERSION, scan: scan.into() };
            write_line(&mut file, &head).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        let file = Mutex::new(Open { file, synced: Instant::now() });
        Ok(Self { path, file, known })
    }

    /// How many files it had when it was opened.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it had none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The result of a file that was done before and has not changed since.
    ///
    /// A result from before a change of the store (whose [last change](last_change) is `store`) does not count: a reference may have
    /// come that the file shows, or a person may have refused what it shows. Nor does one of another store, which may lie where
    /// an older one did.
    pub fn recorded(&self, item: &Item, store: &str) -> Option<MatchLine> {
        let file = item.found.as_ref().ok()?;
        let bytes = path_bytes(&item.path);
        let &(offset, length) = self.known.get(&key(&bytes))?;
        let mut line = vec![0; length as usize];
        {
            let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            open.file.seek(SeekFrom::Start(offset)).ok()?;
            let read = open.file.read_exact(&mut line);
            open.file.seek(SeekFrom::End(0)).ok()?;
            read.ok()?;
        }
        let entry: Entry = serde_json::from_slice(&line).ok()?;
        let same = entry.size == file.size && entry.modified == modified(file) && entry.bytes() == bytes;
        (same && entry.store == store).then_some(entry.line)
    }

    /// Keeps the result of a file. Problems that may pass (unreadable files, formats that this machine lacks the libraries for,
    /// limits that may be others the next time) are not kept: they are tried again. So is what a damaged store was asked.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn record(&self, item: &Item, store: &str, line: &MatchLine) -> Result<()> {
        let Ok(file) = &item.found else { return Ok(()) };
        if line.store_error.is_some() {
            return Ok(());
        }
        if line.error.as_ref().is_some_and(|error| matches!(error.code.as_ref(), "io" | "unsupported" | "limit")) {
            return Ok(());
        }
        let raw = item.path.to_str().is_none().then(|| hex(&path_bytes(&item.path)));
        let entry = Entry { raw, size: file.size, modified: modified(file), store: store.into(), line: line.clone() };
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let io = |error| Error::io(&self.path, error);
        write_line(&mut open.file, &entry).map_err(io)?;
        if open.synced.elapsed() > SYNC_EVERY {
            open.file.sync_data().map_err(io)?;
            open.synced = Instant::now();
        }
        Ok(())
    }
}

/// The last change that this store has seen, as a digest of its record. The number alone would not do: a store that was made anew in the
/// same place may have come to the same number, and hardly at the same time. A record that cannot be read is known by its number.
pub fn last_change(store: &Store) -> String {
    let number = store.sequence();
    let record = store.log(number).ok().and_then(|mut records| records.next()?.ok());
    let record = record.and_then(|record| serde_json::to_vec(&record).ok()).unwrap_or_default();
    let mut digest = blake3::Hasher::new();
    digest.update(&number.to_le_bytes()).update(&record);
    digest.finalize().to_hex()[..16].into()
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        self.raw.as_deref().and_then(unhex).unwrap_or_else(|| self.line.name().as_bytes().to_vec())
    }
}

fn check_head(path: &Path, line: &[u8], scan: &str) -> Result<()> {
    let format = |got: String| Error::Format {
        path: path.into(),
        expected: format!("the journal of a scan, version {VERSION}"),
        got,
    };
    match serde_json::from_slice::<Head>(line) {
        Err(_) => Err(format("another kind of file".into())),
        Ok(head) if head.refrain_journal != VERSION => Err(format(format!("version {}", head.refrain_journal))),
        Ok(head) if head.scan != scan => Err(Error::option(
            "resume",
            format!(
                "{} is the journal of another scan ({}); name another file, or delete it",
                path.display(),
                head.scan
            ),
        )),
        Ok(_) => Ok(()),
    }
}

fn write_line(file: &mut fs::File, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn modified(file: &File) -> Option<Duration> {
    file.modified?.duration_since(UNIX_EPOCH).ok()
}

fn key(bytes: &[u8]) -> [u8; 8] {
    let mut key = [0; 8];
    key.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    key
}

fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Outcome;

    fn item(path: &str, size: u64) -> Item {
        Item {
            path: path.into(),
            found: Ok(File { size, modified: Some(UNIX_EPOCH + Duration::new(7, 9)), identity: None }),
        }
    }

    fn line(path: &str) -> MatchLine {
        MatchLine::new(Path::new(path), Some("image"), Outcome::NoMatch)
    }

    #[test]
    fn it_goes_on_where_it_was_and_drops_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::open(&path, "a").unwrap();
        for (name, size) in [("x.jpg", 1), ("y.jpg", 2)] {
            assert!(journal.recorded(&item(name, size), "1").is_none());
            journal.record(&item(name, size), "1", &line(name)).unwrap();
        }
        drop(journal);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"size\":3,\"li").unwrap();
        let journal = Journal::open(&path, "a").unwrap();
        assert_eq!(journal.len(), 2);
        assert_eq!(journal.recorded(&item("x.jpg", 1), "1"), Some(line("x.jpg")));
        assert_eq!(journal.recorded(&item("y.jpg", 3), "1"), None, "it has changed");
        assert_eq!(journal.recorded(&item("x.jpg", 1), "2"), None, "a reference may have come that it shows");
        journal.record(&item("z.jpg", 4), "1", &line("z.jpg")).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path, "a").unwrap().len(), 3);
    }

    #[test]
    fn two_scans_do_not_share_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let journal = Journal::open(&path, "a").unwrap();
        journal.record(&item("x.jpg", 1), "1", &line("x.jpg")).unwrap();
        for scan in ["a", "b"] {
            assert!(matches!(Journal::open(&path, scan), Err(Error::Locked { path: named }) if named == path));
        }
        journal.record(&item("y.jpg", 2), "1", &line("y.jpg")).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path, "a").unwrap().len(), 2);
    }

    #[test]
    fn other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        drop(Journal::open(&path, "a").unwrap());
        assert!(matches!(Journal::open(&path, "b"), Err(Error::Option { .. })));
        for text in ["my letters\n", "my letters", "{}\n", "{\"refrain_journal\":9,\"scan\":\"a\"}\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Journal::open(&path, "a"), Err(Error::Format { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, "{\"refrain_jou").unwrap();
        assert!(Journal::open(&path, "a").unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf8_are_told_apart() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let named = |bytes: &[u8]| Item { path: OsStr::from_bytes(bytes).into(), ..item("", 5) };
        let journal = Journal::open(&path, "a").unwrap();
        let odd = named(b"\xFF.jpg");
        journal.record(&odd, "1", &MatchLine::new(&odd.path, None, Outcome::NoMatch)).unwrap();
        drop(journal);
        let journal = Journal::open(&path, "a").unwrap();
        assert!(journal.recorded(&odd, "1").is_some());
        assert!(journal.recorded(&named(b"\xFE.jpg"), "1").is_none());
    }
}
