//! What a machine lacks for validation, with a fix for each thing.
//!
//! Two uses need different things: servers with emulated models need a Triton and nothing else; measuring a GPU
//! needs driver, MPS and PyTorch too. A check says whether what it looks at is needed for the use at hand.

mod check;
mod gpus;
mod host;
mod timer;
mod triton;

pub use check::{Diagnosis, DoctorCheck, MachineNeed, Status};

use crate::gpu::{GpuProbe, traces_of_a_gpu};
use std::path::PathBuf;

/// What the doctor may look at.
#[derive(Debug)]
pub struct DoctorOptions {
    /// The driver, or why there is none.
    pub probe: Result<Box<dyn GpuProbe>, String>,
    /// What the machine is to be used for; `None`: for GPUs if it shows any trace of one.
    pub need: Option<MachineNeed>,
    /// The program of the server, where it was named.
    pub triton: Option<PathBuf>,
    /// The image, for containers.
    pub image: String,
    /// Whether a server and an MPS daemon may be started for a moment.
    pub start: bool,
    /// This program, which knows the hidden command of the guard.
    pub guard: PathBuf,
}

/// Looks at everything.
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
