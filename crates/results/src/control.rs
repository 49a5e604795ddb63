//! Actions of controllers, faults and controller windows of a run, as tables.

use crate::trimmed;
use igniter_model::domain::{Action, ActionKind, ServerWindow, Workload, WorkloadName};
use igniter_model::units::Nanoseconds;
use igniter_sim::metrics::{FailedCounts, WorkloadSummary};
use serde::{Deserialize, Serialize};

/// An action of a controller, or a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRow {
    /// Time of the decision, in seconds since the start.
    pub decided_s: f64,
    /// Time at which it took effect, in seconds since the start.
    pub effective_s: f64,
    /// The GPU's index in the plan.
    pub gpu: usize,
    /// The workload; `None` if the action concerns the whole GPU.
    pub workload: Option<WorkloadName>,
    /// `share`, `batch`, `standby`, `down`, `up` or `slowdown`.
    pub action: String,
    /// Value before: SM share in percent, batch size, or slowdown factor.
    pub from: Option<f64>,
    /// Value after; for `down`, the number of requests lost with the GPU.
    pub to: Option<f64>,
    pub reason: String,
}

impl ActionRow {
    /// Creates the row of an action. `workloads` are those of the scenario, in order.
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

    /// Describes the action in a sentence.
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
    /// Start, in seconds since the start of the run.
    pub start_s: f64,
    /// End (exclusive), in seconds since the start of the run.
    pub end_s: f64,
    /// The GPU's index in the plan.
    pub gpu: usize,
    /// SM share at the end of the window, in percent.
    pub sm_pct: f64,
    /// Largest batch at the end of the window.
    pub batch: u32,
    /// Number of requests completed in the window.
    pub completed: u64,
    /// Number of requests that failed in the window.
    pub failed: u64,
    /// P99 latency of the requests completed in the window, in ms.
    pub p99_ms: Option<f64>,
}

impl WindowRow {
    /// Creates the row of a window. `workloads` are those of the scenario, in order.
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

/// Caveat for results with queue policies.
pub const LOST_WAKE_UPS: &str = "A real Triton may reject many more requests: with a queue policy its batcher can sleep \
    through the end of a batch for up to 500 ms, as often as the threads of its host are late. Results assume that this \
    happens after a share completion_race (0 by default) of the batches";

/// Whether requests failed because of a queue policy.
#[must_use]
pub fn failed_by_policy(summary: &WorkloadSummary) -> bool {
    summary.failed.is_some_and(|failed| failed.rejected + failed.timed_out > 0)
}

/// Returns text such as `1 rejected, 2 timed out, 3 lost`, without zero counts; `None` if no request failed.
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
