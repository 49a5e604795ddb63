//! Measured profiles of GPU kinds: one folder for each kind, checked when read.
//!
//! ```text
//! profiles/v100/
//!   profile.toml      constants of the GPU kind and of each model, with their source
//!   solo.csv          each model alone: model,batch,sm_pct,gpu_ms,latency_ms,power_w,clock_mhz,l2_pct,dram_pct,
//!                     of which only the first three and one of gpu_ms and latency_ms must be there
//!   self_pairs.csv    two copies of a model: how much they slow each other (optional)
//!   colocation.csv    1, 2, 3 … co-located copies: power, clock, idle time between kernels (optional)
//!   kernels.csv       the kernels of a batch: launch shape and duration ([`read_kernels`], optional)
//!   colocated.csv     measured co-locations ([`read_colocated`], optional)
//!   solo_table.csv    solo latencies of further configurations ([`read_solo_table`], optional)
//! ```
//! Bad rows are rejected with file and line. Earlier versions of the program can read a folder with the optional files,
//! and ignore them.

mod artifact;
mod builtin;
mod check;
mod colocated;
mod constants;
mod csv_rows;
mod datasheet;
mod error;
mod fields;
mod kernels;
mod read;
mod slice;
mod tables;
mod tables_import;
mod types;
mod write;

pub use artifact::{Imported, import_measurements};
pub use builtin::{BUILTIN_KINDS, load};
pub use check::contradictions;
pub use colocated::{ColocatedMember, ColocatedRun, read_colocated, write_colocated};
pub use datasheet::{Datasheet, datasheet};
pub use error::ProfileError;
pub use fields::csv_field;
pub use kernels::read_kernels;
pub use read::read_profile;
pub use slice::Slice;
pub use tables::{SoloRow, SoloTable, read_solo_table, write_solo_table};
pub use types::{ColocationPoint, KernelLaunch, ModelProfile, Profile, SelfPair, SoloPoint};
pub use write::profile_files;
