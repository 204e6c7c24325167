//! The one error type. Every variant names the actor at fault: the environment, the file, a limit, or the caller.

use std::path::{Path, PathBuf};

/// What most functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and whose fault it is.
///
/// `path` is empty for media that came as bytes; [`Error::at`] puts a name in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The environment: a file could not be opened, read, written, locked or mapped.
    #[error("{}: cannot be read or written", name(.path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file: it is not a picture or a film that can be decoded (empty, truncated, lying, of no known kind).
    #[error("{}: cannot be decoded: {detail}", name(.path))]
    Decode {
        /// The file, empty for bytes.
        path: PathBuf,
        /// What the decoder found.
        detail: String,
    },
    /// The file: something this program wrote has changed since, or was never whole.
    #[error("{}: damaged: {detail}", name(.path))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Which part of it, and how it shows.
        detail: String,
    },
    /// A limit of [`Limits`](crate::Limits) was reached before any harm was done.
    #[error("{}: over the limit on {limit}: at most {max}, got {got}", name(.path))]
    Limit {
        /// The file, empty for bytes.
        path: PathBuf,
        /// The name of the limit, as its field is named.
        limit: &'static str,
        /// The largest value allowed, inclusive.
        max: u64,
        /// The value that was met or claimed.
        got: u64,
    },
    /// The file: it is of another format or version than this program reads or writes.
    #[error("{}: expected {expected}, got {got}", name(.path))]
    Format {
        /// The file.
        path: PathBuf,
        /// What this program reads.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// A kind of media that this build or this machine has no decoder for.
    #[error("{}: not supported: {detail}", name(.path))]
    Unsupported {
        /// The file, empty for bytes.
        path: PathBuf,
        /// What is missing.
        detail: String,
    },
    /// The medium was decoded, but it is too plain, too small or too unstable to be recognised by.
    #[error("{}: too little detail: {detail}", name(.path))]
    TooLittleDetail {
        /// The file, empty for bytes.
        path: PathBuf,
        /// Which figure fell short of which bound.
        detail: String,
    },
    /// Another process is writing to this store.
    #[error("{}: locked: another process is writing to it; wait for it to end, or open the store for reading", name(.path))]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// The caller: an argument or option that makes no sense.
    #[error("{name}: {detail}")]
    Option {
        /// The argument or option.
        name: &'static str,
        /// What is wrong with it and what would be right.
        detail: String,
    },
    /// The caller asked to stop; what was done until then is kept.
    #[error("interrupted")]
    Cancelled,
}

fn name(path: &Path) -> std::path::Display<'_> {
    if path.as_os_str().is_empty() { Path::new("input").display() } else { path.display() }
}

impl Error {
    /// An [`Error::Io`] at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// An [`Error::Decode`] without a path.
    pub fn decode(detail: impl Into<String>) -> Self {
        Self::Decode { path: PathBuf::new(), detail: detail.into() }
    }

    /// An [`Error::Corrupt`] at `path`.
    pub fn corrupt(path: impl Into<PathBuf>, detail: impl Into<String>) -> Self {
        Self::Corrupt { path: path.into(), detail: detail.into() }
    }

    /// An [`Error::Limit`] without a path.
    pub fn limit(limit: &'static str, max: u64, got: u64) -> Self {
        Self::Limit { path: PathBuf::new(), limit, max, got }
    }

    /// An [`Error::Unsupported`] without a path.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::Unsupported { path: PathBuf::new(), detail: detail.into() }
    }

    /// An [`Error::Option`].
    pub fn option(name: &'static str, detail: impl Into<String>) -> Self {
        Self::Option { name, detail: detail.into() }
    }

    /// The same error, with `name` as its path if it has a path and none stands there yet.
    #[must_use]
    pub fn at(mut self, name: impl AsRef<Path>) -> Self {
        match &mut self {
            Self::Io { path, .. }
            | Self::Decode { path, .. }
            | Self::Corrupt { path, .. }
            | Self::Limit { path, .. }
            | Self::Format { path, .. }
            | Self::Unsupported { path, .. }
            | Self::TooLittleDetail { path, .. }
            | Self::Locked { path } => {
                if path.as_os_str().is_empty() {
                    *path = name.as_ref().to_path_buf();
                }
            }
            Self::Option { .. } | Self::Cancelled => {}
        }
        self
    }

    /// The word for this error in machine-readable output: `io`, `decode`, `unsupported`, `limit`, `too_little_detail`,
    /// and for what cannot come from an upload `corrupt`, `format`, `locked`, `option`, `cancelled`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Decode { .. } => "decode",
            Self::Corrupt { .. } => "corrupt",
            Self::Limit { .. } => "limit",
            Self::Format { .. } => "format",
            Self::Unsupported { .. } => "unsupported",
            Self::TooLittleDetail { .. } => "too_little_detail",
            Self::Locked { .. } => "locked",
            Self::Option { .. } => "option",
            Self::Cancelled => "cancelled",
        }
    }
}
