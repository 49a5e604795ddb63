//! Sees to it that nothing outlives this process.
//!
//! Every process that is started (a Triton server, a container, the MPS daemon) gets a guard between it and
//! us: this same program, started with a hidden command. The guard holds the read end of a pipe whose write
//! end only we hold. When we close it, or die in whatever way, the guard ends what it guards: first by asking,
//! then, after a time of grace, by force, with the whole process group; then it removes what that left in
//! shared memory. Where even the guard is killed, the system itself ends the process (`setpriv --pdeathsig`).
//!
//! A temporary folder has a keeper of the same kind ([`ScratchFolder`]): it removes the folder when we are gone and
//! the guards of all processes that use it are too, each of which holds a shared lock on the folder.

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

/// What a guard is to start, and how it is to end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardOrder {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables to set.
    pub environment: BTreeMap<String, String>,
    /// Variables of ours that the process is not to see.
    pub hidden_variables: Vec<String>,
    /// Where all that it prints goes; the folder exists.
    pub log: PathBuf,
    /// How long it may take to end once it is asked, in ms.
    pub grace_ms: u64,
    /// A command that asks it to end, instead of SIGTERM.
    pub stop_command: Option<StopCommand>,
    /// A command that removes what may be left once it ended (a container).
    pub cleaning: Option<Vec<String>>,
    /// Shared memory whose name begins so belongs to it and is removed once it ended.
    pub shared_memory: Option<String>,
    /// A folder that stays until the process has ended: see [`ScratchFolder`].
    pub holds: Option<PathBuf>,
    /// The MPS daemon whose client it is: before it is killed, the daemon is asked to end it. To kill a client that
    /// is at work can hang the GPU for all others.
    #[serde(default)]
    pub mps: Option<MpsControl>,
}

/// How a daemon of MPS is talked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MpsControl {
    /// The control program.
    pub program: PathBuf,
    /// Variables that name the daemon.
    pub environment: BTreeMap<String, String>,
}

/// This program, where it is a part of another process.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says which program has the hidden commands of guards, where that is not the one of this process. Only the first call
/// counts.
pub fn set_program(path: PathBuf) {
    let _ = PROGRAM.set(path);
}

/// The program that has the hidden commands of guards.
///
/// # Errors
/// When the system does not say which program this is.
pub fn program() -> std::io::Result<PathBuf> {
    PROGRAM.get().cloned().map_or_else(std::env::current_exe, Ok)
}

/// How the names of all shared memory begin that belongs to a process of this program.
#[must_use]
pub fn shared_memory_prefix(process: u32) -> String {
    format!("igniter-{process}-")
}

/// A command that asks a process to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopCommand {
    /// The program and its arguments; it gets the environment of the process.
    pub command: Vec<String>,
    /// What it reads.
    pub input: String,
    /// Where the process is a daemon of MPS: how it is talked to.
    #[serde(default)]
    pub mps: Option<MpsControl>,
}
