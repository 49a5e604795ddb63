//! Errors of servers that cannot be started or end unexpectedly.

use crate::client::AccessError;
use crate::signals::Interrupted;
use igniter::domain::{ModelName, WorkloadName};
use igniter::input::toml_keys::{Problem, listing};
use std::io;
use std::path::PathBuf;

/// The reasons why servers do not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    #[error("cannot use {}: {source}{}", .path.display(), hint(.source))]
    File { path: PathBuf, source: io::Error },
    #[error("model {model}: {reason}; fix: {fix}")]
    Model { model: ModelName, reason: String, fix: String },
    #[error(
        "no Triton server: looked for {looked}; fix: run scripts/setup_triton.sh, or give the path of \
         `tritonserver` with --triton or VALIDATE_TRITON"
    )]
    NoTriton { looked: String },
    #[error("cannot start {what}: {source}")]
    Start { what: String, source: io::Error },
    #[error(
        "port {port} of 127.0.0.1, for the server of {workload}, is taken by another program; fix: choose \
         others with --first-port, or leave it out to use free ones"
    )]
    PortTaken { port: u16, workload: WorkloadName },
    #[error(
        "port {port} of 127.0.0.1, for the server of {workload}: {source}; fix: choose others with --first-port \
         (below 1024 they are for root), or leave it out to use free ones"
    )]
    Port { port: u16, workload: WorkloadName, source: io::Error },
    #[error(
        "--first-port {first}: server {position} would be beyond port 65535; fix: choose a lower one"
    )]
    PortBeyond { first: u16, position: usize },
    #[error("the server of {workload} (model {model}) ended: {status}; {}:\n{tail}", .log.display())]
    Died { workload: WorkloadName, model: ModelName, status: String, log: PathBuf, tail: String },
    #[error(
        "the server of {workload} (model {model}) does not answer ({reason}) after {waited_s} s; {}:\n{tail}",
        .log.display()
    )]
    Silent {
        workload: WorkloadName,
        model: ModelName,
        reason: String,
        waited_s: u64,
        log: PathBuf,
        tail: String,
    },
    #[error("{url}, the server of {workload}: {reason}; fix: {fix}")]
    Unusable { url: String, workload: WorkloadName, reason: String, fix: String },
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("{}", listing(.path, .problems))]
    ServerKeys { path: PathBuf, problems: Vec<Problem> },
    #[error("{}: {reason}", .path.display())]
    ServerFile { path: PathBuf, reason: String },
    #[error(
        "the share of {workload} (model {model}) is not in force: {reason}; fix: check the MPS daemon with \
         `validate doctor`, or run without shares with --mps off"
    )]
    Share { workload: WorkloadName, model: ModelName, reason: String },
    #[error("NVIDIA MPS: {reason}; fix: {fix}")]
    Mps { reason: String, fix: String },
    #[error("GPU: {reason}; fix: {fix}")]
    Gpu { reason: String, fix: String },
    #[error("{image}: {reason}; fix: {fix}")]
    Image { image: String, reason: String, fix: String },
    #[error("--emulate {}: {reason}; fix: give a coefficients file of `igniter fit` for the same GPU kind", .path.display())]
    Emulated { path: PathBuf, reason: String },
    #[error("left behind: {what}")]
    LeftBehind { what: String },
    /// A signal ended the work.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; fix: free some space, or choose a folder on another disk"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; fix: choose a folder that you may write to"
        }
        _ => "",
    }
}
