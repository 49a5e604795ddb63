//! gpu-lets+: at most two partitions of fixed sizes on each GPU, with one constant for interference.
//!
//! Choi et al., "Serving heterogeneous machine learning models on multi-GPU servers with spatio-temporal
//! sharing" (USENIX ATC 2022), as the iGniter artifact adapts it (`gpulet.py`), with its bugs fixed:
//!
//! - partitions of 20, 40, 50, 60, 80 and 100 % of a GPU, at most two on each (the original's set);
//! - *knee*: the inner point of highest curvature of the throughput at batch 1 over shares of 10, 20, 40,
//!   50, 60, 80 and 100 %. The curvature is that of the parabola through a point and its neighbours, with
//!   chord length as the parameter (the artifact's definition; the number of partitions depends strongly
//!   on it);
//! - workloads are placed by falling rate. Each takes the smallest free partition of at least the ideal
//!   size, which is the lesser of the knee and the smallest size that serves the rest of the rate; a
//!   half-used GPU gives all that it has left;
//! - interference: latencies beside a neighbour are 8.18 % longer. The original fits a regression on L2
//!   and DRAM use. On the artifact's 1,500 measured pairs the coefficients are [-2.7e-5, -5.2e-5,
//!   -3.8e-4, 1.22e-3] with intercept 0.0818 and R² = 0.15, so for L2 and DRAM shares in percent the
//!   regression is almost its intercept. The intercept alone also works with a profile without DRAM
//!   tables;
//! - fixed: the search for the required size stops at the first that suffices, throughput is that of the
//!   batch in use, the neighbour is checked too, and workloads that no partition serves are reported.
//!
//! With [`Replicas::Forbidden`], a workload is not divided: its ideal size is the smallest that serves
//! all of its rate, whatever the knee.

use crate::alone::SoloPredictor;
use crate::shares::{PendingWorkload, into_plan};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy};
use igniter_model::domain::Plan;
use igniter_model::units::BatchSize;

/// Sizes of partitions in percent of a GPU.
const SIZES: [u32; 6] = [20, 40, 50, 60, 80, 100];

/// Shares at which the knee is searched for, in percent.
const KNEE_SHARES: [u32; 7] = [10, 20, 40, 50, 60, 80, 100];

/// Factor by which a neighbour slows a partition: the intercept of the regression; see the module
/// documentation.
pub(super) const SLOWDOWN: f64 = 1.0818;

/// Remaining rates below this are rounding errors.
const NO_RATE_RPS: f64 = 1e-6;

/// The strategy `gpulets`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gpulets;

/// A GPU with one or two partitions.
struct Partitions {
    seats: Vec<PendingWorkload>,
    free_pct: u32,
}

