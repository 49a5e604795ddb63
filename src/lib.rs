//! `igniter`: fit, plan, simulate and compare GPU provisioning for DNN inference.
pub mod domain;
pub mod predictor;
pub mod scenario;
pub mod sim;
pub mod units;
pub mod workload;
