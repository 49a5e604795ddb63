//! Starts the servers of a plan: one Triton process for each placement, with its share of the GPU.
//!
//! [`Launcher`] is the plug-in point. A launcher takes [`ServerSpec`]s and returns a [`Deployment`] whose
//! servers are ready to answer; dropping the deployment ends every process that it started, and only those.

mod deployment;
mod error;
mod spec;

pub use deployment::{Deployment, Endpoint, TensorSpec};
pub use error::LaunchError;
pub use spec::{ModelSource, ServerSpec};

use std::fmt::Debug;
use std::path::Path;

/// Starts servers.
///
/// Launching blocks for as long as the servers need to load their models. Call it from a plain thread, or in
/// `tokio::task::spawn_blocking`.
pub trait Launcher: Debug + Send {
    /// The name by which users choose it.
    fn name(&self) -> &'static str;

    /// Starts one server for each entry, in their order, and waits until all are ready. Logs, model
    /// repositories and traces go to `dir`, which exists.
    ///
    /// # Errors
    /// When one of them cannot be started or does not become ready, or did not get its share of the GPU;
    /// those that run already are ended.
    fn launch(&mut self, specs: &[ServerSpec], dir: &Path) -> Result<Deployment, LaunchError>;
}
