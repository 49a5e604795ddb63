//! What a GPU does with what runs on it.
//!
//! - [`units`] and [`domain`]: types that all other crates share; [`stats`]: numeric functions.
//! - [`profile`]: measured points of a GPU kind, checked when they are read.
//! - [`fit`] makes coefficients of them; [`predictor`] turns coefficients into latencies, power and clock.
//! - [`rules`]: published rules that strategies and controllers share.

pub mod domain;
pub mod fit;
pub mod predictor;
pub mod profile;
pub mod rules;
pub mod stats;
pub mod units;
