//! The interface of all sources of GPU data.

use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::path::Path;

/// The error for a GPU that does not report what was queried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    #[error("NVIDIA's management library cannot be used: {reason}")]
    NoDriver { reason: String },
    #[error("GPU {gpu}: {what}: {reason}")]
    NoAnswer { gpu: u32, what: String, reason: String },
}

/// Returns whether the machine appears to have a GPU, even if no driver answers.
#[must_use]
pub fn traces_of_a_gpu() -> bool {
    ["/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia/version"]
        .into_iter()
        .any(|path| Path::new(path).exists())
}

/// Facts about the driver, as reported by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverFacts {
    /// The driver's version.
    pub driver: String,
    /// The highest CUDA version that it can run, as in `13.0`.
    pub cuda: String,
}

/// Properties of a GPU that do not change while a machine runs. Values that the GPU does not report are
/// absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuFacts {
    /// NVML's index.
    pub index: u32,
    /// The UUID, as in `GPU-…`.
    pub uuid: String,
    /// The name, as in `NVIDIA H200`.
    pub name: String,
    /// The number of SMs.
    pub sms: Option<u32>,
    /// The compute capability, as in `9.0`.
    pub compute_capability: Option<String>,
    /// The total device memory.
    pub memory_bytes: Option<u64>,
    /// The highest SM clock.
    pub max_sm_clock_mhz: Option<u32>,
    /// The current power limit.
    pub power_limit_w: Option<f64>,
    /// The factory default of the power limit.
    pub default_power_limit_w: Option<f64>,
    /// The compute mode: `Default`, `ExclusiveProcess`, `Prohibited`, …
    pub compute_mode: Option<String>,
    /// Whether the GPU is divided into MIG slices.
    pub mig: Option<bool>,
    /// The generation of its PCIe link (the highest that it and its slot can do).
    pub pcie_generation: Option<u32>,
    /// The lanes of its PCIe link.
    pub pcie_width: Option<u32>,
    /// The MIG slices of the GPU; empty where it is not divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mig_devices: Vec<MigDevice>,
}

impl GpuFacts {
    /// Returns whether MPS can limit the SMs of a client on this GPU, which works since Volta (7.0). `None`
    /// where it is unknown.
    #[must_use]
    pub fn limits_shares(&self) -> Option<bool> {
        let major = self.compute_capability.as_ref()?.split('.').next()?.parse::<u32>().ok()?;
        Some(major >= 7)
    }
}

/// A MIG slice, which CUDA treats as a separate GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigDevice {
    /// The UUID, as in `MIG-…`.
    pub uuid: String,
    /// The number of SMs.
    pub sms: Option<u32>,
    pub memory_bytes: Option<u64>,
}

/// The GPUs of a machine. A GPU that does not answer does not hide the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inventory {
    /// The GPUs that answer, in the order of their indices.
    pub gpus: Vec<GpuFacts>,
    /// The GPUs that do not answer: the index, and why.
    pub silent: Vec<(u32, GpuError)>,
}

/// Values of a GPU that change over time. Values that the GPU does not report are absent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GpuSample {
    /// Instantaneous power where the GPU reports it, otherwise the average over the last second, in W.
    pub power_w: Option<f64>,
    /// The SM clock, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Share of the last sampling period in which some kernel ran, in %.
    pub busy_pct: Option<u32>,
    /// Share of the last sampling period in which memory was read or written, in %.
    pub memory_busy_pct: Option<u32>,
    /// Energy since the driver was loaded, in mJ.
    pub energy_mj: Option<u64>,
    /// Temperature of the chip, in °C.
    pub temperature_c: Option<u32>,
    /// The reasons why the clock is below its maximum, as NVML's bits (see [`throttle_reasons`]).
    pub throttle: Option<u64>,
}

/// A source of GPU data.
pub trait GpuProbe: Debug + Send {
    /// Returns facts about the driver.
    ///
    /// # Errors
    /// When the driver does not answer.
    fn machine(&self) -> Result<DriverFacts, GpuError>;

    /// Returns all GPUs.
    ///
    /// # Errors
    /// When the driver does not answer.
    fn inventory(&self) -> Result<Inventory, GpuError>;

    /// Returns the current values of a GPU.
    ///
    /// # Errors
    /// When the GPU does not answer.
    fn sample(&mut self, gpu: u32) -> Result<GpuSample, GpuError>;
}

/// NVML's throttle bits that make a run useless for validation: power cap, hardware slowdown, heat, power brake.
pub const THROTTLED: u64 = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

/// Returns the names of the NVML throttle bits that are set.
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
