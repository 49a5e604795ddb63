//! What a launcher is to start.

use super::prototext::Message;
use crate::gpu::GpuFacts;
use igniter::domain::{ModelName, WorkloadName};
use igniter::sim::BatchingSpec;
use igniter::units::{BatchSize, SmPercent};
use std::path::PathBuf;

/// Where the model of a server comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    /// A Python model that keeps its instance busy for as long as a table says. It needs no GPU.
    Emulated {
        /// How long a batch takes, in ms, by its size from 1; at least as many entries as the largest batch.
        times_ms: Vec<f64>,
        /// The dimensions of one input (FP32) without the batch.
        input_dims: Vec<u32>,
    },
    /// The network of this name from `torchvision`, with random weights, on the GPU of the server (on the
    /// CPU where the server has none).
    Torchvision {
        /// Compute in 16-bit instead of 32-bit floats.
        half: bool,
    },
    /// A model repository (the folder that holds `config.pbtxt`), of which a copy is served with the planned
    /// batch size.
    Ready(PathBuf),
}

/// A GPU of this machine, or a MIG slice of one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Device {
    /// The number of the device, as in [`LaunchSpec::device`]: its place among those that are used.
    pub number: u32,
    /// NVML's index of the GPU, by which it is sampled.
    pub index: u32,
    /// Its UUID, as in `GPU-…` or `MIG-…`.
    pub uuid: String,
    /// How many SMs it has, where that is known.
    pub sms: Option<u32>,
    /// What the driver says of it.
    pub facts: Option<Box<GpuFacts>>,
}

/// One server: a placement of the plan, or the standby of one.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchSpec {
    /// The plan's GPU, from 0.
    pub gpu: usize,
    /// The [`Device`] that stands for it; `None`: no GPU is used.
    pub device: Option<u32>,
    /// Whom it serves.
    pub workload: WorkloadName,
    /// Which model.
    pub model: ModelName,
    /// The planned batch size.
    pub batch: BatchSize,
    /// Its share of the SMs.
    pub sm: SmPercent,
    /// The smallest share that differs from it: the plan's allocation unit.
    pub unit: SmPercent,
    /// How it forms batches.
    pub batching: BatchingSpec,
    /// Where its model comes from.
    pub source: ModelSource,
    /// `false` for a standby: iGniter's shadow process, which is ready but gets no requests yet.
    pub active: bool,
    /// Which of the workload's placements it is, or stands by for, from 0 in the order of the plan.
    pub replica: usize,
}

impl LaunchSpec {
    /// Triton's `max_batch_size`.
    #[must_use]
    pub fn max_batch(&self) -> BatchSize {
        self.batching.max_batch.unwrap_or(self.batch)
    }

    /// Whether it executes requests one by one in their order, as a model does that has no batch dimension.
    pub(super) fn is_one_by_one(&self) -> bool {
        self.max_batch().get() == 1 && !self.batching.has_policy()
    }

    /// Whether the server is to complete the model's configuration itself: a ready model that brings none, or one
    /// without its tensors.
    pub(super) fn completes(&self) -> bool {
        let ModelSource::Ready(folder) = &self.source else { return false };
        let Ok(text) = std::fs::read_to_string(folder.join("config.pbtxt")) else { return true };
        // Text that is none is for others to say.
        Message::read(&text)
            .is_ok_and(|config| config.get("input").is_none() || config.get("output").is_none())
    }

    /// How much shared memory the Python backend is to take for an instance at its start: enough for two of the
    /// largest batches, so that nothing grows while requests come.
    pub(super) fn shared_memory_bytes(&self) -> u64 {
        const MIB: u64 = 1 << 20;
        let a_request = match &self.source {
            ModelSource::Emulated { input_dims, .. } => {
                4 * input_dims.iter().copied().map(u64::from).product::<u64>()
            }
            // A picture and the boxes of SSD300.
            ModelSource::Torchvision { .. } | ModelSource::Ready(_) => 4 * MIB,
        };
        let batches =
            2 * u64::from(self.max_batch().get()) * u64::from(self.batching.instances) * a_request;
        batches.next_multiple_of(MIB) + 4 * MIB
    }
}
