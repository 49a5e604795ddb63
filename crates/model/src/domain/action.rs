//! Actions of controllers and faults during a run.

use super::{GpuId, WorkloadId};
use crate::units::Nanoseconds;

/// What was done, or what happened.
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
    /// They came up again.
    Up,
    /// A GPU changed its speed (from, to: times as slow as usual).
    Slowdown,
}

impl ActionKind {
    /// The name in files and tables.
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

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// When it was decided.
    pub decided: Nanoseconds,
    /// When it took effect.
    pub effective: Nanoseconds,
    /// On which GPU.
    pub gpu: GpuId,
    /// On which workload; `None`: on the whole GPU.
    pub workload: Option<WorkloadId>,
    /// What changed.
    pub kind: ActionKind,
    /// The number before, where there is one.
    pub from: Option<f64>,
    /// The number after, where there is one.
    pub to: Option<f64>,
    pub reason: String,
}

/// The requests of one server in one window of its controller.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerWindow {
    /// From.
    pub start: Nanoseconds,
    /// To (exclusive).
    pub end: Nanoseconds,
    /// On which GPU.
    pub gpu: GpuId,
    /// Whose server.
    pub workload: WorkloadId,
    /// Its SM share at the end, in percent.
    pub sm_pct: f64,
    /// Its largest batch at the end.
    pub batch: u32,
    /// Requests completed in the window.
    pub completed: u64,
    /// Requests that failed in the window.
    pub failed: u64,
    /// The 99th percentile of the latencies of those completed (nearest rank).
    pub p99: Option<Nanoseconds>,
}
