//! Where parts are kept: a folder, or anything else that can do what a folder does.
//!
//! Other storages are for tests that make writes fail, and for media that are no file system.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::map::Mapped;

/// Names to bytes, with the operations that a commit needs.
pub trait Storage: Send + Sync + Debug {
    /// Begins a file under a name that is not in use.
    ///
    /// # Errors
    /// What the medium says; so it is with all of these.
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>>;
    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// As above.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes names, not contents, durable.
    ///
    /// # Errors
    /// As above.
    fn sync(&self) -> io::Result<()>;
    /// Forgets a name. Bytes that were opened before stay readable if the medium can do that; if it refuses instead,
    /// the file stays until a later sweep.
    ///
    /// # Errors
    /// As above.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// All names.
    ///
    /// # Errors
    /// As above.
    fn list(&self) -> io::Result<Vec<String>>;
    /// The bytes of a file.
    ///
    /// # Errors
    /// As above.
    fn open(&self, name: &str) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>>;
    /// A way through a file from its first byte to its last that leaves it in memory, where [`Self::open`] does not bring it there
    /// already; `None` where it does.
    ///
    /// # Errors
    /// As above.
    fn through(&self, name: &str) -> io::Result<Option<Box<dyn Read>>> {
        let _ = name;
        Ok(None)
    }
    /// A name as errors should print it.
    fn path(&self, name: &str) -> PathBuf;
}

/// A file that is being written.
pub trait Sink: Write {
    /// Makes the contents durable.
    ///
    /// # Errors
    /// What the medium says.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that a database lives in, for databases that live in no file.
#[allow(clippy::len_without_is_empty)] // a medium is never asked that
pub trait Medium: Send + Sync + Debug + 'static {
    /// Bytes.
    ///
    /// # Errors
    /// What the medium says; so it is with all of these.
    fn len(&self) -> io::Result<u64>;
    /// Fills `out` with what lies at `at`.
    ///
    /// # Errors
    /// As above.
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()>;
    /// Cuts off, or adds zeros.
    ///
    /// # Errors
    /// As above.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes everything durable.
    ///
    /// # Errors
    /// As above.
    fn sync(&self) -> io::Result<()>;
    /// Writes at `at`, within the length.
    ///
    /// # Errors
    /// As above.
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
}

/// A [`Medium`] as redb wants it.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<dyn Medium>);

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// A folder of a file system; its files are mapped.
#[derive(Debug, Clone)]
pub(super) struct Folder(pub(super) PathBuf);

