//! Compares predicted, simulated and measured results side by side.
//!
//! The comparison uses only the files of a run's folder ([`RunFolder`]), so `validate compare` can repeat it
//! at any time.

mod files;
mod folder;
mod full_batches;
mod hand_overs;
mod host_overhead;
mod simulate;
mod tables;
mod text;
mod verdict;
mod warnings;

pub use files::write_comparison;
pub use folder::{FolderError, GpuRecord, ModelKind, RunFolder, RunInfo, WorkloadRun};
pub use hand_overs::{AROUND_S, HandOverRow};
pub use host_overhead::HostedPredictor;
pub use simulate::{SimulatedRun, shadow_spec, sim_setting, simulated_arm};
pub use tables::{Agreement, ComparedWorkload, SimulationErrors, ValidationResult, compare};
pub use text::{comparison_text, report_markdown};
pub use verdict::{Limits, VerdictCheck};
