//! Specifications of the servers that a launcher starts.

use super::prototext::Message;
use crate::gpu::GpuFacts;
use igniter::domain::{ModelName, WorkloadName};
use igniter::sim::BatchingSpec;
use igniter::units::{BatchSize, SmPercent};
use std::path::PathBuf;

/// The source of a server's model.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    /// A Python model that keeps its instance busy for the times in a table. It needs no GPU.
    Emulated {
        /// The duration of a batch, in ms, by batch size from 1; at least as many entries as the largest
        /// batch.
        times_ms: Vec<f64>,
        /// The dimensions of one input (FP32) without the batch.
        input_dims: Vec<u32>,
    },
    /// The `torchvision` network of this name, with random weights, on the GPU of the server (on the CPU
    /// where the server has none).
    Torchvision {
        /// Whether to compute in 16-bit instead of 32-bit floats.
        half: bool,
    },
    /// A model repository (the folder that holds `config.pbtxt`); a copy is served with the planned batch
    /// size.
    Ready(PathBuf),
}

/// A GPU of this machine, or a MIG slice of one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Device {
    /// The number of the device, as in [`LaunchSpec::device`]: its position among the devices that are used.
    pub number: u32,
    /// NVML's index of the GPU, used for sampling.
    pub index: u32,
    /// The UUID, as in `GPU-…` or `MIG-…`.
    pub uuid: String,
    /// The number of SMs, where it is known.
    pub sms: Option<u32>,
    /// Facts about the GPU, as reported by the driver.
    pub facts: Option<Box<GpuFacts>>,
}

/// One server: a placement of the plan, or the standby of one.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchSpec {
    /// The plan's GPU, from 0.
    pub gpu: usize,
    /// The [`Device`] that stands for the plan's GPU; `None`: no GPU is used.
    pub device: Option<u32>,
    /// The workload that it serves.
    pub workload: WorkloadName,
    /// The model.
    pub model: ModelName,
    /// The planned batch size.
    pub batch: BatchSize,
    /// Its share of the SMs.
    pub sm: SmPercent,
    /// The smallest difference between two shares: the plan's allocation unit.
    pub unit: SmPercent,
    /// How the server forms batches.
    pub batching: BatchingSpec,
    /// The source of the model.
    pub source: ModelSource,
    /// `false` for a standby: iGniter's shadow process, which is ready but gets no requests yet.
    pub active: bool,
    /// The index of the workload's placement that it serves, or stands by for, from 0 in the order of the
    /// plan.
    pub replica: usize,
}

impl LaunchSpec {
    /// Returns Triton's `max_batch_size`.
    #[must_use]
    pub fn max_batch(&self) -> BatchSize {
        self.batching.max_batch.unwrap_or(self.batch)
    }

    /// Returns whether the server executes requests one by one in order, as it does for a model without a
    /// batch dimension.
    pub(super) fn is_one_by_one(&self) -> bool {
        self.max_batch().get() == 1 && !self.batching.has_policy()
    }

    /// Returns whether the server should complete the model's configuration itself: that of a ready model
    /// that brings none, or one without its tensors.
    pub(super) fn completes(&self) -> bool {
        let ModelSource::Ready(folder) = &self.source else { return false };
        let Ok(text) = std::fs::read_to_string(folder.join("config.pbtxt")) else { return true };
        // Invalid text is reported elsewhere.
        Message::read(&text)
            .is_ok_and(|config| config.get("input").is_none() || config.get("output").is_none())
    }

    /// Returns the amount of shared memory that the Python backend should allocate for an instance at its
    /// start: enough for two of the largest batches, so that it need not grow while requests arrive.
    pub(super) fn shared_memory_bytes(&self) -> u64 {
        const MIB: u64 = 1 << 20;
        let a_request = match &self.source {
            ModelSource::Emulated { input_dims, .. } => {
                4 * input_dims.iter().copied().map(u64::from).product::<u64>()
            }
            // An image and the boxes of SSD300.
            ModelSource::Torchvision { .. } | ModelSource::Ready(_) => 4 * MIB,
        };
        let batches =
            2 * u64::from(self.max_batch().get()) * u64::from(self.batching.instances) * a_request;
        batches.next_multiple_of(MIB) + 4 * MIB
    }
}
