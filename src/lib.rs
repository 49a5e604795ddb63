//! `igniter`: fit, plan, simulate and compare GPU provisioning for DNN inference.
pub mod accuracy;
pub mod domain;
pub mod fit;
pub mod plan;
pub mod predictor;
pub mod profile;
pub mod scenario;
pub mod sim;
pub mod stats;
pub mod units;
pub mod workload;

/// Lets code that tests and the library share name the library the same way.
#[cfg(test)]
extern crate self as igniter;
