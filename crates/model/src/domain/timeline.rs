//! Plans that follow each other: which servers exist when, on which GPUs.

use super::{CoLocation, GpuId, GpuKindName, Placement, Plan};
use crate::units::{BatchSize, Nanoseconds, RequestsPerSecond};

/// A GPU that is rented for a part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineGpu {
    pub kind: GpuKindName,
    /// When it was first ordered and when its last server left, for each time that it was rented; its bill runs
    /// from the first (its boot included) to the second. `None`: to the end of the run.
    pub rented: Vec<(Nanoseconds, Option<Nanoseconds>)>,
}

/// What may change of a server without a restart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerSetting {
    /// From when on.
    pub from: Nanoseconds,
    /// The largest batch that it forms.
    pub batch: BatchSize,
    /// The part of the workload's rate that it gets, in proportion to those of the workload's other servers that
    /// take requests at that time.
    pub served: RequestsPerSecond,
}

/// A server from its start to its end. A move or a change of the SM share ends one server and starts another.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineServer {
    pub gpu: GpuId,
    /// Its workload, its SM share, and its first batch size. All placements of a timeline with one workload are its
    /// replicas, at the times at which they exist.
    pub placement: Placement,
    /// When it begins to load; at most `ready`.
    pub ordered: Nanoseconds,
    /// When it can execute.
    pub ready: Nanoseconds,
    /// From when on requests are dealt to it: `ready`; earlier, where its predecessor had to leave first and
    /// requests wait in its queue.
    pub takes_from: Nanoseconds,
    /// From when on no request is dealt to it. It answers those that it has, and leaves. `None`: it stays.
    pub takes_until: Option<Nanoseconds>,
    /// In order of time; the first holds from `takes_from`. At least one.
    pub settings: Vec<ServerSetting>,
}

/// The servers of a whole run, from one plan to the next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// By [`GpuId`].
    pub gpus: Vec<TimelineGpu>,
    /// In the order in which they were started.
    pub servers: Vec<TimelineServer>,
}

impl Timeline {
    /// All that is ever there as one plan: the GPUs, each with all its servers in the order of
    /// [`Timeline::servers`]. For names and summaries: the shares of servers that follow each other add up to more than a GPU.
    /// Servers on GPUs that do not exist are left out.
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
