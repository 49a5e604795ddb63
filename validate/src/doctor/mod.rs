//! Checks what a machine lacks for validation, and suggests a fix for each problem.
//!
//! Two uses have different requirements: servers with emulated models need only Triton; measuring a GPU also
//! needs the driver, MPS and PyTorch. Each check reports whether the intended use needs the item that it
//! checks.

mod check;
mod gpus;
mod host;
mod timer;
mod triton;

pub use check::{Diagnosis, DoctorCheck, MachineNeed, Status};

use crate::gpu::{GpuProbe, traces_of_a_gpu};
use std::path::PathBuf;

/// Options of [`examine`].
#[derive(Debug)]
pub struct DoctorOptions {
    /// The driver, or the reason why there is none.
    pub probe: Result<Box<dyn GpuProbe>, String>,
    /// The intended use of the machine; `None`: measuring GPUs if there is any sign of one.
    pub need: Option<MachineNeed>,
    /// The server program, where the user named one.
    pub triton: Option<PathBuf>,
    /// The container image.
    pub image: String,
    /// Whether a server and an MPS daemon may be started briefly.
    pub start: bool,
    /// This program, which has the hidden command of the guard.
    pub guard: PathBuf,
}

/// Runs all checks.
#[must_use]
pub fn examine(mut options: DoctorOptions) -> Diagnosis {
    let need = options.need.unwrap_or_else(|| {
        if options.probe.is_ok() || traces_of_a_gpu() { MachineNeed::Gpu } else { MachineNeed::Cpu }
    });
    let mut checks = Vec::new();
    let (machine, gpus) = gpus::check(&mut options, need, &mut checks);
    triton::check(&options, need, &mut checks);
    host::check(&mut checks);
    Diagnosis { need, machine, gpus, checks }
}
