//! Workloads grouped into types: those with the same demand for the same model are interchangeable.

use super::super::presences::Presences;
use super::super::shares::PendingWorkload;
use super::super::sizing::{Demand, Sized, Sizer};
use super::super::{Margin, PlanRequest};
use super::dominance::undominated;
use igniter_model::domain::Infeasible;
use igniter_model::predictor::Additive;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Number of batch sizes of each type that large searches try, least shares first. In 2,000 random workloads of the
/// paper's ranges, the best was always among the first two; proofs do not rest on that.
pub(crate) const FEW_OPTIONS: usize = 2;

/// One type: a demand with every batch size that can serve it.
#[derive(Debug, Clone)]
pub(crate) struct Type {
    /// Batch sizes up to Theorem 1's, smallest least share first; never empty.
    pub options: Vec<Sized>,
    /// The workloads of this type, as indices into the request's.
    pub workloads: Vec<usize>,
}

impl Type {
    /// Returns the least share over all batch sizes, in units.
    pub(crate) fn least(&self) -> u32 {
        self.options[0].least.get()
    }

    /// Returns each of its workloads as a type of its own.
    pub(crate) fn split(&self) -> impl Iterator<Item = Self> {
        self.workloads.iter().map(|&w| Self { options: self.options.clone(), workloads: vec![w] })
    }

    /// Returns the number of workloads of this type.
    pub(crate) fn count(&self) -> usize {
        self.workloads.len()
    }
}

/// A request as types; a seat's `workload` is the index of its type until the plan is written out.
#[derive(Debug, Clone)]
pub(crate) struct Types {
    /// By falling least share, then in the request's order.
    pub types: Vec<Type>,
    /// Workloads that no GPU can serve.
    pub infeasible: Vec<Infeasible>,
}

/// The batch sizes that a proof covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covered {
    /// All measured ones.
    Any,
    /// Those up to Theorem 1's.
    UpToTheorem1,
}

/// Returns the predictor of a request as one whose members affect each other only through sums; `None` where it is
/// not one, or where plans are made with its own margin.
pub(crate) fn additive<'p>(request: &PlanRequest<'p>) -> Option<&'p dyn Additive> {
    match request.options().margin {
        Margin::Percent(_) => request.predictor().additive(),
        // The predictor's own margin depends on the whole co-location.
        Margin::Predictor => None,
    }
}

/// Returns the values in which equal demands agree: model, budget and rate.
fn key(demand: &Demand) -> (usize, u64, u64) {
    (demand.model.index(), demand.budget_ms.to_bits(), demand.rate_rps.to_bits())
}

impl Types {
    /// Groups the request's workloads.
    pub(crate) fn of(request: &PlanRequest<'_>) -> Self {
        let demands: Vec<(usize, Demand)> =
            request.workloads().iter().map(|w| request.demand(w)).enumerate().collect();
        Self::of_demands(request, &demands)
    }

    /// Groups demands, each of one of the request's workloads; one workload may have several.
    pub(crate) fn of_demands(request: &PlanRequest<'_>, demands: &[(usize, Demand)]) -> Self {
        let mut groups: BTreeMap<(usize, u64, u64), usize> = BTreeMap::new();
        let mut grouped: Vec<(Demand, Vec<usize>)> = Vec::new();
        for (workload, demand) in demands {
            let group = *groups.entry(key(demand)).or_insert_with(|| {
                grouped.push((*demand, Vec::new()));
                grouped.len() - 1
            });
            grouped[group].1.push(*workload);
        }
        let mut sizer = Sizer::new(request);
        let mut types = Vec::new();
        let mut infeasible = Vec::new();
        for (demand, workloads) in grouped {
            let largest = sizer.theorem_1_batch(&demand);
            let options = sizer.sizes(&demand, largest);
            if options.is_empty() {
                infeasible.extend(workloads.iter().map(|&index| (index, demand)));
            } else {
                types.push(Type { options, workloads });
            }
        }
        types.sort_by_key(|t| std::cmp::Reverse(t.least()));
        infeasible.sort_by_key(|(index, _)| *index);
        let explain =
            |(index, demand): (usize, Demand)| sizer.explain(&request.workloads()[index], &demand);
        let infeasible = infeasible.into_iter().map(explain).collect();
        Self { types, infeasible }
    }

    /// Returns the same types, in the same order, with every batch size that a proof has to consider. Where dominance
    /// is known ([`super::dominance`]), these are all sizes up to the largest measured one, except those that others
    /// make superfluous; otherwise, all up to Theorem 1's.
    pub(crate) fn for_proof(&self, request: &PlanRequest<'_>) -> (Vec<Type>, Covered) {
        let Some(additive) = additive(request) else {
            return (self.types.clone(), Covered::UpToTheorem1);
        };
        let members = request.options().process_limit;
        let types = self.types.par_iter().map_init(
            || (Sizer::new(request), Presences::new(additive)),
            |(sizer, presences), t| {
                let demand = t.options[0].demand;
                let sizes = sizer.sizes(&demand, request.predictor().max_batch(demand.model));
                let options = undominated(presences, &sizes, members);
                Type { options, workloads: t.workloads.clone() }
            },
        );
        (types.collect(), Covered::Any)
    }

    /// Keeps only the first [`FEW_OPTIONS`] batch sizes of each type.
    pub(crate) fn narrowed(mut self) -> Self {
        self.types.iter_mut().for_each(|t| t.options.truncate(FEW_OPTIONS));
        self
    }

    /// Returns each workload as a type of its own, even where some are equal.
    pub(crate) fn split(&self) -> Vec<Type> {
        self.types.iter().flat_map(Type::split).collect()
    }

    /// Returns the number of workloads that can be served.
    pub(crate) fn count(&self) -> usize {
        self.types.iter().map(Type::count).sum()
    }
}

/// Assigns to each seat one of its type's workloads, in order.
///
/// # Panics
/// If a type has more seats than workloads.
pub(crate) fn seats(
    types: &[Type],
    mut gpus: Vec<Vec<PendingWorkload>>,
) -> Vec<Vec<PendingWorkload>> {
    let mut next = vec![0; types.len()];
    for seat in gpus.iter_mut().flatten() {
        let of = seat.workload;
        seat.workload = types[of].workloads[next[of]];
        next[of] += 1;
    }
    gpus
}
