//! Errors in the input of a run.

use super::{BatchingError, TimelineError};
use crate::arrivals::ArrivalError;
use igniter_model::domain::{GpuKindName, ModelName, WorkloadName};

/// The reason why a run is impossible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// Two workloads have the same name.
    #[error("two workloads are named {workload}; names must be unique")]
    DuplicateWorkload { workload: WorkloadName },
    /// The plan places a workload that the scenario does not have.
    #[error("the plan places {workload} on GPU {gpu}, but the scenario has no such workload")]
    UnknownWorkload {
        workload: WorkloadName,
        /// The GPU, from 0.
        gpu: usize,
    },
    /// The plan places a workload more than once, without stating for each placement which part of
    /// its rate it serves.
    #[error(
        "the plan places {workload} on GPU {first} and again on GPU {second}, but not both say which part \
         of its rate they serve: give every placement of the workload its served_rps"
    )]
    PlacedTwice {
        workload: WorkloadName,
        /// The GPU of its first placement, from 0.
        first: usize,
        second: usize,
    },
    /// Plan and scenario disagree about the model of a workload.
    #[error("the plan serves {workload} with {planned}, but the scenario says {model}")]
    WrongModel { workload: WorkloadName, planned: ModelName, model: ModelName },
    /// The plan is for a GPU kind for which there is no predictor.
    #[error("GPU {gpu} of the plan is a {planned}, but predictions are there for {known}")]
    WrongGpuKind {
        /// The GPU, from 0.
        gpu: usize,
        planned: GpuKindName,
        known: String,
    },
    /// The predictor does not know a model.
    #[error("workload {workload}: the profile has no model {model}; it has: {known}")]
    UnknownModel { workload: WorkloadName, model: ModelName, known: String },
    /// A placement has no SMs.
    #[error("workload {workload}: its SM share must be above 0")]
    NoShare { workload: WorkloadName },
    /// The noise is to be taken from the profile, but none was measured.
    #[error(
        "workload {workload}: its noise is to be that of the profile, but that of {kind} says nothing about {model}: \
         give it a noise_cv there, or the workload a number"
    )]
    NoNoise { workload: WorkloadName, model: ModelName, kind: GpuKindName },
    /// The batching options contradict each other.
    #[error("workload {workload}: {source}")]
    Batching { workload: WorkloadName, source: BatchingError },
    /// The arrivals cannot be generated.
    #[error(transparent)]
    Arrival(#[from] ArrivalError),
    /// Arrivals are to be counted in windows of length zero.
    #[error("arrivals are counted in windows, which must be longer than 0 s")]
    NoWindow,
    /// The plans of a timeline cannot follow each other.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// The run would have too many requests.
    #[error(
        "the workloads send about {expected:.3e} requests in {duration_s} s, and a run may have {limit:.3e}: \
         lower the rates (or what multiplies them) or the duration"
    )]
    TooManyRequests {
        expected: f64,
        limit: f64,
        /// Duration in seconds.
        duration_s: f64,
    },
    /// A fault strikes a GPU that the plan does not have.
    #[error(
        "fault.gpu = {gpu}, but the plan has {gpus} GPUs (numbered from 0): name a workload instead of \
         a number where plans differ"
    )]
    NoSuchGpu { gpu: usize, gpus: usize },
    /// A fault strikes a workload that the scenario does not have.
    #[error("a fault strikes {workload}, but the scenario has no such workload")]
    UnknownFaultyWorkload { workload: WorkloadName },
    /// A controller would have to change one of several servers that share their SMs.
    #[error(
        "GPU {gpu} of the plan: its servers take turns on the same SMs (time_slot), so a controller cannot change the \
         share or the batch size of one of them: leave [controller] out, or use a strategy whose workloads have SMs of \
         their own"
    )]
    ControlledTurns {
        /// The GPU, from 0.
        gpu: usize,
    },
    /// The predictor gives a value that is not a valid time, power or clock.
    #[error(
        "GPU {gpu}: the predictor gives {what} = {value} for {member}; that is outside the range \
         for which it was fitted"
    )]
    BadPrediction {
        /// The GPU, from 0.
        gpu: usize,
        member: String,
        what: &'static str,
        value: f64,
    },
}

impl SimError {
    /// Returns whether the error concerns the plan, so that another plan could be simulated with
    /// the same scenario.
    #[must_use]
    pub fn is_of_plan(&self) -> bool {
        matches!(
            self,
            Self::ControlledTurns { .. }
                | Self::NoSuchGpu { .. }
                | Self::Timeline(TimelineError::TakesTurns { .. })
        )
    }
}
