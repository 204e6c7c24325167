//! The folder that a benchmark is made from: which pictures are references, which are strangers, which cannot be used.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Cursor, ErrorKind};
use std::path::{Path, PathBuf};

use image::ImageDecoder;

use super::picture::Picture;
use super::random::Random;
use crate::bank::lists::lines::Lines;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::fingerprint::{Media, Options, Sampling, fingerprint};
use crate::hash::{Format, PixelBuf};
use crate::image::Decoded;
use crate::image::kind::{HEAD, Kind, sniff};
use crate::limits::Limits;
use crate::scan::{Patterns, walk};
use crate::video::vpdq::short;

/// What a picture is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// In the list; its altered copies are queries.
    Reference,
    /// Never in the list: nothing made of it may match.
    Distractor,
}

/// One usable still.
#[derive(Debug, Clone)]
pub struct Still {
    /// Its path below the folder, with `/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is for.
    pub split: Split,
    /// The digest of its bytes.
    pub digest: String,
}

impl Still {
    /// Which half of the set it belongs to, drawn by its name: choices are made on the first (0), and the second (1) tells
    /// whether they hold.
    pub fn half(&self) -> usize {
        (Random::keyed(0, &["half", &self.name]).next_u64() >> 63) as usize
    }
}

/// A file that could not be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Excluded {
    /// Its path below the folder.
    pub name: String,
    /// The word of [`Error::code`].
    pub code: String,
    /// The error in words.
    pub message: String,
}

/// The stills and films of a folder in order of their names, and what was left out.
#[derive(Debug, Default)]
pub struct Data {
    /// Usable stills.
    pub stills: Vec<Still>,
    /// Usable films.
    pub films: Vec<Still>,
    /// Files that are neither stills nor films, or cannot be decoded.
    pub excluded: Vec<Excluded>,
}

impl Data {
    /// Looks through a folder and decodes every file in it once, to know which can be used.
    ///
    /// A file `MANIFEST.csv` whose first two columns are `file,split` (`index` or `distractor`) says which is which, and what
    /// it does not name is left out, as is what it names and is not there; without one, every second name is a distractor. What
    /// lies below `results`, where the benchmark writes to, is none of the media.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read, [`Error::Decode`] with the number of a line of the manifest that is none,
    /// [`Error::Option`] if `results` is the folder itself, [`Error::Cancelled`]. A file that cannot be used is no error.
    pub fn open(folder: &Path, results: &Path, cancel: &Cancel) -> Result<Self> {
        use rayon::prelude::*;
        std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
        let manifest = manifest(&folder.join("MANIFEST.csv"))?;
        let results = results_within(folder, results)?;
        let mut listing = walk(&[folder.to_path_buf()], &Patterns::default(), cancel)?;
        listing.items.retain(|item| results.as_ref().is_none_or(|results| !item.path.starts_with(results)));
        let mut data = Self::default();
        let checked: Vec<_> = listing
            .items
            .par_iter()
            .map(|item| {
                let name = name(folder, &item.path);
                let usable: Result<(bool, String)> = match &item.found {
                    Ok(_) if cancel.is_cancelled() => Err(Error::Cancelled),
                    Ok(_) => usable(&item.path),
                    Err(problem) => Err(problem.to_error(&item.path)),
                };
                (name, item.path.clone(), usable)
            })
            .collect();
        cancel.check()?;
        let listed: HashSet<&str> = checked.iter().map(|(name, ..)| name.as_str()).collect();
        let named = manifest.iter().flat_map(HashMap::keys);
        let mut missing: Vec<String> = named.filter(|name| !listed.contains(name.as_str())).cloned().collect();
        missing.sort_unstable();
        for (name, path, usable) in checked {
            match usable {
                Ok((film, digest)) => {
                    let list = if film { &mut data.films } else { &mut data.stills };
                    let split = match &manifest {
                        Some(manifest) => manifest.get(&name).copied(),
                        None if list.len().is_multiple_of(2) => Some(Split::Reference),
                        None => Some(Split::Distractor),
                    };
                    let Some(split) = split else {
                        let error = Error::option("MANIFEST.csv", format!("does not say what {name} is"));
                        data.excluded.push(Excluded { name, code: error.code().into(), message: error.to_string() });
                        continue;
                    };
                    list.push(Still { name, path, split, digest });
                }
                Err(error) => {
                    data.excluded.push(Excluded { name, code: error.code().into(), message: error.to_string() });
                }
            }
        }
        for name in missing {
            let error = match folder.join(&name).exists() {
                true => Error::unsupported("MANIFEST.csv names what is no medium").at(&name),
                false => Error::option("MANIFEST.csv", format!("names {name}, which is not there")),
            };
            data.excluded.push(Excluded { name, code: error.code().into(), message: error.to_string() });
        }
        Ok(data)
    }

