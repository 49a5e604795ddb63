//! Checks any plan, whatever made it: is every workload covered, does everything fit, and are latency and throughput
//! met?

use super::sizing::Demand;
use super::strategies::{LatencyRule, rule_of};
use super::{PlanOptions, PlanRequest};
use igniter_model::domain::{CoLocation, Plan, Workload};
use igniter_model::predictor::{Member, Predictor, predict_in_turns, round_ms};
use igniter_model::units::BatchSize;
use std::collections::BTreeMap;

/// A defect of a plan. GPUs count from 0, rates are in requests/s, memory in bytes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    #[error("workload {workload} is not placed")]
    NotPlaced { workload: String },
    #[error("workload {workload} is placed more than once")]
    PlacedTwice { workload: String },
    #[error(
        "workload {workload}: its placements serve {served_rps} requests/s together, but {rate_rps} arrive"
    )]
    PartsMissRate { workload: String, served_rps: f64, rate_rps: f64 },
    #[error("GPU {gpu}: {processes} processes, more than the limit of {limit}")]
    TooManyProcesses { gpu: usize, processes: usize, limit: usize },
    #[error("GPU {gpu}: the scenario has no workload {workload:?}")]
    UnknownWorkload { gpu: usize, workload: String },
    #[error("workload {workload} is a {wanted}, but is placed as {placed}")]
    WrongModel { workload: String, placed: String, wanted: String },
    #[error("GPU {gpu}: kind {kind:?} is not the scenario's")]
    WrongKind { gpu: usize, kind: String },
    #[error("GPU {gpu}: the profile of {kind} has no model {model}")]
    NoProfile { gpu: usize, kind: String, model: String },
    #[error("workload {workload} has no SM share")]
    NoShare { workload: String },
    #[error("GPU {gpu}: SM shares add up to {total_pct} %, more than 100 %")]
    TooManySms { gpu: usize, total_pct: f64 },
    #[error(
        "GPU {gpu}: the placements of time slot {time_slot} have different SM shares, but they take turns on \
         the same SMs"
    )]
    UnequalShares { gpu: usize, time_slot: u32 },
    #[error("workload {workload}: a batch of {batch} is larger than the {max} that were measured")]
    BatchNotMeasured { workload: String, batch: u32, max: u32 },
    #[error(
        "workload {workload}: a batch takes {predicted_ms:.3} ms, more than the {budget_ms} ms \
         that are half of the SLO"
    )]
    TooSlow { workload: String, predicted_ms: f64, budget_ms: f64 },
    /// `wait_ms` is 0 where no other workload has a turn.
    #[error(
        "workload {workload}: a request waits up to {wait_ms:.3} ms for its turn and {batch_ms:.3} ms for its \
         batch, more than its SLO of {slo_ms} ms"
    )]
    MissesSlo { workload: String, wait_ms: f64, batch_ms: f64, slo_ms: f64 },
    #[error("workload {workload}: serves {predicted_rps:.1} requests/s, but {rate_rps} arrive")]
    TooLittleThroughput { workload: String, predicted_rps: f64, rate_rps: f64 },
    #[error("GPU {gpu}: needs {needed} bytes of memory and has {available}")]
    TooMuchMemory { gpu: usize, needed: u64, available: u64 },
}

impl Violation {
    /// Returns whether the plan cannot run at all. Plans with other violations do not keep their promises, but can be
    /// run to observe the effect.
    #[must_use]
    pub fn is_structural(&self) -> bool {
        match self {
            Self::PlacedTwice { .. }
            | Self::UnknownWorkload { .. }
            | Self::WrongModel { .. }
            | Self::WrongKind { .. }
            | Self::NoProfile { .. }
            | Self::NoShare { .. }
            | Self::TooManySms { .. }
            | Self::UnequalShares { .. }
            | Self::TooManyProcesses { .. }
            | Self::TooMuchMemory { .. } => true,
            Self::NotPlaced { .. }
            | Self::PartsMissRate { .. }
            | Self::BatchNotMeasured { .. }
            | Self::TooSlow { .. }
            | Self::MissesSlo { .. }
            | Self::TooLittleThroughput { .. } => false,
        }
    }

