//! The contract of whatever knows about GPUs.

use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::path::Path;

/// A GPU that does not say what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    #[error("NVIDIA's management library cannot be used: {reason}")]
    NoDriver { reason: String },
    #[error("GPU {gpu}: {what}: {reason}")]
    NoAnswer { gpu: u32, what: String, reason: String },
}

/// Whether the machine looks as if it had a GPU, even if no driver answers.
#[must_use]
pub fn traces_of_a_gpu() -> bool {
    ["/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia/version"]
        .into_iter()
        .any(|path| Path::new(path).exists())
}

/// What the driver says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverFacts {
    /// The driver's version.
    pub driver: String,
    /// The highest CUDA version that it can run, as in `13.0`.
    pub cuda: String,
}

/// What does not change while a machine runs. What a GPU does not tell is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuFacts {
    /// NVML's index.
    pub index: u32,
    /// As in `GPU-…`.
    pub uuid: String,
    /// As in `NVIDIA H200`.
    pub name: String,
    /// The number of SMs.
    pub sms: Option<u32>,
    /// As in `9.0`.
    pub compute_capability: Option<String>,
    /// The whole device memory.
    pub memory_bytes: Option<u64>,
    /// The highest SM clock.
    pub max_sm_clock_mhz: Option<u32>,
    /// The power limit in force.
    pub power_limit_w: Option<f64>,
    /// The power limit of the factory.
    pub default_power_limit_w: Option<f64>,
    /// `Default`, `ExclusiveProcess`, `Prohibited`, …
    pub compute_mode: Option<String>,
    /// Whether it is cut into MIG slices.
    pub mig: Option<bool>,
    /// The generation of its PCIe link (the highest that it and its slot can do).
    pub pcie_generation: Option<u32>,
    /// The lanes of its PCIe link.
    pub pcie_width: Option<u32>,
    /// The MIG slices that it is cut into; empty where it is whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mig_devices: Vec<MigDevice>,
}

impl GpuFacts {
    /// Whether MPS can limit the SMs of a client here: since Volta (7.0). `None` where nobody knows.
    #[must_use]
    pub fn limits_shares(&self) -> Option<bool> {
        let major = self.compute_capability.as_ref()?.split('.').next()?.parse::<u32>().ok()?;
        Some(major >= 7)
    }
}

/// A MIG slice, which CUDA takes for a GPU of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigDevice {
    /// As in `MIG-…`.
    pub uuid: String,
    /// How many SMs it has.
    pub sms: Option<u32>,
    pub memory_bytes: Option<u64>,
}

/// The GPUs of a machine. One that does not answer does not hide the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inventory {
    /// Those that answer, in the order of their indices.
    pub gpus: Vec<GpuFacts>,
    /// Those that do not: the index, and why.
    pub silent: Vec<(u32, GpuError)>,
}

/// What changes. What a GPU does not tell is absent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GpuSample {
    /// Power at this moment where the GPU can say so, else of the last second, in W.
    pub power_w: Option<f64>,
    /// The SM clock, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// The part of the last moments in which some kernel ran, in %.
    pub busy_pct: Option<u32>,
    /// The part of the last moments in which memory was read or written, in %.
    pub memory_busy_pct: Option<u32>,
    /// Energy since the driver was loaded, in mJ.
    pub energy_mj: Option<u64>,
    /// Temperature of the chip, in °C.
    pub temperature_c: Option<u32>,
    /// Why the clock is not at its highest: NVML's bits (see [`throttle_reasons`]).
    pub throttle: Option<u64>,
}

/// Something that knows about GPUs.
pub trait GpuProbe: Debug + Send {
    /// What the driver says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    fn machine(&self) -> Result<DriverFacts, GpuError>;

    /// All GPUs.
    ///
    /// # Errors
    /// When the driver does not answer.
    fn inventory(&self) -> Result<Inventory, GpuError>;

    /// What changes, at this moment.
    ///
    /// # Errors
    /// When the GPU does not answer.
    fn sample(&mut self, gpu: u32) -> Result<GpuSample, GpuError>;
}

/// NVML's throttle bits that make a run useless for validation: power cap, hardware slowdown, heat, power brake.
pub const THROTTLED: u64 = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

/// The names of NVML's throttle bits.
#[must_use]
pub fn throttle_reasons(bits: u64) -> Vec<&'static str> {
    const NAMES: [(u64, &str); 9] = [
        (0x1, "idle"),
        (0x2, "application clocks"),
        (0x4, "power cap"),
        (0x8, "hardware slowdown"),
        (0x10, "sync boost"),
        (0x20, "software thermal"),
        (0x40, "hardware thermal"),
        (0x80, "power brake"),
        (0x100, "display clocks"),
    ];
    NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, name)| name).collect()
}
