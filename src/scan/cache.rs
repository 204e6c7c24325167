//! Fingerprints of files that have been read before, so that a second scan only reads what changed.
//!
//! Keyed by the file's path, size and time of change, or by a checksum of its content where that is asked for, and by how
//! it was fingerprinted. It is a cache: whatever is wrong
//! with it, it is begun anew or done without, never an error of a scan. The paths themselves are not kept, only digests.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};
use std::{env, fs};

use redb::{Database, ReadableDatabase, TableDefinition};

use super::guarded;
use super::place::with_real_place;
use super::walk::Item;
use crate::error::{Error, Result};
use crate::fingerprint::{self, Fingerprint, Media, Options};

const TABLE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("fingerprints");
/// A cache that has grown past this many bytes is begun anew.
const MAX_BYTES: u64 = 4 << 30;
/// Memory for pages of the database.
const PAGES: usize = 16 << 20;
/// So many bytes wait in memory before they are written.
const WRITE_AT: usize = 4 << 20;
/// Nothing waits longer than this.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// Under what a fingerprint is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub(crate) [u8; 32]);

/// A key in the making. Bytes are collected before they are digested, since many at once take a fraction of the time.
pub(crate) struct Digest {
    done: blake3::Hasher,
    waiting: Vec<u8>,
}

impl Digest {
    /// What every key begins with: what is kept, and how media are fingerprinted.
    pub(crate) fn new(options: &Options, what: &[u8]) -> Self {
        let how = format!("{:?} {:?} {:?} {}", options.views, options.sampling, options.limits, options.algorithm);
        let mut digest = Self { done: blake3::Hasher::new(), waiting: Vec::with_capacity(1 << 10) };
        digest.put(&[fingerprint::VERSION]);
        digest.put(env!("CARGO_PKG_VERSION").as_bytes());
        digest.put(&fingerprint::RECIPE.to_le_bytes());
        digest.part(what);
        digest.part(how.as_bytes());
        digest
    }

    /// Bytes that cannot be taken for a part of what comes before or after them.
    pub(crate) fn part(&mut self, bytes: &[u8]) {
        self.put(&(bytes.len() as u64).to_le_bytes());
        self.put(bytes);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= 1 << 16 {
            self.done.update(&self.waiting);
            self.waiting.clear();
        }
    }

    /// Where a file really lies, its size and time of change; `None` if the file system does not say.
    pub(crate) fn place(&mut self, item: &Item) -> Option<()> {
        with_real_place(&item.path, |folder, name| {
            self.part(folder.as_os_str().as_encoded_bytes());
            self.part(name);
        })?;
        self.state(item)
    }

    /// Where the folder of a file really lies.
    pub(crate) fn folder(&mut self, item: &Item) -> Option<()> {
        with_real_place(&item.path, |folder, _| self.part(folder.as_os_str().as_encoded_bytes()))
    }

    /// A file's size and time of change.
    pub(crate) fn state(&mut self, item: &Item) -> Option<()> {
        let file = item.found.as_ref().ok()?;
        let modified = file.modified?.duration_since(UNIX_EPOCH).ok()?;
        self.put(&file.size.to_le_bytes());
        self.put(&modified.as_nanos().to_le_bytes());
        Some(())
    }

    pub(crate) fn key(&self) -> Key {
        Key(*self.done.clone().update(&self.waiting).finalize().as_bytes())
    }
}

/// Fingerprints of files that have been read before. Shared by threads.
pub struct Cache {
    path: PathBuf,
    by_checksum: bool,
    database: Database,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    entries: Vec<([u8; 32], Vec<u8>)>,
    bytes: usize,
    since: Instant,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self { entries: Vec::new(), bytes: 0, since: Instant::now() }
    }
}

impl Cache {
    /// The folder for caches of this user: `REFRAIN_CACHE`, or `refrain` in the system's place for such. `None` if
    /// there is no such place.
    pub fn default_dir() -> Option<PathBuf> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if let Some(dir) = env::var_os("REFRAIN_CACHE").filter(|dir| !dir.is_empty()) {
            return Some(dir.into());
        }
        let place = if cfg!(windows) {
            absolute("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            absolute("HOME").map(|home| home.join("Library/Caches"))
        } else {
            absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        };
        place.map(|place| place.join("refrain"))
    }

