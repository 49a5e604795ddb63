//! `igniter`: fit, plan, simulate and compare GPU provisioning for DNN inference.
pub mod domain;
pub mod fit;
pub mod plan;
pub mod predictor;
pub mod profile;
pub mod scenario;
pub mod sim;
pub mod stats;
pub mod study;
pub mod units;
pub mod workload;
