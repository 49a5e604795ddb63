//! The provisioning plan: which workload runs on which GPU, with how many SMs and in what batches.

use super::{GpuKind, GpuKindName, ModelName, WorkloadName};
use crate::units::{BatchSize, Dollars, Milliseconds, RequestsPerSecond, SmUnits};

/// The predicted performance of a placement, from the predictor that made the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedService {
    /// The latency of one full batch: load, execution and feedback.
    pub latency: Milliseconds,
    /// Sustained throughput with full batches. In a time slot, all other members of the slot have full batches too.
    pub throughput: RequestsPerSecond,
}

/// A workload on a GPU with a batch size and an SM share.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// The workload that the placement serves.
    pub workload: WorkloadName,
    pub model: ModelName,
    /// The largest batch that the server forms.
    pub batch: BatchSize,
    /// The SM share in allocation units of the GPU kind.
    pub sm: SmUnits,
    /// The part of the workload's rate that this placement serves, where several placements serve the workload; `None`:
    /// all of it.
    pub served: Option<RequestsPerSecond>,
    /// The time slot. Placements of one GPU with the same number share the same SMs and take turns: each has all of
    /// [`Self::sm`] while one of its batches is served, and only one batch of the slot is served at a time. `None`: the
    /// placement has SMs of its own.
    pub time_slot: Option<u32>,
    /// The prediction behind the placement; `None` in plans read from a format that has none.
    pub predicted: Option<PredictedService>,
}

/// All placements of one GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct CoLocation {
    pub kind: GpuKindName,
    /// The placements on this GPU, in the order in which they were made.
    pub placements: Vec<Placement>,
}

impl CoLocation {
    /// Returns the sum of all SM shares. Placements of one time slot use the same SMs and count once.
    #[must_use]
    pub fn total_sm(&self) -> SmUnits {
        let counts = |(i, placement): &(usize, &Placement)| {
            let before = &self.placements[..*i];
            placement.time_slot.is_none()
                || before.iter().all(|p| p.time_slot != placement.time_slot)
        };
        self.placements.iter().enumerate().filter(counts).map(|(_, placement)| placement.sm).sum()
    }

    /// Returns whether some of the placements share SMs in time.
    #[must_use]
    pub fn takes_turns(&self) -> bool {
        self.placements.iter().any(|placement| placement.time_slot.is_some())
    }
}

/// The smallest change that would make an infeasible workload feasible on a GPU of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WorkloadFix {
    /// Keep the rate and relax the SLO to this.
    Slo(Milliseconds),
    /// Keep the SLO and lower the rate to this.
    Rate(RequestsPerSecond),
}

/// A workload that no GPU of the kind can serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Infeasible {
    pub workload: WorkloadName,
    pub reason: String,
    /// Changes that would help, nearest first; empty when nothing would.
    pub fixes: Vec<WorkloadFix>,
}

/// The provisioning plan: all co-locations, and the workloads that could not be placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The strategy that made the plan.
    pub strategy: String,
    /// One entry for each GPU.
    pub gpus: Vec<CoLocation>,
    /// Workloads that the strategy could not place.
    pub infeasible: Vec<Infeasible>,
    /// The bound proven for every plan for the same request; `None` when the strategy proves nothing.
    pub bound: Option<GpuBound>,
}

/// The method by which a lower bound was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundMethod {
    /// The sum over all workloads of the least share that each needs alone on a GPU (or of the least that any number of
    /// replicas needs for the rate); also the process limit.
    ShareSum,
    /// The dual of the linear program over all fillings by least shares among n members.
    CuttingStock,
    /// The dual of the linear program over all feasible co-locations of workload types, or of workload classes that are
    /// each as easy to serve as their easiest workload.
    ConfigurationLp,
    /// An exhaustive list of feasible co-locations, from which the best partition was found.
    Exhaustive,
}

impl BoundMethod {
    /// Returns the name used in files and tables.
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
    /// The least number of GPUs: no plan for the request uses fewer.
    pub gpus: usize,
    /// The bound before it was rounded up to whole GPUs.
    pub fractional_gpus: f64,
    /// The method of the proof.
    pub method: BoundMethod,
    /// The least sum of shares among all plans with [`Self::gpus`] GPUs, where that is proven too.
    pub least_total_sm: Option<SmUnits>,
    /// The least cost per hour of any plan for the request, where GPU kinds of different prices were planned.
    pub least_cost_per_hour: Option<Dollars>,
    /// The assumptions of the proof, in words.
    pub note: String,
    /// The plans to which the bound applies, in words: which batch sizes, which part of the SLO, with or without
    /// replicas.
    pub covers: String,
}

impl Plan {
    /// Returns how far the number of GPUs is above its proven bound, in percent of the bound; `None` without a bound or
    /// with a bound of zero GPUs.
    #[must_use]
    pub fn gap_pct(&self) -> Option<f64> {
        let bound = self.bound.as_ref().filter(|bound| bound.gpus > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 GPUs")]
        let (gpus, least) = (self.gpus.len() as f64, bound.gpus as f64);
        Some((gpus / least - 1.0) * 100.0)
    }

    /// Returns the cost of all GPUs per hour, in US $.
    ///
    /// # Panics
    /// When the kind of a GPU is not among `kinds`.
    #[must_use]
    pub fn cost_per_hour(&self, kinds: &[&GpuKind]) -> Dollars {
        let price = |gpu: &CoLocation| {
            let kind = kinds.iter().find(|kind| kind.name == gpu.kind);
            kind.expect("plans use kinds that are known").price_per_hour.get()
        };
        Dollars::new(self.gpus.iter().map(price).sum()).expect("a sum of prices is a price")
    }

    /// Returns how far the cost is above the proven least cost, in percent of the latter; `None` where none is proven
    /// or it is 0.
    ///
    /// # Panics
    /// As [`Plan::cost_per_hour`].
    #[must_use]
    pub fn cost_gap_pct(&self, kinds: &[&GpuKind]) -> Option<f64> {
        let least = self.bound.as_ref()?.least_cost_per_hour?.get();
        (least > 0.0).then(|| (self.cost_per_hour(kinds).get() / least - 1.0) * 100.0)
    }

    /// Iterates over all placements with the index of their GPU, GPU by GPU.
    pub fn placements(&self) -> impl Iterator<Item = (usize, &Placement)> {
        self.gpus
            .iter()
            .enumerate()
            .flat_map(|(gpu, co)| co.placements.iter().map(move |p| (gpu, p)))
    }
}
