//! What a user can ask to happen beside the arrivals: a controller, and faults.

use igniter_model::domain::WorkloadName;
use igniter_model::units::Nanoseconds;

/// A controller and a script of faults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Control {
    /// Who changes shares and batch sizes while the run goes on.
    pub controller: ControllerSpec,
    /// What fails, in any order.
    pub faults: Vec<Fault>,
}

impl Control {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.controller == ControllerSpec::None && self.faults.is_empty()
    }
}

/// Who changes shares and batch sizes while the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ControllerSpec {
    /// Nobody.
    #[default]
    None,
    /// iGniter's standby processes.
    Shadow(ShadowSpec),
    /// GSLICE's reactive tuning.
    Gslice(GsliceSpec),
}

/// iGniter's shadow processes: each workload has a standby with more SMs, which takes over when the P99 of
/// a window exceeds the SLO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShadowSpec {
    /// The length of a window, above 0.
    pub period: Nanoseconds,
    /// How much more of the GPU's SMs the standby gets, in percent; capped at what is free.
    pub extra_pct: f64,
    /// From the decision until the standby serves.
    pub switch: Nanoseconds,
}

impl Default for ShadowSpec {
    fn default() -> Self {
        Self { period: Nanoseconds::new(1_000_000_000), extra_pct: 10.0, switch: Nanoseconds::ZERO }
    }
}

/// What becomes of shares that add up to more than a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Oversubscription {
    /// All shares of the GPU are scaled down together, until they add up to 100 %.
    #[default]
    Scale,
    /// Shares stay, as MPS allows: only while batches with more than 100 % in sum execute do these get
    /// their part of it.
    Overlap,
}

/// GSLICE's reactive tuning of batch sizes and shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GsliceSpec {
    /// The length of a window, above 0.
    pub period: Nanoseconds,
    /// How long the instances of a workload take no new batch when its share changes.
    pub reconfigure: Nanoseconds,
    /// What becomes of shares that add up to more than a GPU.
    pub oversubscription: Oversubscription,
    /// Start with batch 1 and 30 % for everybody, as the iGniter artifact does, in place of the plan.
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
    /// When it happens.
    pub at: Nanoseconds,
    /// How long it lasts; `None`: to the end.
    pub lasts: Option<Nanoseconds>,
    /// What happens.
    pub what: FaultKind,
}

/// What can fail. Requests that are in a server when it fails, and those that arrive while it is down, are
/// lost.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// A GPU fails with all its servers.
    GpuFails(FaultyGpu),
    /// Everything that executes on a GPU takes `factor` times as long.
    GpuSlows {
        /// Which GPU.
        gpu: FaultyGpu,
        /// How much longer; above 0 (below 1, it is faster).
        factor: f64,
    },
    /// The servers of a workload crash.
    WorkloadCrashes(WorkloadName),
}

/// Which GPU a fault is about.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultyGpu {
    /// By its number in the plan, from 0.
    Number(usize),
    /// The one that serves this workload (all that do).
    Of(WorkloadName),
}
