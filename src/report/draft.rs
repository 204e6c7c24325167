//! A file that is there once it is whole, in the place of one that was there before.
//!
//! It is written beside its place under a name that nobody has, and takes the place in one step. Links are followed, so that a
//! link stays one. What is no regular file (a pipe, a terminal, a device) cannot be replaced and is written into as it comes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// The longest chain of links that is followed, as Linux has it.
const MOST_LINKS: usize = 40;
/// Names that are tried: one is only taken if a killed process of the same number left it.
const MOST_NAMES: usize = 1000;

/// A file that is being written. Unless it is [finished](Draft::finish), it leaves everything as it was.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<File>,
    /// As the caller named it.
    name: PathBuf,
    /// Where it is written, and its place; `None` if it is written where it stays.
    part: Option<(PathBuf, PathBuf)>,
}

impl Draft {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written there, so that this is known before long work.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let name = path.into();
        let begun = match fs::metadata(&name) {
            Ok(there) if !there.is_file() => File::options().write(true).open(&name).map(|file| (file, None)),
            _ => place(&name).and_then(|place| {
                let (file, part) = beside(folder(&place), false)?;
                Ok((file, Some((part, place))))
            }),
        };
        match begun {
            Ok((file, part)) => Ok(Self { file: BufWriter::new(file), name, part }),
            Err(error) => Err(Error::io(name, error)),
        }
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// [`Error::Io`]; what was there before stays.
    pub fn finish(mut self) -> Result<()> {
        self.put().map_err(|error| Error::io(&self.name, error))
    }

    fn put(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Some((part, place)) = &self.part {
            let file = self.file.get_ref();
            if let Ok(before) = fs::metadata(place) {
                let _ = file.set_permissions(before.permissions()); // who might read it may go on
            }
            file.sync_all()?;
            fs::rename(part, place)?;
            self.part = None;
        }
        Ok(())
    }

    /// A file for what is gathered on the way to this one: beside it, or among the system's temporary files if this is no file that
    /// others could lie beside.
    pub(super) fn scratch(&self) -> Result<Scratch> {
        let folder = match &self.part {
            Some((part, _)) => folder(part).to_path_buf(),
            None => std::env::temp_dir(),
        };
        let (file, path) = beside(&folder, true).map_err(|error| Error::io(&self.name, error))?;
        Ok(Scratch { file: BufWriter::new(file), path })
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.part {
            let _ = fs::remove_file(part); // what is not whole is nothing
        }
    }
}

/// A file that is gone when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Scratch {
    /// What was written, from the begin.
    pub(super) fn read(&mut self) -> io::Result<impl Read + '_> {
        self.file.flush()?;
        let mut file = self.file.get_ref();
        file.rewind()?;
        Ok(file)
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Where a path leads, whether or not something is there.
fn place(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&place) {
            Ok(target) => place = place.parent().unwrap_or(Path::new("")).join(target),
            Err(_) if place.file_name().is_none() || is_folder(&place) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Err(_) => return Ok(place),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Whether a path names a folder by its end.
fn is_folder(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::is_separator)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in a folder under a name that nothing has.
fn beside(folder: &Path, private: bool) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut how = OpenOptions::new();
    how.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut how, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    let mut tries = 0..MOST_NAMES;
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".refrain-{}-{count}.part", process::id()));
        match how.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries.next().is_some() => {}
            opened => return opened.map(|file| (file, path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    }

    fn write(path: &Path, text: &str) -> Result<()> {
        let mut draft = Draft::create(path)?;
        draft.write_all(text.as_bytes()).unwrap();
        draft.finish()
    }

    #[test]
    fn it_is_there_once_it_is_whole_and_takes_nothing_that_is_anothers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        for name in ["a.txt", "a.txt.part", "a.txt.page"] {
            fs::write(dir.path().join(name), "mine").unwrap();
        }
        let mut draft = Draft::create(&path).unwrap();
        draft.write_all(b"half").unwrap();
        let mut scratch = draft.scratch().unwrap();
        scratch.write_all(b"gathered").unwrap();
        let mut text = String::new();
        scratch.read().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("gathered", "mine"));
        drop((draft, scratch));
        assert_eq!((names(dir.path()).len(), fs::read_to_string(&path).unwrap().as_str()), (3, "mine"));
        write(&path, "whole").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        for name in ["a.txt.part", "a.txt.page"] {
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "mine");
        }
        assert_eq!(names(dir.path()), ["a.txt", "a.txt.page", "a.txt.part"]);
        for bad in [
            dir.path().to_path_buf(),
            dir.path().join("no/where"),
            dir.path().join(".."),
            dir.path().join("new/"),
            "".into(),
        ] {
            assert!(matches!(Draft::create(&bad), Err(Error::Io { path, .. }) if path == bad));
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("sub/c", dir.path().join("b")).unwrap(); // which leads to nothing yet
        for text in ["new", "newer"] {
            write(&dir.path().join("a"), text).unwrap();
            assert_eq!(fs::read_link(dir.path().join("a")).unwrap(), Path::new("b"));
            assert!(fs::symlink_metadata(dir.path().join("sub/c")).unwrap().is_file());
            assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), text);
        }
        symlink("loop", dir.path().join("loop")).unwrap();
        assert!(Draft::create(dir.path().join("loop")).is_err());
        assert_eq!((names(dir.path()).len(), names(&dir.path().join("sub")).len()), (4, 1));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_into() {
        use std::os::unix::fs::FileTypeExt;
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write(&pipe, "all of it").unwrap();
        assert_eq!(reader.join().unwrap(), "all of it");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(names(dir.path()), ["pipe"]);
    }
}
