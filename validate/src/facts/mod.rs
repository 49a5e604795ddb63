//! What must be known of a GPU before anything is predicted for it: which number of SMs MPS grants for which
//! percentage, whether its clients really run side by side, and how long copies take.
//!
//! The questions are asked by a small Python program ([`PROBE`]) that talks to the CUDA driver alone, in a
//! process of its own for each, since a client's share cannot change while it runs.

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

/// The program that asks.
pub const PROBE: &str = include_str!("probe.py");

/// Everything that was found out about one GPU.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Facts {
    /// SMs by percentage; empty where MPS cannot be used.
    pub shares: Vec<ShareRow>,
    /// Why MPS cannot be used.
    pub mps_error: Option<String>,
    /// How two clients of MPS with half of the SMs each run beside each other, and two processes without MPS.
    pub overlap: Vec<Overlap>,
    /// Copies of several sizes.
    pub transfers: Vec<Transfer>,
    /// A constant and a slope for each way of copying.
    pub transfer_fits: Vec<TransferFit>,
    /// What could not be found out, and why.
    pub failures: Vec<String>,
}

/// The last line of MPS's own log of its server in a folder, which says why clients are refused.
fn probe_log(dir: &std::path::Path) -> String {
    let text = std::fs::read_to_string(dir.join("mps/server.log")).unwrap_or_default();
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .map_or_else(String::new, |line| format!("; server.log: {line}"))
}
