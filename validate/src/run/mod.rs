//! One measured run: servers that run already get the arrivals of a scenario.
//!
//! Phases: warm-up (bursts of every batch size, one request after the other's answer), calibration (open
//! loop, the scenario's arrivals with another seed: it tells what the host adds), and the measured run (open
//! loop). Only the last one counts; the first two are recognised by the letter in their identifiers.

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

/// What was recorded of one workload.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Answers of the calibration, each with the number of its server.
    pub calibration: Vec<(u8, Answer)>,
    /// Answers of the measured run, one for each request that was sent: those that never came have
    /// [`NO_ANSWER`](crate::measure::NO_ANSWER) in their place.
    pub measured: Vec<(u8, Answer)>,
    /// Requests that were to be sent in the measured run.
    pub planned: usize,
    /// Requests that were sent.
    pub sent: usize,
    /// How many of them were never answered.
    pub unanswered: usize,
    /// When standbys took over, since the start; one entry for each placement.
    pub switched: Vec<Option<Nanoseconds>>,
}

/// What was recorded of a run.
#[derive(Debug, Default)]
pub struct RunRecord {
    /// When the measured run began.
    pub start: Nanoseconds,
    /// One entry for each target.
    pub workloads: Vec<Recorded>,
    /// Why it ended early.
    pub ended_early: Option<String>,
}
