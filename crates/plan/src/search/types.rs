//! Workloads grouped into types: those that ask the same of the same model are interchangeable.

use super::super::PlanRequest;
use super::super::shares::Seat;
use super::super::sizing::{Demand, Sized, Sizer};
use igniter_model::domain::Infeasible;
use std::collections::BTreeMap;

/// How many batch sizes of each type large searches try, least shares first. In 2,000 random workloads of
/// the paper's ranges the best was always among two.
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
    /// The least share over all batch sizes, in units.
    pub(crate) fn least(&self) -> u32 {
        self.options[0].least.get()
    }

    /// How many workloads are of this type.
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

/// What makes two demands the same: model, budget and rate.
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

    /// The same with only the first [`FEW_OPTIONS`] batch sizes of each type.
    pub(crate) fn narrowed(mut self) -> Self {
        self.types.iter_mut().for_each(|t| t.options.truncate(FEW_OPTIONS));
        self
    }

    /// Each workload as a type of its own, also where some are equal.
    pub(crate) fn split(&self) -> Vec<Type> {
        let single = |t: &Type, &w: &usize| Type { options: t.options.clone(), workloads: vec![w] };
        self.types.iter().flat_map(|t| t.workloads.iter().map(move |w| single(t, w))).collect()
    }

    /// How many workloads can be served.
    pub(crate) fn count(&self) -> usize {
        self.types.iter().map(Type::count).sum()
    }
}

/// Hands each seat one of its type's workloads, in order.
///
/// # Panics
/// When the seats of a type are more than its workloads.
pub(crate) fn seats(types: &[Type], mut gpus: Vec<Vec<Seat>>) -> Vec<Vec<Seat>> {
    let mut next = vec![0; types.len()];
    for seat in gpus.iter_mut().flatten() {
        let of = seat.workload;
        seat.workload = types[of].workloads[next[of]];
        next[of] += 1;
    }
    gpus
}
