//! The full engine, in which everything that happens is an event in one queue.
//!
//! It is the reference for the fast path: for every input that the fast path supports, both give the same records and
//! intervals, in the same order and to the last bit. Only the full engine supports queue policies, varying
//! host times, a serial path for requests, a shared PCIe link, servers that take turns, controllers and faults. Call
//! [`super::simulate`], which chooses between the two.

mod copies;
mod event;
mod event_queue;
mod follow;
mod gpu;
mod link;
mod server;
mod steering;
mod turns;

use super::engine::{GpuOutcome, SimInput, SimOutcome, run_gpus};
use super::error::SimError;
use super::prepare::{GpuRun, GpuSetting};
use super::speed::BadNumber;
use igniter_model::domain::{GpuId, RecordSink};

#[cfg(test)]
pub(crate) use gpu::GpuSimulation;

/// Does the same as [`super::simulate`], but always with the full engine.
///
/// # Errors
/// Fails as [`super::simulate`] does.
pub fn simulate<S, F>(input: &SimInput<'_>, make_sink: F) -> Result<SimOutcome<S>, SimError>
where
    S: RecordSink + Send,
    F: Fn(GpuId) -> S + Sync,
{
    run_gpus(input, make_sink, |setting, run, sink| run_gpu(setting, run, sink).map(Some))
}

/// Runs one GPU.
pub(super) fn run_gpu<S: RecordSink>(
    setting: GpuSetting,
    run: GpuRun<'_>,
    sink: S,
) -> Result<GpuOutcome<S>, BadNumber> {
    gpu::GpuSimulation::new(setting, run, sink).and_then(gpu::GpuSimulation::finish)
}
