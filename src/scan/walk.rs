//! Which files a scan is about: folders walked in a fixed order, problems kept as items of their own.
//!
//! Links are followed, and a link that leads back to a folder above it is a problem of that link alone. Files named by
//! the caller are always taken; files met in folders only if they look like media. A file that lies below two roots is
//! listed once, unless the caller names it again.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::SystemTime;

use ignore::WalkBuilder;
use ignore::overrides::{Override, OverrideBuilder};

use super::kind::{HEAD, Kind};
use super::order::by_names;
use super::place::{Looker, There, there};
use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// The name of the files in a folder that say what to leave out, in the syntax of `.gitignore`.
pub const IGNORE_FILE: &str = ".refrainignore";

/// So many paths are looked at together, at most 2^16.
const BATCH: usize = 512;

/// What is known of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Size in bytes.
    pub size: u64,
    /// When it was last written, if the file system says so.
    pub modified: Option<SystemTime>,
    /// Which file it is by whatever name, if the file system says so: device and number.
    pub identity: Option<(u64, u64)>,
}

/// What kept a path from being read, small enough to be held by the thousand.
#[derive(Debug)]
pub enum Problem {
    /// The environment.
    Io(io::Error),
    /// It is not a file: a pipe, a device, a socket.
    Unsupported(&'static str),
}

impl Problem {
    /// As the library's error about `path`.
    pub fn to_error(&self, path: &Path) -> Error {
        match self {
            // `io::Error` cannot be cloned: the kind and the words are what counts
            Self::Io(error) => Error::io(path, io::Error::new(error.kind(), error.to_string())),
            Self::Unsupported(what) => Error::unsupported(*what).at(path),
        }
    }
}

/// One path that a scan is about.
#[derive(Debug)]
pub struct Item {
    /// The path, as the caller's root and the names below it make it up.
    pub path: PathBuf,
    /// The file, or why it cannot be read.
    pub found: Result<File, Problem>,
}

/// What [`walk`] found.
#[derive(Debug, Default)]
pub struct Listing {
    /// In order: the roots as given, the names in a folder sorted.
    pub items: Vec<Item>,
    /// The sizes of all files, summed.
    pub bytes: u64,
    /// Files in folders that are no media, by content and by name.
    pub not_media: u64,
    /// Archives in folders, which are left alone.
    pub archives: Vec<PathBuf>,
    /// Files met again below another root, which are listed once.
    pub repeated: u64,
    seen: Option<Seen>,
}

/// What is listed already, where several roots may lie in one another.
#[derive(Debug, Default)]
struct Seen {
    files: HashSet<[u8; 16]>,
    /// The last folder as it was met, and where it really is.
    folder: (PathBuf, PathBuf),
}

impl Seen {
    /// Whether this file was not met before, by whatever way.
    fn first(&mut self, path: &Path) -> bool {
        let (Some(name), folder) = (path.file_name(), path.parent().unwrap_or(Path::new(""))) else { return true };
        if self.folder.0 != folder {
            let there = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let real = fs::canonicalize(there).unwrap_or_else(|_| folder.to_path_buf());
            self.folder = (folder.to_path_buf(), real);
        }
        let mut digest = blake3::Hasher::new();
        digest.update(self.folder.1.as_os_str().as_encoded_bytes()).update(b"/").update(name.as_encoded_bytes());
        let mut key = [0; 16];
        digest.finalize_xof().fill(&mut key);
        self.files.insert(key)
    }
}

/// Reads a list of paths, each ended by `end` (a line's end, or a zero byte for names with line ends in them).
///
/// # Errors
/// [`Error::Io`]; [`Error::Limit`] for a path that is longer than any file system allows.
pub fn read_list(reader: impl Read, end: u8) -> Result<Vec<PathBuf>> {
    const LONGEST: u64 = 1 << 16;
    let mut reader = io::BufReader::new(reader);
    let mut paths = Vec::new();
    loop {
        let mut path = Vec::new();
        let read = (&mut reader).take(LONGEST).read_until(end, &mut path);
        let read = read.map_err(|error| Error::io("the list of files", error))?;
        if read == 0 {
            return Ok(paths);
        }
        if path.last() == Some(&end) {
            path.pop();
        } else if read as u64 == LONGEST {
            return Err(Error::limit("bytes of a path in the list of files", LONGEST - 1, LONGEST));
        }
        if !path.is_empty() {
            paths.push(path_of(path)?);
        }
    }
}

#[cfg(unix)]
pub(super) fn path_of(bytes: Vec<u8>) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
pub(super) fn path_of(bytes: Vec<u8>) -> Result<PathBuf> {
    let text = String::from_utf8(bytes).map_err(|_| Error::option("the list of files", "a path is not UTF-8"))?;
    Ok(text.trim_end_matches('\r').into())
}

/// Which files are taken, as patterns in the syntax of `.gitignore`: those in folders relative to each root, those that are named relative
/// to the folder in which the process runs.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    /// If not empty, only files that match one of these.
    pub include: Vec<String>,
    /// None of these.
    pub exclude: Vec<String>,
}

