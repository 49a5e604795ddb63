//! The proven optimum for a few workloads: fewest GPUs, and among those the least sum of shares.
//!
//! Every co-location that one GPU can hold is listed with its best batch sizes and least shares
//! (`super::search::enumerate`); dynamic programming over all subsets then finds the best partition
//! (`super::search::partition`). Both are exhaustive, so the plan is its own proof: its bound is its
//! number of GPUs. Batch sizes are those up to Theorem 1's; see `super::lower_bound` for what else
//! counts as a plan.

use crate::search::enumerate::{FeasibleSet, best_seats, feasible_sets};
use crate::search::partition::{Partition, best_partition};
use crate::search::types::{Type, Types, seats};
use crate::shares::{Seat, ShareFitter, into_plan};
use crate::{PlanRequest, Strategy};
use igniter_model::domain::{BoundMethod, GpuBound, Infeasible, Plan};
use igniter_model::units::SmUnits;

/// The most workloads for which it is tried: 2^14 subsets.
pub const MOST_WORKLOADS: usize = 14;

/// The strategy `exact`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exact;

impl Strategy for Exact {
    fn name(&self) -> &'static str {
        "exact"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let types = Types::of(request);
        if types.count() > MOST_WORKLOADS {
            let reason = format!(
                "exact plans at most {MOST_WORKLOADS} workloads, and these are {}: use optimal",
                types.count()
            );
            let infeasible = |w: &igniter_model::domain::Workload| Infeasible {
                workload: w.name.clone(),
                reason: reason.clone(),
                fixes: Vec::new(),
            };
            let infeasible = request.workloads().iter().map(infeasible).collect();
            return into_plan(self.name(), request, &[], infeasible);
        }
        let solved = solve(request, &types.split());
        let mut plan = into_plan(self.name(), request, &solved.gpus, types.infeasible);
        plan.bound = Some(solved.bound());
        plan
    }
}

/// The optimum of a few workloads.
pub(crate) struct Solved {
    /// The GPUs; seats name workloads.
    pub gpus: Vec<Vec<Seat>>,
    /// The sum of all shares, in units.
    pub total: u32,
    /// How many co-locations were found feasible.
    pub sets: usize,
    workloads: usize,
}

impl Solved {
    /// What the search proves.
    pub(crate) fn bound(&self) -> GpuBound {
        #[expect(clippy::cast_precision_loss, reason = "a handful of GPUs")]
        let fractional_gpus = self.gpus.len() as f64;
        GpuBound {
            gpus: self.gpus.len(),
            fractional_gpus,
            method: BoundMethod::Exhaustive,
            least_total_sm: Some(SmUnits::new(self.total)),
            least_cost_per_hour: None,
            note: format!(
                "best partition of {} workloads into any of all {} feasible co-locations",
                self.workloads, self.sets
            ),
        }
    }
}

/// Finds the optimum; each of the types is one workload.
pub(crate) fn solve(request: &PlanRequest<'_>, singles: &[Type]) -> Solved {
    let mut fitter = ShareFitter::new(request);
    let sets = feasible_sets(&mut fitter, singles);
    let Partition { sets: chosen, total } =
        best_partition(singles.len(), &sets).expect("each workload fits a GPU of its own");
    let fill = |index: usize| {
        let FeasibleSet { types, .. } = &sets[index];
        best_seats(&mut fitter, singles, types)
    };
    let gpus = seats(singles, chosen.into_iter().map(fill).collect());
    Solved { gpus, total, sets: sets.len(), workloads: singles.len() }
}
