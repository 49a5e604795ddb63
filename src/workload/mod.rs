//! Arrival processes, traces, and the seed streams that drive them.

mod spec;

pub use spec::ArrivalSpec;