impl Patterns {
    fn build(&self, root: &Path) -> Result<Override> {
        let mut builder = OverrideBuilder::new(root);
        let bad = |name| move |error: ignore::Error| Error::option(name, error.to_string());
        for pattern in &self.include {
            builder.add(pattern).map_err(bad("include"))?;
        }
        for pattern in &self.exclude {
            builder.add(&format!("!{pattern}")).map_err(bad("exclude"))?;
        }
        builder.build().map_err(bad("patterns"))
    }

    /// What chooses among files that are named, and where their paths begin.
    fn of_named(&self) -> Result<(Override, PathBuf)> {
        let here = std::env::current_dir().unwrap_or_default();
        Ok((self.build(&here)?, here))
    }
}

/// One file, whatever it looks like.
pub(super) fn named(path: &Path) -> Item {
    Item { path: path.to_path_buf(), found: regular(there(path)) }
}

/// Whether a file is chosen, by itself and by the folders that lie on the way to it.
fn chosen(path: &Path, (patterns, here): &(Override, PathBuf)) -> bool {
    let mut folders =
        path.ancestors().skip(1).take_while(|folder| *folder != here.as_path() && folder.file_name().is_some());
    !patterns.matched(path, false).is_ignore() && !folders.any(|folder| patterns.matched(folder, true).is_ignore())
}

/// Lists the media at `roots`: folders with everything below them, files as they are, all of them as the patterns choose.
///
/// # Errors
/// [`Error::Option`] for a pattern that cannot be understood, [`Error::Cancelled`]. Nothing else: what is wrong with a
/// single path is an [`Item`].
pub fn walk(roots: &[PathBuf], patterns: &Patterns, cancel: &Cancel) -> Result<Listing> {
    let mut listing = Listing { seen: (roots.len() > 1).then(Seen::default), ..Listing::default() };
    let of_named = patterns.of_named()?;
    for root in roots {
        cancel.check()?;
        match there(root) {
            Ok(There::Folder) => walk_folder(root, patterns, cancel, &mut listing)?,
            other if chosen(root, &of_named) => listing.name(root.clone(), regular(other)),
            _ => {}
        }
    }
    listing.seen = None;
    Ok(listing)
}

fn walk_folder(root: &Path, patterns: &Patterns, cancel: &Cancel, listing: &mut Listing) -> Result<()> {
    let walker = WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(true)
        .overrides(patterns.build(root)?)
        .add_custom_ignore_filename(IGNORE_FILE)
        .build();
    // other threads look at the files while this one goes on listing them, in whatever order the file system has them
    let (send, receive) = mpsc::channel();
    rayon::in_place_scope(|scope| -> Result<()> {
        let mut paths = Vec::new();
        let mut batches = 0;
        let mut hand_over = |paths: Vec<Listed>, whole: bool| {
            let (send, batch) = (send.clone(), batches);
            batches += 1;
            let look = move || {
                if cancel.is_cancelled() {
                    return;
                }
                let (mut looker, mut others) = (Looker::default(), 0);
                let mut seen: Vec<Met> = Vec::with_capacity(paths.len());
                for path in paths {
                    match path.map(|path| (look(&path, &mut looker), path)) {
                        Ok((Looked::Nothing, _)) => {}
                        Ok((Looked::Other, _)) => others += 1,
                        Ok((looked, path)) => seen.push(Some((path, looked))),
                        Err((path, error)) => seen.push(Some((path, Looked::Item(Err(Problem::Io(error)))))),
                    }
                }
                let _ = send.send((batch, seen, others)); // the receiver outlives the scope
            };
            // what is left of a batch is not worth waking others
            if whole { scope.spawn(move |_| look()) } else { look() }
        };
        for entry in walker {
            cancel.check()?;
            paths.push(entry.map(ignore::DirEntry::into_path).map_err(|error| take_apart(error, root)));
            if paths.len() == BATCH {
                hand_over(std::mem::take(&mut paths), true);
            }
        }
        hand_over(paths, false);
        Ok(())
    })?;
    drop(send);
    cancel.check()?;
    let mut batches: Vec<(usize, Vec<Met>, u64)> = receive.iter().collect();
    batches.sort_unstable_by_key(|(batch, ..)| *batch);
    listing.not_media += batches.iter().map(|(.., others)| others).sum::<u64>();
    listing.items.reserve(batches.iter().map(|(_, seen, _)| seen.len()).sum());
    let mut batches: Vec<Vec<Met>> = batches.into_iter().map(|(_, seen, _)| seen).collect();
    let path = |batch: usize, at: usize| batches[batch][at].as_ref().map_or(Path::new(""), |(path, _)| path);
    for (batch, at) in by_names(batches.iter().map(Vec::len), path) {
        match batches[batch][at].take() {
            Some((path, Looked::Item(found))) => listing.push(path, found),
            Some((path, Looked::Archive)) => listing.archives.push(path),
            _ => {}
        }
    }
    Ok(())
}

