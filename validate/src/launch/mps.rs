//! The MPS daemon of one GPU, started and ended by this program, with its own folders.

use super::partitions::{GpuPartition, PartitionTable, added};
use super::{LaunchError, triton::in_path};
use crate::guard::{GuardOrder, Guarded, MpsControl, ScratchFolder, StopCommand, mps_command};
use crate::signals;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The control program of MPS.
pub const CONTROL: &str = "nvidia-cuda-mps-control";
/// The variable with the pipe folder, by which clients find the daemon.
pub(super) const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";
/// The variable with the log folder.
pub(super) const LOGS: &str = "CUDA_MPS_LOG_DIRECTORY";
/// The variable with a client's share.
pub(super) const SHARE: &str = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";
/// The variable with a client's partition.
pub(super) const PARTITION: &str = "CUDA_MPS_SM_PARTITION";
const START_LIMIT: Duration = Duration::from_secs(15);
/// Maximum time for a daemon to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Maximum length of the path of a UNIX socket, in bytes.
const SOCKET_PATH: usize = 107;
/// The folder for pipes whose path would be too long below the temporary folder.
const SHORT: &str = "/tmp";

pub use igniter::domain::SmSharing as Sharing;

/// Searches for the control program in `PATH`, then in folders where drivers install it.
#[must_use]
pub fn find_control() -> Option<PathBuf> {
    in_path(CONTROL).or_else(|| {
        [
            "/usr/bin",
            "/usr/local/nvidia/bin",
            "/usr/lib/nvidia/current",
            "/opt/bin",
            "/run/nvidia/driver/usr/bin",
        ]
        .into_iter()
        .map(|folder| Path::new(folder).join(CONTROL))
        .find(|path| path.is_file())
    })
}

/// Returns how to communicate with the daemon that these variables identify; `None` where there are no such
/// variables.
pub(super) fn control_of(environment: &BTreeMap<String, String>) -> Option<MpsControl> {
    if !environment.contains_key(PIPES) {
        return None;
    }
    Some(MpsControl { program: find_control()?, environment: environment.clone() })
}

/// A running MPS daemon. Dropping it ends the daemon.
#[derive(Debug)]
pub struct MpsDaemon {
    process: Guarded,
    control: MpsControl,
    sharing: Sharing,
    /// The folder of the pipes, where it is not in the given folder. It is removed after the daemon has
    /// ended.
    _pipes: Option<ScratchFolder>,
}

