//! A model of GPU performance: what the workloads on a GPU do to its speed, power and clock, and to each other.
//!
//! - [`units`] and [`domain`]: types that all other crates share; [`stats`]: numeric functions.
//! - [`input`]: readers for files from outside this project.
//! - [`profile`]: measurements of a GPU kind, checked when they are read.
//! - [`fit`] derives coefficients from a profile; [`predictor`] turns coefficients into latencies, power and clock.
//! - [`rules`]: published rules that strategies and controllers share.

pub mod domain;
pub mod fit;
pub mod input;
pub mod predictor;
pub mod profile;
pub mod rules;
pub mod stats;
pub mod units;
