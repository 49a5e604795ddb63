//! The provisioning plan: which workload runs where, with how many SMs, in what batches.

use super::{GpuKindName, ModelName, WorkloadName};
use crate::units::{BatchSize, Milliseconds, RequestsPerSecond, SmUnits};

/// What the predictor that made a plan expects of a placement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedService {
    /// Load, execution and feedback of one full batch.
    pub latency: Milliseconds,
    /// Sustained throughput with full batches.
    pub throughput: RequestsPerSecond,
}

/// A workload on a GPU with a batch size and an SM share.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The workload that is served.
    pub workload: WorkloadName,
    /// Its model.
    pub model: ModelName,
    /// The largest batch that its server forms.
    pub batch: BatchSize,
    /// Its SM share in allocation units of the GPU kind.
    pub sm: SmUnits,
    /// The prediction behind the placement; absent in plans read from a format that has none.
    pub predicted: Option<PredictedService>,
}

/// All placements of one GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct CoLocation {
    /// The kind of GPU.
    pub kind: GpuKindName,
    /// Who shares it, in the order in which they were placed.
    pub placements: Vec<Placement>,
}

impl CoLocation {
    /// The sum of all SM shares.
    #[must_use]
    pub fn total_sm(&self) -> SmUnits {
        self.placements.iter().map(|placement| placement.sm).sum()
    }
}

/// The smallest change that would make an infeasible workload feasible on a GPU of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WorkloadFix {
    /// Keep the rate, relax the SLO to this.
    Slo(Milliseconds),
    /// Keep the SLO, lower the rate to this.
    Rate(RequestsPerSecond),
}

/// A workload that no GPU of the kind can serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Infeasible {
    /// The workload.
    pub workload: WorkloadName,
    /// Why, in words.
    pub reason: String,
    /// What would help, nearest first; empty when nothing does.
    pub fixes: Vec<WorkloadFix>,
}

/// The provisioning plan: all co-locations, and the workloads that could not be placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The strategy that made it.
    pub strategy: String,
    /// One entry for each GPU.
    pub gpus: Vec<CoLocation>,
    /// Workloads that the strategy could not place.
    pub infeasible: Vec<Infeasible>,
}

impl Plan {
    /// Every placement with the index of its GPU, GPU by GPU.
    pub fn placements(&self) -> impl Iterator<Item = (usize, &Placement)> {
        self.gpus
            .iter()
            .enumerate()
            .flat_map(|(gpu, co)| co.placements.iter().map(move |p| (gpu, p)))
    }
}