impl Strategy for Gpulets {
    fn name(&self) -> &'static str {
        "gpulets"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let mut alone = SoloPredictor::new(request);
        let mut demands: Vec<(usize, Demand)> =
            request.workloads().iter().map(|w| request.demand(w)).enumerate().collect();
        demands.sort_by(|a, b| b.1.rate_rps.total_cmp(&a.1.rate_rps));
        let mut gpus: Vec<Partitions> = Vec::new();
        let mut failed: Vec<(usize, Demand)> = Vec::new();
        let mut sizer = Sizer::new(request);
        for (workload, demand) in demands {
            let fits = sizer.fits_memory(demand.model);
            if !fits || !place(&mut alone, request, &mut gpus, workload, &demand) {
                failed.push((workload, demand));
            }
        }
        failed.sort_by_key(|(workload, _)| *workload);
        let infeasible = failed.iter().map(|(index, demand)| {
            let workload = &request.workloads()[*index];
            let why =
                "no partition of gpu-lets serves its rate with full batches within its budget";
            sizer.refusal(workload, demand, why)
        });
        let infeasible = infeasible.collect();
        let gpus: Vec<Vec<PendingWorkload>> = gpus.into_iter().map(|gpu| gpu.seats).collect();
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

/// Places a workload, in parts where that is allowed; returns false when no partition can serve it.
fn place(
    alone: &mut SoloPredictor<'_>,
    request: &PlanRequest<'_>,
    gpus: &mut Vec<Partitions>,
    workload: usize,
    demand: &Demand,
) -> bool {
    let knee = knee(alone, demand);
    let divide = request.options().replicas == Replicas::Allowed;
    let mut left = *demand;
    while left.rate_rps > NO_RATE_RPS {
        let whole_rate = required(alone, &left);
        let ideal = match (whole_rate, divide) {
            (Some(size), true) => size.min(knee),
            (None, true) => knee,
            (Some(size), false) => size,
            (None, false) => return false,
        };
        let used = best_fit(alone, gpus, &left, ideal, divide);
        let (index, batch, throughput_rps) = if let Some(fit) = used {
            fit
        } else {
            // Where the knee is too small for any batch, larger sizes are tried.
            let sizes = SIZES.iter().copied().filter(|size| *size >= ideal);
            let opened = sizes.into_iter().find_map(|size| {
                let share = alone.units(size);
                let (batch, p) = alone.largest_batch(&left, share, 1.0)?;
                Some((size, batch, p.throughput_rps))
            });
            let Some((size, batch, rps)) = opened else { return false };
            gpus.push(Partitions { seats: Vec::new(), free_pct: 100 - size });
            let seat = SoloPredictor::seat(workload, &left, batch, alone.units(size));
            serve(&mut gpus.last_mut().expect("just opened").seats, seat, &mut left, rps);
            continue;
        };
        let gpu = &mut gpus[index];
        let share = alone.units(gpu.free_pct);
        gpu.free_pct = 0;
        let seat = SoloPredictor::seat(workload, &left, batch, share);
        serve(&mut gpu.seats, seat, &mut left, throughput_rps);
    }
    true
}

/// Adds a seat that serves as much of the remaining rate as it can.
fn serve(
    seats: &mut Vec<PendingWorkload>,
    mut seat: PendingWorkload,
    left: &mut Demand,
    throughput_rps: f64,
) {
    let served = left.rate_rps.min(throughput_rps);
    seat.sized.demand.rate_rps = served;
    seats.push(seat);
    left.rate_rps -= served;
}

/// Returns the smallest size that serves the whole rate.
fn required(alone: &mut SoloPredictor<'_>, demand: &Demand) -> Option<u32> {
    SIZES.into_iter().find(|&size| {
        let share = alone.units(size);
        alone.largest_batch(demand, share, 1.0).is_some_and(|(_, p)| demand.meets_rate(&p))
    })
}

/// Returns the half-used GPU with the smallest sufficient free part on which both partitions meet their
/// demands, with the batch and throughput there.
fn best_fit(
    alone: &mut SoloPredictor<'_>,
    gpus: &[Partitions],
    demand: &Demand,
    ideal: u32,
    divide: bool,
) -> Option<(usize, BatchSize, f64)> {
    let mut candidates: Vec<usize> =
        (0..gpus.len()).filter(|&i| gpus[i].free_pct >= ideal.max(1)).collect();
    candidates.sort_by_key(|&i| gpus[i].free_pct);
    candidates.into_iter().find_map(|index| {
        let gpu = &gpus[index];
        let share = alone.units(gpu.free_pct);
        let (batch, p) = alone.largest_batch(demand, share, SLOWDOWN)?;
        let throughput_rps = p.throughput_rps / SLOWDOWN;
        let enough = divide || throughput_rps >= demand.rate_rps;
        let room = alone.has_room_for(&gpu.seats, &SoloPredictor::seat(0, demand, batch, share));
        let first = &gpu.seats[0];
        let neighbour = alone.predict(&first.sized.demand, first.sized.batch, first.share);
        let holds = neighbour.latency_ms() * SLOWDOWN <= first.sized.demand.budget_ms
            && neighbour.throughput_rps / SLOWDOWN >= first.sized.demand.rate_rps;
        (enough && holds && room).then_some((index, batch, throughput_rps))
    })
}

/// Returns the knee of the model's throughput over its share, in percent; see the module documentation.
fn knee(alone: &mut SoloPredictor<'_>, demand: &Demand) -> u32 {
    let points: Vec<(f64, f64)> = KNEE_SHARES
        .iter()
        .map(|&pct| {
            let p = alone.predict(demand, BatchSize::ONE, alone.units(pct));
            (f64::from(pct), p.throughput_rps)
        })
        .collect();
    let inner = 1..points.len() - 1;
    let sharpest = inner.max_by(|&a, &b| {
        let at = |i: usize| curvature([points[i - 1], points[i], points[i + 1]]);
        at(a).total_cmp(&at(b)).then(b.cmp(&a))
    });
    KNEE_SHARES[sharpest.expect("there are inner points")]
}

/// Returns the curvature, at the middle point, of the parabola through three points.
fn curvature([p, q, r]: [(f64, f64); 3]) -> f64 {
    // Uses square roots, because libraries do not agree on the last digit of `hypot` and `powf`.
    let chord = |p: (f64, f64), q: (f64, f64)| {
        ((q.0 - p.0) * (q.0 - p.0) + (q.1 - p.1) * (q.1 - p.1)).sqrt()
    };
    let (a, b) = (chord(p, q), chord(q, r));
    // x(t) with x(−a), x(0), x(b): slope and second derivative at t = 0.
    let derivatives = |p: f64, q: f64, r: f64| {
        let second = 2.0 * ((r - q) / b - (q - p) / a) / (a + b);
        ((r - q) / b - second * b / 2.0, second)
    };
    let (x1, x2) = derivatives(p.0, q.0, r.0);
    let (y1, y2) = derivatives(p.1, q.1, r.1);
    let speed = (x1 * x1 + y1 * y1).sqrt();
    (x1 * y2 - y1 * x2).abs() / (speed * speed * speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_has_its_curvature() {
        // y = x² at (−1, 1), (0, 0), (1, 1): chords √2 each; x(t) = t/√2, y(t) = t²/2:
        // x' = 1/√2, y'' = 1, y' = x'' = 0 → κ = (1/√2) / (1/√2)³ = 2.
        assert!((curvature([(-1.0, 1.0), (0.0, 0.0), (1.0, 1.0)]) - 2.0).abs() < 1e-12);
    }
}
