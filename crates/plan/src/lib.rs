//! Planners: from workloads and a predictor to a provisioning plan.
//!
//! [`Strategy`] is the plug-in point, one file for each algorithm:
//!
//! | strategy | file | source |
//! |---|---|---|
//! | `igniter` | [`igniter`](strategies::igniter) | iGniter (TPDS 2022), Theorem 1 and Algorithms 1-2 |
//! | `ffd` | [`ffd`](strategies::ffd) | FFD+, the interference-blind baseline of the same paper |
//! | `gpulets` | [`gpulets`](strategies::gpulets) | gpu-lets (ATC 2022), as the iGniter paper adapts it, with fixes |
//! | `gpulets-atc` | [`gpulets_atc`](strategies::gpulets_atc) | gpu-lets (ATC 2022) as in its authors' code, with time sharing |
//! | `gslice` | [`gslice`](strategies::gslice) | GSLICE (SoCC 2020), as the iGniter paper adapts it, on FFD+'s placement |
//! | `nexus` | [`nexus`](strategies::nexus) | Nexus (SOSP 2019), squishy bin packing in time slots |
//! | `infless` | [`infless`](strategies::infless) | INFless (ASPLOS 2022), the largest batch that fills in time, best fit |
//! | `parvagpu` | [`parvagpu`](strategies::parvagpu) | ParvaGPU (SC 2024), segments of several processes |
//! | `dedicated` | [`dedicated`](strategies::dedicated) | one whole GPU per workload |
//! | `mps-default` | [`mps_default`](strategies::mps_default) | MPS without partitions on FFD+'s placement |
//! | `greedy` | [`optimal`](strategies::optimal) | this project's: best fit with joint batch sizes and interference |
//! | `optimal` | [`optimal`](strategies::optimal) | this project's: exhaustive, LP, local search, replicas; proven bounds |
//! | `exact` | [`exact`](strategies::exact) | the proven optimum of at most 14 workloads |
//! | `queueing` | [`queueing`] | this project's: computes waiting times for any kind of arrivals |
//!
//! [`lower_bound`] returns a proven lower bound on the number of GPUs of any plan. [`check_plan`] checks any plan,
//! whatever made it. [`explain()`] gives the reasons for each placement. [`plan_on_kinds`] plans over several GPU
//! kinds.

mod alone;
mod assumptions;
mod bound;
mod cautious;
mod check;
mod error;
mod explain;
mod file;
mod foreign;
mod igniter_format;
mod kinds;
mod options;
mod presences;
pub mod queueing;
pub mod replan;
mod replicas;
mod search;
mod shares;
mod sizing;
pub mod strategies;
mod strategy;
mod traffic;

pub use bound::lower_bound;
pub use check::{Violation, check_plan, check_plan_on_kinds};
pub use error::PlanError;
pub use explain::{Explanation, explain};
pub use file::{
    PlanFile, artifact_text, is_artifact_plan, parse_plan, plan_json, read_plan, read_plans,
};
pub use foreign::{FOREIGN_REQUEST, ForeignRequest, foreign_plan, foreign_request};
pub use igniter_format::{
    ArtifactEntry, artifact_entries, parse_igniter_plan, plain_model, write_igniter_plan,
};
pub use kinds::{KindPlans, plan_on_kinds, plan_on_kinds_with};
pub use options::{MPS_PROCESS_LIMIT, Margin, PlanOptions, Replicas};
pub use queueing::{Forecast, ReplicaChoice, ServerForecast, forecast};
pub use strategies::{
    BUILT_IN, BuiltIn, STRATEGIES, has_sticky_rules, plans_by_half_of_slo, strategy,
};
pub use strategy::{PlanRequest, Strategy};
pub use traffic::{
    AloneOutcome, AloneServer, ArrivalModel, Luck, PoissonTraffic, RunLength, ServerTraits,
    Traffic, Trial,
};

#[cfg(test)]
mod tests;
