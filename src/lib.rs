//! `igniter` compares strategies that share GPUs between DNN inference workloads.
//!
//! Researchers who give each workload a share of a GPU's SMs (NVIDIA MPS) ask which provisioning plan
//! meets every latency SLO at the least cost, and how sure that is under a given arrival pattern. This
//! crate answers by fitting an interference-aware performance model to measured profiles, planning with
//! iGniter's strategy and with baselines, and replaying arrivals in a deterministic discrete-event
//! simulator. It re-implements iGniter (Xu et al., "iGniter: Interference-Aware GPU Resource
//! Provisioning for Predictable DNN Inference in the Cloud", IEEE TPDS 2022).
//!
//! # The way through the modules
//!
//! 1. [`units`] and [`domain`]: the words that all stages share.
//! 2. [`profile`]: measured points of a GPU kind, checked when read.
//! 3. [`fit`] makes coefficients of them, [`predictor`] uses these; [`accuracy`] compares predictions
//!    with measured co-locations.
//! 4. [`scenario`] reads what is asked for; [`arrivals`] draws the arrivals.
//! 5. [`plan`] makes a provisioning plan and judges it, by [`rules`] that controllers share.
//! 6. [`sim`] replays arrivals against a plan; [`metrics`] summarises the records that it emits.
//! 7. [`results`] keeps tables and how they were made; [`figures`] draws figures from the tables, [`page`]
//!    makes one HTML page of a folder of them.
//! 8. [`deploy`] writes files that start the servers of a plan.
//! 9. [`run`] wires one study, [`sweep`] an ordered grid of them, [`reproduce`] the evaluation of the
//!    paper; [`cli`] is the command line. [`stats`] holds plain numerics.
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

pub use igniter_figures as figures;
pub use igniter_model::{domain, fit, predictor, profile, rules, stats, units};
pub use igniter_plan as plan;
pub use igniter_results as results;
pub use igniter_scenario as scenario;
pub use igniter_sim as sim;
pub use igniter_sim::{arrivals, metrics, traces};

pub mod accuracy;
pub mod cli;
pub mod deploy;
pub mod page;
pub mod reproduce;
pub mod run;
pub mod study;
pub mod sweep;

/// Lets code that tests and the library share name the library the same way.
#[cfg(test)]
extern crate self as igniter;
