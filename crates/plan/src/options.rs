//! The options of a planner, and the single source of their defaults.

use super::PlanError;

/// Maximum number of processes on one GPU under NVIDIA MPS: 48 since Volta (NVIDIA, "Multi-Process Service", §
/// "Client-server connection limits"; 60 on some newer kinds).
pub const MPS_PROCESS_LIMIT: usize = 48;

/// Whether several GPUs may serve a workload, each with a part of its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replicas {
    /// The default of the strategy: `queueing`, `nexus`, `infless`, `gpulets-atc` and `parvagpu` divide workloads where
    /// that helps, all others do not.
    #[default]
    ByStrategy,
    /// Every workload has one placement.
    Forbidden,
    /// A workload may have several placements; each placement then states its part of the rate
    /// (`igniter_model::domain::Placement::served`).
    Allowed,
}

/// The margin by which planned latencies stay below the execution budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// By a percentage of the budget (0 ≤ x < 100).
    Percent(f64),
    /// By the one-sided 95 % margin by which a latency may exceed its prediction, as the predictor states it for the
    /// co-location ([`igniter_model::predictor::Uncertainty::one_sided_pct`]). Predicted throughput is lowered by the
    /// same factor.
    Predictor,
}

/// The options of a planner, besides the workloads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanOptions {
    /// The margin by which planned latencies stay below the execution budget.
    pub margin: Margin,
    /// Planned throughput in excess of the rate, in percent of the rate (≥ 0).
    pub throughput_headroom_pct: f64,
    /// Maximum number of processes on one GPU (≥ 1).
    pub process_limit: usize,
    /// Whether workloads may be replicated.
    pub replicas: Replicas,
    /// Part of the requests of each workload that `queueing` plans to answer within the SLO, in percent (above 0 and
    /// below 100).
    pub attainment_pct: f64,
    /// Probability, for each workload, that a run as long as the scenario reaches that part, in percent (50 to below
    /// 100). At 50, the part is reached in the long run.
    pub confidence_pct: f64,
    /// Search effort of `optimal`: rounds of its local search per 1,000 workloads. With 0, the plan is its greedy
    /// start.
    pub search_rounds: u32,
    /// Time limit of the search of `optimal`, in seconds (above 0), in place of the number of rounds. The plan then
    /// depends on the speed of the machine and can differ between runs.
    pub time_limit_s: Option<f64>,
    /// Seed of all of a planner's random choices.
    pub seed: u64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            margin: Margin::Percent(0.0),
            throughput_headroom_pct: 0.0,
            process_limit: MPS_PROCESS_LIMIT,
            replicas: Replicas::default(),
            attainment_pct: 99.0,
            confidence_pct: 95.0,
            search_rounds: 200_000,
            time_limit_s: None,
            seed: 1,
        }
    }
}

impl PlanOptions {
    /// The longest allowed time limit, in seconds: one day.
    pub const LONGEST_SEARCH_S: f64 = 86_400.0;

    pub(super) fn check(&self) -> Result<(), PlanError> {
        let error = |option, given: f64, allowed| {
            Err(PlanError::Option { option, given: given.to_string(), allowed })
        };
        if let Margin::Percent(margin) = self.margin
            && !(0.0..100.0).contains(&margin)
        {
            return error("latency margin (%)", margin, "at least 0 and below 100");
        }
        if !(0.0..=10_000.0).contains(&self.throughput_headroom_pct) {
            return error("throughput headroom (%)", self.throughput_headroom_pct, "0 to 10000");
        }
        if self.process_limit == 0 {
            return error("process limit", 0.0, "at least 1");
        }
        if !(self.attainment_pct > 0.0 && self.attainment_pct < 100.0) {
            return error(
                "attainment (%)",
                self.attainment_pct,
                "above 0 and below 100 (random arrivals can pile up without limit, so no plan is in time for \
                 all requests)",
            );
        }
        if !(50.0..100.0).contains(&self.confidence_pct) {
            return error("confidence (%)", self.confidence_pct, "at least 50 and below 100");
        }
        if let Some(limit) = self.time_limit_s
            && !(limit > 0.0 && limit <= Self::LONGEST_SEARCH_S)
        {
            return error("time limit (s)", limit, "above 0 and at most 86400");
        }
        Ok(())
    }

    /// Returns what remains of a budget after the margin.
    pub(super) fn guarded_budget_ms(&self, budget_ms: f64) -> f64 {
        match self.margin {
            Margin::Percent(margin) => budget_ms * (1.0 - margin / 100.0),
            Margin::Predictor => budget_ms,
        }
    }

    /// Returns the factor by which planned throughput must exceed the rate.
    pub(super) fn headroom(&self) -> f64 {
        1.0 + self.throughput_headroom_pct / 100.0
    }
}
