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

pub mod budget;
mod check;
mod error;
pub mod ffd;
mod file;
pub mod igniter;
mod igniter_format;
mod shares;
mod sizing;
mod strategy;

pub use check::{Violation, check_plan};
pub use error::PlanError;
pub use file::{PlanFile, plan_json, read_plan};
pub use igniter_format::{parse_igniter_plan, write_igniter_plan};
pub use strategy::{PlanRequest, STRATEGIES, Strategy, strategy};
