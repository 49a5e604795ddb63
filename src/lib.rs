//! `igniter` compares strategies that share GPUs between DNN inference workloads.
//!
//! Which provisioning plan meets every latency SLO at the least cost, when each workload gets a share of a GPU's SMs
//! (NVIDIA MPS)? This crate fits an interference-aware performance model to measured profiles, plans with the iGniter
//! strategy and others, and replays arrivals in a deterministic discrete-event simulator. It re-implements iGniter (Xu
//! et al., "iGniter: Interference-Aware GPU Resource Provisioning for Predictable DNN Inference in the Cloud", IEEE
//! TPDS 2022) and shares its name: as the name of a strategy or of a predictor, `igniter` means the method of that
//! paper.
//!
//! # What do you want to do?
//!
//! | task | start at |
//! |---|---|
//! | run a scenario file | [`run::Study`] |
//! | predict a co-location | [`run::load_predictor`], [`predictor::Predictor`] |
//! | make a plan, check it, bound it | [`plan::strategy`], [`plan::check_plan`], [`plan::lower_bound`] |
//! | simulate a plan | [`sim::simulate`], [`metrics::summarise`] |
//! | read or generate arrivals | [`arrivals`], [`traces`] |
//! | run many points | [`sweep`] |
//! | compare predictions with measurements | [`accuracy`], [`study`] |
//! | write tables, figures, a page | [`results`], [`figures`], [`page`] |
//! | start the servers of a plan | [`deploy`] |
//! | add a strategy, predictor or arrival process | [`plan::Strategy`], [`predictor::Predictor`], [`arrivals::ArrivalProcess`] |
//!
//! [`units`], [`domain`] and [`stats`] hold the basics that all other modules share; [`profile`] and [`fit`] turn
//! measurements into predictors; [`scenario`] reads scenario files; [`input`] reads files of other programs; [`cli`] is
//! the command line. Most modules are crates in `crates/`, re-exported here (`docs/architecture.md`).
//!
//! # Example
//!
//! Plan and simulate the three workloads of the paper's motivating example:
//! ```
//! use igniter::plan::strategy;
//! use igniter::run::{Overrides, Study};
//! use std::path::Path;
//!
//! let study = Study::load(Path::new("scenarios/motivating-3.toml"), &Overrides::default())?;
//! let plan = study.plan(strategy("igniter")?.as_ref());
//! assert_eq!(plan.gpus.len(), 1);
//! assert!(study.check(&plan).is_empty());
//! let result = study.simulate(&plan)?;
//! assert_eq!(result.misses(), 0);
//! # Ok::<(), igniter::run::RunError>(())
//! ```

// The public API of the library is documented in full; the inner crates document only what a name does not make plain.
#![warn(missing_docs)]

pub use igniter_figures as figures;
pub use igniter_model::{domain, fit, input, predictor, profile, rules, stats, units};
pub use igniter_plan as plan;
pub use igniter_results as results;
pub use igniter_scenario as scenario;
pub use igniter_sim as sim;
pub use igniter_sim::{arrivals, metrics, traces};

pub mod accuracy;
pub mod cli;
pub mod deploy;
pub mod diff;
pub mod page;
pub mod reproduce;
pub mod run;
pub mod servers;
pub mod study;
pub mod sweep;

/// Lets code shared by the tests and the library refer to the library by the same name.
#[cfg(test)]
extern crate self as igniter;

#[cfg(test)]
#[path = "../crates/results/src/sample.rs"]
mod sample;
