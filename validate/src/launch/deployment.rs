//! Servers that run.

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
    /// The type as the inference protocol writes it: `FP32`, `INT64`, …
    pub datatype: String,
    /// The dimensions without the batch; −1 is any size.
    pub dims: Vec<i64>,
}

/// A server that answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endpoint {
    /// The plan's GPU, from 0.
    pub gpu: usize,
    /// Whom it serves.
    pub workload: WorkloadName,
    /// Which model.
    pub model: ModelName,
    /// Triton's `max_batch_size`.
    pub max_batch: BatchSize,
    /// Whether its tensors have a batch dimension.
    pub batched: bool,
    /// `false` for a standby.
    pub active: bool,
    /// Which of the workload's placements it is, or stands by for, from 0 in the order of the plan.
    pub replica: usize,
    /// The server, as in `http://127.0.0.1:8000`.
    pub url: String,
    /// What a server of others wants to see.
    #[serde(skip)]
    pub access: Access,
    /// What the server calls the model.
    pub served_as: String,
    /// The inputs of one request.
    pub inputs: Vec<TensorSpec>,
    /// The outputs of one request.
    pub outputs: Vec<TensorSpec>,
    /// What the server prints, where we started it.
    pub log: Option<PathBuf>,
    /// Where the server writes the times of every request when it ends, where traces are on.
    pub trace_file: Option<PathBuf>,
    /// How many SMs its instances see; `None` without a GPU.
    pub seen_sm: Option<u32>,
    /// What its instances say of themselves; empty where they do not.
    pub instances: Vec<InstanceReport>,
    /// The process of the server, where we started it on this machine.
    pub pid: Option<u32>,
    /// Where an emulated model looks for other times than those it was started with, where we started it.
    #[serde(skip)]
    pub times_file: Option<PathBuf>,
    /// Where a model of torchvision says how its execution divides into copies and kernels, where we started it.
    #[serde(skip)]
    pub stages_file: Option<PathBuf>,
}

/// Servers that run and are ready. Dropping it ends them: requests in flight are finished first, for at most
/// a few seconds.
#[derive(Debug, Default)]
pub struct Deployment {
    endpoints: Vec<Endpoint>,
    /// The processes, one for each endpoint, or none where others run the servers.
    servers: Vec<Guarded>,
    /// Ended after the servers, which are their clients.
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

    /// The servers, in the order of the specifications.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Looks whether every process that was started still runs. Cheap.
    ///
    /// # Errors
    /// The first that does not, with the end of its log.
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

    /// Asks every server whether it is ready; waits up to 5 s for each answer. For when requests stay
    /// unanswered: it tells a server that hangs from one that is slow.
    ///
    /// # Errors
    /// The first that ended or does not answer.
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

    /// Ends every process that was started, and waits for that; traces are complete afterwards.
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
        // All are asked first: they end at the same time.
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

/// How much of a log a message shows.
const TAIL_BYTES: u64 = 3000;

/// The end of a log, whole lines.
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
