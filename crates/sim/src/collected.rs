//! Runs with the usual sinks.
//!
//! The code of [`simulate`] for a sink is compiled in the crate that names the sink. Here it is optimised like the rest
//! of this crate, so that every record goes straight into the sums.

use super::engine::{SimInput, SimOutcome, simulate};
use super::error::SimError;
use crate::metrics::{Collectors, GpuCollector, WindowCounter};

/// Runs [`simulate`] with the collectors of a run as sinks.
///
/// # Errors
/// Fails as [`simulate`] does.
pub fn simulate_collected(
    input: &SimInput<'_>,
    collectors: &Collectors,
) -> Result<SimOutcome<GpuCollector>, SimError> {
    simulate(input, |gpu| collectors.of(gpu))
}

/// Does the same and also counts requests by window: `counter` is cloned for each GPU.
///
/// # Errors
/// Fails as [`simulate`] does.
pub fn simulate_counted(
    input: &SimInput<'_>,
    collectors: &Collectors,
    counter: &WindowCounter,
) -> Result<SimOutcome<(GpuCollector, WindowCounter)>, SimError> {
    simulate(input, |gpu| (collectors.of(gpu), counter.clone()))
}
