//! Replication: several GPUs serve a workload, each with a part of its rate, where that saves a GPU.
//!
//! A workload whose rate is too high for one GPU is divided into the fewest equal parts that fit. Then, for at most
//! 14 placements, each workload in turn is divided in two in ten ratios, and all workloads are planned exactly; a
//! division that saves a GPU is kept, and the search continues from there. With more than 14 placements, no
//! workload is divided to improve the packing: the GPUs of large plans are nearly full anyway, and every additional
//! process slows the others.
//!
//! The bound holds for any number of replicas with any parts and batch sizes. A replica with share r serves at most
//! its throughput alone, h(r), and at most the rate R, so serving R takes at least min r · max(1, R / h(r)) of a
//! GPU.

use super::PlanRequest;
use super::bound::divided_share_sum;
use super::search::types::{Type, Types, seats};
use super::shares::into_plan;
use super::sizing::{Demand, Sizer};
use crate::search::enumerate::MOST_WAYS;
use crate::strategies::exact::{self, MOST_WORKLOADS, Solved};
use crate::strategies::optimal::search;
use igniter_model::domain::{Infeasible, Plan};

/// The smaller part of a workload that is divided in two, in percent of its rate.
const PARTS_PCT: [f64; 10] = [5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0];

/// Maximum number of parts of a workload that one GPU cannot serve.
const MOST_PARTS: u32 = 64;

/// Maximum number of divisions in two, one after another.
const MOST_DIVIDED: usize = 2;

/// Returns the plan of strategy `optimal` when replicas are allowed.
pub(super) fn plan(strategy: &str, request: &PlanRequest<'_>) -> Plan {
    let (demands, infeasible) = demands(request);
    let types = Types::of_demands(request, &demands);
    let few = demands.len() <= MOST_WORKLOADS;
    let gpus = match few.then(|| divide_while_it_saves(request, demands)).flatten() {
        Some(solved) => solved.gpus,
        None => {
            let (bins, _) = search(request, &types, None);
            seats(&types.types, bins.into_iter().map(|bin| bin.seats).collect())
        }
    };
    let mut plan = into_plan(strategy, request, &gpus, infeasible);
    plan.bound = Some(divided_share_sum(request));
    plan
}

/// Returns the demands to place, divided into parts for workloads that one GPU cannot serve.
fn demands(request: &PlanRequest<'_>) -> (Vec<(usize, Demand)>, Vec<Infeasible>) {
    let mut sizer = Sizer::new(request);
    let mut demands = Vec::new();
    let mut infeasible = Vec::new();
    for (index, workload) in request.workloads().iter().enumerate() {
        let whole = request.demand(workload);
        let part = |parts: u32| Demand { rate_rps: whole.rate_rps / f64::from(parts), ..whole };
        let fits = |parts: &u32| {
            let demand = part(*parts);
            let largest = sizer.theorem_1_batch(&demand);
            !sizer.sizes(&demand, largest).is_empty()
        };
        match (1..=MOST_PARTS).find(fits) {
            Some(parts) => demands.extend((0..parts).map(|_| (index, part(parts)))),
            None => infeasible.push(sizer.explain(workload, &whole)),
        }
    }
    (demands, infeasible)
}

/// Divides workloads in two while that saves a GPU; `None` where [`exact::solve`] finds no optimum of the undivided ones.
fn divide_while_it_saves(
    request: &PlanRequest<'_>,
    mut demands: Vec<(usize, Demand)>,
) -> Option<Solved> {
    let singles = |demands: &[(usize, Demand)]| Types::of_demands(request, demands).split();
    let mut best = exact::solve(request, &singles(&demands), MOST_WAYS)?;
    let bound = divided_share_sum(request).gpus;
    let whole = request.predictor().kind().units.get() as usize;
    for _ in 0..MOST_DIVIDED {
        if best.gpus.len() <= bound {
            break;
        }
        let mut better: Option<(Solved, Vec<(usize, Demand)>)> = None;
        for divided in 0..demands.len() {
            for part_pct in PARTS_PCT {
                let mut trial = demands.clone();
                let rate = trial[divided].1.rate_rps;
                let smaller = rate * part_pct / 100.0;
                trial[divided].1.rate_rps = rate - smaller;
                trial.push((trial[divided].0, Demand { rate_rps: smaller, ..trial[divided].1 }));
                let types = singles(&trial);
                let least: u32 = types.iter().map(Type::least).sum();
                let fewer = best.gpus.len() - 1;
                if types.len() < trial.len() || least as usize > fewer * whole {
                    continue;
                }
                let Some(solved) = exact::solve(request, &types, MOST_WAYS) else { continue };
                let key = |s: &Solved| (s.gpus.len(), s.total);
                if solved.gpus.len() <= fewer
                    && better.as_ref().is_none_or(|(b, _)| key(&solved) < key(b))
                {
                    better = Some((solved, trial));
                }
            }
        }
        let Some((solved, divided)) = better else { break };
        best = solved;
        demands = divided;
    }
    Some(best)
}
