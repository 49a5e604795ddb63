//! Plans that follow each other.

use serde::{Deserialize, Serialize};

/// A plan of those that follow each other, as a row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanAt {
    /// When it was decided, in s.
    pub at_s: f64,
    /// Whether that was within an epoch.
    pub early: bool,
    /// The sum of the rates that it is for, in requests/s.
    pub rate_rps: f64,
    /// Its GPUs.
    pub gpus: usize,
    /// The fewest GPUs that are proven to be needed for its rates.
    pub bound_gpus: Option<usize>,
    /// Servers that started on a GPU where they were not.
    pub moves: usize,
    /// Servers that started again with another share.
    pub restarts: usize,
    /// GPUs that were ordered.
    pub boots: usize,
    /// Servers that started although their GPU had no room.
    pub without_room: usize,
}
