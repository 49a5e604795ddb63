//! What can be wrong with a foreign trace.

use std::io;
use std::path::PathBuf;

/// A trace that cannot be read or used. Line numbers count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read the trace {}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The first line tells no known format.
    #[error(
        "{}: the first line is of no known trace format: {first:?}; known: {known}; name the \
         format with --format",
        path.display()
    )]
    UnknownFormat {
        path: PathBuf,
        /// The start of its first line.
        first: String,
        /// The formats that there are.
        known: String,
    },
    /// A row is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Row {
        path: PathBuf,
        line: u64,
        /// What is wrong, what would be right.
        what: String,
    },
    /// A row is before the one above it.
    #[error(
        "{}:{line}: the time is {back_s} s before the one above it; sort the file by time, or say --sort",
        path.display()
    )]
    OutOfOrder {
        path: PathBuf,
        line: u64,
        /// How far back, in seconds.
        back_s: f64,
    },
    /// Arrivals that must be sorted cannot be laid aside.
    #[error(
        "cannot sort the trace with a temporary file in {}: {_0}; let TMPDIR name a folder with room (12 bytes for \
         each request)",
        std::env::temp_dir().display()
    )]
    Unsorted(io::Error),
    /// There is nothing in the part that was asked for.
    #[error("{}: no requests in that part of the trace, which is {length_s} s long", path.display())]
    EmptyPart {
        path: PathBuf,
        /// How long the trace is, in seconds.
        length_s: f64,
    },
    /// No window gave arrivals that could be drawn anew.
    #[error("{}: nothing is left; raise --rate-scale, or widen --window", path.display())]
    NothingDrawn { path: PathBuf },
    /// There is nothing in it.
    #[error("{}: the trace has no requests", path.display())]
    Empty { path: PathBuf },
}
