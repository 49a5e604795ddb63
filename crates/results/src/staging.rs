//! What a run has written and not finished, so that it can be taken back: on an error, and on Ctrl-C.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// How the names of staging folders begin.
pub(super) const STAGING_PREFIX: &str = ".igniter-";

/// The staging folders of this process, each with the directories that were created to hold it.
static UNFINISHED: Mutex<Vec<(PathBuf, Vec<PathBuf>)>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<(PathBuf, Vec<PathBuf>)>> {
    // A list of paths is in order whoever panicked while holding it.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps [`discard_unfinished`] waiting for as long as the guard lives: short steps are done to their end.
pub(super) fn no_discarding() -> MutexGuard<'static, Vec<(PathBuf, Vec<PathBuf>)>> {
    unfinished()
}

/// Takes back everything that this process has written to output directories and not finished.
///
/// For a handler of Ctrl-C, which ends the process without running destructors. Files that were complete
/// before the run stay as they were.
pub fn discard_unfinished() {
    for (folder, created) in unfinished().drain(..) {
        // Nothing better can be done about what cannot be removed.
        let _ = std::fs::remove_dir_all(&folder);
        remove_empty(&created);
    }
}

/// A hidden folder for files that are not complete; removed when dropped, with the directories that were
/// created for it as far as they are empty then.
#[derive(Debug)]
pub struct Staging {
    folder: Option<TempDir>,
    created: Vec<PathBuf>,
}

impl Staging {
    /// Makes the folder in `parent`; `created` are the directories that were made to hold it, outermost
    /// first.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(parent: &Path, created: &[PathBuf]) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(STAGING_PREFIX).tempdir_in(parent)?;
        unfinished().push((folder.path().to_owned(), created.to_vec()));
        Ok(Self { folder: Some(folder), created: created.to_vec() })
    }

    /// The folder that is being filled.
    pub fn path(&self) -> &Path {
        self.folder.as_ref().expect("it is taken only when dropped").path()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            let path = folder.path().to_owned();
            drop(folder);
            unfinished().retain(|(known, _)| *known != path);
        }
        remove_empty(&self.created);
    }
}

/// Creates a directory and its parents; notes those that did not exist, outermost first.
pub(super) fn create(path: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create(parent, created)?;
    }
    match std::fs::create_dir(path) {
        Ok(()) => created.push(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Removes directories that were created, innermost first, as far as they are empty: one that holds
/// results, or that somebody else has put something into, stays.
pub(super) fn remove_empty(created: &[PathBuf]) {
    for path in created.iter().rev() {
        let _ = std::fs::remove_dir(path);
    }
}
