//! INFless: instances of (batch, GPU share), large batches first, each on the GPU that it leaves fullest.
//!
//! Yang et al., "INFless: a native serverless system for low-latency, high-throughput inference" (ASPLOS 2022), by the
//! rules of its public code (TankLabTJU/INFless, `estimator.go` and `scheduler.go`):
//!
//! - batches are powers of two; shares are 10, 20, 30, 40 or 50 % of a GPU;
//! - a batch with latency t may be used where t ≤ SLO / 2, batch 1 where t ≤ SLO;
//! - an instance serves at most r_max = ⌊b / t⌋ requests/s, and its batch must fill in the remaining time: the rate
//!   still to be served must be at least r_min = ⌊b / (SLO − t)⌋ (1 for batch 1);
//! - while some of the rate remains, an instance is added: of the largest batch that any share allows, the share and
//!   the GPU with the largest r_max / (part of the GPU that is then free). So filling GPUs takes precedence over
//!   efficient instances, unlike in the paper, which also divides by the resources of the instance;
//! - latencies are those of a model alone, because INFless has no model of interference.
//!
//! Adaptation: the share is the only resource, because the servers here need no CPU threads. The largest batch is that
//! of the profile. A rest of a rate below 1 request/s is served too. A workload that no share up to 50 % serves gets 60
//! to 100 %, where the original would refuse it. One bug of the original is fixed: it does not reset the best candidate
//! between two instances. The scenario's batcher forms the batches: INFless would wait SLO − t for a batch to fill.
//! With [`Replicas::Forbidden`], one instance must serve the whole rate.
//!
//! Reproduced: the instances that these rules choose for linear latency tables (see the tests). Not reproduced: the
//! numbers of the paper, whose profiles cover CPU threads and GPU shares together.

use crate::alone::SoloPredictor;
use crate::shares::{PendingWorkload, into_plan, total};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy};
use igniter_model::domain::Plan;
use igniter_model::units::{BatchSize, SmUnits};
use std::cmp::Ordering;

/// Shares of INFless, in percent, in its order.
const SHARES: [u32; 5] = [50, 40, 30, 20, 10];

/// Larger shares, in percent, for workloads that need them; the original has none of these.
const LARGER_SHARES: [u32; 5] = [100, 90, 80, 70, 60];

/// Remaining rates below this are rounding errors.
const NO_RATE_RPS: f64 = 1e-6;

/// The strategy `infless`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Infless;

/// A possible instance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Configuration {
    batch: BatchSize,
    share: SmUnits,
    /// Maximum throughput, in requests/s.
    most_rps: f64,
}