    /// Opens the cache in a folder, and begins it anew if it is damaged, of another version, or too large.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process uses it; [`Error::Io`] if the folder cannot be written.
    pub fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|error| Error::io(dir, error))?;
        let path = dir.join("fingerprints.redb");
        if fs::metadata(&path).is_ok_and(|meta| meta.len() > MAX_BYTES) {
            fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
        }
        let open = || guarded(|| database(&path));
        let database = match open() {
            Err(error @ Error::Locked { .. }) => return Err(error),
            Err(_) => {
                fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
                open()?
            }
            Ok(database) => database,
        };
        Ok(Self { path, by_checksum: false, database, waiting: Mutex::default() })
    }

    /// Goes by what files hold instead of by path, size and time of change: every file is read whole, but only those
    /// whose content is new are decoded, whatever they are called.
    #[must_use]
    pub fn by_checksum(mut self, by_checksum: bool) -> Self {
        self.by_checksum = by_checksum;
        self
    }

    /// Under what a file's fingerprint is kept; `None` if the file system does not say when it was changed, or it cannot
    /// be read.
    pub fn key(&self, item: &Item, options: &Options) -> Option<Key> {
        self.key_of(item, options, b"whole")
    }

    /// Under what is kept what is known of a film that was not decoded whole.
    pub(crate) fn glance_key(&self, item: &Item, options: &Options) -> Option<Key> {
        self.key_of(item, options, b"parts, the inner picture by time")
    }

    fn key_of(&self, item: &Item, options: &Options, what: &[u8]) -> Option<Key> {
        let mut digest = Digest::new(options, what);
        if self.by_checksum {
            item.found.as_ref().ok()?;
            digest.part(b"content");
            digest.part(&checksum(&item.path, options).ok()?);
        } else {
            digest.place(item)?;
        }
        Some(digest.key())
    }

    /// Whether files are known by what they hold.
    pub(crate) fn is_by_checksum(&self) -> bool {
        self.by_checksum
    }

    /// The fingerprint that was put in under this key.
    pub fn get(&self, key: &Key) -> Option<Fingerprint> {
        self.read(key, |bytes| Fingerprint::from_bytes(bytes).ok())
    }

    /// What was put in under this key, as long as it is whole.
    pub(crate) fn read<T>(&self, key: &Key, decode: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let read = || -> Result<Option<T>, redb::Error> {
            let table = self.database.begin_read()?.open_table(TABLE)?;
            let Some(value) = table.get(&key.0)? else { return Ok(None) };
            Ok(unsealed(value.value()).and_then(&decode))
        };
        guarded(|| Ok(read().ok().flatten())).ok().flatten()
    }

    /// Keeps the fingerprint of a file, unless it is longer than [`MAX_BYTES`](fingerprint::MAX_BYTES): such a film is decoded anew each time.
    pub fn put(&self, key: Key, fingerprint: &Fingerprint) {
        if let Ok(bytes) = fingerprint.to_bytes() {
            self.put_bytes(key, bytes);
        }
    }

    /// Keeps anything else.
    pub(crate) fn put_bytes(&self, key: Key, bytes: Vec<u8>) {
        let full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.bytes += bytes.len();
            waiting.entries.push((key.0, sealed(bytes)));
            waiting.bytes > WRITE_AT || waiting.since.elapsed() > WRITE_EVERY
        };
        if full {
            self.write();
        }
    }

    /// Writes what waits. A failure (the disk is full) only means that the file is read again next time.
    fn write(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.entries.is_empty() {
            return;
        }
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for (key, value) in &waiting.entries {
                    table.insert(key, value.as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        };
        let _ = guarded(|| Ok(write().is_ok()));
    }

    /// Writes what waits in memory; so does dropping the cache.
    pub fn flush(&self) {
        self.write();
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.write();
    }
}

fn database(path: &Path) -> Result<Database> {
    let failed = |error: redb::Error| match error {
        redb::Error::DatabaseAlreadyOpen => Error::Locked { path: path.into() },
        redb::Error::Io(source) if source.kind() != std::io::ErrorKind::InvalidData => Error::io(path, source),
        other => Error::corrupt(path, other.to_string()),
    };
    let database = Database::builder().set_cache_size(PAGES).create(path).map_err(|error| failed(error.into()))?;
    let make = || -> Result<(), redb::Error> {
        match database.begin_read()?.open_table(TABLE) {
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            there => return Ok(there.map(drop)?),
        }
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        Ok(transaction.commit()?)
    };
    make().map_err(failed)?;
    Ok(database)
}

/// The checksum of a regular file's content.
fn checksum(path: &Path, options: &Options) -> Result<[u8; 32]> {
    let mut reader = Media::file(path).reader(&options.limits)?;
    let (mut digest, mut buffer) = (blake3::Hasher::new(), vec![0; 1 << 16]);
    loop {
        options.cancel.check()?;
        match reader.read(&mut buffer).map_err(|error| Error::io(path, error))? {
            0 => return Ok(*digest.finalize().as_bytes()),
            some => _ = digest.update(&buffer[..some]),
        }
    }
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let seal = blake3::hash(&bytes);
    bytes.splice(0..0, seal.as_bytes()[..8].iter().copied());
    bytes
}

