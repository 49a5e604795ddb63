//! Plans that followed each other in a run: what was planned when, which servers were where, and how many requests were
//! late, and why.

use crate::lanes::Lanes;
use igniter_model::domain::{PlanAt, WorkloadName};
use serde::{Deserialize, Serialize};

/// Plans that followed each other in one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Following {
    /// Who decided: the policy.
    pub policy: String,
    /// Hours for which GPUs were rented, without rounding.
    pub gpu_hours: f64,
    /// The plans, in order of time.
    pub plans: Vec<PlanAt>,
    /// What was done from one plan to the next, in order of time.
    pub steps: Vec<PlanStep>,
    /// Which servers were where.
    pub lanes: Lanes,
    /// What became of requests, one after another over the run; empty where nothing was simulated.
    pub spans: Vec<Span>,
}

/// A step from one plan to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// When it begins, in s.
    pub at_s: f64,
    /// When it is done, in s.
    pub done_s: f64,
    /// What happens.
    pub action: String,
    /// The number of the GPU.
    pub gpu: usize,
    /// The workload, where it is a server's step.
    pub workload: Option<WorkloadName>,
    /// The share before it, in percent.
    pub sm_pct_before: Option<f64>,
    /// The share after it, in percent.
    pub sm_pct: Option<f64>,
    /// Why.
    pub reason: String,
}

/// What became of the requests that arrived in a part of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its start, in s.
    pub from_s: f64,
    /// Its end, in s.
    pub until_s: f64,
    /// Requests that arrived.
    pub requests: u64,
    /// Late ones that arrived while one server of their workload handed over to another.
    pub late_in_handover: u64,
    /// Other late ones, of workloads with more requests than were planned for.
    pub late_by_forecast: u64,
    /// All other late ones.
    pub late_by_plan: u64,
}

impl Span {
    /// Late requests.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late_in_handover + self.late_by_forecast + self.late_by_plan
    }

    /// A part of its requests, in percent; 0 where there are none.
    #[must_use]
    pub fn pct(&self, part: u64) -> f64 {
        100.0 * part as f64 / self.requests.max(1) as f64
    }
}

impl Following {
    /// Sums over the run.
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
