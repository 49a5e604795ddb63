//! Results of replanning in a run: the plans over time, the servers on each GPU, and the number of late requests by
//! cause.

use crate::lanes::Lanes;
use igniter_model::domain::{PlanAt, WorkloadName};
use serde::{Deserialize, Serialize};

/// The sequence of plans in one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Following {
    /// The policy that made the decisions.
    pub policy: String,
    /// GPU rental time in hours, without rounding.
    pub gpu_hours: f64,
    /// The plans, in order of time.
    pub plans: Vec<PlanAt>,
    /// Steps from each plan to the next, in order of time.
    pub steps: Vec<PlanStep>,
    /// The servers on each GPU over time.
    pub lanes: Lanes,
    /// Outcome of requests in consecutive spans over the run; empty if nothing was simulated.
    pub spans: Vec<Span>,
}

/// A step from one plan to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Start time, in s.
    pub at_s: f64,
    /// Completion time, in s.
    pub done_s: f64,
    /// The action.
    pub action: String,
    /// Index of the GPU.
    pub gpu: usize,
    /// The workload, if the step concerns a server.
    pub workload: Option<WorkloadName>,
    /// Share before the step, in percent.
    pub sm_pct_before: Option<f64>,
    /// Share after the step, in percent.
    pub sm_pct: Option<f64>,
    /// The reason for the step.
    pub reason: String,
}

/// Outcome of the requests that arrived in one part of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Start time, in s.
    pub from_s: f64,
    /// End time, in s.
    pub until_s: f64,
    /// Number of requests that arrived.
    pub requests: u64,
    /// Late requests that arrived while one server of their workload handed over to another.
    pub late_in_handover: u64,
    /// Other late requests, of workloads with more requests than planned for.
    pub late_by_forecast: u64,
    /// All other late requests.
    pub late_by_plan: u64,
}

impl Span {
    /// Returns the number of late requests.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late_in_handover + self.late_by_forecast + self.late_by_plan
    }

    /// Returns a part of the requests in percent; 0 if there are none.
    #[must_use]
    pub fn pct(&self, part: u64) -> f64 {
        100.0 * part as f64 / self.requests.max(1) as f64
    }
}

impl Following {
    /// Returns the sums over the run.
    #[must_use]
    pub fn total(&self) -> Span {
        let sum = |of: fn(&Span) -> u64| self.spans.iter().map(of).sum();
        Span {
            from_s: 0.0,
            until_s: self.lanes.duration_s,
            requests: sum(|span| span.requests),
            late_in_handover: sum(|span| span.late_in_handover),
            late_by_forecast: sum(|span| span.late_by_forecast),
            late_by_plan: sum(|span| span.late_by_plan),
        }
    }
}
