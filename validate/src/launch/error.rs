//! Servers that cannot be started, or do not stay.

use crate::life::Interrupted;
use igniter::domain::{ModelName, WorkloadName};
use std::io;
use std::path::PathBuf;

/// Why servers do not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A file or folder cannot be used.
    #[error("cannot use {}: {source}{}", .path.display(), hint(.source))]
    File {
        /// The file or folder.
        path: PathBuf,
        source: io::Error,
    },
    /// A model cannot be made or served as asked.
    #[error("model {model}: {reason}; fix: {fix}")]
    Model {
        model: ModelName,
        reason: String,
        /// What to do.
        fix: String,
    },
    /// There is no Triton server where one is expected.
    #[error(
        "no Triton server: looked for {looked}; fix: run scripts/setup_triton.sh, or give the path of \
         `tritonserver` with --triton or VALIDATE_TRITON"
    )]
    NoTriton {
        /// The places.
        looked: String,
    },
    /// A process cannot be started.
    #[error("cannot start {what}: {source}")]
    Start {
        /// The process.
        what: String,
        source: io::Error,
    },
    /// A port is taken.
    #[error(
        "port {port} of 127.0.0.1, for the server of {workload}, is taken by another program; fix: choose \
         others with --first-port, or leave it out to use free ones"
    )]
    PortTaken {
        port: u16,
        /// Whose server was to use it.
        workload: WorkloadName,
    },
    /// A port cannot be used.
    #[error(
        "port {port} of 127.0.0.1, for the server of {workload}: {source}; fix: choose others with --first-port \
         (below 1024 they are for root), or leave it out to use free ones"
    )]
    Port {
        port: u16,
        /// Whose server was to use it.
        workload: WorkloadName,
        source: io::Error,
    },
    /// There are no more ports.
    #[error(
        "--first-port {first}: server {position} would be beyond port 65535; fix: choose a lower one"
    )]
    PortBeyond {
        /// The first port.
        first: u16,
        /// How many ports after it.
        position: usize,
    },
    /// A server ended by itself.
    #[error("the server of {workload} (model {model}) ended: {status}; {}:\n{tail}", .log.display())]
    Died {
        /// Whom it served.
        workload: WorkloadName,
        /// What it served.
        model: ModelName,
        /// How it ended.
        status: String,
        /// What it printed.
        log: PathBuf,
        /// The end of that.
        tail: String,
    },
    /// A server runs but does not answer.
    #[error(
        "the server of {workload} (model {model}) does not answer ({reason}) after {waited_s} s; {}:\n{tail}",
        .log.display()
    )]
    Silent {
        /// Whom it serves.
        workload: WorkloadName,
        /// What it serves.
        model: ModelName,
        /// What it said last.
        reason: String,
        /// How long was waited.
        waited_s: u64,
        /// What it printed.
        log: PathBuf,
        /// The end of that.
        tail: String,
    },
    /// A server that others run cannot be used.
    #[error("{url}, the server of {workload}: {reason}; fix: {fix}")]
    Unusable {
        /// The server.
        url: String,
        /// Whom it is to serve.
        workload: WorkloadName,
        reason: String,
        /// What to do.
        fix: String,
    },
    /// A file of servers cannot be used.
    #[error("{}: {reason}", .path.display())]
    ServerFile {
        path: PathBuf,
        /// What is wrong, with the fix.
        reason: String,
    },
    /// A share of the GPU was not applied.
    #[error(
        "the share of {workload} (model {model}) is not in force: {reason}; fix: check the MPS daemon with \
         `validate doctor`, or run without shares with --mps off"
    )]
    Share {
        /// Whose share.
        workload: WorkloadName,
        model: ModelName,
        /// What was seen.
        reason: String,
    },
    /// The MPS daemon cannot be used.
    #[error("NVIDIA MPS: {reason}; fix: {fix}")]
    Mps {
        reason: String,
        /// What to do.
        fix: String,
    },
    /// A GPU that is asked for, or that the machine has, cannot be used.
    #[error("GPU: {reason}; fix: {fix}")]
    Gpu {
        reason: String,
        /// What to do.
        fix: String,
    },
    /// A server's image or release does not suit what is asked of it.
    #[error("{image}: {reason}; fix: {fix}")]
    Image {
        /// The image, or the release.
        image: String,
        reason: String,
        /// What to do.
        fix: String,
    },
    /// The GPU that models are to emulate cannot be used.
    #[error("--emulate {}: {reason}; fix: give a coefficients file of `igniter fit` for the same GPU kind", .path.display())]
    Emulated { path: PathBuf, reason: String },
    /// Something outlived its end.
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