impl Strategy for Infless {
    fn name(&self) -> &'static str {
        "infless"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let (mut alone, mut sizer) = (SoloPredictor::new(request), Sizer::new(request));
        let mut gpus: Vec<Vec<PendingWorkload>> = Vec::new();
        let mut infeasible = Vec::new();
        for (workload, named) in request.workloads().iter().enumerate() {
            let demand = request.demand(named);
            let placed = sizer.fits_memory(demand.model)
                && [SHARES, LARGER_SHARES].iter().any(|shares| {
                    place(&mut alone, request, &mut gpus, (workload, demand), shares)
                });
            if !placed {
                let why = "no instance of INFless serves it: powers of two that execute within half of the SLO and \
                           fill in the rest";
                infeasible.push(sizer.refusal(named, &demand, why));
            }
        }
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

/// Places instances until the rate is served. If no instance can serve the rest of the rate, places none and returns
/// false.
fn place(
    alone: &mut SoloPredictor<'_>,
    request: &PlanRequest<'_>,
    gpus: &mut Vec<Vec<PendingWorkload>>,
    demand: (usize, Demand),
    shares: &[u32],
) -> bool {
    let mut on = Vec::new();
    let served = place_instances(alone, request, (gpus, &mut on), demand, shares);
    if !served {
        for gpu in on.into_iter().rev() {
            gpus[gpu].pop();
        }
        while gpus.last().is_some_and(Vec::is_empty) {
            gpus.pop();
        }
    }
    served
}

/// Places instances as [`place`] does, but leaves them in place on failure; records the GPU of each in `on`.
fn place_instances(
    alone: &mut SoloPredictor<'_>,
    request: &PlanRequest<'_>,
    (gpus, on): (&mut Vec<Vec<PendingWorkload>>, &mut Vec<usize>),
    (workload, demand): (usize, Demand),
    shares: &[u32],
) -> bool {
    let divide = request.options().replicas != Replicas::Forbidden;
    let whole = request.predictor().kind().units;
    let mut left = demand;
    while left.rate_rps > NO_RATE_RPS {
        let allowed = configurations(alone, request, &left, shares, divide);
        if allowed.is_empty() {
            return false;
        }
        let mut best: Option<(f64, usize, Configuration)> = None;
        for gpu in 0..=gpus.len() {
            let seats = gpus.get(gpu).map_or(&[][..], Vec::as_slice);
            for configuration in &allowed {
                let Configuration { batch, share, most_rps } = *configuration;
                let seat = SoloPredictor::seat(workload, &left, batch, share);
                let used = total(seats) + share;
                if used > whole || !alone.has_room_for(seats, &seat) {
                    continue;
                }
                // Infinite where no part of the GPU is free.
                let free = f64::from(whole.get() - used.get()) / f64::from(whole.get());
                let value = most_rps / free;
                let better = best.is_none_or(|(b, ..)| value.total_cmp(&b) == Ordering::Greater);
                if better {
                    best = Some((value, gpu, *configuration));
                }
            }
        }
        let Some((_, gpu, Configuration { batch, share, most_rps })) = best else { return false };
        let served = Demand { rate_rps: left.rate_rps.min(most_rps), ..left };
        if gpu == gpus.len() {
            gpus.push(Vec::new());
        }
        gpus[gpu].push(SoloPredictor::seat(workload, &served, batch, share));
        on.push(gpu);
        left.rate_rps -= served.rate_rps;
    }
    true
}

/// Returns the possible instances of the largest batch that has any.
fn configurations(
    alone: &mut SoloPredictor<'_>,
    request: &PlanRequest<'_>,
    left: &Demand,
    shares: &[u32],
    divide: bool,
) -> Vec<Configuration> {
    let most = request.predictor().max_batch(left.model).get();
    let slo_ms = 2.0 * left.budget_ms;
    let powers = (0..=most.ilog2()).rev().filter_map(|power| BatchSize::new(1 << power).ok());
    let mut allowed = powers.map(|batch| {
        let of_share = shares.iter().filter_map(|&percent| {
            let share = alone.units(percent);
            let t_ms = alone.predict(left, batch, share).latency_ms();
            let single = batch == BatchSize::ONE;
            let in_time = t_ms <= if single { slo_ms } else { left.budget_ms };
            let per_second = |ms: f64| 1000.0 * batch.as_f64() / ms;
            // Whole numbers, as in the original, except for an instance that serves less than one request/s.
            let most_rps = Some(per_second(t_ms).floor()).filter(|rps| *rps >= 1.0);
            let most_rps = most_rps.unwrap_or_else(|| per_second(t_ms));
            let fills = single || left.rate_rps >= per_second(slo_ms - t_ms).floor();
            let enough = divide || most_rps >= left.rate_rps;
            (in_time && fills && enough).then_some(Configuration { batch, share, most_rps })
        });
        of_share.collect::<Vec<_>>()
    });
    allowed.find(|of_batch| !of_batch.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::tables::{TablePredictor, tables};

    /// GPU by GPU: model, batch, percent and served rate.
    fn placed(rates: &[(&str, f64, f64)]) -> Vec<Vec<(String, u32, u32, f64)>> {
        let predictor = TablePredictor::new();
        let workloads = tables(rates);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let plan = Infless.plan(&request);
        assert!(plan.infeasible.is_empty(), "{:?}", plan.infeasible);
        let of = |p: &igniter_model::domain::Placement| {
            let rate = rates.iter().find(|(name, ..)| *name == p.model.as_str()).unwrap().2;
            let served = p.served.map_or(rate, |part| part.get());
            (p.model.to_string(), p.batch.get(), p.sm.get(), served)
        };
        plan.gpus.iter().map(|gpu| gpu.placements.iter().map(of).collect()).collect()
    }

    #[test]
    fn instances_are_those_of_the_original() {
        let a = |batch, served| ("A".to_owned(), batch, 50, served);
        let (b, c) = (|n, r| ("B".to_owned(), n, 50, r), |n, r| ("C".to_owned(), n, 50, r));
        // r_max 888, and 500 for the rest.
        assert_eq!(placed(&[("A", 40.0, 1000.0)]), [vec![a(16, 888.0), a(2, 112.0)]]);
        // r_max 1600 for both.
        assert_eq!(
            placed(&[("A", 40.0, 1000.0), ("B", 30.0, 1500.0), ("C", 20.0, 800.0)]),
            [vec![a(16, 888.0), a(2, 112.0)], vec![b(16, 1500.0), c(8, 800.0)]]
        );
        // r_max 2285 and 1600: the rest of 715 is enough for a batch of 8, which needs 533, not for one of 16.
        assert_eq!(placed(&[("C", 20.0, 3000.0)]), [vec![c(16, 2285.0), c(8, 715.0)]]);
        assert_eq!(placed(&[("B", 30.0, 200.0)]), [vec![b(4, 200.0)]]);
    }

    #[test]
    fn a_single_request_may_take_the_whole_slo() {
        // 2 + 50 / 50 = 3 ms at 50 %: above half of 5 ms, and below 5.
        let one = placed(&[("A", 5.0, 100.0)]);
        assert_eq!(one, [vec![("A".to_owned(), 1, 50, 100.0)]]);
        // 2.5 ms at 100 % are the least that A can do.
        let larger = placed(&[("A", 2.9, 10.0)]);
        assert_eq!((larger[0][0].1, larger[0][0].2 > 50), (1, true), "{larger:?}");
    }
}
