//! What changed during a run beside the requests, as tables.

use crate::trimmed;
use igniter_model::domain::{Action, ActionKind, ServerWindow, Workload, WorkloadName};
use igniter_model::units::Nanoseconds;
use igniter_sim::metrics::{FailedCounts, WorkloadSummary};
use serde::{Deserialize, Serialize};

/// Something that a controller did, or that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRow {
    /// When it was decided, in seconds since the start.
    pub decided_s: f64,
    /// When it took effect.
    pub effective_s: f64,
    /// The GPU's index in the plan.
    pub gpu: usize,
    /// The workload; absent where it is the whole GPU.
    pub workload: Option<WorkloadName>,
    /// `share`, `batch`, `standby`, `down`, `up` or `slowdown`.
    pub action: String,
    /// The number before: SM share in percent, batch size, or times as slow as usual.
    pub from: Option<f64>,
    /// The number after; of `down`, how many requests were lost with it.
    pub to: Option<f64>,
    pub reason: String,
}

impl ActionRow {
    /// The row of an action. `workloads` are those of the scenario, in order.
    #[must_use]
    pub fn new(action: &Action, workloads: &[Workload]) -> Self {
        Self {
            decided_s: action.decided.as_seconds(),
            effective_s: action.effective.as_seconds(),
            gpu: action.gpu.index(),
            workload: action.workload.map(|id| workloads[id.index()].name.clone()),
            action: action.kind.as_str().to_owned(),
            from: action.from,
            to: action.to,
            reason: action.reason.clone(),
        }
    }

    /// What happened, in words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let whose = match &self.workload {
            Some(workload) => workload.to_string(),
            None => format!("GPU {}", self.gpu),
        };
        let number = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), trimmed);
        let (from, to) = (number(self.from), number(self.to));
        let is = |kind: ActionKind| self.action == kind.as_str();
        if is(ActionKind::Down) {
            format!("{whose} down, {to} requests lost")
        } else if is(ActionKind::Up) {
            format!("{whose} up again")
        } else if is(ActionKind::Batch) {
            format!("{whose} batch {from} → {to}")
        } else if is(ActionKind::Slowdown) {
            format!("{whose} takes {to} times as long")
        } else if is(ActionKind::Standby) {
            format!("standby of {whose} takes over, {from} → {to} % of the SMs")
        } else {
            format!("{whose} {from} → {to} % of the SMs")
        }
    }
}

/// One workload in one window of its controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowRow {
    pub workload: WorkloadName,
    /// From, in seconds since the start.
    pub start_s: f64,
    /// To (exclusive).
    pub end_s: f64,
    /// The GPU's index in the plan.
    pub gpu: usize,
    /// Its SM share at the end, in percent.
    pub sm_pct: f64,
    /// Its largest batch at the end.
    pub batch: u32,
    /// Requests completed in the window.
    pub completed: u64,
    /// Requests that failed in the window.
    pub failed: u64,
    /// The 99th percentile of the latencies of those completed, in ms.
    pub p99_ms: Option<f64>,
}

impl WindowRow {
    /// The row of a window. `workloads` are those of the scenario, in order.
    #[must_use]
    pub fn new(window: &ServerWindow, workloads: &[Workload]) -> Self {
        Self {
            start_s: window.start.as_seconds(),
            end_s: window.end.as_seconds(),
            gpu: window.gpu.index(),
            workload: workloads[window.workload.index()].name.clone(),
            sm_pct: window.sm_pct,
            batch: window.batch,
            completed: window.completed,
            failed: window.failed,
            p99_ms: window.p99.map(Nanoseconds::as_ms),
        }
    }
}

/// What results with queue policies depend on.
pub const LOST_WAKE_UPS: &str = "A real Triton may reject many more requests: with a queue policy its batcher can sleep \
    through the end of a batch for up to 500 ms, as often as the threads of its host are late. Results assume that this \
    happens after a share completion_race (0 by default) of the batches";

/// Whether requests failed for a queue policy.
#[must_use]
pub fn failed_by_policy(summary: &WorkloadSummary) -> bool {
    summary.failed.is_some_and(|failed| failed.rejected + failed.timed_out > 0)
}

/// `1 rejected, 2 timed out, 3 lost`, without what did not happen; nothing when nobody failed.
#[must_use]
pub fn failures_in_words(summary: &WorkloadSummary) -> Option<String> {
    let FailedCounts { rejected, timed_out, lost } = summary.failed?;
    let counts = [(rejected, "rejected"), (timed_out, "timed out"), (lost, "lost")];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    Some(parts.join(", "))
}
