//! What a user may ask of a planner besides the workloads, and the one source of its defaults.

use super::PlanError;

/// Processes that one GPU serves at the same time under NVIDIA MPS: 48 since Volta (NVIDIA, "Multi-Process
/// Service", § "Client-server connection limits"; 60 on some newer kinds).
pub const MPS_PROCESS_LIMIT: usize = 48;

/// Whether a workload may be served by several GPUs, each taking a part of its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replicas {
    /// Every workload has one placement.
    #[default]
    Forbidden,
    /// A workload may have several; each placement then says which part of the rate it serves
    /// (`crate::domain::Placement::served`).
    Allowed,
}

/// What a user may ask of a planner besides the workloads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanOptions {
    /// Planned latencies stay below the execution budget by this part of it, in percent (0 ≤ x < 100).
    pub latency_margin_pct: f64,
    /// Planned throughput exceeds the rate by this part of it, in percent (≥ 0).
    pub throughput_headroom_pct: f64,
    /// How many processes one GPU serves at most (≥ 1).
    pub process_limit: usize,
    /// Whether workloads may be replicated.
    pub replicas: Replicas,
    /// How long `optimal` searches: rounds of its local search for each 1,000 workloads. 0 leaves it at
    /// its greedy start.
    pub search_rounds: u32,
    /// Seed of every random choice of a planner.
    pub seed: u64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            latency_margin_pct: 0.0,
            throughput_headroom_pct: 0.0,
            process_limit: MPS_PROCESS_LIMIT,
            replicas: Replicas::Forbidden,
            search_rounds: 200_000,
            seed: 1,
        }
    }
}

impl PlanOptions {
    pub(super) fn check(&self) -> Result<(), PlanError> {
        let error = |option, given: f64, allowed| {
            Err(PlanError::Option { option, given: given.to_string(), allowed })
        };
        if !(0.0..100.0).contains(&self.latency_margin_pct) {
            return error(
                "latency margin (%)",
                self.latency_margin_pct,
                "at least 0 and below 100",
            );
        }
        if !(0.0..=10_000.0).contains(&self.throughput_headroom_pct) {
            return error("throughput headroom (%)", self.throughput_headroom_pct, "0 to 10000");
        }
        if self.process_limit == 0 {
            return error("process limit", 0.0, "at least 1");
        }
        Ok(())
    }

    /// What is left of a budget after the margin.
    pub(super) fn guarded_budget_ms(&self, budget_ms: f64) -> f64 {
        budget_ms * (1.0 - self.latency_margin_pct / 100.0)
    }

    /// By how much planned throughput exceeds the rate, as a factor.
    pub(super) fn headroom(&self) -> f64 {
        1.0 + self.throughput_headroom_pct / 100.0
    }
}
