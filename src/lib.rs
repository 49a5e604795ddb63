//! `igniter`: fit, plan, simulate and compare GPU provisioning for DNN inference.
pub mod domain;
pub mod predictor;
pub mod sim;
pub mod units;
pub mod workload;

/// Lets code that tests and the library share name the library the same way.
#[cfg(test)]
extern crate self as igniter;