    /// Returns the workload that is not served as it demands, if the violation is of this sort.
    #[must_use]
    pub fn broken_promise(&self) -> Option<&str> {
        match self {
            Self::NotPlaced { workload }
            | Self::PartsMissRate { workload, .. }
            | Self::TooSlow { workload, .. }
            | Self::MissesSlo { workload, .. }
            | Self::TooLittleThroughput { workload, .. } => Some(workload),
            _ => None,
        }
    }
}

/// A round and a batch may exceed the SLO by this fraction of it, because sums are rounded.
const TIME_TOLERANCE: f64 = 1e-9;

/// Number of placements of a workload, and the rates that they state.
#[derive(Debug, Default)]
struct PlacementSums {
    times: u32,
    wholes: u32,
    parts_rps: f64,
}

/// Returns whether two rates are equal up to rounding of sums.
fn same_rate(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Finds all defects of a plan. An empty list means that each workload is placed exactly once, or in parts that add up
/// to its rate, or is listed as infeasible; that everything fits; and that every placement meets latency and
/// throughput as the request's predictor predicts them. Margin and headroom are precautions of the planner and not
/// required here.
///
/// A placement is *in time* when a full batch takes at most half of the SLO, because its requests may wait as long for
/// the previous batch. Placements that take turns are in time when a round of full batches of their time slot plus
/// their own batch are within the SLO; for a placement alone in a slot, that is the same rule. A batch of 1 of
/// `infless` may take all of the SLO. Plans of `queueing` and refined plans follow none of these rules, so none is
/// required of them: see [`super::forecast`].
#[must_use]
pub fn check_plan(plan: &Plan, request: &PlanRequest<'_>) -> Vec<Violation> {
    check_plan_on_kinds(plan, request.workloads(), &[request.predictor()], request.options())
}

/// Works like [`check_plan`], for a plan over several GPU kinds with one predictor per kind.
#[must_use]
pub fn check_plan_on_kinds(
    plan: &Plan,
    workloads: &[Workload],
    predictors: &[&dyn Predictor],
    options: &PlanOptions,
) -> Vec<Violation> {
    let mut found = Vec::new();
    let rule = rule_of(&plan.strategy);
    let by_name: BTreeMap<&str, &Workload> =
        workloads.iter().map(|w| (w.name.as_str(), w)).collect();
    let mut placed: BTreeMap<&str, PlacementSums> = BTreeMap::new();
    for (gpu, co_location) in plan.gpus.iter().enumerate() {
        let predictor = predictors.iter().find(|p| p.kind().name == co_location.kind);
        if predictor.is_none() {
            found.push(Violation::WrongKind { gpu, kind: co_location.kind.to_string() });
        }
        let mut all_known = true;
        for placement in &co_location.placements {
            let name = placement.workload.as_str();
            match by_name.get(name) {
                Some(workload) if workload.model == placement.model => {
                    if let Some(predictor) = predictor
                        && predictor.model_id(&placement.model).is_none()
                    {
                        all_known = false;
                        found.push(Violation::NoProfile {
                            gpu,
                            kind: co_location.kind.to_string(),
                            model: placement.model.to_string(),
                        });
                    }
                }
                Some(workload) => {
                    all_known = false;
                    found.push(Violation::WrongModel {
                        workload: name.to_owned(),
                        placed: placement.model.to_string(),
                        wanted: workload.model.to_string(),
                    });
                }
                None => {
                    all_known = false;
                    found.push(Violation::UnknownWorkload { gpu, workload: name.to_owned() });
                }
            }
            let entry = placed.entry(name).or_default();
            entry.times += 1;
            match placement.served {
                Some(part) => entry.parts_rps += part.get(),
                None => entry.wholes += 1,
            }
        }
        if let (Some(predictor), true) = (predictor, all_known) {
            check_gpu(gpu, co_location, *predictor, options, &by_name, rule, &mut found);
        }
    }
    for workload in workloads {
        let name = workload.name.as_str();
        let infeasible = plan.infeasible.iter().any(|i| i.workload == workload.name);
        match placed.get(name) {
            None if !infeasible => {
                found.push(Violation::NotPlaced { workload: name.to_owned() });
            }
            Some(p) if infeasible || (p.times > 1 && p.wholes > 0) => {
                found.push(Violation::PlacedTwice { workload: name.to_owned() });
            }
            Some(p) if p.wholes == 0 && !same_rate(p.parts_rps, workload.rate.get()) => {
                found.push(Violation::PartsMissRate {
                    workload: name.to_owned(),
                    served_rps: p.parts_rps,
                    rate_rps: workload.rate.get(),
                });
            }
            _ => {}
        }
    }
    found
}

/// Checks one GPU whose placements are all of known workloads.
fn check_gpu(
    gpu: usize,
    co_location: &CoLocation,
    predictor: &dyn Predictor,
    options: &PlanOptions,
    by_name: &BTreeMap<&str, &Workload>,
    rule: LatencyRule,
    found: &mut Vec<Violation>,
) {
    let kind = predictor.kind();
    if let Some(total) = co_location.total_sm().to_percent(kind.units)
        && co_location.total_sm() > kind.units
    {
        found.push(Violation::TooManySms { gpu, total_pct: total.get() });
    }
    for (i, placement) in co_location.placements.iter().enumerate() {
        let same = co_location.placements[..i].iter().find(|p| p.time_slot == placement.time_slot);
        if let (Some(time_slot), Some(first)) = (placement.time_slot, same)
            && first.sm != placement.sm
        {
            found.push(Violation::UnequalShares { gpu, time_slot });
            break;
        }
    }
    let (processes, limit) = (co_location.placements.len(), options.process_limit);
    if processes > limit {
        found.push(Violation::TooManyProcesses { gpu, processes, limit });
    }
    let mut members = Vec::new();
    let mut slots = Vec::new();
    let mut demands = Vec::new();
    let mut memory = 0;
    for placement in &co_location.placements {
        let workload = by_name[placement.workload.as_str()];
        let Some(model) = predictor.model_id(&workload.model) else { continue };
        let max = predictor.max_batch(model);
        if placement.batch > max {
            found.push(Violation::BatchNotMeasured {
                workload: workload.name.to_string(),
                batch: placement.batch.get(),
                max: max.get(),
            });
        }
        let Some(sm) = placement.sm.to_percent(kind.units) else {
            found.push(Violation::NoShare { workload: workload.name.to_string() });
            continue;
        };
        memory += predictor.memory(model).map_or(0, |bytes| bytes.get());
        members.push(Member { model, batch: placement.batch, sm });
        slots.push(placement.time_slot);
        let mut demand = Demand::new(workload, model);
        if let Some(part) = placement.served {
            demand.rate_rps = part.get();
        }
        demands.push((workload, demand));
    }
    if let Some(available) = kind.memory.map(|bytes| bytes.get()).filter(|a| memory > *a) {
        found.push(Violation::TooMuchMemory { gpu, needed: memory, available });
    }
    if rule == LatencyRule::OwnQueues {
        return;
    }
    let all = predict_in_turns(predictor, &members, &slots);
    for (i, ((workload, demand), predicted)) in demands.iter().zip(&all).enumerate() {
        let single = rule == LatencyRule::SinglesTakeAll && members[i].batch == BatchSize::ONE;
        let wait_ms = round_ms(&all, &slots, i).or(single.then_some(0.0));
        let (batch_ms, slo_ms) = (predicted.latency_ms(), 2.0 * demand.budget_ms);
        match wait_ms {
            Some(wait_ms) if wait_ms + batch_ms > slo_ms * (1.0 + TIME_TOLERANCE) => {
                let workload = workload.name.to_string();
                found.push(Violation::MissesSlo { workload, wait_ms, batch_ms, slo_ms });
            }
            None if !demand.meets_latency(predicted) => found.push(Violation::TooSlow {
                workload: workload.name.to_string(),
                predicted_ms: batch_ms,
                budget_ms: demand.budget_ms,
            }),
            _ => {}
        }
        if !demand.meets_rate(predicted) {
            found.push(Violation::TooLittleThroughput {
                workload: workload.name.to_string(),
                predicted_rps: predicted.throughput_rps,
                rate_rps: demand.rate_rps,
            });
        }
    }
}