    /// The stills of one split, at most `most` of them, spread over the whole folder.
    pub fn of(&self, split: Split, most: usize) -> Vec<Still> {
        let all: Vec<&Still> = self.stills.iter().filter(|still| still.split == split).collect();
        let count = all.len().min(most);
        (0..count).map(|i| all[i * all.len() / count].clone()).collect()
    }
}

/// Where a folder of results lies within a folder of media, if it does and is there.
fn results_within(folder: &Path, results: &Path) -> Result<Option<PathBuf>> {
    let (Ok(real), Ok(results)) = (folder.canonicalize(), results.canonicalize()) else { return Ok(None) };
    if real == results {
        let detail = format!("{} is the folder of media itself; results go into another one", folder.display());
        return Err(Error::option("out", detail));
    }
    Ok(results.strip_prefix(&real).ok().map(|below| folder.join(below)))
}

/// Decodes a file: true for a film, false for a still; and the digest of its bytes.
fn usable(path: &Path) -> Result<(bool, String)> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let digest = blake3::hash(&bytes).to_hex().to_string();
    if sniff(&bytes[..bytes.len().min(HEAD)]) != Kind::Film {
        picture(&bytes).map_err(|error| error.at(path))?;
        return Ok((false, digest));
    }
    drop(bytes);
    let options = Options { sampling: Sampling::Keyframes, ..Options::default() };
    fingerprint(Media::file(path), &options).map(|_| (true, digest))
}

fn name(folder: &Path, path: &Path) -> String {
    let below = path.strip_prefix(folder).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// What a manifest says of each file; `None` if there is none.
fn manifest(path: &Path) -> Result<Option<HashMap<String, Split>>> {
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path, error)),
    };
    let mut splits = HashMap::new();
    for (number, line) in Lines::new(file, false) {
        let line = line.map_err(|error| error.at(path))?;
        let mut columns = line.splitn(3, ',').map(str::trim);
        let (name, word) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
        let split = match word {
            "index" => Split::Reference,
            "distractor" => Split::Distractor,
            "split" if number == 1 => continue,
            _ => {
                let detail = format!("line {number}: expected file,index or file,distractor, got {:?}", short(&line));
                return Err(Error::decode(detail).at(path));
            }
        };
        splits.insert(name.to_string(), split);
    }
    Ok(Some(splits))
}

/// Reads a still in colour.
///
/// # Errors
/// [`Error::Io`], and whatever the library's own decoder says of the file; [`Error::Unsupported`] for an animation.
pub fn load(path: &Path) -> Result<Picture> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    picture(&bytes).map_err(|error| error.at(path))
}

fn picture(bytes: &[u8]) -> Result<Picture> {
    match crate::image::decode(bytes, &Limits::default())? {
        Decoded::Animation(_) => Err(Error::unsupported("an animation is not a still")),
        // JPEG comes as luma, which is all that a hash wants: attacks on colour want the colours too.
        Decoded::Still(still) if still.format() == Format::Luma8 => {
            Ok(in_colour(bytes).unwrap_or_else(|| Picture::of_pixels(&still.as_pixels())))
        }
        Decoded::Still(still) => Ok(Picture::of_pixels(&still.as_pixels())),
    }
}

