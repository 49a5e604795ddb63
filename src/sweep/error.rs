//! Errors of sweeps.

use crate::input::toml_keys::{Problem, listing};
use crate::run::RunError;
use crate::scenario::ScenarioError;
use std::io;
use std::path::PathBuf;

/// The reason why a sweep failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "messages name the fields")]
#[non_exhaustive]
pub enum SweepError {
    /// The sweep file cannot be read.
    #[error("{}: cannot read the sweep file: {source}; check the path and its permissions", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The text is not a valid sweep; lists everything that is wrong with it.
    #[error("{}", listing(path, problems))]
    Invalid {
        path: PathBuf,
        /// All problems in the order of their lines; at least one.
        problems: Vec<Problem>,
    },
    /// The base scenario, or the scenario of the first point, cannot be used.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The first point of the sweep is not a valid scenario, for a reason that all points share.
    #[error("{}: {place} not fit the scenario: {}", .path.display(), reasons(source))]
    FirstPoint {
        path: PathBuf,
        /// The field that causes the error, if there is one, with a verb.
        place: String,
        source: Box<ScenarioError>,
    },
    /// The predictors cannot be made.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The sweep has more points than are run without a confirmation.
    #[error(
        "{}: {points} points are more than {limit}; allowed: up to {limit} points; fix: take fewer values, \
         or confirm with --yes",
        .path.display()
    )]
    TooManyPoints { path: PathBuf, points: u64, limit: u64 },
    /// The shard is unknown or invalid.
    #[error("{0}")]
    Shard(String),
    /// The folder holds unfinished or other work.
    #[error("{}: {what}; fix: {fix}", .path.display())]
    Folder { path: PathBuf, what: String, fix: String },
    /// A file of the work cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// The caller stopped the sweep.
    #[error("the sweep was stopped; finished points are kept")]
    Stopped,
    /// The shards belong to different sweeps, or are incomplete.
    #[error("{0}")]
    Merge(String),
    /// A search cannot start.
    #[error("{0}")]
    Search(String),
}

/// Returns the problems of a scenario without their total, because the mistake is in the sweep.
fn reasons(error: &ScenarioError) -> String {
    match error {
        ScenarioError::Invalid { path, problems } => {
            let text = listing(path, problems);
            text.rsplit_once('\n').map_or_else(|| text.clone(), |(list, _)| list.to_owned())
        }
        error => error.to_string(),
    }
}

impl SweepError {
    /// Returns a function that adds a path to a file system error.
    pub(super) fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
