//! What a scenario asks of the disk.

use igniter_model::units::Nanoseconds;
use igniter_sim::arrivals::{TraceFacts, TraceSpec};
use std::path::Path;

/// Where the files are that a scenario names.
pub(super) trait Disk {
    /// Whether there is a file.
    fn is_file(&self, path: &Path) -> bool;

    /// The mean rate of a trace in a run of this length, in requests per second, or why there is none.
    fn trace_rate(&self, trace: &TraceSpec, end: Nanoseconds) -> Result<f64, String>;
}

/// The real one.
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

/// None: every file is taken to be there, and none can be read.
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
