//! Successive plans.

use serde::{Deserialize, Serialize};

/// One plan of a sequence of plans, as a table row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanAt {
    /// The time at which the plan was decided, in s.
    pub at_s: f64,
    /// Whether the plan was decided within an epoch rather than at its start.
    pub early: bool,
    /// The sum of the rates for which the plan was made, in requests/s.
    pub rate_rps: f64,
    /// The number of GPUs of the plan.
    pub gpus: usize,
    /// The least number of GPUs that is proven to be needed for these rates.
    pub bound_gpus: Option<usize>,
    /// Number of servers that started on a GPU on which they did not run before.
    pub moves: usize,
    /// Number of servers that restarted with another share.
    pub restarts: usize,
    /// Number of GPUs that were ordered.
    pub boots: usize,
    /// Number of servers that started although their GPU had no room.
    pub without_room: usize,
}
