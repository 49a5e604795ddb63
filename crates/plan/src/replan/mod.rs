//! Re-planning over time: load changes, and plans follow it without tearing everything up.
//!
//! A new plan is made at the start of each epoch from a forecast of rates. What it costs is rent of GPUs, and servers
//! that start: *moves* (a server starts where it was not) and *restarts* (its share changes in place, for MPS fixes the
//! percentage when a process starts). Batch sizes change for free.
//!
//! | step | file |
//! |---|---|
//! | forecasts from counts of arrivals | `forecast` |
//! | what a strategy says servers need | `rules`, `strategy_rules`, [`QueueingRules`](crate::queueing::QueueingRules) |
//! | the sticky re-planner | `sticky`, `ruin`, `sizes` |
//! | GPUs of a new plan that are those of the old one | `matching` |
//! | what starts and ends when | `handover` |
//! | autoscalers as a baseline | `replicas` |
//! | epoch after epoch | `epochs` |
//! | what it costs | `account` |
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

/// Why a run cannot be re-planned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplanError {
    /// No number of servers is enough for a rate that was forecast.
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
    /// The strategy makes no plan for rates that were forecast.
    #[error("workload {workload} cannot be served at {rate:.3} requests/s: {reason}")]
    NoPlan {
        /// Index of the workload.
        workload: usize,
        /// The rate, in requests/s.
        rate: f64,
        /// The strategy's reason.
        reason: String,
    },
    /// The strategy's plans cannot follow each other, or it makes none.
    #[error("{0}")]
    Plan(String),
}
