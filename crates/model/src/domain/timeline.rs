//! Successive plans as a timeline: which servers exist at what time, and on which GPUs.

use super::{CoLocation, GpuId, GpuKindName, Placement, Plan};
use crate::units::{BatchSize, Nanoseconds, RequestsPerSecond};

/// A GPU that is rented for part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineGpu {
    pub kind: GpuKindName,
    /// For each rental, the time of the order and the time at which the last server left. The GPU is billed from the
    /// first (boot included) to the second. `None`: to the end of the run.
    pub rented: Vec<(Nanoseconds, Option<Nanoseconds>)>,
}

/// The settings of a server that may change without a restart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerSetting {
    /// The time from which the setting holds.
    pub from: Nanoseconds,
    /// The largest batch that the server forms.
    pub batch: BatchSize,
    /// The rate of the workload that is meant for this server. Requests are dealt in proportion to these rates among
    /// the workload's servers that take requests at that time.
    pub served: RequestsPerSecond,
}

/// A server from its start to its end. A move or a change of the SM share ends one server and starts another.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineServer {
    pub gpu: GpuId,
    /// The workload, the SM share and the first batch size. All placements of a timeline with the same workload are its
    /// replicas, each at the times at which it exists.
    pub placement: Placement,
    /// The time at which the server begins to load; at most `ready`.
    pub ordered: Nanoseconds,
    /// The time from which the server can execute.
    pub ready: Nanoseconds,
    /// The time from which requests are dealt to the server: `ready`, or earlier where its predecessor had to leave
    /// first, so that requests wait in the new server's queue.
    pub takes_from: Nanoseconds,
    /// The time from which no more requests are dealt to the server. It answers those that it has, and leaves. `None`:
    /// it stays.
    pub takes_until: Option<Nanoseconds>,
    /// The settings in order of time, at least one; the first holds from `takes_from`.
    pub settings: Vec<ServerSetting>,
}

/// The servers of a whole run, across all its plans.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// The GPUs, indexed by [`GpuId`].
    pub gpus: Vec<TimelineGpu>,
    /// The servers, in the order in which they were started.
    pub servers: Vec<TimelineServer>,
}

impl Timeline {
    /// Returns everything that ever exists as one plan: all GPUs, each with all its servers in the order of
    /// [`Timeline::servers`]. The plan is meant for names and summaries: the shares of successive servers add up to
    /// more than a GPU. Servers on GPUs that do not exist are left out.
    #[must_use]
    pub fn plan(&self, strategy: &str) -> Plan {
        let on = |gpu: usize| self.servers.iter().filter(move |s| s.gpu.index() == gpu);
        let gpus = self.gpus.iter().enumerate().map(|(gpu, TimelineGpu { kind, .. })| CoLocation {
            kind: kind.clone(),
            placements: on(gpu).map(|server| server.placement.clone()).collect(),
        });
        Plan {
            strategy: strategy.to_owned(),
            gpus: gpus.collect(),
            infeasible: Vec::new(),
            bound: None,
        }
    }
}