/// A path that was looked at, until it is put into the listing.
type Met = Option<(PathBuf, Looked)>;

/// A path that the walk met, or what kept it from one.
type Listed = Result<PathBuf, (PathBuf, io::Error)>;

/// What a path in a folder turns out to be.
enum Looked {
    Item(Result<File, Problem>),
    Archive,
    /// No medium.
    Other,
    /// Not worth a word: a folder, or a list of what to leave out.
    Nothing,
}

fn look(path: &Path, looker: &mut Looker) -> Looked {
    match looker.there(path) {
        Ok(There::Folder) => Looked::Nothing,
        // what is named like a medium is tried whatever it holds: no need to look into it now
        Ok(There::File(file)) if Kind::of(path, &[]) != Kind::Media => match head(path) {
            Ok(head) => match Kind::of(path, &head) {
                Kind::Media => Looked::Item(Ok(file)),
                Kind::Archive => Looked::Archive,
                Kind::Other if path.file_name().is_some_and(|name| name == IGNORE_FILE) => Looked::Nothing,
                Kind::Other => Looked::Other,
            },
            Err(error) => Looked::Item(Err(Problem::Io(error))),
        },
        other => Looked::Item(regular(other)),
    }
}

impl Listing {
    fn push(&mut self, path: PathBuf, found: Result<File, Problem>) {
        if self.seen.as_mut().is_some_and(|seen| !seen.first(&path)) {
            self.repeated += 1;
            return;
        }
        self.take(path, found);
    }

    /// A file that the caller named, which is listed as often as it is named.
    fn name(&mut self, path: PathBuf, found: Result<File, Problem>) {
        if let Some(seen) = &mut self.seen {
            seen.first(&path);
        }
        self.take(path, found);
    }

    fn take(&mut self, path: PathBuf, found: Result<File, Problem>) {
        self.bytes += found.as_ref().map_or(0, |file| file.size);
        self.items.push(Item { path, found });
    }
}

