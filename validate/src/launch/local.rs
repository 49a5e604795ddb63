//! Servers as processes on this machine.

use super::process::{ServerFiles, ServerOptions, ServerProcess, grace_ms};
use super::start::launch_all;
use super::{Deployment, LaunchError, LaunchSpec, Launcher, mps};
use crate::guard::GuardOrder;
use std::path::{Path, PathBuf};

/// Starts `tritonserver` processes on the loopback interface, one for each placement. Each runs behind a
/// guard, with its share in its environment.
#[derive(Debug, Clone)]
pub struct LocalLauncher {
    /// The server program.
    pub triton: PathBuf,
    /// All other options.
    pub options: ServerOptions,
}

impl ServerProcess for LocalLauncher {
    fn options(&self) -> &ServerOptions {
        &self.options
    }

    fn order(&self, place: &ServerFiles<'_>) -> GuardOrder {
        let mut command = vec![self.triton.display().to_string()];
        command.extend(place.flags(&self.options));
        let mut environment = place.environment(&self.options);
        let mut hidden_variables: Vec<String> =
            [mps::SHARE, mps::PIPES, mps::LOGS, mps::PARTITION, "CUDA_VISIBLE_DEVICES"]
                .map(str::to_owned)
                .into();
        if let Some(device) = place.spec.device.filter(|_| place.mps.is_empty()) {
            let device =
                self.options.device(device).map_or_else(|| device.to_string(), |d| d.uuid.clone());
            environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), device);
        }
        // Files that the server and its models leave there are removed with the folder.
        environment.insert("TMPDIR".to_owned(), self.options.scratch.display().to_string());
        // Under MPS the daemon shows its single device to all clients.
        hidden_variables.retain(|name| !environment.contains_key(name));
        GuardOrder {
            command,
            environment,
            hidden_variables,
            log: place.log(),
            grace_ms: grace_ms(&self.options),
            stop_command: None,
            cleaning: None,
            shared_memory: Some(place.shared_memory.clone()),
            holds: Some(self.options.scratch.clone()),
            mps: mps::control_of(&place.mps),
        }
    }
}

impl Launcher for LocalLauncher {
    fn name(&self) -> &'static str {
        "local"
    }

    fn launch(&mut self, specs: &[LaunchSpec], dir: &Path) -> Result<Deployment, LaunchError> {
        launch_all(self, specs, dir)
    }
}
