//! One measured run: sends the arrivals of a scenario to servers that are already running.
//!
//! Phases: warm-up (bursts of every batch size, each sent once the previous one is answered), calibration
//! (open loop, the scenario's arrivals with another seed, to measure the overhead of the host), and the
//! measured run (open loop). Only the last one counts; requests of the first two are recognised by the letter
//! in their identifiers.

mod follow;
mod journal;
mod keep;
mod phases;
mod shadow;
mod target;

pub use follow::{
    Connections, FollowLoad, FollowOptions, FollowedRun, Happened, RunningServer, as_happened,
    follow, followable, servers_of,
};
pub use journal::{PARTIAL, RunJournal};
pub use keep::{ServedRun, Traces, keep_elsewhere, keep_run, throttled};
pub use phases::{Load, LoadOptions, run_load};
pub use shadow::standby_specs;
pub use target::{TargetOptions, WorkloadServers};

use crate::client::Answer;
use igniter::units::Nanoseconds;

/// The recorded data of one workload.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Answers during calibration, each with the number of its server.
    pub calibration: Vec<(u8, Answer)>,
    /// Answers during the measured run, one for each request that was sent. Requests without an answer are
    /// recorded as [`NO_ANSWER`](crate::measure::NO_ANSWER).
    pub measured: Vec<(u8, Answer)>,
    /// Number of requests scheduled for the measured run.
    pub planned: usize,
    /// Number of requests that were sent.
    pub sent: usize,
    /// Number of sent requests that were never answered.
    pub unanswered: usize,
    /// Times at which standbys took over, since the start; one entry for each placement.
    pub switched: Vec<Option<Nanoseconds>>,
}

/// The recorded data of a run.
#[derive(Debug, Default)]
pub struct RunRecord {
    /// Start of the measured run.
    pub start: Nanoseconds,
    /// One entry for each target.
    pub workloads: Vec<Recorded>,
    /// The reason why the run ended early; `None` if it did not.
    pub ended_early: Option<String>,
}
