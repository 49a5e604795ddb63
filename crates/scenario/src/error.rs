//! Errors in scenario files, worded so that the user can correct them.

use super::shipped_scenarios;
use igniter_model::input::toml_keys::{Problem, listing};
use std::io;
use std::path::PathBuf;

/// A scenario file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file does not exist or cannot be read.
    #[error(
        "{path}: cannot read the scenario file: {source}; allowed: a readable TOML file; \
         fix: check the path and its permissions, or name one that the program carries: {shipped}",
        path = path.display(),
        shipped = shipped_scenarios().collect::<Vec<_>>().join(", ")
    )]
    Unreadable { path: PathBuf, source: io::Error },
    /// The path names a directory.
    #[error(
        "{path}: is a directory; allowed: a scenario file; fix: name a .toml file in it",
        path = path.display()
    )]
    IsDirectory { path: PathBuf },
    /// The file is larger than any scenario can sensibly be.
    #[error(
        "{path}: is larger than {limit} bytes; allowed: at most {limit} bytes; fix: check that it is \
         a scenario (arrival times belong in a trace file of their own)",
        path = path.display()
    )]
    TooLarge {
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// The file is not text.
    #[error(
        "{path}: is not text (byte {offset} is not UTF-8 or is NUL); allowed: TOML in UTF-8; \
         fix: check that it is a scenario, and save it as UTF-8",
        path = path.display()
    )]
    NotText {
        path: PathBuf,
        /// The first offending byte, from 0.
        offset: usize,
    },
    /// A value was set at a path that does not exist.
    #[error(
        "{path}: cannot set {field}: {what}; allowed: {allowed}; fix: correct the path of the field",
        path = path.display()
    )]
    NoSuchField { path: PathBuf, field: String, what: String, allowed: String },
    /// The text is not a valid scenario; holds every problem in it.
    #[error("{}", listing(path, problems))]
    Invalid {
        path: PathBuf,
        /// All problems in the order of their lines; at least one.
        problems: Vec<Problem>,
    },
}
