//! Workloads.

use super::{ModelName, WorkloadName};
use crate::units::{Milliseconds, RequestsPerSecond};

/// A model with its latency SLO and its arrival rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The name, unique within a scenario.
    pub name: WorkloadName,
    /// The model that serves the requests.
    pub model: ModelName,
    /// The bound on the end-to-end latency of a request. This is the whole SLO, not the half of it
    /// that planners give to execution ([`crate::rules`]).
    pub slo: Milliseconds,
    /// The mean arrival rate.
    pub rate: RequestsPerSecond,
}
