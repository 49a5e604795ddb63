//! INFless: the instance that serves most for its share, on the GPU that it fits best.
//!
//! Yang et al., "INFless: a native serverless system for low-latency, high-throughput inference" (ASPLOS
//! 2022): non-uniform instances of (batch, CPU, GPU share), chosen by requests served for each resource,
//! placed by best fit, repeated until the rate is served. Adaptation: the GPU share is the only resource;
//! an instance's batch must fill and execute within the SLO, as everywhere here half for each; latencies
//! are those of a workload alone, as INFless has no interference model. With [`Replicas::Forbidden`] the
//! one instance must serve the whole rate, so it is the least share over all batch sizes.

use crate::alone::Alone;
use crate::search::types::Types;
use crate::shares::{Seat, ShareFitter, into_plan, total};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy};
use igniter_model::domain::{Infeasible, Plan};
use igniter_model::units::{BatchSize, SmUnits};

/// A part of a rate this small is rounding.
const NO_RATE_RPS: f64 = 1e-6;

/// The strategy `infless`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Infless;

impl Strategy for Infless {
    fn name(&self) -> &'static str {
        "infless"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let (seats, infeasible) = match request.options().replicas {
            Replicas::Forbidden => whole_instances(request),
            Replicas::Allowed => instances(request),
        };
        let gpus = best_fit(request, seats);
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

/// One instance for each workload, by falling share.
fn whole_instances(request: &PlanRequest<'_>) -> (Vec<Seat>, Vec<Infeasible>) {
    let types = Types::of(request);
    let mut seats: Vec<Seat> = types
        .types
        .iter()
        .flat_map(|t| {
            let sized = t.options[0];
            t.workloads.iter().map(move |&workload| Seat { workload, sized, share: sized.least })
        })
        .collect();
    seats.sort_by_key(|seat| (std::cmp::Reverse(seat.share), seat.workload));
    (seats, types.infeasible)
}

/// As many instances as the rates need, by falling share.
fn instances(request: &PlanRequest<'_>) -> (Vec<Seat>, Vec<Infeasible>) {
    let (mut alone, mut sizer) = (Alone::new(request), Sizer::new(request));
    let mut seats = Vec::new();
    let mut infeasible = Vec::new();
    for (workload, named) in request.workloads().iter().enumerate() {
        let mut left = request.demand(named);
        let fits = sizer.fits_memory(left.model);
        if !fits || most_efficient(&mut alone, request, &left).is_none() {
            infeasible.push(sizer.explain(named, &left));
            continue;
        }
        while left.rate_rps > NO_RATE_RPS {
            let (batch, share, served) =
                most_efficient(&mut alone, request, &left).expect("a lower rate is easier");
            let demand = Demand { rate_rps: served, ..left };
            seats.push(Alone::seat(workload, &demand, batch, share));
            left.rate_rps -= served;
        }
    }
    seats.sort_by_key(|seat| (std::cmp::Reverse(seat.share), seat.workload));
    (seats, infeasible)
}

/// The instance that serves most of the rate for each unit of share, with what it serves.
fn most_efficient(
    alone: &mut Alone<'_>,
    request: &PlanRequest<'_>,
    left: &Demand,
) -> Option<(BatchSize, SmUnits, f64)> {
    let whole = request.predictor().kind().units.get();
    let most = request.predictor().max_batch(left.model).get();
    let mut best: Option<(f64, (BatchSize, SmUnits, f64))> = None;
    for size in 1..=most {
        let batch = BatchSize::new(size).ok()?;
        for units in 1..=whole {
            let share = SmUnits::new(units);
            let predicted = alone.predict(left, batch, share);
            let served = left.rate_rps.min(predicted.throughput_rps);
            // Its batch fills within the other half of the SLO.
            let fills = size == 1 || batch.as_f64() / served * 1000.0 <= left.budget_ms;
            if left.meets_latency(&predicted) && fills {
                let efficiency = served / f64::from(units);
                if best.is_none_or(|(most, _)| efficiency > most) {
                    best = Some((efficiency, (batch, share, served)));
                }
                break;
            }
        }
    }
    best.map(|(_, instance)| instance)
}

/// Each instance on the fullest GPU with room for it.
fn best_fit(request: &PlanRequest<'_>, seats: Vec<Seat>) -> Vec<Vec<Seat>> {
    let fitter = ShareFitter::new(request);
    let whole = request.predictor().kind().units;
    let mut gpus: Vec<Vec<Seat>> = Vec::new();
    for seat in seats {
        let room =
            |gpu: &Vec<Seat>| total(gpu) + seat.share <= whole && fitter.has_room_for(gpu, &seat);
        let fullest = (0..gpus.len())
            .filter(|&i| room(&gpus[i]))
            .max_by_key(|&i| (total(&gpus[i]), std::cmp::Reverse(i)));
        match fullest {
            Some(index) => gpus[index].push(seat),
            None => gpus.push(vec![seat]),
        }
    }
    gpus
}
