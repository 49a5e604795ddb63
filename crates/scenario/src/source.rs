//! Reads a file as text and reports a clear error where that fails.

use super::{ScenarioError, shipped_text};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest scenario file: some 250,000 workloads, which take about 1.5 GB to read.
pub(super) const LIMIT: u64 = 32 * 1024 * 1024;

/// Reads a scenario file as text.
pub(super) fn read_text(path: &Path) -> Result<String, ScenarioError> {
    if let Some(text) = shipped_text(path) {
        return Ok(text.to_owned());
    }
    let unreadable = |source: io::Error| ScenarioError::Unreadable { path: path.into(), source };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(ScenarioError::IsDirectory { path: path.into() });
    }
    let mut bytes = Vec::new();
    // Read one byte past the limit, so that files longer than their reported size are caught as well.
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(ScenarioError::TooLarge { path: path.into(), limit: LIMIT });
    }
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        return Err(ScenarioError::NotText { path: path.into(), offset });
    }
    String::from_utf8(bytes).map_err(|error| ScenarioError::NotText {
        path: path.into(),
        offset: error.utf8_error().valid_up_to(),
    })
}
