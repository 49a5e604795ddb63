//! Arrival processes, traces, and the seed streams that drive them.
//!
//! An [`ArrivalSpec`] describes the arrivals that a user requests; [`ArrivalSpec::build`] makes it
//! an [`ArrivalProcess`], from which the engine (and the load generator for real servers) takes one
//! request at a time. Each workload draws from a [`stream`] of its own, so that all strategies see
//! the same arrivals and adding a workload does not change the arrivals of the others.

mod arrival;
mod build;
mod clients;
mod combined;
mod constant;
mod counted;
mod expected;
mod exponential;
mod gamma;
mod generate;
mod listed;
mod mmpp;
mod normalised;
mod part_time;
mod poisson;
mod rate_file;
mod seed;
mod shape;
mod shaped;
mod spec;
mod statistics;
#[cfg(test)]
mod tests;
mod trace;
mod turns;
mod weibull;

pub use arrival::{ArrivalError, ArrivalProcess};
pub use clients::Clients;
pub use combined::{PhaseArrivals, SumArrivals};
pub use constant::ConstantArrivals;
pub use counted::{ArrivalCount, CountedArrivals};
pub use gamma::GammaArrivals;
pub use generate::GeneratedArrivals;
pub use listed::ListedArrivals;
pub use mmpp::MmppArrivals;
pub use normalised::NormalisedArrivals;
pub(crate) use part_time::starts_at;
pub use part_time::{PartTimeArrivals, Shift};
pub use poisson::PoissonArrivals;
pub use seed::{Purpose, Stream, stream};
pub use shape::{RateShape, RateStep};
pub use shaped::ShapedArrivals;
pub use spec::{
    ArrivalPart, ArrivalPhase, ArrivalSpec, ClosedLoopSpec, MmppState, Thinking, TraceSpec,
};
pub use statistics::{ArrivalStatistics, ArrivalTally};
pub use trace::{TraceArrivals, TraceError, TraceFacts, TraceFault};
pub use turns::Turns;
pub use weibull::{WeibullArrivals, inverse_shape};
