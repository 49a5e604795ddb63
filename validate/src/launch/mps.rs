//! The MPS daemon of one GPU: started by us, with folders of our own, ended by us.

use super::{LaunchError, triton::in_path};
use crate::guard::{Farewell, GuardOrder, Guarded};
use crate::life;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The control program of MPS.
pub const CONTROL: &str = "nvidia-cuda-mps-control";
/// The variable with the folder of the pipes, by which clients find the daemon.
pub(super) const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";
/// The variable with the folder of the logs.
pub(super) const LOGS: &str = "CUDA_MPS_LOG_DIRECTORY";
/// The variable with a client's share.
pub(super) const SHARE: &str = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";
const START_LIMIT: Duration = Duration::from_secs(15);

/// Looks for the control program: in `PATH`, and in folders where drivers put it.
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

/// A running daemon. Dropping it ends it.
#[derive(Debug)]
pub struct MpsDaemon {
    process: Guarded,
    environment: BTreeMap<String, String>,
}

impl MpsDaemon {
    /// Starts the daemon of one device in the foreground, behind a guard. `device` is what
    /// `CUDA_VISIBLE_DEVICES` is to say (best a UUID); `dir` gets the logs, and `scratch` (the folder of a
    /// [`Scratch`](crate::guard::Scratch)) the pipes.
    ///
    /// # Errors
    /// When there is no control program, or the daemon does not answer.
    pub fn start(
        program: &Path,
        device: &str,
        dir: &Path,
        scratch: &Path,
    ) -> Result<Self, LaunchError> {
        let control = find_control().ok_or_else(|| LaunchError::Mps {
            reason: format!("there is no {CONTROL}"),
            fix: "install the driver's compute utilities, or run without shares with --mps off"
                .into(),
        })?;
        // The pipes are sockets, whose paths may have 107 bytes at most: not below `dir`, which may be deep.
        let pipes = tempfile::Builder::new()
            .prefix("mps-")
            .tempdir_in(scratch)
            .map_err(LaunchError::file(scratch))?
            // It goes with the folder that it is in.
            .keep();
        let logs = dir.join("mps");
        std::fs::create_dir_all(&logs).map_err(LaunchError::file(&logs))?;
        let text = |path: &Path| path.display().to_string();
        let environment: BTreeMap<String, String> =
            [(PIPES.to_owned(), text(&pipes)), (LOGS.to_owned(), text(&logs))].into();
        let mut daemon_environment = environment.clone();
        daemon_environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), device.to_owned());
        // The daemon starts nvidia-cuda-mps-server, which may be in no folder of PATH but beside it.
        let folders = control.parent().into_iter().map(Path::to_owned);
        let known = std::env::var_os("PATH").unwrap_or_default();
        if let Ok(path) = std::env::join_paths(folders.chain(std::env::split_paths(&known))) {
            daemon_environment.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
        }
        let order = GuardOrder {
            command: vec![text(&control), "-f".to_owned()],
            environment: daemon_environment,
            // A default of the user's would limit every client.
            hidden_variables: vec![SHARE.to_owned()],
            log: logs.join("daemon.log"),
            grace_ms: 10_000,
            farewell: Some(Farewell { command: vec![text(&control)], input: "quit\n".to_owned() }),
            cleaning: None,
            shared_memory: None,
            holds: Some(scratch.to_owned()),
        };
        let process = Guarded::start(program, &order)
            .map_err(|source| LaunchError::Start { what: "the MPS daemon".to_owned(), source })?;
        let mut daemon = Self { process, environment };
        daemon.wait_until_it_answers(&pipes)?;
        Ok(daemon)
    }

    fn wait_until_it_answers(&mut self, pipes: &Path) -> Result<(), LaunchError> {
        let end = Instant::now() + START_LIMIT;
        // The daemon makes its control pipe as soon as it listens.
        while !pipes.join("control").exists() {
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
            if Instant::now() > end {
                return Err(LaunchError::Mps {
                    reason: format!(
                        "the daemon opens no pipe in {}; {}: {}",
                        pipes.display(),
                        self.process.log().display(),
                        super::deployment::tail(self.process.log())
                    ),
                    fix: "see the reason above, and run `validate doctor`".to_owned(),
                });
            }
            life::sleep(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// What a client's environment must say to be a client of this daemon.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The process of the daemon.
    pub(super) fn process(&mut self) -> &mut Guarded {
        &mut self.process
    }
}
