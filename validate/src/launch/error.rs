//! Servers that cannot be started, or do not stay.

use std::io;
use std::path::PathBuf;

/// Why servers do not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A file or folder cannot be used.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
