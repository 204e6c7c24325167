//! Where files lie and what stands there, asked folder by folder: files come folder by folder, and the way to a folder is
//! gone once for many of them.

use std::cell::RefCell;
use std::path::{Path, PathBuf, is_separator};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use super::walk::File;

/// What stands at a path, links followed.
pub(super) enum There {
    Folder,
    File(File),
    /// In words, what it is instead.
    Not(&'static str),
}

/// What stands at this path.
#[cfg(unix)]
pub(super) fn there(path: &Path) -> io::Result<There> {
    Ok(of(&rustix::fs::stat(path)?))
}

/// What stands at this path.
#[cfg(not(unix))]
pub(super) fn there(path: &Path) -> io::Result<There> {
    let meta = fs::metadata(path)?;
    Ok(match () {
        () if meta.is_dir() => There::Folder,
        () if meta.is_file() => There::File(File { size: meta.len(), modified: meta.modified().ok(), identity: None }),
        () => There::Not("not a file"),
    })
}

#[cfg(unix)]
#[allow(clippy::unnecessary_cast)] // the number of a device has a sign on some systems
fn of(stat: &rustix::fs::Stat) -> There {
    use rustix::fs::FileType;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => There::Folder,
        FileType::RegularFile => There::File(File {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: time(stat.st_mtime, stat.st_mtime_nsec.try_into().unwrap_or(0)),
            identity: Some((stat.st_dev as u64, stat.st_ino)),
        }),
        FileType::Fifo => There::Not("a named pipe, not a file"),
        FileType::Socket => There::Not("a socket, not a file"),
        FileType::BlockDevice | FileType::CharacterDevice => There::Not("a device, not a file"),
        _ => There::Not("not a file"),
    }
}

#[cfg(unix)]
fn time(seconds: i64, nanoseconds: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    second?.checked_add(Duration::from_nanos(nanoseconds.into()))
}

/// Looks at many paths; those of a folder that follow one another are looked up from within it.
#[derive(Default)]
pub(super) struct Looker {
    folder: PathBuf,
    /// Open from its second file on.
    #[cfg(unix)]
    open: Option<rustix::fd::OwnedFd>,
}

impl Looker {
    /// As [`there`].
    #[cfg(unix)]
    pub(super) fn there(&mut self, path: &Path) -> io::Result<There> {
        use rustix::fs::{AtFlags, Mode, OFlags, open, statat};
        let Some(name) = name_within(path, &self.folder) else {
            self.folder.clear();
            self.folder.push(path.parent().unwrap_or(Path::new("")));
            self.open = None;
            return there(path);
        };
        if self.open.is_none() {
            let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            self.open = open(&self.folder, how, Mode::empty()).ok();
        }
        match &self.open {
            Some(folder) => Ok(of(&statat(folder, name, AtFlags::empty())?)),
            None => there(path),
        }
    }

    /// As [`there`].
    #[cfg(not(unix))]
    pub(super) fn there(&mut self, path: &Path) -> io::Result<There> {
        there(path)
    }
}

/// The folder in which a file really lies, and its name there. The last folder of each thread is remembered.
pub(super) fn with_real_place<T>(path: &Path, look: impl FnOnce(&Path, &[u8]) -> T) -> Option<T> {
    thread_local! {
        static LAST: RefCell<(PathBuf, PathBuf)> = RefCell::default();
    }
    LAST.with_borrow_mut(|last| {
        if !last.1.as_os_str().is_empty()
            && let Some(name) = name_within(path, &last.0)
        {
            return Some(look(&last.1, name));
        }
        let (folder, name) = (path.parent()?, path.file_name()?);
        if last.0 != folder || last.1.as_os_str().is_empty() {
            let there = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            *last = (folder.to_path_buf(), fs::canonicalize(there).ok()?);
        }
        Some(look(&last.1, name.as_encoded_bytes()))
    })
}

/// What is left of a path behind a folder and one separator, if that is plainly a name: without taking the path apart. A
/// folder without a name (the current one, that of a drive) is not known in this way.
pub(crate) fn name_within<'a>(path: &'a Path, folder: &Path) -> Option<&'a [u8]> {
    let folder = folder.as_os_str().as_encoded_bytes();
    if matches!(folder.last(), None | Some(b':')) {
        return None;
    }
    let rest = path.as_os_str().as_encoded_bytes().strip_prefix(folder)?;
    let (first, name) = rest.split_first()?;
    let plain = separates(*first) && !name.iter().any(|byte| separates(*byte)) && !matches!(name, b"" | b"." | b"..");
    plain.then_some(name)
}

/// Whether this byte of a path ends a name.
pub(super) fn separates(byte: u8) -> bool {
    byte.is_ascii() && is_separator(byte.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_a_path_only_where_it_is_plain() {
        let within = |path, folder| name_within(Path::new(path), Path::new(folder)).map(<[u8]>::to_vec);
        assert_eq!(within("a/b.jpg", "a"), Some(b"b.jpg".to_vec()));
        for (path, folder) in
            [("/b", ""), ("b", ""), ("/b", "/"), ("a/b/c", "a"), ("ab", "a"), ("a/", "a"), ("a/..", "a")]
        {
            assert_eq!(within(path, folder), None, "{path} in {folder}");
        }
        for (path, folder) in [("a/b", "a"), ("/a/b", "/a"), ("a/../b", "a/.."), ("./b", ".")] {
            let (path, folder) = (Path::new(path), Path::new(folder));
            assert_eq!(name_within(path, folder), path.file_name().map(|name| name.as_encoded_bytes()));
            assert_eq!(path.parent(), Some(folder));
        }
    }

    #[cfg(unix)]
    #[test]
    fn from_within_a_folder_all_looks_as_from_outside() {
        use std::os::unix::fs::{MetadataExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        for name in ["a", "b", "sub/c", "sub/d"] {
            fs::write(at(name), name).unwrap();
        }
        let early = UNIX_EPOCH - Duration::new(86_400, 250_000_000);
        fs::File::options().append(true).open(at("b")).unwrap().set_modified(early).unwrap();
        symlink("sub/c", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let mut looker = Looker::default();
        for name in ["a", "b", "link", "dangling", "sub", "sub/c", "sub/d", "sub/none", "a", "dangling", "."] {
            let (path, looked) = (at(name), looker.there(&at(name)));
            match (fs::metadata(path), looked) {
                (Ok(meta), Ok(There::File(file))) => {
                    assert_eq!((file.size, file.modified), (meta.len(), meta.modified().ok()), "{name}");
                    assert_eq!(file.identity, Some((meta.dev(), meta.ino())), "{name}");
                }
                (Ok(meta), Ok(There::Folder)) => assert!(meta.is_dir(), "{name}"),
                (Err(expected), Err(error)) => assert_eq!(error.kind(), expected.kind(), "{name}"),
                _ => panic!("{name} looks different from within"),
            }
        }
    }
}
