//! Disk access that checking a scenario needs.

use igniter_model::units::Nanoseconds;
use igniter_sim::arrivals::{TraceFacts, TraceSpec};
use std::path::Path;

/// Access to the files that a scenario names.
pub(super) trait Disk {
    /// Whether a file exists at this path.
    fn is_file(&self, path: &Path) -> bool;

    /// Returns the mean rate of a trace in a run that lasts until `end`, in requests per second, or the reason why
    /// there is none.
    fn trace_rate(&self, trace: &TraceSpec, end: Nanoseconds) -> Result<f64, String>;
}

/// The real disk.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn trace_rate(&self, trace: &TraceSpec, end: Nanoseconds) -> Result<f64, String> {
        let facts = TraceFacts::read(trace, end).map_err(|error| error.to_string())?;
        facts.rate_rps(end).ok_or_else(|| "the trace has no requests in the run".to_owned())
    }
}

/// No disk: every file is assumed to exist, and none can be read.
#[derive(Debug)]
pub(super) struct NoDisk;

impl Disk for NoDisk {
    fn is_file(&self, _: &Path) -> bool {
        true
    }

    fn trace_rate(&self, _: &TraceSpec, _: Nanoseconds) -> Result<f64, String> {
        Err("no file is read here".to_owned())
    }
}
