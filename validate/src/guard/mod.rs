//! Ensures that no child process outlives this process.
//!
//! Every process that is started (a Triton server, a container, the MPS daemon) has a guard between it and
//! this process. The guard is the same program, started with a hidden command. It holds the read end of a
//! pipe whose write end only this process holds. When this process closes the pipe, or dies in any way, the
//! guard ends the guarded process: first by asking, then, after a grace period, by force, with the whole
//! process group. Then it removes the shared memory that the process left behind. If the guard itself is
//! killed, the system ends the process (`setpriv --pdeathsig`).
//!
//! A temporary folder has a keeper of the same kind ([`ScratchFolder`]). It removes the folder once this
//! process and the guards of all processes that use the folder are gone; each of these guards holds a shared
//! lock on the folder.

mod handle;
mod keep;
mod mps;
mod run;
mod scratch;

pub use handle::Guarded;
pub use keep::keep_folder;
pub use mps::command as mps_command;
pub use run::run;
pub use scratch::ScratchFolder;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Instructions for a guard: which process to start and how to end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardOrder {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables to set.
    pub environment: BTreeMap<String, String>,
    /// Environment variables of this process that the new process must not inherit.
    pub hidden_variables: Vec<String>,
    /// The log file for all output of the process; its folder exists.
    pub log: PathBuf,
    /// The grace period for ending after a request to end, in ms.
    pub grace_ms: u64,
    /// A command that asks the process to end, instead of SIGTERM.
    pub stop_command: Option<StopCommand>,
    /// A command that removes what may be left after the process has ended (a container).
    pub cleaning: Option<Vec<String>>,
    /// Name prefix of the shared memory that belongs to the process and is removed after it has ended.
    pub shared_memory: Option<String>,
    /// A folder that must exist until the process has ended: see [`ScratchFolder`].
    pub holds: Option<PathBuf>,
    /// The MPS daemon whose client the process is. The daemon is asked to end the client before it is killed:
    /// killing an active client can hang the GPU for all others.
    #[serde(default)]
    pub mps: Option<MpsControl>,
}

/// How to communicate with an MPS daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MpsControl {
    /// The control program.
    pub program: PathBuf,
    /// Environment variables that identify the daemon.
    pub environment: BTreeMap<String, String>,
}

/// The program that has the hidden commands, where this code is part of another process.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Sets the program that has the hidden commands of guards, where it is not the program of this process. Only
/// the first call has an effect.
pub fn set_program(path: PathBuf) {
    let _ = PROGRAM.set(path);
}

/// Returns the program that has the hidden commands of guards.
///
/// # Errors
/// When the system does not report the path of this program.
pub fn program() -> std::io::Result<PathBuf> {
    PROGRAM.get().cloned().map_or_else(std::env::current_exe, Ok)
}

/// Returns the name prefix of all shared memory that belongs to a process of this program.
#[must_use]
pub fn shared_memory_prefix(process: u32) -> String {
    format!("igniter-{process}-")
}

/// A command that asks a process to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopCommand {
    /// The program and its arguments; it gets the environment of the process to end.
    pub command: Vec<String>,
    /// Its standard input.
    pub input: String,
    /// How to communicate with the process, where it is an MPS daemon.
    #[serde(default)]
    pub mps: Option<MpsControl>,
}
