//! Measures a profile: models alone and co-located, in a closed loop, through the real server.
//!
//! A [`ProfileRun`] is one co-location, or one model alone. Servers are started for a [`ProfileSession`] of runs,
//! warmed up, and kept busy run by run. Each finished run adds one line to a journal, so that an interrupted campaign
//! continues where it stopped. [`assemble()`] builds a profile folder from the journal.

mod assemble;
mod attempt;
mod failure;
mod grid;
mod journal;
mod list;
mod measure;
mod monotone;
mod noise;
mod plan;
mod session;
mod stages;

pub use assemble::{assemble, noise_table};
pub use attempt::measure_session;
pub use failure::StartError;
pub use grid::{ProfileGrid, ProfileRun, RunMember};
pub use journal::{Campaign, Journal, JournalError};
pub use list::{read_runs, units};
pub use measure::{Bench, BenchOptions, MemberResult, RunResult};
pub use monotone::make_monotone;
pub use session::{ProfileSession, sessions};
