//! Workloads.

use super::{ModelName, WorkloadName};
use crate::units::{Milliseconds, RequestsPerSecond};

/// A model with its latency SLO and its arrival rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its name, unique within a scenario.
    pub name: WorkloadName,
    /// The model that serves it.
    pub model: ModelName,
    /// The bound on the end-to-end latency of a request. The whole SLO, not the half that
    /// planners give to execution ([`crate::rules`]).
    pub slo: Milliseconds,
    /// The mean arrival rate.
    pub rate: RequestsPerSecond,
}
