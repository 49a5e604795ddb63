//! The discrete-event engine: a plan and its arrivals become request records.

mod spec;

pub use spec::{BatchingSpec, EngineSpec, Interference, LoadOverlap, ServiceTime};
