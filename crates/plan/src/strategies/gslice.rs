//! GSLICE+: reactive tuning of shares and batches on a given placement.
//!
//! Dhakal et al., "GSLICE: controlled spatial sharing of GPUs for a scalable inference platform" (SoCC 2020). Its code
//! is not public, so this follows the version in the iGniter artifact (icloud-ecnu/igniter, `gslice.py`). Every
//! workload starts with batch 1 and 30 % of its GPU. Trial runs follow each other: the batch is tuned until it no
//! longer changes (*SLAB*, at most 5 runs), then the share once (*UTIL*). This repeats at most 5 times; then the batch
//! is tuned at most 5 more times.
//!
//! [`rules::gslice`](igniter_model::rules::gslice) implements both steps; the controller of the engine uses the same
//! code.
//!
//! *Initial placement.* GSLICE tunes but does not place, and neither does the artifact's script. The placement is that
//! of FFD+ ([`super::ffd`]), which sizes workloads alone by iGniter's Theorem 1. Which workloads share a GPU, and so
//! the number of GPUs, therefore follows from that rule and not from GSLICE. Its batches and shares are not kept: all
//! workloads start with a batch of 1 and a share of 30 %, whatever the model. The SLO of the rules is half of a
//! workload's, as in the artifact.
//!
//! Adaptation: a trial run is a prediction of the co-location, where the original measures. The original learns the
//! knee of throughput over the share and keeps shares there; the artifact's UTIL follows latency and rate instead. The
//! tuning ignores interference and the sum of shares: where the tuned shares of a GPU exceed it, all are scaled down
//! together, in trial runs and in the plan. Where exactly nothing is left, the artifact's script sets a batch of 1 and
//! a share of 1 %; here, both stay unchanged. Re-allocation costs nothing in a plan; the controller `gslice` of
//! `igniter simulate` accounts for its cost.
//!
//! Reproduced: the steps of SLAB and UTIL, number by number, in the tests of [`igniter_model::rules::gslice`], and the
//! start values. Not reproduced: the paper's throughput of 2 to 13 times that of default MPS, because its testbed tunes
//! one GPU for one set of models.

use crate::shares::{PendingWorkload, ShareFitter, into_plan};
use crate::strategies::ffd::first_fit;
use crate::{PlanRequest, Strategy};
use igniter_model::domain::Plan;
use igniter_model::predictor::MemberPrediction;
use igniter_model::rules::gslice::{
    GsliceObservation, START_PCT, TURNS, give_way, tuned_batch, tuned_share,
};
use igniter_model::units::{BatchSize, SmUnits};

/// The strategy `gslice`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gslice;

impl Strategy for Gslice {
    fn name(&self) -> &'static str {
        "gslice"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let (mut gpus, infeasible) = first_fit(request);
        let mut fitter = ShareFitter::new(request);
        for gpu in &mut gpus {
            tune(&mut fitter, gpu, request);
        }
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

/// Tunes the members of one GPU.
fn tune(fitter: &mut ShareFitter<'_>, gpu: &mut [PendingWorkload], request: &PlanRequest<'_>) {
    let mut shares = vec![START_PCT; gpu.len()];
    gpu.iter_mut().for_each(|seat| seat.sized.batch = BatchSize::ONE);
    for _ in 0..TURNS {
        tune_batches(fitter, gpu, &shares, request);
        let before = shares.clone();
        let predicted = run(fitter, gpu, &shares);
        for ((seat, share), p) in gpu.iter().zip(&mut shares).zip(&predicted) {
            *share = tuned_share(*share, seen(seat, p));
        }
        if before.iter().zip(&shares).all(|(a, b)| (a - b).abs() < 1e-9) {
            break;
        }
    }
    tune_batches(fitter, gpu, &shares, request);
    run(fitter, gpu, &shares);
}

fn tune_batches(
    fitter: &mut ShareFitter<'_>,
    gpu: &mut [PendingWorkload],
    shares: &[f64],
    request: &PlanRequest<'_>,
) {
    for _ in 0..TURNS {
        let predicted = run(fitter, gpu, shares);
        let mut changed = false;
        for (seat, p) in gpu.iter_mut().zip(&predicted) {
            let most = request.predictor().max_batch(seat.sized.demand.model);
            let batch = tuned_batch(seat.sized.batch, most, seen(seat, p));
            changed |= batch != seat.sized.batch;
            seat.sized.batch = batch;
        }
        if !changed {
            break;
        }
    }
}

/// Makes a trial run: sets the shares of the seats in whole units, scaled down where they exceed the GPU, and predicts
/// them.
fn run(
    fitter: &mut ShareFitter<'_>,
    gpu: &mut [PendingWorkload],
    shares: &[f64],
) -> Vec<MemberPrediction> {
    let whole = f64::from(fitter.whole());
    let scale = (100.0 / shares.iter().sum::<f64>()).min(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to whole")]
    let units = |share: &f64| (share * scale / 100.0 * whole).floor().max(1.0) as u32;
    let mut units: Vec<u32> = shares.iter().map(units).collect();
    give_way(&mut units, fitter.whole());
    for (seat, units) in gpu.iter_mut().zip(units) {
        seat.share = SmUnits::new(units);
    }
    fitter.predict(gpu).to_vec()
}

fn seen(seat: &PendingWorkload, p: &MemberPrediction) -> GsliceObservation {
    let demand = &seat.sized.demand;
    GsliceObservation {
        budget_ms: demand.budget_ms,
        latency_ms: p.latency_ms(),
        rate_rps: demand.rate_rps,
        throughput_rps: p.throughput_rps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::tables::{TablePredictor, tables};

    #[test]
    fn all_start_with_one_request_and_thirty_percent() {
        // A takes 2 + 50 / 30 = 3.667 ms for one request at 30 %: with an SLO of 8 ms, 8.3 % below its half, SLAB keeps it.
        // At 272.7/s its throughput is within 10 % above the rate as well, and UTIL keeps the share.
        let predictor = TablePredictor::new();
        let workloads = tables(&[("A", 8.0, 260.0)]);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let plan = Gslice.plan(&request);
        let placement = &plan.gpus[0].placements[0];
        assert_eq!((placement.batch.get(), placement.sm.get()), (1, 30));
        // FFD+ alone would give it what Theorem 1 asks for.
        let ffd = crate::strategies::ffd::Ffd.plan(&request);
        assert_ne!(ffd.gpus[0].placements[0].sm.get(), 30);
    }
}
