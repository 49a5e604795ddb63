//! The options of a run besides arrivals: a controller, and faults.

use igniter_model::domain::WorkloadName;
use igniter_model::units::Nanoseconds;

/// A controller and a script of faults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Control {
    /// The controller that changes shares and batch sizes during the run.
    pub controller: ControllerSpec,
    /// The faults, in any order.
    pub faults: Vec<Fault>,
}

impl Control {
    /// Returns whether there is neither a controller nor a fault.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.controller == ControllerSpec::None && self.faults.is_empty()
    }
}

/// The controller that changes shares and batch sizes during a run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ControllerSpec {
    /// No controller.
    #[default]
    None,
    /// iGniter's standby processes.
    Shadow(ShadowSpec),
    /// GSLICE's reactive tuning.
    Gslice(GsliceSpec),
}

/// iGniter's shadow processes: each workload has a standby with more SMs, which takes over when the P99 latency of a
/// window exceeds the SLO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShadowSpec {
    /// The length of a window, above 0.
    pub period: Nanoseconds,
    /// Additional share of the GPU's SMs that the standby gets, in percent; limited to the free SMs.
    pub extra_pct: f64,
    /// Time from the decision until the standby serves.
    pub switch: Nanoseconds,
}

impl Default for ShadowSpec {
    fn default() -> Self {
        Self { period: Nanoseconds::new(1_000_000_000), extra_pct: 10.0, switch: Nanoseconds::ZERO }
    }
}

/// The treatment of shares that add up to more than a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Oversubscription {
    /// All shares of the GPU are scaled down together, so that they add up to 100 %.
    #[default]
    Scale,
    /// Shares stay as they are, as MPS allows: batches are slowed only while batches with shares of more than 100 % in
    /// sum execute, and then share the GPU in proportion.
    Overlap,
}

/// GSLICE's reactive tuning of batch sizes and shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GsliceSpec {
    /// The length of a window, above 0.
    pub period: Nanoseconds,
    /// Time for which the instances of a workload take no new batch when its share changes.
    pub reconfigure: Nanoseconds,
    /// The treatment of shares that add up to more than a GPU.
    pub oversubscription: Oversubscription,
    /// Whether every workload starts with batch size 1 and a share of 30 %, as in the iGniter artifact, in place of the
    /// plan.
    pub fresh_start: bool,
}

impl Default for GsliceSpec {
    fn default() -> Self {
        Self {
            period: Nanoseconds::new(2_000_000_000),
            reconfigure: Nanoseconds::new(100_000),
            oversubscription: Oversubscription::Scale,
            fresh_start: false,
        }
    }
}

/// One entry of a fault script.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The time at which it happens.
    pub at: Nanoseconds,
    /// Duration of the fault; `None`: until the end of the run.
    pub lasts: Option<Nanoseconds>,
    /// The kind of the fault.
    pub what: FaultKind,
}

/// The kinds of faults. Requests that are in a server when it fails, and those that arrive while it is down, are lost.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// A GPU fails with all its servers.
    GpuFails(FaultyGpu),
    /// Everything that executes on a GPU takes `factor` times as long.
    GpuSlows {
        /// The GPU concerned.
        gpu: FaultyGpu,
        /// The factor of the execution time; above 0 (below 1, the GPU is faster).
        factor: f64,
    },
    /// The servers of a workload crash.
    WorkloadCrashes(WorkloadName),
}

/// The GPU that a fault strikes.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultyGpu {
    /// The GPU with this number in the plan, from 0.
    Number(usize),
    /// The GPUs that serve this workload.
    Of(WorkloadName),
}
