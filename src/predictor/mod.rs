//! The performance model of a GPU kind: from a co-location to latency, throughput, power and clock.
//!
//! [`Predictor`] is the plug-in point; [`igniter`] is the form of the iGniter paper. Predictors are
//! pure: the same co-location always gives the same numbers, on every machine (only `+ − × ÷` and
//! square roots are used).

mod contract;
pub mod igniter;

pub use contract::{CoLocationPrediction, Member, MemberPrediction, Predictor};
