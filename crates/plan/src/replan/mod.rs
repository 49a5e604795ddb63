//! Re-planning over time: plans follow load changes with few changes from one to the next.
//!
//! A new plan is made at the start of each epoch from a forecast of rates. Its costs are the rent of GPUs and the
//! servers that start: *moves* (a server starts on a GPU where its workload had none) and *restarts* (a share changes
//! in place, which needs a new process because MPS fixes the percentage when a process starts). Batch sizes change for
//! free.
//!
//! | step | file |
//! |---|---|
//! | forecasts from counts of arrivals | `forecast` |
//! | required sizes of servers | `rules`, `strategy_rules`, [`QueueingRules`](crate::queueing::QueueingRules) |
//! | the sticky re-planner | `sticky`, `ruin`, `sizes` |
//! | matching of GPUs of the new plan to those of the old one | `matching` |
//! | hand-overs: which servers start and end, and when | `handover` |
//! | autoscalers as a baseline | `replicas` |
//! | the loop over epochs | `epochs` |
//! | costs of a run | `account` |
//! | the plans as a document | `file` |

mod account;
mod epochs;
mod file;
mod forecast;
mod handover;
mod layout;
mod matching;
mod replicas;
mod ruin;
mod rules;
mod sizes;
mod spec;
mod sticky;
mod strategy_rules;
#[cfg(test)]
mod tests;

pub use account::{Account, account, rent};
pub use epochs::{Act, Epoch, HandoverStep, ReplanInput, Replanned, replan};
pub use file::{
    HandoverStepRow, PlansFile, PlansHead, epoch_plan, is_plans_text, plans_file, read_plans_text,
};
pub use forecast::ArrivalCounts;
pub use layout::{GpuServers, ReplanServer, Why};
pub use replicas::tick_s;
pub use rules::{Asked, KindFacts, Rules, ServerSize};
pub use spec::{
    ForecastKind, ForecastSpec, HandoverMode, HandoverSpec, Policy, ReplanSpec, ReplicaTarget,
    ReplicasSpec, Statistic,
};
pub use strategy_rules::StrategyRules;

/// The reason why a run cannot be re-planned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplanError {
    /// No number of servers is sufficient for a forecast rate.
    #[error(
        "workload {workload} cannot be served at {rate:.3} requests/s: no number of servers is enough; lower its rate or \
         headroom_pct, or give it a longer SLO"
    )]
    NoServer {
        /// Index of the workload.
        workload: usize,
        /// The rate, in requests/s.
        rate: f64,
    },
    /// The strategy finds no plan for the forecast rates.
    #[error("workload {workload} cannot be served at {rate:.3} requests/s: {reason}")]
    NoPlan {
        /// Index of the workload.
        workload: usize,
        /// The rate, in requests/s.
        rate: f64,
        /// The strategy's reason.
        reason: String,
    },
    /// No hand-over between the strategy's plans is possible, or the strategy makes no plan.
    #[error("{0}")]
    Plan(String),
}
