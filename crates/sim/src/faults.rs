//! The part of a fault script that strikes one GPU.

use super::engine::SimInput;
use super::{Fault, FaultKind, FaultyGpu, SimError};
use igniter_model::domain::{CoLocation, WorkloadName};
use igniter_model::units::Nanoseconds;

/// A fault of one GPU, with its start and its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GpuFault {
    pub(super) at: Nanoseconds,
    /// `None`: the fault never ends.
    pub(super) end: Option<Nanoseconds>,
    pub(super) strikes: Strikes,
}

/// The target of a fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Strikes {
    /// The GPU with all its servers.
    Gpu,
    /// These servers.
    Servers(Vec<usize>),
    /// The speed of the GPU: all times are multiplied by this factor.
    Speed(f64),
}

/// Returns the faults of the script that strike a GPU.
pub(super) fn faults_of(
    script: &[Fault],
    input: &SimInput<'_>,
    gpu: usize,
    co_location: &CoLocation,
) -> Result<Vec<GpuFault>, SimError> {
    let mut faults = Vec::new();
    for fault in script {
        let strikes = match &fault.what {
            FaultKind::GpuFails(which) if is_this(which, input, gpu, co_location)? => Strikes::Gpu,
            FaultKind::GpuSlows { gpu: which, factor }
                if is_this(which, input, gpu, co_location)? =>
            {
                Strikes::Speed(*factor)
            }
            FaultKind::WorkloadCrashes(workload) => match places(workload, input, co_location)? {
                servers if servers.is_empty() => continue,
                servers => Strikes::Servers(servers),
            },
            _ => continue,
        };
        let end = fault.lasts.map(|lasts| fault.at.saturating_add(lasts));
        faults.push(GpuFault { at: fault.at, end, strikes });
    }
    faults.sort_by_key(|fault| fault.at);
    Ok(faults)
}

fn is_this(
    which: &FaultyGpu,
    input: &SimInput<'_>,
    gpu: usize,
    co_location: &CoLocation,
) -> Result<bool, SimError> {
    match which {
        FaultyGpu::Number(number) if *number >= input.plan.gpus.len() => {
            Err(SimError::NoSuchGpu { gpu: *number, gpus: input.plan.gpus.len() })
        }
        FaultyGpu::Number(number) => Ok(*number == gpu),
        FaultyGpu::Of(workload) => Ok(!places(workload, input, co_location)?.is_empty()),
    }
}

/// Returns the positions of a workload among the servers of a GPU.
fn places(
    workload: &WorkloadName,
    input: &SimInput<'_>,
    co_location: &CoLocation,
) -> Result<Vec<usize>, SimError> {
    if input.workloads.iter().all(|known| known.workload.name != *workload) {
        return Err(SimError::UnknownFaultyWorkload { workload: workload.clone() });
    }
    let placed = co_location.placements.iter().enumerate();
    Ok(placed.filter(|(_, p)| p.workload == *workload).map(|(place, _)| place).collect())
}
