//! The lines that other programs rely on: one JSON object a line. Fields may be added, none changes its meaning.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::words;
use crate::error::Error;
use crate::fingerprint::{Fingerprint, View};
use crate::hash::Hash;
use crate::hash::pdq::Transform;
use crate::matching::{Match, Outcome, Verdict};

/// Why a file has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `io`, `decode`, `unsupported`, `limit` or `too_little_detail`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let code = match error {
            // a damaged or foreign file of ours, met where a medium was expected, is a file that cannot be decoded
            Error::Corrupt { .. } | Error::Format { .. } | Error::Option { .. } => "decode",
            Error::Locked { .. } | Error::Cancelled => "io",
            other => other.code(),
        };
        Self { code: code.into(), message: words::causes(error) }
    }
}

impl Failure {
    /// What is wrong with the store that was asked: `corrupt`, `format`, `io` or `locked`. `None` if it is no fault of the store.
    pub fn of_store(error: &Error) -> Option<Self> {
        let stores =
            matches!(error, Error::Corrupt { .. } | Error::Format { .. } | Error::Io { .. } | Error::Locked { .. });
        stores.then(|| Self { code: error.code().into(), message: words::causes(error) })
    }

    /// What of the store is damaged, the rest having answered.
    fn of_damage(damage: &[String]) -> Option<Self> {
        (!damage.is_empty()).then(|| Self { code: "corrupt".into(), message: damage.join("; ") })
    }
}

/// One hash of a film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameLine {
    /// Seconds from the first frame.
    pub time: f64,
    /// The hash.
    pub hash: Hash,
    /// 0..=100.
    pub quality: u8,
    /// `window`, `anchor`, `keyframe` or `frame`.
    pub role: String,
}

/// A line of `hash`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HashLine {
    /// A still picture.
    Image {
        /// The file, lossily if its name is not UTF-8.
        path: String,
        /// `image`.
        kind: String,
        /// Pixels, upright.
        width: u32,
        /// Pixels, upright.
        height: u32,
        /// `pdq`.
        algorithm: String,
        /// The hash of the whole picture.
        hash: Hash,
        /// 0..=100.
        quality: u8,
        /// 0.0..=1.0.
        stability: f64,
        /// The seven other orientations by name, if asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        dihedral: Option<BTreeMap<Transform, Hash>>,
    },
    /// A film.
    Video {
        /// The file, lossily if its name is not UTF-8.
        path: String,
        /// `video`.
        kind: String,
        /// Seconds.
        duration: f64,
        /// In order of time.
        hashes: Vec<FrameLine>,
        /// What was wrong with the file although this much of it could be used.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// A file that failed.
    Failed {
        /// The file, lossily if its name is not UTF-8.
        path: String,
        /// Why.
        error: Failure,
    },
}

/// Rounds to `digits` decimals, so that lines do not carry digits that mean nothing.
fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

impl HashLine {
    /// The line of a file. A fingerprint without any hash becomes a failure, `too_little_detail`.
    pub fn new(path: &Path, result: &Result<Fingerprint, Error>, dihedral: bool) -> Self {
        let name = path.to_string_lossy().into_owned();
        let failed = |error: &Error| Self::Failed { path: name.clone(), error: error.into() };
        match result {
            Err(error) => failed(error),
            Ok(Fingerprint::Image(image)) => match image.views.iter().find(|view| view.view == View::Full) {
                None => failed(&Error::TooLittleDetail {
                    path: path.into(),
                    detail: format!("{} x {} pixels have no hash", image.width, image.height),
                }),
                Some(view) => Self::Image {
                    path: name,
                    kind: "image".into(),
                    width: image.width,
                    height: image.height,
                    algorithm: "pdq".into(),
                    hash: view.hash,
                    quality: view.quality,
                    stability: rounded(view.stability.into(), 4),
                    dihedral: view
                        .orientations
                        .as_deref()
                        .filter(|_| dihedral)
                        .map(|known| Transform::ALL.into_iter().zip(known.all()).skip(1).collect()),
                },
            },
            Ok(Fingerprint::Video(video)) => Self::Video {
                path: name,
                kind: "video".into(),
                duration: rounded(video.duration, 3),
                hashes: video
                    .frames
                    .iter()
                    .filter(|frame| frame.view == View::Full)
                    .filter_map(|frame| {
                        Some(FrameLine {
                            time: rounded(frame.time, 3),
                            hash: frame.hash?,
                            quality: frame.quality,
                            role: frame.role.name().into(),
                        })
                    })
                    .collect(),
                warnings: video.warnings.clone(),
            },
        }
    }

