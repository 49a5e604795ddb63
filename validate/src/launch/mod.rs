//! Starts the servers of a plan: one Triton process for each placement, with its share of the GPU.
//!
//! [`Launcher`] is the plug-in point. A launcher takes [`LaunchSpec`]s and returns a [`Deployment`] whose
//! servers are ready to answer; dropping the deployment ends every process that it started, and only those.
//!
//! | launcher | where the servers are |
//! |---|---|
//! | [`LocalLauncher`] | processes on this machine, on the loopback interface |
//! | [`DockerLauncher`] | containers of NVIDIA's image on this machine |
//! | [`ExternalLauncher`] | wherever others run them |

mod deployment;
mod describe;
mod devices;
mod docker;
mod error;
mod external;
mod local;
mod logs;
mod model_config;
mod mps;
mod options;
mod partitions;
mod pbtxt;
mod process;
mod prototext;
mod ready;
mod repository;
mod share;
mod spec;
mod specs;
mod start;
mod triton;

pub use deployment::{Deployment, Endpoint, TensorSpec};
pub use devices::Devices;
pub use docker::{DEFAULT_IMAGE, DockerLauncher};
pub use error::LaunchError;
pub use external::ExternalLauncher;
pub use local::LocalLauncher;
pub use logs::{KeptLogs, STARTED_ALONE, keep_logs};
pub use mps::{CONTROL as MPS_CONTROL, MpsDaemon, Sharing, find_control};
pub use options::{LaunchArgs, Mps, Where};
pub use process::{ServerOptions, plain};
#[doc(hidden)]
pub use ready::adapted_config;
pub use share::{InstanceReport, read_reports};
pub use spec::{Device, LaunchSpec, ModelSource};
pub use specs::{batch_times, plan_specs, set_times};
pub use triton::{Release, find_triton, in_path};

use std::fmt::Debug;
use std::path::Path;

/// Starts servers.
///
/// Launching blocks for as long as the servers need to load their models. Call it from a plain thread, or in
/// `tokio::task::spawn_blocking`.
pub trait Launcher: Debug + Send {
    /// Returns the name by which users choose the launcher.
    fn name(&self) -> &'static str;

    /// Starts one server for each specification, in order, and waits until all are ready. Logs, model
    /// repositories and traces go to `dir`, which must exist.
    ///
    /// # Errors
    /// When a server cannot be started, does not become ready, or did not get its share of the GPU. The
    /// servers that are already running are then stopped.
    fn launch(&mut self, specs: &[LaunchSpec], dir: &Path) -> Result<Deployment, LaunchError>;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use igniter::domain::{ModelName, WorkloadName};
    use igniter::sim::BatchingSpec;
    use igniter::units::{BatchSize, Milliseconds, SmPercent};
    use std::time::Duration;

    /// A server of workload W1 on no GPU, with a delay of 2.5 ms and 37.5 % of the SMs.
    pub(crate) fn spec(model: &str, batch: u32) -> LaunchSpec {
        LaunchSpec {
            gpu: 0,
            device: None,
            workload: WorkloadName::new("W1").unwrap(),
            model: ModelName::new(model).unwrap(),
            batch: BatchSize::new(batch).unwrap(),
            sm: SmPercent::new(37.5).unwrap(),
            unit: SmPercent::new(2.5).unwrap(),
            batching: BatchingSpec {
                max_queue_delay: Milliseconds::new(2.5).unwrap(),
                ..BatchingSpec::default()
            },
            source: ModelSource::Emulated { times_ms: vec![1.0; 8], input_dims: vec![4] },
            active: true,
            replica: 0,
        }
    }

    pub(crate) fn options() -> ServerOptions {
        ServerOptions {
            devices: Vec::new(),
            sharing: Sharing::Off,
            release: None,
            first_port: None,
            start_limit: Duration::from_secs(60),
            traces: true,
            exit_limit: Duration::from_secs(5),
            guard: "validate".into(),
            scratch: "/tmp/igniter-run-x".into(),
        }
    }
}
