//! Actions of controllers and faults during a run.

use super::{GpuId, WorkloadId};
use crate::units::Nanoseconds;

/// The kind of an action or a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActionKind {
    /// A controller changed the SM share of a workload (from, to: percent).
    Share,
    /// A controller changed the largest batch of a workload (from, to: requests).
    Batch,
    /// A standby took over from its workload's server (from, to: SM share in percent).
    Standby,
    /// A server, or all servers of a GPU, went down (to: requests lost with it).
    Down,
    /// A server, or all servers of a GPU, came up again.
    Up,
    /// A GPU changed its speed (from, to: slowdown factors relative to the usual speed).
    Slowdown,
}

impl ActionKind {
    /// Returns the name used in files and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Batch => "batch",
            Self::Standby => "standby",
            Self::Down => "down",
            Self::Up => "up",
            Self::Slowdown => "slowdown",
        }
    }
}

/// One action or fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// When the change was decided.
    pub decided: Nanoseconds,
    /// When the change took effect.
    pub effective: Nanoseconds,
    /// The GPU on which it happened.
    pub gpu: GpuId,
    /// The workload that it concerns; `None`: the whole GPU.
    pub workload: Option<WorkloadId>,
    /// The kind of the change.
    pub kind: ActionKind,
    /// The value before the change, where there is one.
    pub from: Option<f64>,
    /// The value after the change, where there is one.
    pub to: Option<f64>,
    pub reason: String,
}

/// The requests of one server in one window of its controller.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerWindow {
    /// Start of the window.
    pub start: Nanoseconds,
    /// End of the window (exclusive).
    pub end: Nanoseconds,
    /// The GPU of the server.
    pub gpu: GpuId,
    /// The workload of the server.
    pub workload: WorkloadId,
    /// The server's SM share at the end of the window, in percent.
    pub sm_pct: f64,
    /// The server's largest batch at the end of the window.
    pub batch: u32,
    /// Requests completed in the window.
    pub completed: u64,
    /// Requests that failed in the window.
    pub failed: u64,
    /// The 99th percentile of the latencies of completed requests (nearest rank).
    pub p99: Option<Nanoseconds>,
}