impl MpsDaemon {
    /// Starts the daemon of one device in the foreground, behind a guard. `device` is the value of
    /// `CUDA_VISIBLE_DEVICES` (preferably a UUID); `dir` gets the logs, and `scratch` (the folder of a
    /// [`ScratchFolder`]) the pipes.
    ///
    /// # Errors
    /// When there is no control program, the daemon does not answer, or static partitions are requested and
    /// the daemon does not support them.
    pub fn start(
        program: &Path,
        device: &str,
        dir: &Path,
        scratch: &Path,
        sharing: Sharing,
    ) -> Result<Self, LaunchError> {
        let control = find_control().ok_or_else(|| LaunchError::Mps {
            reason: format!("there is no {CONTROL}"),
            fix: "install the driver's compute utilities, or run without shares with --mps off"
                .into(),
        })?;
        let (pipes, short) = pipes(program, scratch)?;
        let logs = dir.join("mps");
        std::fs::create_dir_all(&logs).map_err(LaunchError::file(&logs))?;
        let text = |path: &Path| path.display().to_string();
        let environment: BTreeMap<String, String> =
            [(PIPES.to_owned(), text(&pipes)), (LOGS.to_owned(), text(&logs))].into();
        let mut daemon_environment = environment.clone();
        daemon_environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), device.to_owned());
        // The daemon starts nvidia-cuda-mps-server, which may be next to it instead of in a folder of PATH.
        let folders = control.parent().into_iter().map(Path::to_owned);
        let known = std::env::var_os("PATH").unwrap_or_default();
        if let Ok(path) = std::env::join_paths(folders.chain(std::env::split_paths(&known))) {
            daemon_environment.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
        }
        let control = MpsControl { program: control, environment };
        let order = |command: Vec<String>| GuardOrder {
            command,
            environment: daemon_environment.clone(),
            // A default set by the user would limit every client.
            hidden_variables: vec![SHARE.to_owned(), PARTITION.to_owned()],
            log: logs.join("daemon.log"),
            grace_ms: 10_000,
            stop_command: Some(StopCommand {
                command: vec![text(&control.program)],
                input: "quit\n".to_owned(),
                mps: Some(control.clone()),
            }),
            cleaning: None,
            shared_memory: None,
            holds: Some(scratch.to_owned()),
            mps: None,
        };
        let started = |command| {
            Guarded::start(program, &order(command))
                .map_err(|source| LaunchError::Start { what: "the MPS daemon".to_owned(), source })
        };
        let mut command = vec![text(&control.program), "-f".to_owned()];
        if sharing == Sharing::Static {
            command.push("-S".to_owned());
        }
        let mut daemon =
            Self { process: started(command)?, control: control.clone(), sharing, _pipes: short };
        match daemon.wait_until_it_answers(&pipes) {
            // Old drivers have no flag for running in the foreground.
            Err(LaunchError::Mps { reason, .. })
                if sharing != Sharing::Static && knows_no_foreground(&reason) =>
            {
                daemon.process = started(in_background(&control.program, &pipes))?;
                daemon.wait_until_it_answers(&pipes)?;
            }
            // Drivers from before static partitions have no flag for them.
            Err(LaunchError::Mps { reason, .. })
                if sharing == Sharing::Static && knows_no_foreground(&reason) =>
            {
                return Err(no_partitions(&reason));
            }
            other => other?,
        }
        if sharing == Sharing::Static {
            daemon.table()?;
        }
        Ok(daemon)
    }

    /// Waits until the daemon has created its socket and answers on it.
    fn wait_until_it_answers(&mut self, pipes: &Path) -> Result<(), LaunchError> {
        let end = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.process.ended() {
                return Err(LaunchError::Mps {
                    reason: format!(
                        "the daemon ended ({status}); {}: {}",
                        self.process.log().display(),
                        super::deployment::tail(self.process.log())
                    ),
                    fix: "see the reason above; only one user of a machine can have an MPS server"
                        .into(),
                });
            }
            let silent = if pipes.join("control").exists() {
                match self.say("get_server_list") {
                    Ok(_) => return Ok(()),
                    Err(error) => format!("does not answer: {error}"),
                }
            } else {
                format!("opens no pipe in {}", pipes.display())
            };
            if Instant::now() > end {
                return Err(LaunchError::Mps {
                    reason: format!(
                        "the daemon {silent}; {}: {}",
                        self.process.log().display(),
                        super::deployment::tail(self.process.log())
                    ),
                    fix: "see the reason above, and run `validate doctor`".to_owned(),
                });
            }
            signals::sleep(Duration::from_millis(20))?;
        }
    }

    /// Sends a command to the daemon and returns its answer.
    ///
    /// # Errors
    /// When the daemon does not answer; the error is the reason as text.
    pub fn say(&self, command: &str) -> Result<String, String> {
        mps_command(&self.control, command, ANSWER_LIMIT).map_err(|error| error.to_string())
    }

    /// Returns the processes that are currently clients of the daemon.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn clients(&self) -> Result<Vec<u32>, String> {
        let numbers = |text: String| -> Vec<u32> {
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
        };
        let mut clients = Vec::new();
        for server in numbers(self.say("get_server_list")?) {
            clients.extend(numbers(self.say(&format!("get_client_list {server}"))?));
        }
        Ok(clients)
    }

    /// Returns the table of the static partitions.
    ///
    /// # Errors
    /// When it has none.
    pub fn table(&self) -> Result<PartitionTable, LaunchError> {
        let answer = self.say("lspart").map_err(|reason| no_partitions(&reason))?;
        PartitionTable::read(&answer).ok_or_else(|| no_partitions(&answer))
    }

    /// Creates a partition of the given number of chunks of a GPU; returns it with its SMs.
    ///
    /// # Errors
    /// When the daemon refuses it.
    pub fn add_partition(&self, device: &str, chunks: u32) -> Result<GpuPartition, LaunchError> {
        let before = self.table()?;
        let answer = self.say(&format!("sm_partition add {device} {chunks}"));
        let refused = |why: &str| LaunchError::Mps {
            reason: format!("a partition of {chunks} chunks of {device} cannot be had: {why}"),
            fix: "the shares of one GPU must fit into its chunks; see `lspart`".to_owned(),
        };
        let answer = answer.map_err(|why| refused(&why))?;
        let id = added(&answer, device).ok_or_else(|| refused(&answer))?;
        // The control program reports success in any case; only the table shows the outcome.
        let after = self.table()?;
        let sms = before.free_sms.saturating_sub(after.free_sms);
        if sms == 0 {
            return Err(refused(&answer));
        }
        Ok(GpuPartition { id, sms })
    }

    /// Returns the environment variables that make a process a client of this daemon.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.control.environment
    }

    /// Returns how the daemon shares SMs.
    #[must_use]
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Returns the process of the daemon.
    pub(super) fn process(&mut self) -> &mut Guarded {
        &mut self.process
    }
}

