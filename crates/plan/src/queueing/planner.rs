//! The steps of the planner, one after another.

use super::super::shares::predicted_service;
use super::super::{PlanRequest, Replicas};
use super::class::{Class, LatenessSource, classes};
use super::kind_tables::PlannedSetting;
use super::packing::{Fleet, PackedGpu, PackedServer};
use super::subproblem::Subproblem;
use super::trial::trials;
use igniter_model::domain::{BoundMethod, CoLocation, GpuBound, Placement, Plan, WorkloadName};
use igniter_model::units::{BatchSize, Dollars, RequestsPerSecond, SmUnits};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Number of workloads that are packed together; more are distributed over several packings.
const CHUNK: usize = 1_000;

/// Maximum number of versions of a plan; all but the last are tried out and mended.
const MOST_ATTEMPTS: usize = 4;

/// Makes the plan on one or several GPU kinds: one request for each, all for the same workloads.
pub(super) fn plan(strategy: &str, requests: &[PlanRequest<'_>], judge: LatenessSource) -> Plan {
    let Some(request) = requests.first() else {
        return Plan {
            strategy: strategy.to_owned(),
            gpus: Vec::new(),
            infeasible: Vec::new(),
            bound: None,
        };
    };
    let (all, infeasible) = classes(request, judge);
    let chunks = dealt(all, request.workloads().len().div_ceil(CHUNK).max(1));
    let mut parts: Vec<Subproblem<'_>> = chunks
        .into_par_iter()
        .enumerate()
        .map(|(number, classes)| Subproblem::new(requests, classes, number as u64))
        .collect();
    for attempt in 1..=MOST_ATTEMPTS {
        parts.par_iter_mut().for_each(Subproblem::spread);
        let tried = written(strategy, request, &parts);
        if attempt == MOST_ATTEMPTS {
            break;
        }
        let Some(trials) = trials(request, &tried, &mut parts) else { break };
        let mended: Vec<bool> = parts.par_iter_mut().map(|part| part.learn(&trials)).collect();
        if !mended.contains(&true) {
            break;
        }
    }
    let mut plan = written(strategy, request, &parts);
    let mut unserved = infeasible;
    unserved.extend(parts.iter_mut().flat_map(|part| part.infeasible(request)));
    let names = request.workloads().iter().enumerate().map(|(place, w)| (&w.name, place));
    let places: BTreeMap<&WorkloadName, usize> = names.collect();
    unserved.sort_by_key(|infeasible| places.get(&infeasible.workload));
    plan.infeasible = unserved;
    plan.bound = Some(bound(request, &parts, judge));
    plan
}

/// Distributes classes over `chunks` chunks.
fn dealt(classes: Vec<Class>, chunks: usize) -> Vec<Vec<Class>> {
    let mut dealt: Vec<Vec<Class>> = vec![Vec::new(); chunks];
    for (index, class) in classes.into_iter().enumerate() {
        dealt[index % chunks].push(class);
    }
    dealt.retain(|chunk| !chunk.is_empty());
    dealt
}

/// Returns the plan as it stands.
fn written(strategy: &str, request: &PlanRequest<'_>, parts: &[Subproblem<'_>]) -> Plan {
    let mut gpus = Vec::new();
    for part in parts {
        gpus.extend(part.bins.iter().map(|bin| co_location(request, &part.fleet, bin)));
    }
    Plan { strategy: strategy.to_owned(), gpus, infeasible: Vec::new(), bound: None }
}

fn co_location(request: &PlanRequest<'_>, fleet: &Fleet<'_>, bin: &PackedGpu) -> CoLocation {
    let site = &fleet.sites[bin.site];
    let member = |seat: &PackedServer| {
        let model = site.model(&fleet.classes[seat.class]).expect("it was placed there");
        site.member(model, seat.setting.batch, seat.setting.units)
    };
    let members: Vec<_> = bin.seats.iter().map(member).collect();
    let predicted = site.predictor.predict(&members);
    let placements = bin.seats.iter().zip(&predicted.members).map(|(seat, predicted)| {
        let workload = &request.workloads()[seat.workload];
        let PlannedSetting { replicas, batch, units, .. } = seat.setting;
        let part = workload.rate.get() / f64::from(replicas);
        Placement {
            workload: workload.name.clone(),
            model: workload.model.clone(),
            batch: BatchSize::new(batch).expect("at least one request"),
            sm: SmUnits::new(units),
            served: RequestsPerSecond::new(part).ok().filter(|_| replicas > 1),
            time_slot: None,
            predicted: predicted_service(predicted),
        }
    });
    CoLocation { kind: site.kind().name.clone(), placements: placements.collect() }
}

/// Returns the bound that is proven for all plans for the same request.
fn bound(request: &PlanRequest<'_>, parts: &[Subproblem<'_>], judge: LatenessSource) -> GpuBound {
    let fractional_gpus: f64 = parts.iter().map(|part| part.least_gpus).sum();
    let cost: f64 = parts.iter().map(|part| part.least_cost).sum();
    let several = parts.iter().any(|part| part.fleet.sites.len() > 1);
    let batches = parts.first().map_or_else(String::new, |part| part.fleet.batch_list(0));
    let options = request.options();
    let replicas = match options.replicas {
        Replicas::Forbidden => "one server for each workload",
        _ => "the numbers of equal replicas that were looked at",
    };
    let in_time = match judge {
        LatenessSource::Analysis => {
            format!("are in time (with a confidence of {} %)", options.confidence_pct)
        }
        LatenessSource::Simulation => "are in time in simulated runs".to_owned(),
    };
    GpuBound {
        gpus: super::super::bound::round_up(fractional_gpus),
        fractional_gpus,
        method: BoundMethod::ShareSum,
        least_total_sm: None,
        least_cost_per_hour: Dollars::new(cost).ok().filter(|_| several),
        note: format!(
            "for each workload the least share with which {} % of its requests {in_time} on a GPU of its own, \
             added up; neighbours only slow each other",
            options.attainment_pct
        ),
        covers: format!(
            "plans with {replicas} and batch sizes of {batches}, as far as larger ones still helped"
        ),
    }
}
