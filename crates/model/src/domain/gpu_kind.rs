//! The constants of a type of GPU.

use super::{GpuKindName, ModelName, SmSharing};
use crate::units::{Bytes, Dollars, Megahertz, Milliseconds, SmUnits, Watts};
use std::collections::BTreeMap;

/// A type of GPU with the constants that predictors, planners and the engine need.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuKind {
    /// The name, which is also the name of the profile folder.
    pub name: GpuKindName,
    /// The number of allocation units of a whole GPU: SMs / 2 under NVIDIA MPS (40 on a V100).
    pub units: SmUnits,
    /// The highest SM clock.
    pub max_clock: Megahertz,
    /// The power limit; the clock falls when demand exceeds it.
    pub power_cap: Watts,
    /// The power drawn while nothing runs.
    pub idle_power: Watts,
    /// The bandwidth of the PCIe link, in bytes per millisecond.
    pub pcie_bytes_per_ms: f64,
    /// The device memory, where known.
    pub memory: Option<Bytes>,
    /// The price of one GPU (with its host) per hour.
    pub price_per_hour: Dollars,
    /// The coefficient of variation of each model's execution times on this GPU kind, where measured.
    pub noise_cv: BTreeMap<ModelName, f64>,
    /// The mechanism with which shares were measured on this GPU kind, and by which they have to be applied.
    pub mps: SmSharing,
}

impl GpuKind {
    /// Returns the time that the PCIe link needs to transfer `bytes`.
    ///
    /// # Panics
    /// When the kind was built with a bandwidth that is not positive; the profile reader rejects such a bandwidth.
    #[must_use]
    pub fn transfer_time(&self, bytes: f64) -> Milliseconds {
        Milliseconds::new(bytes / self.pcie_bytes_per_ms).expect("the bandwidth is positive")
    }
}
