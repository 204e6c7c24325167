//! A film made of films and pictures: what to tell the `ffmpeg` command, and what is then true.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::data::Split;
use super::super::picture::Picture;
use crate::error::{Error, Result};

/// A film of the folder.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Its path below the folder, with `/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is for.
    pub split: Split,
    /// Digest of its bytes.
    pub digest: String,
    /// Playing time.
    pub seconds: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Clip {
    /// The nearest even size that a share of it has.
    pub(crate) fn scaled(&self, share: f64) -> (u32, u32) {
        let even = |side: u32| ((f64::from(side) * share / 2.0).round() as u32 * 2).max(16);
        (even(self.width), even(self.height))
    }
}

/// A stretch of the film that is made, and the stretch of a clip that it shows. A still is `[0, 0]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The name of the clip.
    pub clip: String,
    /// In the film that is made, in seconds.
    pub query: [f64; 2],
    /// In the clip.
    pub reference: [f64; 2],
}

/// What goes into a film.
#[derive(Debug)]
enum Input {
    Film { path: PathBuf, digest: String, options: Vec<String> },
    Picture(Picture),
}

/// How to make one film.
#[derive(Debug)]
pub struct Edit {
    inputs: Vec<Input>,
    /// From `[0:v]` and so on to `[out]`.
    filter: String,
    encoder: Vec<String>,
    extension: &'static str,
    /// What is true of it.
    pub truth: Vec<Part>,
}

/// Raised whenever the same edit gives other bytes.
const VERSION: u32 = 1;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_string).collect()
}

impl Edit {
    /// The clip through a filter, all of it shown at its own pace.
    pub fn of(clip: &Clip, filter: impl Into<String>) -> Self {
        let whole = [0.0, clip.seconds];
        let edit = Self {
            inputs: Vec::new(),
            filter: format!("[0:v]{}[out]", filter.into()),
            encoder: words("-c:v libx264 -preset superfast -crf 27"),
            extension: "mp4",
            truth: vec![Part { clip: clip.name.clone(), query: whole, reference: whole }],
        };
        edit.film(clip)
    }

    /// Without a truth of its own, from a whole filter graph that ends in `[out]`.
    pub fn graph(filter: impl Into<String>) -> Self {
        Self {
            inputs: Vec::new(),
            filter: filter.into(),
            encoder: words("-c:v libx264 -preset superfast -crf 27"),
            extension: "mp4",
            truth: Vec::new(),
        }
    }

    /// Another filter graph, from `[0:v]` and so on to `[out]`.
    pub fn set_filter(&mut self, filter: impl Into<String>) {
        self.filter = filter.into();
    }

    /// One more film as an input.
    #[must_use]
    pub fn film(self, clip: &Clip) -> Self {
        self.film_with(clip, "")
    }

    /// One more film as an input, with the options of `ffmpeg` that stand before it.
    #[must_use]
    pub fn film_with(mut self, clip: &Clip, options: &str) -> Self {
        let (path, digest) = (clip.path.clone(), clip.digest.clone());
        self.inputs.push(Input::Film { path, digest, options: words(options) });
        self
    }

    /// One more picture as an input, shown for ever.
    #[must_use]
    pub fn picture(mut self, picture: Picture) -> Self {
        self.inputs.push(Input::Picture(picture));
        self
    }

    /// Another encoder than H.264 at a middling quality.
    #[must_use]
    pub fn encoder(mut self, options: &str, extension: &'static str) -> Self {
        (self.encoder, self.extension) = (words(options), extension);
        self
    }

    /// The stretch of the clip that is shown, and at which speed; negative runs backwards.
    #[must_use]
    pub fn shows(mut self, from: f64, to: f64, speed: f64) -> Self {
        for part in &mut self.truth {
            part.query = [0.0, (to - from) / speed.abs()];
            part.reference = [from, to];
        }
        self
    }

    /// One more thing that is true.
    #[must_use]
    pub fn part(mut self, clip: &Clip, query: [f64; 2], reference: [f64; 2]) -> Self {
        self.truth.push(Part { clip: clip.name.clone(), query, reference });
        self
    }

    /// Makes the film, unless it lies in `folder` already; returns where it is.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written or the command cannot be started; [`Error::Decode`] with the last line
    /// that the command printed if it fails.
    pub fn make(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("{}.{}", self.key(), self.extension));
        if path.exists() {
            return Ok(path);
        }
        let draft = self.draft();
        let part = folder.join(format!("{draft}.part.{}", self.extension));
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y"]);
        let mut drawn = Vec::new();
        for (at, input) in self.inputs.iter().enumerate() {
            match input {
                Input::Film { path, options, .. } => command.args(options).arg("-i").arg(path),
                Input::Picture(picture) => {
                    let file = folder.join(format!("{draft}.{at}.part.jpg"));
                    let bytes = picture.to_jpeg(95)?;
                    std::fs::write(&file, bytes).map_err(|error| Error::io(&file, error))?;
                    drawn.push(file.clone());
                    command.args(["-loop", "1", "-framerate", "25", "-i"]).arg(file)
                }
            };
        }
        command.args(["-filter_complex", &self.filter, "-map", "[out]", "-an", "-threads", "1"]);
        command.args(["-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]);
        if self.extension == "mp4" {
            command.args(["-pix_fmt", "yuv420p"]);
        }
        command.args(&self.encoder).arg(&part).stdin(Stdio::null()).stdout(Stdio::null());
        let outcome = command.output();
        drawn.iter().for_each(|file| drop(std::fs::remove_file(file)));
        let outcome = outcome.map_err(|error| Error::io("ffmpeg", error))?;
        if !outcome.status.success() {
            let _ = std::fs::remove_file(&part);
            let said = String::from_utf8_lossy(&outcome.stderr);
            let last = said.lines().last().unwrap_or("no reason given").to_string();
            return Err(Error::decode(format!("ffmpeg made no film of it: {last}")));
        }
        std::fs::rename(&part, &path).map_err(|error| Error::io(&path, error))?;
        Ok(path)
    }

    /// What a film is called while it is made, another name each time: two jobs may make the same one.
    fn draft(&self) -> String {
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        format!("{}.{}-{}", self.key(), std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed))
    }

    /// A digest of all that the film is made of.
    pub fn key(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{VERSION} {} {:?} {}", self.filter, self.encoder, self.extension).as_bytes());
        for input in &self.inputs {
            match input {
                Input::Film { digest, options, .. } => hasher.update(format!("{digest} {options:?}").as_bytes()),
                Input::Picture(picture) => {
                    hasher.update(&(picture.width() as u64).to_le_bytes()).update(picture.data())
                }
            };
        }
        hasher.finalize().to_hex()[..20].to_string()
    }
}

/// Whether the `ffmpeg` command can be started.
pub(crate) fn available() -> bool {
    let mut command = Command::new("ffmpeg");
    command.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_jobs_make_the_same_film_side_by_side() {
        let picture = || Picture::from_fn(64, 48, |x, y| [(x * 3) as u8, (y * 5) as u8, 90]);
        let edit = || Edit::graph("[0:v]trim=duration=2[out]").picture(picture());
        assert_ne!(edit().draft(), edit().draft());
        if !available() {
            println!("skipped: there is no ffmpeg command");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let made: Vec<Result<PathBuf>> = std::thread::scope(|scope| {
            let jobs: Vec<_> = (0..4).map(|_| scope.spawn(|| edit().make(folder.path()))).collect();
            jobs.into_iter().map(|job| job.join().unwrap()).collect()
        });
        assert!(made.iter().all(|made| made.as_ref().is_ok_and(|path| path.is_file())), "{made:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}
