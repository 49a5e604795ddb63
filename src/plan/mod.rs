//! Planners: from workloads and a predictor to a provisioning plan.
//!
//! [`Strategy`] is the plug-in point, one file for each algorithm:
//!
//! | strategy | file | source |
//! |---|---|---|
//! | `igniter` | [`igniter`] | iGniter (TPDS 2022), Theorem 1 and Algorithms 1-2 |
//! | `ffd` | [`ffd`] | FFD+, the interference-blind baseline of the same paper |
//!
//! [`check_plan`] judges any plan independently of how it was made.

mod bound;
pub mod budget;
mod check;
mod error;
pub mod exact;
pub mod ffd;
mod file;
pub mod igniter;
mod igniter_format;
pub mod optimal;
mod options;
mod replicas;
mod search;
mod shares;
mod sizing;
mod strategy;

pub use bound::lower_bound;
pub use check::{Violation, check_plan};
pub use error::PlanError;
pub use file::{PlanFile, plan_json, read_plan};
pub use igniter_format::{parse_igniter_plan, write_igniter_plan};
pub use options::{MPS_PROCESS_LIMIT, PlanOptions, Replicas};
pub use strategy::{PlanRequest, STRATEGIES, Strategy, strategy};
