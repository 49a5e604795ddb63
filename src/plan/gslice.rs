//! GSLICE+: reactive tuning of shares and batches on a given placement.
//!
//! Dhakal et al., "GSLICE: controlled spatial sharing of GPUs for a scalable inference platform" (SoCC
//! 2020), as the iGniter artifact adapts it (`gslice.py`). Every workload starts with batch 1 and 30 % of
//! its GPU. Trial runs follow each other: the batch is tuned until it stays (*SLAB*, at most 5 runs), then
//! the share once (*UTIL*), at most 5 times over; then the batch at most 5 times more.
//!
//! ```text
//! SLAB   s = (S − t)/S:  keep b if 0 < s < 10 %, else b ← ⌈b ± b |S − t|/t⌉ in 1 … 32, + if s ≥ 0
//! UTIL   f = max(|S − t|/t, |h − R|/h):  keep r if both slacks lie in 0 … 10 %,
//!        r ← r (1 + f) if either is missed, else r (1 − f), in 1 … 100 %
//! ```
//! S budget, t latency, h throughput, R rate.
//!
//! Differences: a trial run is a prediction of the co-location. GSLICE tunes but does not place, so the
//! placement is FFD+'s. It is blind to interference and to the sum of shares; where the tuned shares of
//! a GPU exceed it, all are scaled down together, in trial runs and in the plan. The artifact's slip that
//! a slack of exactly zero gives 1 % is not copied.

use super::ffd::first_fit;
use super::shares::{Seat, ShareFitter, into_plan, total};
use super::{PlanRequest, Strategy};
use crate::domain::Plan;
use crate::predictor::MemberPrediction;
use crate::units::{BatchSize, SmUnits};

const START_PCT: f64 = 30.0;
const TURNS: usize = 5;
/// A slack between nothing and this part is left alone.
const SLACK: f64 = 0.1;

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
fn tune(fitter: &mut ShareFitter<'_>, gpu: &mut [Seat], request: &PlanRequest<'_>) {
    let mut shares = vec![START_PCT; gpu.len()];
    gpu.iter_mut().for_each(|seat| seat.sized.batch = BatchSize::ONE);
    for _ in 0..TURNS {
        tune_batches(fitter, gpu, &shares, request);
        let before = shares.clone();
        let predicted = run(fitter, gpu, &shares);
        for ((seat, share), p) in gpu.iter().zip(&mut shares).zip(&predicted) {
            *share = tuned_share(seat, *share, p);
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
    gpu: &mut [Seat],
    shares: &[f64],
    request: &PlanRequest<'_>,
) {
    for _ in 0..TURNS {
        let predicted = run(fitter, gpu, shares);
        let mut changed = false;
        for (seat, p) in gpu.iter_mut().zip(&predicted) {
            let batch = tuned_batch(seat, p, request);
            changed |= batch != seat.sized.batch;
            seat.sized.batch = batch;
        }
        if !changed {
            break;
        }
    }
}

/// A trial run: gives the seats their shares in whole units, scaled where they exceed the GPU.
fn run(fitter: &mut ShareFitter<'_>, gpu: &mut [Seat], shares: &[f64]) -> Vec<MemberPrediction> {
    let whole = f64::from(fitter.whole());
    let scale = (100.0 / shares.iter().sum::<f64>()).min(1.0);
    for (seat, share) in gpu.iter_mut().zip(shares) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to whole")]
        let units = (share * scale / 100.0 * whole).floor().max(1.0) as u32;
        seat.share = SmUnits::new(units);
    }
    // Rounding tiny shares up to one unit can exceed the GPU: the largest give way.
    while total(gpu).get() > fitter.whole()
        && let Some(largest) = gpu.iter_mut().max_by_key(|seat| seat.share)
    {
        largest.share = SmUnits::new(largest.share.get() - 1);
    }
    fitter.predict(gpu).to_vec()
}

fn tuned_batch(seat: &Seat, p: &MemberPrediction, request: &PlanRequest<'_>) -> BatchSize {
    let (budget, latency) = (seat.sized.demand.budget_ms, p.latency_ms());
    let slack = (budget - latency) / budget;
    if 0.0 < slack && slack < SLACK {
        return seat.sized.batch;
    }
    let batch = seat.sized.batch.as_f64();
    let most = request.predictor().max_batch(seat.sized.demand.model);
    let step = batch * (budget - latency) / latency;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to most")]
    let size = (batch + step).clamp(1.0, most.as_f64()).ceil() as u32;
    BatchSize::new(size).expect("it is at least 1")
}

fn tuned_share(seat: &Seat, share: f64, p: &MemberPrediction) -> f64 {
    let demand = &seat.sized.demand;
    let latency = (demand.budget_ms - p.latency_ms()) / p.latency_ms();
    let throughput = (p.throughput_rps - demand.rate_rps) / p.throughput_rps;
    let kept = |slack: f64| (0.0..SLACK).contains(&slack);
    if kept(latency) && kept(throughput) {
        return share;
    }
    let factor = latency.abs().max(throughput.abs());
    let missed = latency < 0.0 || throughput < 0.0;
    (if missed { share * (1.0 + factor) } else { share * (1.0 - factor) }).clamp(1.0, 100.0)
}