fn no_partitions(answer: &str) -> LaunchError {
    let version = find_control().map(|program| {
        let output = std::process::Command::new(program)
            .arg("-v")
            .stdin(std::process::Stdio::null())
            .output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    });
    let version = version.filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    LaunchError::Mps {
        reason: format!(
            "this daemon has no static partitions of SMs (version {version}): {}",
            answer.lines().next().unwrap_or("no answer")
        ),
        fix: "they came with CUDA 13.1 (version 13010), for Ampere and later; else use --mps percentage"
            .to_owned(),
    }
}

/// Creates a folder for the pipes; they are sockets, whose paths have a maximum length.
fn pipes(program: &Path, scratch: &Path) -> Result<(PathBuf, Option<ScratchFolder>), LaunchError> {
    let fits =
        |folder: &Path| folder.as_os_str().len() + "/mps-123456/control".len() <= SOCKET_PATH;
    let made = |folder: &Path| {
        let made = tempfile::Builder::new().prefix("mps-").tempdir_in(folder);
        // It is removed together with the folder that contains it.
        made.map(tempfile::TempDir::keep).map_err(LaunchError::file(folder))
    };
    if fits(scratch) {
        return Ok((made(scratch)?, None));
    }
    let short = ScratchFolder::create_in(program, "igniter-mps-", Path::new(SHORT))
        .map_err(LaunchError::file(Path::new(SHORT)))?;
    Ok((made(short.path())?, Some(short)))
}

/// Returns whether a daemon ended because of an unknown flag.
fn knows_no_foreground(reason: &str) -> bool {
    let said = reason.to_lowercase();
    ["usage", "unrecognized option", "invalid option", "unknown option"]
        .iter()
        .any(|words| said.contains(words))
}

/// Returns a command that starts a daemon in the background and runs for as long as the daemon does. When the
/// command is ended, it ends the daemon by force.
fn in_background(control: &Path, pipes: &Path) -> Vec<String> {
    let script = "\"$1\" -d || exit 1; file=\"$2/nvidia-cuda-mps-control.pid\"
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -s \"$file\" ] && break; sleep 0.1; done
        pid=$(cat \"$file\") || exit 1
        trap 'kill -KILL $pid' TERM
        while kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; done";
    let words = ["sh", "-c", script, "sh"].map(str::to_owned);
    let paths = [control, pipes].map(|path| path.display().to_string());
    words.into_iter().chain(paths).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_is_not_known_is_told_from_other_ends() {
        assert!(knows_no_foreground(
            "the daemon ended (exit status: 1): Usage: nvidia-cuda-mps-control [-d]"
        ));
        assert!(!knows_no_foreground(
            "the daemon ended: An instance of this daemon is already running"
        ));
    }

    #[test]
    fn processes_without_mps_have_no_daemon_to_ask() {
        assert_eq!(control_of(&BTreeMap::new()), None);
    }
}
