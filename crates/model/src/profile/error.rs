//! Errors of profiles.

use crate::input::toml_keys::{Problem, listing};
use std::path::{Path, PathBuf};

/// A profile, or a file of measurements, that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The content of a line is unusable.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        message: String,
    },
    /// The file as a whole is unusable.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
    /// Keys of `profile.toml` are wrong; all of them are listed.
    #[error("{}", listing(path, problems))]
    Problems { path: PathBuf, problems: Vec<Problem> },
    /// No profile has that name.
    #[error(
        "no profile {name:?}: neither a folder {name:?} nor profiles/{name} exists, and the built-in \
         profiles are: {known}"
    )]
    Unknown { name: String, known: String },
}

impl ProfileError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn line(path: &Path, line: u64, message: impl Into<String>) -> Self {
        Self::Line { path: path.to_owned(), line, message: message.into() }
    }

    pub(super) fn problems(path: &Path, problems: Vec<Problem>) -> Self {
        Self::Problems { path: path.to_owned(), problems }
    }

    pub(super) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), message: message.into() }
    }
}
