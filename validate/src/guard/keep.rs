//! The keeper of a temporary folder: the hidden command.

use super::run::remove_starting_with;
use nix::unistd::Uid;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Maximum time that guards may hold the folder after the program has ended: they need the grace period of a
/// server.
const HELD_LIMIT: Duration = Duration::from_secs(50);
/// Maximum time that a file which is just being created may delay the removal of the folder.
const REMOVE_LIMIT: Duration = Duration::from_secs(5);
/// The file in a temporary folder that its keeper locks.
const KEEPER: &str = ".keeper";
/// The name prefix of all temporary folders.
const OURS: &str = "igniter-";
/// The name prefix of folders that Triton's Python backend creates in `/tmp`, whatever `TMPDIR` says. They
/// stay there if the server is killed, or asked to end while it is still loading.
const BACKEND_FOLDER: &str = "python_env_";

/// Creates a temporary folder, prints its path on stdout, and removes it once stdin has ended and no guard
/// holds it any more. Also removes the shared memory of `process`, and files that killed servers left in
/// `/tmp`.
///
/// # Errors
/// When the folder cannot be created, or a signal handler cannot be set.
pub fn keep_folder(prefix: &str, process: u32) -> io::Result<()> {
    // A signal to all processes ends the program too; its folder is needed until then.
    ctrlc::set_handler(|| {}).map_err(io::Error::other)?;
    let folder = tempfile::Builder::new().prefix(prefix).tempdir()?.keep();
    // Held for as long as this process lives: a folder whose lock is free has no owner.
    let keeper = File::create(folder.join(KEEPER))?;
    keeper.lock()?;
    (&keeper).write_all(process.to_string().as_bytes())?;
    let written =
        writeln!(io::stdout(), "{}", folder.display()).and_then(|()| io::stdout().flush());
    if written.is_ok() {
        if let Some(parent) = folder.parent() {
            sweep(parent);
        }
        let mut rest = Vec::new();
        // However reading ends, the program is gone.
        let _ = io::stdin().read_to_end(&mut rest);
    }
    wait_until_free(&folder);
    remove(&folder);
    remove_starting_with(
        Path::new(super::run::SHARED_MEMORY),
        &super::shared_memory_prefix(process),
    );
    for folder in unused_backend_folders(Path::new("/tmp")) {
        // Removes the folder only if it is empty.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Removes folders left by runs whose keepers were killed too, with their shared memory.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(OURS) || !is_ours(&folder) {
            continue;
        }
        // A folder without this file is just being created, or holds records.
        let Ok(mut keeper) = File::open(folder.join(KEEPER)) else { continue };
        let Ok(handle) = File::open(&folder) else { continue };
        // The keeper holds one lock, the guards of servers that still run hold the other.
        if keeper.try_lock().is_err() || handle.try_lock().is_err() {
            continue;
        }
        let mut process = String::new();
        let _ = keeper.read_to_string(&mut process);
        if let Ok(process) = process.trim().parse() {
            let prefix = super::shared_memory_prefix(process);
            remove_starting_with(Path::new(super::run::SHARED_MEMORY), &prefix);
        }
        remove(&folder);
    }
}

/// Every guard whose process uses the folder holds a shared lock on it.
fn wait_until_free(folder: &Path) {
    let Ok(handle) = File::open(folder) else { return };
    let deadline = Instant::now() + HELD_LIMIT;
    while matches!(handle.try_lock(), Err(TryLockError::WouldBlock)) && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
    }
}

fn remove(folder: &Path) {
    let deadline = Instant::now() + REMOVE_LIMIT;
    while let Err(error) = fs::remove_dir_all(folder) {
        if error.kind() == io::ErrorKind::NotFound || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Returns the folders of Python backends that are unused: those of this user, while no Triton server of this
/// user runs. Folders are listed before processes are checked, so that the folder of a server that starts
/// meanwhile is not included.
fn unused_backend_folders(folder: &Path) -> Vec<PathBuf> {
    let found = backend_folders(folder);
    if a_server_runs(Path::new("/proc")) { Vec::new() } else { found }
}

fn is_ours(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.uid() == Uid::current().as_raw())
}

/// Returns this user's folders of Python backends.
fn backend_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(BACKEND_FOLDER))
        .map(|entry| entry.path())
        .filter(|path| is_ours(path))
        .collect()
}

/// Returns whether a Triton server of this user is among the processes.
fn a_server_runs(processes: &Path) -> bool {
    let entries = fs::read_dir(processes).into_iter().flatten().flatten();
    let mut servers = entries.map(|entry| entry.path()).filter(|process| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == "tritonserver")
    });
    servers.any(|server| is_ours(&server))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_folder_goes_once_nobody_holds_it() {
        let folder = tempfile::tempdir().unwrap().keep();
        fs::create_dir(folder.join("servers")).unwrap();
        fs::write(folder.join("servers/server.log"), "text").unwrap();
        let held = File::open(&folder).unwrap();
        held.lock_shared().unwrap();
        thread::scope(|scope| {
            let keeper = scope.spawn(|| {
                wait_until_free(&folder);
                remove(&folder);
            });
            thread::sleep(Duration::from_millis(100));
            assert!(folder.join("servers/server.log").exists() && !keeper.is_finished());
            drop(held);
        });
        assert!(!folder.exists());
        // One that is gone is no trouble.
        wait_until_free(&folder);
        remove(&folder);
    }

    #[test]
    fn folders_of_the_dead_are_swept_and_those_of_the_living_stay() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("server.log"), "x").unwrap();
            let keeper = File::create(folder.join(KEEPER)).unwrap();
            // No process has this number.
            (&keeper).write_all(b"4194999").unwrap();
            (folder, keeper)
        };
        let (dead, _) = make("igniter-run-dead");
        let (living, keeper) = make("igniter-run-living");
        keeper.lock().unwrap();
        let (guarded, _) = make("igniter-run-guarded");
        let guard = File::open(&guarded).unwrap();
        guard.lock_shared().unwrap();
        let (other, _) = make("somebody-else");
        let fresh = parent.path().join("igniter-records-1");
        fs::create_dir(&fresh).unwrap();
        sweep(parent.path());
        assert!(!dead.exists(), "its keeper is gone, and no guard holds it");
        for stays in [&living, &guarded, &other, &fresh] {
            assert!(stays.exists(), "{}", stays.display());
        }
        drop((keeper, guard));
        sweep(parent.path());
        assert!(!living.exists() && !guarded.exists());
    }

    #[test]
    fn only_folders_of_backends_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["python_env_a1B2c3", "python_environment", "else"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        assert_eq!(backend_folders(folder.path()), [folder.path().join("python_env_a1B2c3")]);
    }

    #[test]
    fn a_server_of_ours_is_seen() {
        let processes = tempfile::tempdir().unwrap();
        let process = processes.path().join("17");
        fs::create_dir(&process).unwrap();
        assert!(!a_server_runs(processes.path()));
        fs::write(process.join("comm"), "bash\n").unwrap();
        assert!(!a_server_runs(processes.path()));
        fs::write(process.join("comm"), "tritonserver\n").unwrap();
        assert!(a_server_runs(processes.path()));
    }
}
