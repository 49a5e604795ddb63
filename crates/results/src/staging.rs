//! What a run has written and not finished, so that it can be taken back: on an error, and on Ctrl-C.

use super::output_dir::MANIFEST;
use std::fs::{File, TryLockError};
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
        // Other threads may still be writing: a file that comes while the folder is emptied keeps it there. Nothing better
        // can be done about what cannot be removed.
        for _ in 0..ATTEMPTS {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
        remove_empty(&created);
    }
}

/// The file in a staging folder that its process holds a lock on: the lock goes with the process, however that ends.
const LOCK: &str = ".lock";

/// How often a folder is made anew that another process swept away before it was locked.
const ATTEMPTS: usize = 100;

/// A hidden folder for files that are not complete; removed when dropped, with the directories that were
/// created for it as far as they are empty then.
#[derive(Debug)]
pub struct Staging {
    folder: Option<TempDir>,
    created: Vec<PathBuf>,
    /// Locked as long as this process lives.
    _lock: Option<File>,
}

impl Staging {
    /// Makes the folder in `parent`; `created` are the directories that were made to hold it, outermost
    /// first.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(parent: &Path, created: &[PathBuf]) -> io::Result<Self> {
        sweep(parent);
        let mut attempts = 0;
        loop {
            let folder = tempfile::Builder::new().prefix(STAGING_PREFIX).tempdir_in(parent)?;
            unfinished().push((folder.path().to_owned(), created.to_vec()));
            attempts += 1;
            let lock = match locked(folder.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => {
                    unfinished().retain(|(known, _)| known != folder.path());
                    continue;
                }
                lock => lock?,
            };
            return Ok(Self { folder: Some(folder), created: created.to_vec(), _lock: lock });
        }
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

/// Locks a folder that was just made; "not found" where another process swept it away before. Where a file system has no
/// locks, nobody can tell that the process is gone, and the folder stays then.
fn locked(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    let lock = File::create(&path)?;
    let held = match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::NotFound.into()),
        Err(TryLockError::Error(_)) => false,
    };
    if path.exists() { Ok(held.then_some(lock)) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Removes the staging folders that processes left behind which are no more: they were killed.
fn sweep(parent: &Path) {
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    // What cannot be looked at or removed stays: it is in nobody's way.
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_staging = name.to_str().and_then(|name| name.strip_prefix(STAGING_PREFIX));
        let is_staging = is_staging
            .is_some_and(|rest| rest.len() == 6 && rest.chars().all(|c| c.is_ascii_alphanumeric()));
        if is_staging && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_if_dead(&entry.path());
        }
    }
}

/// Removes a staging folder whose process has ended: it has no lock, or one that nobody holds.
fn remove_if_dead(folder: &Path) {
    let path = folder.join(LOCK);
    match File::open(&path) {
        // Held until the folder is gone: a process that is only now making it then makes another one.
        Ok(lock) if lock.try_lock().is_ok() => drop(std::fs::remove_dir_all(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // What is being made is empty until it has its lock, and one that gets its lock just now is not empty any more.
            if std::fs::remove_dir(folder).is_err() && !path.exists() {
                let _ = std::fs::remove_dir_all(folder);
            }
        }
        Ok(_) | Err(_) => {}
    }
}

/// Whether there are staging folders in a directory: of processes that work there, or were killed.
pub(super) fn is_staged(path: &Path) -> bool {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| name.starts_with(STAGING_PREFIX))
}

/// Whether a folder may hold a part of the results of a run: one that was killed while its files got their names, or that
/// has not ended. It has a staging folder, and no manifest, which comes last.
#[must_use]
pub fn is_part(path: &Path) -> bool {
    is_staged(path) && !path.join(MANIFEST).exists()
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
