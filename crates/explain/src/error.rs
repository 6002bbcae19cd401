//! Why an explanation cannot be given.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Result of an explanation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an explanation cannot be given.
#[derive(Debug, Error)]
pub enum Error {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] cbuild_store::Error),
    /// A file of a tree could not be read.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A tree is nested too deeply to be compared.
    #[error("`{}` is nested deeper than {limit} directories", path.display())]
    TooDeep {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// Stable code, `E0650` and on, or that of the store.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Io { .. } => "E0650",
            Self::TooDeep { .. } => "E0651",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help(),
            Self::Io { .. } => {
                Some("`cbuild store verify` tells whether the object is whole".to_owned())
            }
            Self::TooDeep { .. } => Some("the store makes no object so deep: `cbuild store verify` tells whether it was changed".to_owned()),
        }
    }
}

/// Gives an error of the system its place.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
