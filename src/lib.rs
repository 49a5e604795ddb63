//! `igniter`: fit, plan, simulate and compare GPU provisioning for DNN inference.
pub mod domain;
pub mod metrics;
pub mod plot;
pub mod predictor;
pub mod report;
pub mod sim;
pub mod stats;
pub mod units;
pub mod workload;
