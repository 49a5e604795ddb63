//! What a GPU reports about itself: clocks, power, utilisation, energy.
//!
//! [`GpuProbe`] is the plug-in point: [`Nvml`] queries the driver, [`Recording`] replays recorded values of a
//! driver. [`Sampler`] writes samples to a table in the background.

mod nvml;
mod probe;
mod recording;
mod sampler;
mod visible;

pub use nvml::Nvml;
pub use probe::{
    DriverFacts, GpuError, GpuFacts, GpuProbe, GpuSample, Inventory, MigDevice, THROTTLED,
    throttle_reasons, traces_of_a_gpu,
};
pub use recording::Recording;
pub use sampler::{SampleSummary, Sampler};
pub use visible::{VisibleGpu, visible};
