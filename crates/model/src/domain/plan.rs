//! The provisioning plan: which workload runs where, with how many SMs, in what batches.

use super::{GpuKind, GpuKindName, ModelName, WorkloadName};
use crate::units::{BatchSize, Dollars, Milliseconds, RequestsPerSecond, SmUnits};

/// What the predictor that made a plan expects of a placement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedService {
    /// Load, execution and feedback of one full batch.
    pub latency: Milliseconds,
    /// Sustained throughput with full batches; in a time slot, while all others of the slot have full batches too.
    pub throughput: RequestsPerSecond,
}

/// A workload on a GPU with a batch size and an SM share.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The workload that is served.
    pub workload: WorkloadName,
    pub model: ModelName,
    /// The largest batch that its server forms.
    pub batch: BatchSize,
    /// Its SM share in allocation units of the GPU kind.
    pub sm: SmUnits,
    /// The part of the workload's rate that this placement serves, when several serve it together;
    /// `None`: all of it.
    pub served: Option<RequestsPerSecond>,
    /// Placements of one GPU with the same number share its SMs in time: each has all of [`Self::sm`] while one of its
    /// batches is served, and one batch of them is served at a time, in turn. `None`: it has its SMs for itself.
    pub time_slot: Option<u32>,
    /// The prediction behind the placement; absent in plans read from a format that has none.
    pub predicted: Option<PredictedService>,
}

/// All placements of one GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct CoLocation {
    pub kind: GpuKindName,
    /// Who shares it, in the order in which they were placed.
    pub placements: Vec<Placement>,
}

impl CoLocation {
    /// The sum of all SM shares. Those of one time slot are the same SMs, and count once.
    #[must_use]
    pub fn total_sm(&self) -> SmUnits {
        let counts = |(i, placement): &(usize, &Placement)| {
            let before = &self.placements[..*i];
            placement.time_slot.is_none()
                || before.iter().all(|p| p.time_slot != placement.time_slot)
        };
        self.placements.iter().enumerate().filter(counts).map(|(_, placement)| placement.sm).sum()
    }

    /// Whether some of its placements share SMs in time.
    #[must_use]
    pub fn takes_turns(&self) -> bool {
        self.placements.iter().any(|placement| placement.time_slot.is_some())
    }
}

/// The smallest change that would make an infeasible workload feasible on a GPU of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WorkloadFix {
    /// Keep the rate, relax the SLO to this.
    Slo(Milliseconds),
    /// Keep the SLO, lower the rate to this.
    Rate(RequestsPerSecond),
}

/// A workload that no GPU of the kind can serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Infeasible {
    pub workload: WorkloadName,
    pub reason: String,
    /// What would help, nearest first; empty when nothing does.
    pub fixes: Vec<WorkloadFix>,
}

/// The provisioning plan: all co-locations, and the workloads that could not be placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The strategy that made it.
    pub strategy: String,
    /// One entry for each GPU.
    pub gpus: Vec<CoLocation>,
    /// Workloads that the strategy could not place.
    pub infeasible: Vec<Infeasible>,
    /// What is proven about every plan for the same request; absent when the strategy proves nothing.
    pub bound: Option<GpuBound>,
}

/// How a lower bound was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundMethod {
    /// The least shares of all workloads, each alone on a GPU, added up (or the least that any number of
    /// replicas needs for the rate); also the process limit.
    ShareSum,
    /// The dual of the linear program over all fillings by least shares among n members.
    CuttingStock,
    /// The dual of the linear program over all feasible co-locations of types of workloads, or of classes that are
    /// as easy as their easiest workload.
    ConfigurationLp,
    /// Every feasible co-location was listed and the best partition found.
    Exhaustive,
}

impl BoundMethod {
    /// The name in files and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ShareSum => "share-sum",
            Self::CuttingStock => "cutting-stock",
            Self::ConfigurationLp => "configuration-lp",
            Self::Exhaustive => "exhaustive",
        }
    }
}

/// A proven lower bound on the number of GPUs.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuBound {
    /// No plan of the request uses fewer.
    pub gpus: usize,
    /// The same before it was rounded up to whole GPUs.
    pub fractional_gpus: f64,
    /// How it was proven.
    pub method: BoundMethod,
    /// Among all plans with [`Self::gpus`] GPUs, the least sum of shares, where that is proven too.
    pub least_total_sm: Option<SmUnits>,
    /// No plan of the request costs less for an hour, where GPU kinds of different prices were planned.
    pub least_cost_per_hour: Option<Dollars>,
    /// What the proof rests on, in words.
    pub note: String,
    /// The plans that it speaks of, in words: which batch sizes, which part of the SLO, whether with replicas.
    pub covers: String,
}

impl Plan {
    /// How far the plan is above its proven bound, in percent of the bound; `None` without a bound or
    /// with one of no GPUs.
    #[must_use]
    pub fn gap_pct(&self) -> Option<f64> {
        let bound = self.bound.as_ref().filter(|bound| bound.gpus > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 GPUs")]
        let (gpus, least) = (self.gpus.len() as f64, bound.gpus as f64);
        Some((gpus / least - 1.0) * 100.0)
    }

    /// What all GPUs cost for an hour, in US $.
    ///
    /// # Panics
    /// When a GPU is of none of the kinds.
    #[must_use]
    pub fn cost_per_hour(&self, kinds: &[&GpuKind]) -> Dollars {
        let price = |gpu: &CoLocation| {
            let kind = kinds.iter().find(|kind| kind.name == gpu.kind);
            kind.expect("plans use kinds that are known").price_per_hour.get()
        };
        Dollars::new(self.gpus.iter().map(price).sum()).expect("a sum of prices is a price")
    }

    /// How far its cost is above the proven least, in percent of that; `None` where none is proven or it is 0.
    ///
    /// # Panics
    /// As [`Plan::cost_per_hour`].
    #[must_use]
    pub fn cost_gap_pct(&self, kinds: &[&GpuKind]) -> Option<f64> {
        let least = self.bound.as_ref()?.least_cost_per_hour?.get();
        (least > 0.0).then(|| (self.cost_per_hour(kinds).get() / least - 1.0) * 100.0)
    }

    /// Every placement with the index of its GPU, GPU by GPU.
    pub fn placements(&self) -> impl Iterator<Item = (usize, &Placement)> {
        self.gpus
            .iter()
            .enumerate()
            .flat_map(|(gpu, co)| co.placements.iter().map(move |p| (gpu, p)))
    }
}