fn in_colour(bytes: &[u8]) -> Option<Picture> {
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    let orientation = decoder.orientation().ok()?;
    let mut decoded = image::DynamicImage::from_decoder(decoder).ok()?;
    decoded.apply_orientation(orientation);
    let rgb = decoded.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Some(Picture::of_pixels(&PixelBuf::new(rgb.into_raw(), width, height, Format::Rgb8).ok()?.as_pixels()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_files_are_listed_and_the_manifest_splits() {
        let dir = tempfile::tempdir().unwrap();
        let jpeg = Picture::from_fn(40, 30, |x, y| [(x * 6) as u8, (y * 8) as u8, 90]).to_jpeg(90).unwrap();
        for name in ["a.jpg", "b.jpg", "c.jpg"] {
            std::fs::write(dir.path().join(name), &jpeg).unwrap();
        }
        std::fs::write(dir.path().join("broken.jpg"), &jpeg[..40]).unwrap();
        std::fs::write(dir.path().join("MANIFEST.csv"), "file,split\na.jpg,distractor\nb.jpg,index\nc.jpg,index\n")
            .unwrap();
        let data = Data::open(dir.path(), Path::new(""), &Cancel::new()).unwrap();
        let splits: Vec<Split> = data.stills.iter().map(|still| still.split).collect();
        assert_eq!(splits, [Split::Distractor, Split::Reference, Split::Reference]);
        let excluded: Vec<&str> = data.excluded.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(excluded, ["broken.jpg"]);
        assert_eq!(data.of(Split::Reference, 1).len(), 1);
        assert!(Data::open(&dir.path().join("none"), Path::new(""), &Cancel::new()).is_err());
        // The colours are there.
        assert!(load(&dir.path().join("a.jpg")).unwrap().at(39, 0)[0] > 200);
    }

    #[test]
    fn a_manifest_says_what_it_means() {
        let dir = tempfile::tempdir().unwrap();
        let jpeg = Picture::from_fn(40, 30, |x, y| [(x * 6) as u8, (y * 8) as u8, 90]).to_jpeg(90).unwrap();
        for name in ["a.jpg", "b.jpg", "c.jpg"] {
            std::fs::write(dir.path().join(name), &jpeg).unwrap();
        }
        let manifest = dir.path().join("MANIFEST.csv");
        std::fs::write(&manifest, "\u{feff}file,split\r\na.jpg, distractor,more\r\n\r\nc.jpg,index\r\n").unwrap();
        let data = Data::open(dir.path(), Path::new(""), &Cancel::new()).unwrap();
        let splits: Vec<(&str, Split)> = data.stills.iter().map(|still| (still.name.as_str(), still.split)).collect();
        assert_eq!(splits, [("a.jpg", Split::Distractor), ("c.jpg", Split::Reference)]);
        assert!(data.excluded.iter().any(|e| e.name == "b.jpg" && e.message.contains("MANIFEST.csv")), "{data:?}");
        for typo in ["file,split\na.jpg,idnex\n", "file,split\na.jpg\n"] {
            std::fs::write(&manifest, typo).unwrap();
            let error = Data::open(dir.path(), Path::new(""), &Cancel::new()).unwrap_err().to_string();
            assert!(error.contains("MANIFEST.csv") && error.contains("line 2"), "{error}");
        }
        std::fs::write(dir.path().join("words"), "no medium").unwrap();
        std::fs::write(&manifest, "gone.jpg,index\na.jpg,index\nwords,index\nc.jpg,distractor\nb.jpg,index\n").unwrap();
        let data = Data::open(dir.path(), Path::new(""), &Cancel::new()).unwrap();
        let excluded: Vec<&str> = data.excluded.iter().map(|excluded| excluded.name.as_str()).collect();
        assert_eq!((data.stills.len(), excluded), (3, vec!["gone.jpg", "words"]), "{data:?}");
    }

    #[test]
    fn results_within_the_media_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let jpeg = Picture::from_fn(40, 30, |x, y| [(x * 6) as u8, (y * 8) as u8, 90]).to_jpeg(90).unwrap();
        let results = dir.path().join("sub/results");
        std::fs::create_dir_all(&results).unwrap();
        for path in [dir.path().join("a.jpg"), dir.path().join("sub/b.jpg"), results.join("attacks.jpg")] {
            std::fs::write(path, &jpeg).unwrap();
        }
        let names = |results: &Path| -> Vec<String> {
            let data = Data::open(dir.path(), results, &Cancel::new()).unwrap();
            data.stills.into_iter().map(|still| still.name).collect()
        };
        assert_eq!(names(&dir.path().join("sub/../sub/results")), ["a.jpg", "sub/b.jpg"]);
        assert_eq!(names(&dir.path().join("elsewhere")).len(), 3);
        assert!(matches!(Data::open(dir.path(), dir.path(), &Cancel::new()), Err(Error::Option { .. })));
    }
}