fn unsealed(value: &[u8]) -> Option<&[u8]> {
    let (seal, bytes) = value.split_at_checked(8)?;
    (blake3::hash(bytes).as_bytes()[..8] == *seal).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;
    use crate::fingerprint::{Sampling, ViewSet};
    use crate::hash::{Format, Pixels};
    use crate::scan::{Patterns, walk};

    fn item(path: &Path) -> Item {
        walk(&[path.into()], &Patterns::default(), &Cancel::new()).unwrap().items.remove(0)
    }

    fn print() -> Fingerprint {
        let data: Vec<u8> = (0..64 * 64).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let pixels = Pixels::new(&data, 64, 64, 64, Format::Luma8).unwrap();
        Fingerprint::Image(fingerprint::ImageFingerprint::of_pixels(&pixels))
    }

    fn get(cache: &Cache, path: &Path, options: &Options) -> Option<Fingerprint> {
        cache.get(&cache.key(&item(path), options)?)
    }

    #[test]
    fn a_file_is_found_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        fs::write(&path, "first").unwrap();
        let (print, options) = (print(), Options::default());
        let cache = Cache::open(&dir.path().join("cache")).unwrap();
        assert!(get(&cache, &path, &options).is_none());
        cache.put(cache.key(&item(&path), &options).unwrap(), &print);
        drop(cache);
        let cache = Cache::open(&dir.path().join("cache")).unwrap();
        assert_eq!(get(&cache, &path, &options), Some(print));
        let other = Options { views: ViewSet::Thorough, sampling: Sampling::Keyframes, ..Options::default() };
        assert!(get(&cache, &path, &other).is_none());
        fs::write(&path, "second").unwrap();
        assert!(get(&cache, &path, &options).is_none());
        assert!(matches!(Cache::open(&dir.path().join("cache")), Err(Error::Locked { .. })));
    }

    #[test]
    fn a_long_film_is_kept_with_all_that_a_query_needs() {
        use crate::fingerprint::{DetailHash, FrameHash, Role, VideoFingerprint, View};
        use crate::hash::Hash;
        use crate::hash::pdq::Orientations;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.mp4");
        fs::write(&path, "two hours").unwrap();
        let frame = |at: u32| {
            let hash = |salt: u8| Hash([at as u8 ^ salt; 32]);
            let known = Box::new(Orientations::new(hash(0), hash(1), hash(2), hash(3)));
            let detail = DetailHash { hash: hash(4), orientations: Some(known.clone()) };
            let whole = FrameHash::of_hashes(f64::from(at) / 19.0, Role::Cover, View::Full, hash(0), None);
            FrameHash { orientations: Some(known), detail: Some(detail), ..whole }
        };
        let print = Fingerprint::Video(VideoFingerprint::of_frames(7200.0, (0..130_000).map(frame).collect()));
        let (options, cache) = (Options::default(), Cache::open(&dir.path().join("cache")).unwrap());
        cache.put(cache.key(&item(&path), &options).unwrap(), &print);
        cache.write();
        assert!(get(&cache, &path, &options) == Some(print));
    }

    #[test]
    fn by_checksum_only_the_content_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a.jpg"), dir.path().join("b.jpg"));
        fs::write(&a, "first").unwrap();
        fs::write(&b, "first").unwrap();
        let (print, options) = (print(), Options::default());
        let cache = Cache::open(&dir.path().join("cache")).unwrap().by_checksum(true);
        cache.put(cache.key(&item(&a), &options).unwrap(), &print);
        cache.write();
        assert_eq!(get(&cache, &b, &options), Some(print), "another name, the same content");
        // the same name, size and time, but other content
        let before = fs::metadata(&a).unwrap().modified().unwrap();
        fs::write(&a, "FIRST").unwrap();
        fs::File::options().append(true).open(&a).unwrap().set_modified(before).unwrap();
        assert_eq!(get(&cache, &a, &options), None);
    }

    #[test]
    fn a_damaged_cache_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.jpg");
        fs::write(&file, "x").unwrap();
        for damage in [&b""[..], b"rubbish", &[0xA5; 100_000]] {
            fs::write(dir.path().join("fingerprints.redb"), damage).unwrap();
            let cache = Cache::open(dir.path()).unwrap();
            cache.put(cache.key(&item(&file), &Options::default()).unwrap(), &print());
            cache.write();
            assert!(get(&cache, &file, &Options::default()).is_some());
        }
        let file = dir.path().join("fingerprints.redb");
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[64..middle].fill(0x5A);
        fs::write(&file, bytes).unwrap();
        drop(Cache::open(dir.path()).unwrap());
    }
}
