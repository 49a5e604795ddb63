//! Errors of traces from other programs.

use super::table::TableError;
use std::io;
use std::path::{Path, PathBuf};

/// A trace that cannot be read or used. Line numbers count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read the trace {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The first line does not show a known format.
    #[error(
        "{}: the first line is of no known trace format: {first:?}; name the column of times with --time-column \
         (`column` in a scenario), or the format with --format: {known}",
        path.display()
    )]
    UnknownFormat { path: PathBuf, first: String, known: String },
    /// No column, or more than one, is known to hold times.
    #[error(
        "{}: name the column of times with --time-column (`column` in a scenario); the file has: {columns}",
        path.display()
    )]
    NoTimeColumn { path: PathBuf, columns: String },
    /// A row is invalid.
    #[error("{}:{line}: {what}", path.display())]
    Row { path: PathBuf, line: u64, what: String },
    /// The time of a row is before that of the row above it.
    #[error(
        "{}:{line}: the time is {back_s} s before the one above it; sort the file by time, or say --sort (`sort = true` \
         in a scenario){}",
        path.display(),
        if *gaps { "; if each line is a gap, say --format intervals" } else { "" }
    )]
    OutOfOrder {
        path: PathBuf,
        line: u64,
        /// How far the time goes back, in seconds.
        back_s: f64,
        gaps: bool,
    },
    /// The temporary file for sorting cannot be used.
    #[error(
        "cannot sort the trace with a temporary file in {}: {_0}; let TMPDIR name a folder with room (12 bytes for \
         each request)",
        std::env::temp_dir().display()
    )]
    Unsorted(io::Error),
    /// Too many requests would be drawn to finish in an acceptable time.
    #[error(
        "{}: {requests:e} requests would be drawn, more than {most:e}; lower --rate-scale, or take a part of the file",
        path.display()
    )]
    TooMany { path: PathBuf, requests: f64, most: f64 },
    /// A trace without arrival times was to be replayed.
    #[error(
        "{}: a file of the format {format} has no arrival times, only rates or counts; draw them first: igniter trace \
         convert {} -o FILE",
        path.display(),
        path.display()
    )]
    NotReplayed { path: PathBuf, format: &'static str },
    /// The selected part of the trace has no requests.
    #[error("{}: no requests in that part of the trace, which is {length_s} s long", path.display())]
    EmptyPart {
        path: PathBuf,
        /// The length of the trace, in seconds.
        length_s: f64,
    },
    /// No window gave arrivals that could be redrawn.
    #[error("{}: nothing is left; raise --rate-scale, or widen --window", path.display())]
    NothingDrawn { path: PathBuf },
    /// The trace has no requests.
    #[error("{}: the trace has no requests", path.display())]
    Empty { path: PathBuf },
}

impl ImportError {
    /// Converts an error of the table in this file.
    #[must_use]
    pub fn of_table(path: &Path, error: TableError) -> Self {
        let path = path.to_owned();
        match error {
            TableError::Io(source) => Self::Unreadable { path, source },
            TableError::Row { line, what } => Self::Row { path, line, what },
        }
    }
}
