//! Sweeps: a scenario at many points, with every strategy and several seeds.
//!
//! A sweep file names a scenario and the fields of it that take several values. [`run_sweep`] runs every point on all
//! cores and keeps its rows as soon as they are complete, so that a process that is stopped at any moment can be
//! continued; [`merge_shards`] combines the results of several machines. The bytes of all tables depend on the sweep
//! alone, not on threads, shards or interruptions. `docs/sweeps.md` describes files and tables.

mod aggregate;
mod array;
mod axis;
mod cache;
mod decimal;
mod drive;
mod error;
mod file;
mod finish;
mod first_point;
mod folder;
mod grid;
mod latin;
mod live;
mod merge;
mod point;
mod read;
mod repeat;
mod rows;
mod search;
mod seeds;
mod shard;
mod spec;
mod work;

pub use crate::results::SeedRow;
pub use array::{find_shard, unknown_numbers};
pub use drive::{SweepOptions, SweepOutcome, SweepProgress, is_finished, run_sweep};
pub use error::SweepError;
pub use merge::merge_shards;
pub use repeat::repeat;
pub use search::{AcceptanceRule, Candidate, Capacity, CapacitySearch, FactorRange, Find, pareto};
pub use shard::Shard;
pub use spec::{MOST_POINTS, Sweep};
