//! Controllers: who changes shares and batch sizes while a run goes on.
//!
//! A [`Controller`] belongs to one GPU. It sees what it could see on a real one: the latencies of completed
//! batches, and at every tick the shares and batch sizes that hold. What it asks for is a [`ControlChange`]; the
//! engine carries it out, and records it.

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
    /// How long it kept its instance from executing the next one: execution and the copy back.
    pub(super) occupied: Nanoseconds,
}

/// A server as its controller sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerView {
    /// The bound on its latency.
    pub(super) slo: Milliseconds,
    /// The rate that it is to serve.
    pub(super) rate: RequestsPerSecond,
    /// Its SM share in percent.
    pub(super) share_pct: f64,
    /// The share that it will have when the changes under way are done; without any, the same.
    pub(super) coming_pct: f64,
    /// Its largest batch.
    pub(super) batch: u32,
    /// The largest batch that its model can have.
    pub(super) most: u32,
    /// How many instances it has.
    pub(super) instances: u32,
    /// Whether it is up, and no change of it is under way.
    pub(super) settled: bool,
}

/// What a controller asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ControlChange {
    /// The server, by its place on the GPU.
    pub(super) server: usize,
    /// Its new share, in percent.
    pub(super) share_pct: Option<f64>,
    /// Its new largest batch.
    pub(super) batch: Option<u32>,
    /// How long it takes.
    pub(super) delay: Nanoseconds,
    /// Whether its instances take no new batch meanwhile.
    pub(super) pauses: bool,
    /// What a change of the share is called.
    pub(super) kind: ActionKind,
    pub(super) reason: String,
}

/// Watches the servers of one GPU and changes them.
pub(super) trait Controller: Debug + Send {
    /// The time between two ticks, above 0.
    fn period(&self) -> Nanoseconds;

    /// What it wants before the first request.
    fn start(&mut self, servers: &[ServerView]) -> Vec<ControlChange> {
        let _ = servers;
        Vec::new()
    }

    /// A batch of a server was completed.
    fn completed(&mut self, server: usize, batch: CompletedBatch<'_>);

    /// A period has passed.
    fn tick(&mut self, servers: &[ServerView]) -> Vec<ControlChange>;
}

/// The controller of one GPU with `servers` servers whose SMs come in `units` allocation units.
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

/// The largest whole number of allocation units in a share; at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to a whole GPU")]
fn whole_units(share_pct: f64, units: u32) -> u32 {
    // A share that was made of units must not lose one to rounding.
    (share_pct / unit_pct(units) + 1e-9).floor().max(1.0) as u32
}

/// One of so many allocation units, in percent of a GPU.
fn unit_pct(units: u32) -> f64 {
    100.0 / f64::from(units)
}
