//! Unfinished output of a run, so that it can be removed on an error and on Ctrl-C.

use super::output_dir::MANIFEST;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// Prefix of the names of staging folders.
pub(super) const STAGING_PREFIX: &str = ".igniter-";

/// The staging folders of this process, each with the directories that were created for it.
static UNFINISHED: Mutex<Vec<(PathBuf, Vec<PathBuf>)>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<(PathBuf, Vec<PathBuf>)>> {
    // A list of paths stays valid even if a thread panicked while it held the lock.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks [`discard_unfinished`] while the guard lives, so that short steps can complete.
pub(super) fn no_discarding() -> MutexGuard<'static, Vec<(PathBuf, Vec<PathBuf>)>> {
    unfinished()
}

/// Removes everything that this process has written to output directories and not finished.
///
/// Intended for a Ctrl-C handler, which ends the process without running destructors. Files that were complete before
/// the run are unchanged.
pub fn discard_unfinished() {
    for (folder, created) in unfinished().drain(..) {
        // Other threads may still be writing, and a file created while the folder is emptied prevents its removal, so
        // this is retried. Files that cannot be removed are left.
        for _ in 0..ATTEMPTS {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
        remove_empty(&created);
    }
}

/// File in a staging folder that its process holds locked. The lock is released when the process ends, for any reason.
const LOCK: &str = ".lock";

/// Maximum number of attempts to create a folder that another process removes before it is locked.
const ATTEMPTS: usize = 100;

/// A hidden folder for incomplete files. On drop it is removed, together with the directories that were created for it
/// if they are empty.
#[derive(Debug)]
pub struct Staging {
    folder: Option<TempDir>,
    created: Vec<PathBuf>,
    /// Locked while this process lives.
    _lock: Option<File>,
}

impl Staging {
    /// Creates the folder in `parent`. `created` lists the directories that were made for it, outermost first.
    ///
    /// # Errors
    /// When it cannot be created.
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

    /// Returns the folder that is being filled.
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

/// Locks a newly created folder. The error is "not found" if another process removed the folder first. On a file system
/// without locks nobody can tell whether the process has ended, so the folder is then never swept away.
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

/// Removes the staging folders of processes that were killed.
fn sweep(parent: &Path) {
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    // Entries that cannot be read or removed are left; they do no harm.
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

/// Removes a staging folder whose process has ended: its lock file is missing or not locked.
fn remove_if_dead(folder: &Path) {
    let path = folder.join(LOCK);
    match File::open(&path) {
        // The lock is held until the folder is removed, so that a process that is just creating it notices and creates
        // another one.
        Ok(lock) if lock.try_lock().is_ok() => drop(std::fs::remove_dir_all(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A folder being created is empty until its lock exists; once it has the lock, it is not empty any more.
            if std::fs::remove_dir(folder).is_err() && !path.exists() {
                let _ = std::fs::remove_dir_all(folder);
            }
        }
        Ok(_) | Err(_) => {}
    }
}

/// Whether a directory contains staging folders, of processes that are still working or were killed.
pub(super) fn is_staged(path: &Path) -> bool {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| name.starts_with(STAGING_PREFIX))
}

/// Whether a folder may hold only a part of the results of a run: one that was killed while it moved files to their
/// final paths, or that is still running. Such a folder has a staging folder but no manifest, which is written last.
#[must_use]
pub fn is_part(path: &Path) -> bool {
    is_staged(path) && !path.join(MANIFEST).exists()
}

/// Creates a directory and its parents; appends those that did not exist to `created`, outermost first.
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

/// Removes created directories if they are empty, innermost first. A directory with results, or with files of others,
/// is kept.
pub(super) fn remove_empty(created: &[PathBuf]) {
    for path in created.iter().rev() {
        let _ = std::fs::remove_dir(path);
    }
}
