//! Running servers.

use super::mps::MpsDaemon;
use super::{InstanceReport, LaunchError};
use crate::client::{Access, ServerClient};
use crate::guard::Guarded;
use igniter::domain::{ModelName, WorkloadName};
use igniter::units::BatchSize;
use serde::Serialize;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A tensor of a model, as Triton describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorSpec {
    pub name: String,
    /// The data type in the notation of the inference protocol: `FP32`, `INT64`, …
    pub datatype: String,
    /// The dimensions without the batch; −1 is any size.
    pub dims: Vec<i64>,
}

/// A server that is ready to answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endpoint {
    /// The plan's GPU, from 0.
    pub gpu: usize,
    /// The workload that it serves.
    pub workload: WorkloadName,
    /// The model.
    pub model: ModelName,
    /// Triton's `max_batch_size`.
    pub max_batch: BatchSize,
    /// Whether its tensors have a batch dimension.
    pub batched: bool,
    /// Whether the server takes requests from the start; `false` for a standby.
    pub active: bool,
    /// The index of the workload's placement that it serves, or stands by for, from 0 in the order of the
    /// plan.
    pub replica: usize,
    /// The URL of the server, as in `http://127.0.0.1:8000`.
    pub url: String,
    /// Access settings for a server that others run.
    #[serde(skip)]
    pub access: Access,
    /// The name of the model on the server.
    pub served_as: String,
    /// The inputs of one request.
    pub inputs: Vec<TensorSpec>,
    /// The outputs of one request.
    pub outputs: Vec<TensorSpec>,
    /// The log file of the server, where this program started it.
    pub log: Option<PathBuf>,
    /// The file to which the server writes the times of every request when it ends, where traces are on.
    pub trace_file: Option<PathBuf>,
    /// The number of SMs that its instances see; `None` without a GPU.
    pub seen_sm: Option<u32>,
    /// The reports of its instances; empty where they write none.
    pub instances: Vec<InstanceReport>,
    /// The process of the server, where this program started it on this machine.
    pub pid: Option<u32>,
    /// The file in which an emulated model looks for new batch times, where this program started it.
    #[serde(skip)]
    pub times_file: Option<PathBuf>,
    /// The file in which a torchvision model reports how its execution divides into copies and kernels, where
    /// this program started it.
    #[serde(skip)]
    pub stages_file: Option<PathBuf>,
}

/// Servers that run and are ready. Dropping the deployment ends them: requests in flight are finished first,
/// for at most a few seconds.
#[derive(Debug, Default)]
pub struct Deployment {
    endpoints: Vec<Endpoint>,
    /// The processes, one for each endpoint; empty where others run the servers.
    servers: Vec<Guarded>,
    /// The MPS daemons, which are ended after the servers, their clients.
    daemons: Vec<MpsDaemon>,
}

impl Deployment {
    pub(super) fn add_daemon(&mut self, daemon: MpsDaemon) {
        self.daemons.push(daemon);
    }

    pub(super) fn add(&mut self, endpoint: Endpoint, server: Option<Guarded>) {
        self.endpoints.push(endpoint);
        self.servers.extend(server);
    }

    /// Returns the servers, in the order of the specifications.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Checks that every process that was started still runs. Cheap.
    ///
    /// # Errors
    /// The first process that does not, with the end of its log.
    pub fn check(&mut self) -> Result<(), LaunchError> {
        for (endpoint, server) in self.endpoints.iter().zip(&mut self.servers) {
            if let Some(status) = server.ended() {
                return Err(LaunchError::Died {
                    workload: endpoint.workload.clone(),
                    model: endpoint.model.clone(),
                    status: status.to_string(),
                    log: server.log().to_owned(),
                    tail: tail(server.log()),
                });
            }
        }
        for daemon in &mut self.daemons {
            if let Some(status) = daemon.process().ended() {
                return Err(LaunchError::Mps {
                    reason: format!(
                        "the daemon ended ({status}): {}",
                        tail(daemon.process().log())
                    ),
                    fix: "run `validate doctor`".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Checks that every server reports that it is ready; waits up to 5 s for each answer. Used when requests
    /// stay unanswered, to distinguish a server that hangs from one that is slow.
    ///
    /// # Errors
    /// The first server that ended or does not answer.
    pub fn probe(&mut self) -> Result<(), LaunchError> {
        self.check()?;
        for endpoint in &self.endpoints {
            let server = ServerClient::with(&endpoint.url, endpoint.access.clone());
            server.ready().map_err(|reason| LaunchError::Silent {
                workload: endpoint.workload.clone(),
                model: endpoint.model.clone(),
                reason,
                waited_s: 5,
                log: endpoint.log.clone().unwrap_or_default(),
                tail: endpoint.log.as_deref().map(tail).unwrap_or_default(),
            })?;
        }
        Ok(())
    }

    /// Ends every process that was started, and waits until they have ended; traces are complete afterwards.
    ///
    /// # Errors
    /// When something is left behind.
    pub fn stop(mut self) -> Result<(), LaunchError> {
        let left = self.end();
        if left.is_empty() {
            Ok(())
        } else {
            Err(LaunchError::LeftBehind { what: left.join(", ") })
        }
    }

    fn end(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        // All are asked before the first wait, so that they end concurrently.
        self.servers.iter_mut().for_each(Guarded::ask_to_end);
        for server in self.servers.iter_mut() {
            if server.end().is_none() {
                left.push(format!("process {} ({})", server.pid(), server.log().display()));
            }
        }
        for daemon in &mut self.daemons {
            if daemon.process().end().is_none() {
                left.push(format!("MPS daemon {}", daemon.process().pid()));
            }
        }
        self.servers.clear();
        self.daemons.clear();
        left
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.end();
    }
}

/// The maximum number of bytes of a log that a message shows.
const TAIL_BYTES: u64 = 3000;

/// Returns the end of a log, in whole lines.
pub(super) fn tail(log: &Path) -> String {
    let read = || {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let cut = if length > TAIL_BYTES { text.find('\n').map_or(0, |at| at + 1) } else { 0 };
        std::io::Result::Ok(text[cut..].trim_end().to_owned())
    };
    read().unwrap_or_else(|error| format!("(cannot read it: {error})"))
}
