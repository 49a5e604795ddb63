//! Arrival processes, traces, and the seed streams that drive them.
//!
//! An [`ArrivalSpec`] says what a user asks for; [`ArrivalSpec::build`] makes it an
//! [`ArrivalProcess`], which the engine (and the load generator of the real arm) drains one request
//! at a time. Each workload draws from a [`stream`] of its own, so that all strategies see the same
//! arrivals and adding a workload changes no other's.

mod arrival;
mod constant;
mod gamma;
mod generate;
mod poisson;
mod seed;
mod spec;
mod split;
mod trace;

pub use arrival::{ArrivalError, ArrivalProcess};
pub use constant::ConstantArrivals;
pub use gamma::GammaArrivals;
pub use generate::GeneratedArrivals;
pub use poisson::PoissonArrivals;
pub use seed::{Purpose, Stream, stream};
pub use spec::ArrivalSpec;
pub use split::SplitArrivals;
pub use trace::{TraceArrivals, TraceError};
