//! Controllers, which change shares and batch sizes during a run.
//!
//! A [`Controller`] belongs to one GPU. It sees only what it could see on a real GPU: the latencies of completed
//! batches, and at every tick the current shares and batch sizes. It requests changes as [`ControlChange`]s, which the
//! engine applies and records.

mod gslice;
mod shadow;
mod spec;
mod window;

pub use spec::{
    Control, ControllerSpec, Fault, FaultKind, FaultyGpu, GsliceSpec, Oversubscription, ShadowSpec,
};
pub(super) use window::ControlWindow;

use igniter_model::domain::ActionKind;
use igniter_model::units::{Milliseconds, Nanoseconds, RequestsPerSecond};
use std::fmt::Debug;

/// A batch that was completed.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompletedBatch<'a> {
    /// The latencies of its requests.
    pub(super) latencies: &'a [Nanoseconds],
    /// From the start of the copy to the GPU to the end of the copy back.
    pub(super) service: Nanoseconds,
    /// The time for which it kept its instance from executing the next batch: execution and the copy back.
    pub(super) occupied: Nanoseconds,
}

/// A server as its controller sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerView {
    /// The bound on the latency of its requests.
    pub(super) slo: Milliseconds,
    /// The rate at which requests are planned to arrive.
    pub(super) rate: RequestsPerSecond,
    /// Its SM share in percent.
    pub(super) share_pct: f64,
    /// The share that it will have once pending changes are done; equal to `share_pct` if there are none.
    pub(super) coming_pct: f64,
    /// Its largest batch size.
    pub(super) batch: u32,
    /// The largest batch size that its model supports.
    pub(super) most: u32,
    /// Number of its instances.
    pub(super) instances: u32,
    /// Whether it is up and has no pending change.
    pub(super) settled: bool,
}

/// A change that a controller requests.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ControlChange {
    /// The server, by its position on the GPU.
    pub(super) server: usize,
    /// Its new share, in percent.
    pub(super) share_pct: Option<f64>,
    /// Its new largest batch size.
    pub(super) batch: Option<u32>,
    /// Duration of the change.
    pub(super) delay: Nanoseconds,
    /// Whether its instances take no new batch until the change is done.
    pub(super) pauses: bool,
    /// The kind of action under which a change of the share is recorded.
    pub(super) kind: ActionKind,
    pub(super) reason: String,
}

/// Watches the servers of one GPU and changes them.
pub(super) trait Controller: Debug + Send {
    /// The time between two ticks, above 0.
    fn period(&self) -> Nanoseconds;

    /// Returns the changes to make before the first request.
    fn start(&mut self, servers: &[ServerView]) -> Vec<ControlChange> {
        let _ = servers;
        Vec::new()
    }

    /// Reports that a batch of a server was completed.
    fn completed(&mut self, server: usize, batch: CompletedBatch<'_>);

    /// Reports that a period has passed, and returns the changes to make.
    fn tick(&mut self, servers: &[ServerView]) -> Vec<ControlChange>;
}

/// Creates the controller of one GPU with `servers` servers, whose SMs are divided into `units` allocation units.
pub(super) fn controller(
    spec: ControllerSpec,
    servers: usize,
    units: u32,
) -> Option<Box<dyn Controller>> {
    match spec {
        ControllerSpec::None => None,
        ControllerSpec::Shadow(spec) => Some(Box::new(shadow::Shadow::new(spec, servers, units))),
        ControllerSpec::Gslice(spec) => {
            Some(Box::new(gslice::GsliceTuner::new(spec, servers, units)))
        }
    }
}

/// Returns the largest whole number of allocation units in a share, at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to a whole GPU")]
fn whole_units(share_pct: f64, units: u32) -> u32 {
    // A share made of whole units must not lose a unit to rounding.
    (share_pct / unit_pct(units) + 1e-9).floor().max(1.0) as u32
}

/// Returns the size of one of `units` allocation units, in percent of a GPU.
fn unit_pct(units: u32) -> f64 {
    100.0 / f64::from(units)
}
