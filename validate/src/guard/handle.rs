//! The handle of a guard in the main program.

use super::GuardOrder;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Time that a guard may take beyond the grace period to end everything.
const SLACK: Duration = Duration::from_secs(25);

/// A process that runs behind a guard. Dropping it ends the process.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
    /// The pipe; closing it tells the guard to end its process.
    leash: Option<ChildStdin>,
    pid: u32,
    log: PathBuf,
    grace: Duration,
}

impl Guarded {
    /// Starts a process behind a guard; `program` is this program, which has the hidden command.
    ///
    /// # Errors
    /// When the guard or the process cannot be started.
    pub fn start(program: &Path, order: &GuardOrder) -> io::Result<Self> {
        let mut guard = Command::new(program)
            .arg("guard")
            .arg(serde_json::to_string(order)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is meant for this program only; the guard gets its own order to end.
            .process_group(0)
            .spawn()?;
        let leash = guard.stdin.take();
        let mut said = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let Ok(pid) = said.trim().parse() else {
            let output = guard.wait_with_output()?;
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(io::Error::other(if why.is_empty() {
                "the guard ended".into()
            } else {
                why
            }));
        };
        let grace = Duration::from_millis(order.grace_ms);
        Ok(Self { guard, leash, pid, log: order.log.clone(), grace })
    }

    /// Returns the id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the log file of the process.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns how the process ended, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.guard.try_wait().ok().flatten()
    }

    /// Asks the process to end, without waiting.
    pub fn ask_to_end(&mut self) {
        self.leash = None;
    }

    /// Ends the process and waits until it and everything that it left are gone. `None` if the guard had to
    /// be killed.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.ask_to_end();
        let deadline = Instant::now() + self.grace + SLACK;
        while Instant::now() < deadline {
            match self.guard.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(_) => break,
            }
        }
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        None
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}