impl Storage for Folder {
    fn create(&self, name: &str) -> io::Result<Box<dyn Sink>> {
        make_folder(&self.0)?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(self.0.join(name))?;
        Ok(Box::new(FileSink { file, waiting: Vec::with_capacity(PIECE) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync(&self) -> io::Result<()> {
        sync_folder(&self.0)?;
        // Its own name as well: whoever made the folder may have been killed before it was durable.
        sync_holder(&self.0)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
        Ok(Box::new(Mapped::new(&File::open(self.0.join(name))?)?))
    }

    fn through(&self, name: &str) -> io::Result<Option<Box<dyn Read>>> {
        Ok(Some(Box::new(File::open(self.0.join(name))?)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// A file that is written in whole pieces of [`PIECE`].
struct FileSink {
    file: File,
    waiting: Vec<u8>,
}

/// Bytes that are written at once, at multiples of as many: what comes to lie in the system's cache in one piece it can map as
/// one large page, so that a search of a large part spends less of its time on finding pages.
const PIECE: usize = 1 << 21;

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = &bytes[..bytes.len().min(PIECE - self.waiting.len())];
        self.waiting.extend_from_slice(now);
        if self.waiting.len() == PIECE {
            self.flush()?;
        }
        Ok(now.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

impl Sink for FileSink {
    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_all()
    }
}

/// Makes the names in `folder` durable, where the system has a way to.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    tests::SYNCED.with_borrow_mut(|synced| synced.push(folder.to_path_buf()));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Makes the name of `folder` durable in the folder that holds it, unless this one may not be opened.
pub(crate) fn sync_holder(folder: &Path) -> io::Result<()> {
    match sync_folder(holder(folder)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// What tells a file from another that takes its name; `None` if there is none, and where the system does not tell.
#[cfg(unix)]
pub(crate) fn identity(found: io::Result<fs::Metadata>) -> Option<[u64; 2]> {
    use std::os::unix::fs::MetadataExt;
    found.ok().map(|found| [found.dev(), found.ino()])
}

#[cfg(not(unix))]
pub(crate) fn identity(_: io::Result<fs::Metadata>) -> Option<[u64; 2]> {
    None
}

/// The folder that holds the name of `folder`.
fn holder(folder: &Path) -> &Path {
    match folder.parent() {
        Some(holder) if holder.as_os_str().is_empty() => Path::new("."),
        Some(holder) => holder,
        None => folder,
    }
}

/// Makes `folder` and what is missing above it; every name that is made is durable.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let made = match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && holder(folder) != folder => {
            make_folder(holder(folder))?;
            fs::create_dir(folder)
        }
        made => made,
    };
    match made {
        Ok(()) => sync_holder(folder),
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives `fresh`, which was made whole, the name `file`, unless something has that name. `fresh` is gone afterwards, or may be swept.
pub(crate) fn put_in_place(fresh: &Path, file: &Path) -> io::Result<()> {
    put_with(|from, to| fs::hard_link(from, to), fresh, file)
}

fn put_with(link: impl FnOnce(&Path, &Path) -> io::Result<()>, fresh: &Path, file: &Path) -> io::Result<()> {
    let put = match link(fresh, file) {
        Ok(()) => Ok(()),
        // Somebody else was quicker, and may have swept this one away.
        Err(_) if file.exists() => Ok(()),
        // Without links, of which file systems tell by many an error, the last of two that make the file at once wins.
        Err(_) => fs::rename(fresh, file),
    };
    let _ = fs::remove_file(fresh);
    put
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::path::PathBuf;

    use super::*;

    thread_local! {
        /// Folders whose names this thread has made durable, so that tests see that it is done: no test can cut the power.
        pub(crate) static SYNCED: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
    }

    /// The folders that were synced since the last call.
    pub(crate) fn synced() -> Vec<PathBuf> {
        SYNCED.take()
    }

    #[test]
    fn a_file_takes_its_place_with_and_without_links_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let (fresh, file) = (folder.path().join("fresh"), folder.path().join("file"));
        // As vfat, others, and one that has links say it.
        let refusals = [Some(io::ErrorKind::PermissionDenied), Some(io::ErrorKind::Unsupported), None];
        for refused in refusals {
            let link =
                |from: &Path, to: &Path| refused.map_or_else(|| fs::hard_link(from, to), |kind| Err(kind.into()));
            for (text, stands) in [("first", "first"), ("second", "first")] {
                fs::write(&fresh, text).unwrap();
                put_with(link, &fresh, &file).unwrap();
                assert_eq!(fs::read_to_string(&file).unwrap(), stands, "{refused:?}");
                assert!(!fresh.exists());
            }
            put_with(link, &fresh, &file).unwrap();
            fs::remove_file(&file).unwrap();
            assert!(put_with(link, &fresh, &file).is_err(), "there is neither");
        }
    }

    #[test]
    fn every_name_on_the_way_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        make_folder(&root.join("a/b/c")).unwrap();
        assert_eq!(synced(), [root.to_path_buf(), root.join("a"), root.join("a/b")]);
        make_folder(&root.join("a/b")).unwrap();
        assert!(synced().is_empty(), "nothing was made");
        let parts = Folder(root.join("store/parts"));
        parts.create("x").unwrap().sync().unwrap();
        assert_eq!(synced(), [root.to_path_buf(), root.join("store")]);
        parts.rename("x", "y").unwrap();
        parts.sync().unwrap();
        assert_eq!(synced(), [root.join("store/parts"), root.join("store")]);
        fs::write(root.join("file"), "").unwrap();
        assert!(make_folder(&root.join("file")).is_err() && make_folder(&root.join("file/x")).is_err());
        assert_eq!((holder(Path::new("x")), holder(Path::new("/"))), (Path::new("."), Path::new("/")));
    }
}
