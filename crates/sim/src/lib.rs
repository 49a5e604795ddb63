//! The discrete-event engine: a plan and its arrivals become request records.
//!
//! Each placement of a plan is a server: a dynamic batcher ([`Batcher`], after Triton's), followed
//! by three stages for each model instance (copy to the GPU, execution, copy back). While batches
//! of several servers execute on one GPU, each runs at the speed that the predictor gives for
//! exactly this set of batches ([`Interference::Dynamic`]). Time is in whole nanoseconds,
//! simultaneous events are processed in FIFO order, and random numbers come from named streams, so
//! a run gives the same bytes on any number of threads.
//!
//! - [`simulate`]: the entry point; [`simulate_collected`] runs it with the sinks of [`metrics`]
//! - [`EngineSpec`], [`BatchingSpec`]: the options of a run, with their defaults
//! - [`Batcher`]: the batching rules, usable on their own

pub mod arrivals;
mod batcher;
mod batcher_rules;
mod collected;
mod control;
mod counting;
mod draw;
mod ends;
mod engine;
mod error;
mod fast;
mod faults;
mod features;
pub mod full;
pub mod metrics;
mod power;
mod prepare;
mod source;
mod spec;
mod speed;
mod timeline;
pub mod traces;

#[cfg(test)]
mod batcher_tests;
#[cfg(test)]
#[path = "../../../tests/it/common/engine_cases.rs"]
mod engine_cases;
#[cfg(test)]
mod engine_tests;
#[cfg(test)]
#[path = "../../../tests/it/common/fake.rs"]
mod fake;
#[cfg(test)]
mod features_tests;
#[cfg(test)]
mod lean_tests;
#[cfg(test)]
mod timeline_tests;

pub use batcher::{Batch, Batcher};
pub use batcher_rules::{BatcherRules, BatchingError};
pub use collected::{simulate_collected, simulate_counted};
pub use control::{
    Control, ControllerSpec, Fault, FaultKind, FaultyGpu, GsliceSpec, Oversubscription, ShadowSpec,
};
pub use counting::arrival_counts;
pub use engine::{
    GpuOutcome, MAX_REQUESTS, ServerOutcome, ServiceGap, SimInput, SimOutcome, SimWorkload,
    check_run, simulate,
};
pub use error::SimError;
pub use spec::{
    BatchingSpec, EngineSpec, Interference, LoadOverlap, Noise, PcieLink, ServerSpec, ServiceTime,
    TimeoutAction, TritonRelease,
};
pub use timeline::TimelineError;

/// Lets a file that is shared by the tests of several crates name everything as the facade crate
/// does.
#[cfg(test)]
extern crate self as igniter;
#[cfg(test)]
use crate as sim;
#[cfg(test)]
use igniter_model::{domain, predictor, units};
