//! `igniter`: fit, plan, simulate and compare GPU provisioning for DNN inference.
pub mod accuracy;
pub mod cli;
pub mod domain;
pub mod fit;
pub mod metrics;
pub mod plan;
pub mod plot;
pub mod predictor;
pub mod profile;
pub mod report;
pub mod run;
pub mod scenario;
pub mod sim;
pub mod stats;
pub mod units;
pub mod workload;
