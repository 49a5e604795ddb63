//! Measures a profile: models alone and beside each other, closed loop, through the real server.
//!
//! A [`ProfileRun`] is one co-location (or one model alone), for which servers are started, warmed up, kept
//! busy and stopped. Each finished run is one line of a journal, so that an interrupted campaign goes on where
//! it was. [`assemble()`] makes a profile folder of the journal.

mod assemble;
mod grid;
mod journal;
mod list;
mod measure;
mod monotone;

pub use assemble::assemble;
pub use grid::{Grid, ProfileRun, RunMember};
pub use journal::{Journal, JournalError};
pub use list::{read_runs, units};
pub use measure::{MemberResult, RunResult, measure_run};
pub use monotone::make_monotone;
