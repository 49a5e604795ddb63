//! A temporary folder that is removed however this process ends.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Time limit for the keeper, longer than the slowest guard of a server that it waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// A temporary folder, and the process that removes it with all its content. That happens once this value is
/// dropped or this process is gone, and no guard of a server needs the folder any more.
#[derive(Debug)]
pub struct ScratchFolder {
    keeper: Child,
    /// The pipe; closing it tells the keeper that the folder is no longer needed.
    leash: Option<ChildStdin>,
    path: PathBuf,
}

impl ScratchFolder {
    /// Creates a folder whose name begins with `prefix`; `program` is this program, which has the hidden
    /// command of the keeper.
    ///
    /// # Errors
    /// When the keeper cannot be started, or the folder cannot be created.
    pub fn create(program: &Path, prefix: &str) -> io::Result<Self> {
        Self::create_in(program, prefix, &std::env::temp_dir())
    }

    /// Does the same in a given parent folder instead of the system's temporary folder.
    ///
    /// # Errors
    /// As [`ScratchFolder::create`].
    pub fn create_in(program: &Path, prefix: &str, folder: &Path) -> io::Result<Self> {
        let mut keeper = Command::new(program)
            .args(["keep-folder", prefix, &std::process::id().to_string()])
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is meant for this program only.
            .process_group(0)
            .spawn()?;
        let leash = keeper.stdin.take();
        let mut said = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let Some(path) = said.strip_suffix('\n').map(PathBuf::from) else {
            let output = keeper.wait_with_output()?;
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(io::Error::other(format!("no temporary folder: {why}")));
        };
        Ok(Self { keeper, leash, path })
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        self.leash = None;
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            match self.keeper.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) | Err(_) => break,
            }
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        // Only needed where the keeper was killed.
        let _ = fs::remove_dir_all(&self.path);
    }
}
