//! The discrete-event engine: a plan and its arrivals become request records.

mod batcher;
mod batcher_rules;
mod spec;

#[cfg(test)]
mod batcher_tests;

pub use batcher::{Batch, Batcher};
pub use batcher_rules::{BatcherRules, BatchingError};
pub use spec::{BatchingSpec, EngineSpec, Interference, LoadOverlap, ServiceTime};
