//! Runs into the usual sinks.
//!
//! What [`simulate`] does with a sink is compiled where the sink is named. Here it is optimised as this crate is, and so
//! that every record goes straight into the sums.

use super::engine::{SimInput, SimOutcome, simulate};
use super::error::SimError;
use crate::metrics::{Collectors, GpuCollector, WindowCounter};

/// [`simulate`] into the collectors of a run.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_collected(
    input: &SimInput<'_>,
    collectors: &Collectors,
) -> Result<SimOutcome<GpuCollector>, SimError> {
    simulate(input, |gpu| collectors.of(gpu))
}

/// The same, with requests counted by window too: `counter` is copied for each GPU.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_counted(
    input: &SimInput<'_>,
    collectors: &Collectors,
    counter: &WindowCounter,
) -> Result<SimOutcome<(GpuCollector, WindowCounter)>, SimError> {
    simulate(input, |gpu| (collectors.of(gpu), counter.clone()))
}