    /// Whether the file failed.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// A line of `match` or `scan`. Either `path` or `hash` is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchLine {
    /// The file, lossily if its name is not UTF-8; `-` for standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The hash that was asked about, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// `image` or `video`, if it could be read that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Playing time of a film in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// What the question came to.
    pub outcome: Outcome,
    /// Best first.
    pub matches: Vec<Match>,
    /// Why it is unreadable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What is wrong with the store: the outcome is that of what is whole. No fault of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_error: Option<Failure>,
    /// Why the upload could not be kept for references that come later, although that was asked; it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember_error: Option<Failure>,
    /// What was wrong with the file although an answer could be given about this much of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl MatchLine {
    /// A line without matches.
    pub fn new(path: &Path, kind: Option<&str>, outcome: Outcome) -> Self {
        let path = Some(path.to_string_lossy().into_owned());
        let kind = kind.map(str::to_owned);
        Self {
            path,
            hash: None,
            kind,
            duration: None,
            outcome,
            matches: vec![],
            error: None,
            store_error: None,
            remember_error: None,
            warnings: vec![],
        }
    }

    /// The line of a file and its kind and verdict, or why there is none.
    pub fn answered(path: &Path, asked: Result<(&str, Verdict), Error>) -> Self {
        match asked {
            Ok((kind, verdict)) => Self {
                store_error: Failure::of_damage(&verdict.damage),
                matches: verdict.matches,
                ..Self::new(path, Some(kind), verdict.outcome)
            },
            Err(error @ Error::TooLittleDetail { .. }) => {
                Self { error: Some((&error).into()), ..Self::new(path, None, Outcome::TooLittleDetail) }
            }
            Err(error) => Self { error: Some((&error).into()), ..Self::new(path, None, Outcome::Unreadable) },
        }
    }

    /// The line of a hash, given as text, and its verdict, or why there is none.
    pub fn of_hash(hash: &str, asked: Result<Verdict, Error>) -> Self {
        let line = Self::answered(Path::new(""), asked.map(|verdict| ("image", verdict)));
        Self { path: None, hash: Some(hash.into()), ..line }
    }

    /// The line of what could not be asked about because of the store: the file or hash is not to blame.
    #[must_use]
    pub fn unasked(mut self, store_error: Failure) -> Self {
        self.error = Some(Failure {
            code: "io".into(),
            message: format!("the store could not be asked: {}", store_error.message),
        });
        self.store_error = Some(store_error);
        self
    }

    /// The line of what was answered and could not be kept.
    #[must_use]
    pub(crate) fn forgotten(mut self, error: &Error) -> Self {
        self.remember_error =
            Some(Failure { code: error.code().into(), message: format!("not remembered: {}", words::causes(error)) });
        self
    }

    /// With the playing time and the warnings, if the fingerprint is a film's.
    #[must_use]
    pub(crate) fn lasting(mut self, print: Option<&Fingerprint>) -> Self {
        if let Some(Fingerprint::Video(film)) = print {
            self.duration = Some(rounded(film.duration, 3));
            self.warnings.clone_from(&film.warnings);
        }
        self
    }

    /// The path, or the hash.
    pub fn name(&self) -> &str {
        self.path.as_deref().or(self.hash.as_deref()).unwrap_or_default()
    }
}
