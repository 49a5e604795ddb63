//! Facts about a GPU that predictions depend on: how many SMs MPS grants for each percentage, whether its
//! clients really run side by side, and how long copies take.
//!
//! A small Python program ([`PROBE`]) measures them. It uses only the CUDA driver. Each measurement runs in
//! its own process, since the share of an MPS client cannot change while it runs.

mod base;
mod fit;
mod probe;
mod steps;
mod tables;

pub use base::base_profile;
pub use fit::{TransferFit, fit_transfers};
pub use probe::{
    FactsError, Overlap, Prober, ShareRow, ShareTrial, Transfer, default_python, try_client,
};
pub use steps::{AllocationUnit, allocation_step};
pub use tables::{share_table, transfer_table};

/// The source of the probe program.
pub const PROBE: &str = include_str!("probe.py");

/// All facts measured for one GPU.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Facts {
    /// SMs by percentage; empty where MPS cannot be used.
    pub shares: Vec<ShareRow>,
    /// The reason why MPS cannot be used.
    pub mps_error: Option<String>,
    /// Throughput of two concurrent MPS clients with half of the SMs each, and of two processes without MPS.
    pub overlap: Vec<Overlap>,
    /// Durations of copies of several sizes.
    pub transfers: Vec<Transfer>,
    /// The fitted constant and slope for each kind of copy.
    pub transfer_fits: Vec<TransferFit>,
    /// The measurements that failed, and why.
    pub failures: Vec<String>,
}

/// Returns the last line of the MPS server log in a folder, which says why clients are refused.
fn probe_log(dir: &std::path::Path) -> String {
    let text = std::fs::read_to_string(dir.join("mps/server.log")).unwrap_or_default();
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .map_or_else(String::new, |line| format!("; server.log: {line}"))
}