fn regular(there: io::Result<There>) -> Result<File, Problem> {
    match there {
        Ok(There::File(file)) => Ok(file),
        Ok(There::Not(what)) => Err(Problem::Unsupported(what)),
        Ok(There::Folder) => Err(Problem::Unsupported("not a file")),
        Err(error) => Err(Problem::Io(error)),
    }
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    fs::File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The path that an error of the walk is about, and the system's own words.
fn take_apart(error: ignore::Error, root: &Path) -> (PathBuf, io::Error) {
    use ignore::Error as E;
    match error {
        E::WithPath { path, err } => (path, take_apart(*err, root).1),
        E::WithDepth { err, .. } | E::WithLineNumber { err, .. } => take_apart(*err, root),
        E::Loop { ancestor, child } => {
            let words = format!("a link that leads back to {}", ancestor.display());
            (child, io::Error::other(words))
        }
        E::Io(error) => (root.to_path_buf(), error),
        other => (root.to_path_buf(), io::Error::other(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listing: &Listing, root: &Path) -> Vec<String> {
        let name = |item: &Item| item.path.strip_prefix(root).unwrap_or(&item.path).display().to_string();
        listing.items.iter().map(|item| name(item) + if item.found.is_err() { "!" } else { "" }).collect()
    }

    #[test]
    fn folders_come_sorted_and_only_with_media() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("sub")).unwrap();
        for (name, content) in [
            ("b.jpg", "x"),
            ("a.png", "xy"),
            ("sub/film.mp4", "z"),
            ("notes.txt", "words"),
            ("sub/pack.zip", "PK"),
            ("picture-without-ending", "GIF89a"),
            (".hidden.jpg", ""),
        ] {
            fs::write(root.join(name), content).unwrap();
        }
        let all = walk(&[root.into()], &Patterns::default(), &Cancel::new()).unwrap();
        assert_eq!(names(&all, root), [".hidden.jpg", "a.png", "b.jpg", "picture-without-ending", "sub/film.mp4"]);
        assert_eq!((all.not_media, all.bytes, all.archives.len()), (1, 10, 1));

        let some = Patterns { include: vec!["*.jpg".into(), "sub/**".into()], exclude: vec!["b.*".into()] };
        assert_eq!(names(&walk(&[root.into()], &some, &Cancel::new()).unwrap(), root), [".hidden.jpg", "sub/film.mp4"]);
        fs::write(root.join(IGNORE_FILE), "sub/\n*.png\n").unwrap();
        let rest = walk(&[root.into()], &Patterns::default(), &Cancel::new()).unwrap();
        assert_eq!(names(&rest, root), [".hidden.jpg", "b.jpg", "picture-without-ending"]);

        let named = [root.join("notes.txt"), root.join("nowhere.jpg")];
        assert_eq!(
            names(&walk(&named, &Patterns::default(), &Cancel::new()).unwrap(), root),
            ["notes.txt", "nowhere.jpg!"]
        );
        // roots that lie in one another do not list anything twice, but what is named is named
        let roots = [root.join("sub"), root.join("b.jpg"), root.into(), root.join("sub/../b.jpg")];
        let once = walk(&roots, &Patterns::default(), &Cancel::new()).unwrap();
        assert_eq!(
            names(&once, root),
            ["sub/film.mp4", "b.jpg", ".hidden.jpg", "picture-without-ending", "sub/../b.jpg"]
        );
        assert_eq!(once.repeated, 1);
        // what is named is chosen as what is met
        let named = ["sub/film.mp4", "a.png", "b.jpg", "nowhere.jpg"].map(|name| root.join(name));
        for (include, exclude, left) in [
            (vec!["*.jpg"], vec!["b.*"], vec!["nowhere.jpg!"]),
            (vec!["*.mp4", "a.*"], vec![], vec!["sub/film.mp4", "a.png"]),
            (vec![], vec!["sub/", "nowhere*"], vec!["a.png", "b.jpg"]),
        ] {
            let all = |patterns: Vec<&str>| patterns.into_iter().map(String::from).collect();
            let some = Patterns { include: all(include), exclude: all(exclude) };
            assert_eq!(names(&walk(&named, &some, &Cancel::new()).unwrap(), root), left, "{some:?}");
        }
        let bad = Patterns { include: vec!["[".into()], exclude: vec![] };
        assert!(matches!(walk(&named, &bad, &Cancel::new()), Err(Error::Option { .. })));
        assert!(matches!(walk(&[root.into()], &bad, &Cancel::new()), Err(Error::Option { .. })));
    }

    #[test]
    fn lists_are_read_with_either_end() {
        let read = |text: &[u8], end| read_list(text, end).unwrap();
        assert_eq!(read(b"a.jpg\n\nwith space.png", b'\n'), [Path::new("a.jpg"), Path::new("with space.png")]);
        assert_eq!(read(b"a\nb\0c\0", 0), [Path::new("a\nb"), Path::new("c")]);
        assert!(matches!(read_list(&[b'x'; 1 << 17][..], b'\n'), Err(Error::Limit { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn loops_pipes_and_dangling_links_are_items_with_a_problem() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("sub")).unwrap();
        fs::write(root.join("sub/a.jpg"), "x").unwrap();
        symlink(root, root.join("sub/up")).unwrap();
        symlink("self", root.join("self")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("sub/a.jpg", root.join("link.jpg")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.join("pipe.mp4")).status().unwrap();
        assert!(made.success());
        let listing = walk(&[root.into()], &Patterns::default(), &Cancel::new()).unwrap();
        assert_eq!(names(&listing, root), ["dangling!", "link.jpg", "pipe.mp4!", "self!", "sub/a.jpg", "sub/up!"]);
        for item in &listing.items {
            if let Err(problem) = &item.found {
                let code = problem.to_error(&item.path).code();
                assert_eq!(code, if item.path.ends_with("pipe.mp4") { "unsupported" } else { "io" });
            }
        }
    }
}
