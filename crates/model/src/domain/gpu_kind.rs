//! The constants of a type of GPU.

use super::{GpuKindName, ModelName, SmSharing};
use crate::units::{Bytes, Dollars, Megahertz, Milliseconds, SmUnits, Watts};
use std::collections::BTreeMap;

/// A type of GPU with the constants that predictors, planners and the engine need.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuKind {
    /// Its name, which is also the name of its profile folder.
    pub name: GpuKindName,
    /// How many allocation units a whole GPU has: SMs / 2 under NVIDIA MPS (40 on a V100).
    pub units: SmUnits,
    /// The highest SM clock.
    pub max_clock: Megahertz,
    /// The power limit; above it the clock falls.
    pub power_cap: Watts,
    /// The power drawn while nothing runs.
    pub idle_power: Watts,
    /// What the PCIe link carries in each millisecond.
    pub pcie_bytes_per_ms: f64,
    /// The device memory, where known.
    pub memory: Option<Bytes>,
    /// The price of one GPU (with its host) for an hour.
    pub price_per_hour: Dollars,
    /// How much execution times of a model vary on it: their coefficient of variation, where measured.
    pub noise_cv: BTreeMap<ModelName, f64>,
    /// The mechanism with which shares were measured on it, and by which they have to be applied.
    pub mps: SmSharing,
}

impl GpuKind {
    /// How long the PCIe link needs to carry `bytes`.
    ///
    /// # Panics
    /// When the kind was built with a bandwidth that is not positive; the profile reader refuses that.
    #[must_use]
    pub fn transfer_time(&self, bytes: f64) -> Milliseconds {
        Milliseconds::new(bytes / self.pcie_bytes_per_ms).expect("the bandwidth is positive")
    }
}
