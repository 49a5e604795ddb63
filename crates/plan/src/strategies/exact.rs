//! The proven optimum for a few workloads: the fewest GPUs and, among plans with as many, the least
//! sum of shares.
//!
//! Every co-location that one GPU can hold is enumerated with its best batch sizes and least shares
//! (`super::search::enumerate`); dynamic programming over all subsets then finds the best partition
//! (`super::search::partition`). Both are exhaustive, so the plan is its own proof: its bound is its
//! number of GPUs. Batch sizes are those up to Theorem 1's; [`GpuBound::covers`] states which plans
//! the bound covers.

use crate::bound::{Proving, of_types, process_count};
use crate::search::enumerate::{FeasibleSet, MOST_WAYS, best_seats, feasible_sets};
use crate::search::partition::{Partition, best_partition};
use crate::search::types::{Type, Types, seats};
use crate::shares::{PendingWorkload, ShareFitter, into_plan};
use crate::sizing::Sized;
use crate::{PlanRequest, Strategy};
use igniter_model::domain::{BoundMethod, GpuBound, Infeasible, Plan};
use igniter_model::units::SmUnits;

/// The largest number of workloads that are planned: 2^14 subsets.
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
            return self.refuse(request, &reason);
        }
        let Some(solved) = solve(request, &types.split(), MOST_WAYS) else {
            let reason = "so many of these workloads fit a GPU that their batch sizes have too many combinations for \
                          exact: use optimal";
            return self.refuse(request, reason);
        };
        let proving = Proving::new(request, &types);
        let bound = solved.bound(request, &types, proving.as_ref());
        let mut plan = into_plan(self.name(), request, &solved.gpus, types.infeasible);
        plan.bound = Some(bound);
        plan
    }
}

impl Exact {
    /// A plan without any workload.
    fn refuse(self, request: &PlanRequest<'_>, reason: &str) -> Plan {
        let infeasible = |w: &igniter_model::domain::Workload| Infeasible {
            workload: w.name.clone(),
            reason: reason.to_owned(),
            fixes: Vec::new(),
        };
        let infeasible = request.workloads().iter().map(infeasible).collect();
        into_plan(self.name(), request, &[], infeasible)
    }
}

/// The optimum of a few workloads.
pub(crate) struct Solved {
    /// The GPUs; the seats hold indices of workloads.
    pub gpus: Vec<Vec<PendingWorkload>>,
    /// The sum of all shares, in units.
    pub total: u32,
    /// Number of feasible co-locations.
    pub sets: usize,
    workloads: usize,
}

impl Solved {
    /// Returns the bound that the search proves for all batch sizes in `proving`, not only those of
    /// the plan.
    pub(crate) fn bound(
        &self,
        request: &PlanRequest<'_>,
        types: &Types,
        proving: Option<&Proving>,
    ) -> GpuBound {
        let Some(proving) = proving else { return process_count(request, types.count()) };
        let searched = |t: &Type, size: &Sized| t.options.iter().any(|o| o.batch == size.batch);
        let all = types.types.iter().zip(&proving.types);
        let (gpus, total) =
            if all.clone().all(|(t, proven)| proven.options.iter().all(|size| searched(t, size))) {
                (self.gpus.len(), Some(self.total))
            } else {
                // Batch sizes beyond Theorem 1's, which the plan does not use, may need fewer GPUs.
                let split: Vec<Type> = all.flat_map(|(_, proven)| proven.split()).collect();
                let Some(solved) = solve(request, &split, MOST_WAYS) else {
                    return of_types(request, types, proving);
                };
                (solved.gpus.len(), None)
            };
        #[expect(clippy::cast_precision_loss, reason = "a handful of GPUs")]
        let fractional_gpus = gpus as f64;
        GpuBound {
            gpus,
            fractional_gpus,
            method: BoundMethod::Exhaustive,
            least_total_sm: total.map(SmUnits::new),
            least_cost_per_hour: None,
            note: format!(
                "best partition of {} workloads into any of all {} feasible co-locations",
                self.workloads, self.sets
            ),
            covers: proving.covers.clone(),
        }
    }
}

/// Finds the optimum of at most [`MOST_WORKLOADS`] workloads; `None` for more, and where [`solve`] finds none.
pub(crate) fn solve_few(request: &PlanRequest<'_>, types: &Types) -> Option<Solved> {
    if types.count() > MOST_WORKLOADS {
        return None;
    }
    solve(request, &types.split(), MOST_WAYS)
}

/// Finds the optimum; each of the types must hold one workload. `None` where there are more than
/// `most_ways` to run one co-location, or too many in all ([`feasible_sets`]).
pub(crate) fn solve(
    request: &PlanRequest<'_>,
    singles: &[Type],
    most_ways: usize,
) -> Option<Solved> {
    let mut fitter = ShareFitter::new(request);
    let sets = feasible_sets(&mut fitter, singles, most_ways)?;
    let Partition { sets: chosen, total } =
        best_partition(singles.len(), &sets).expect("each workload fits a GPU of its own");
    let fill = |index: usize| {
        let FeasibleSet { types, .. } = &sets[index];
        best_seats(&mut fitter, singles, types, most_ways).expect("the set has been found feasible")
    };
    let gpus = seats(singles, chosen.into_iter().map(fill).collect());
    Some(Solved { gpus, total, sets: sets.len(), workloads: singles.len() })
}
