//! gpu-lets as its authors schedule them: at most two partitions per GPU, each shared in time by up to three models.
//!
//! Choi et al., "Serving heterogeneous machine learning models on multi-GPU servers with spatio-temporal sharing"
//! (USENIX ATC 2022), by the rules of its public code (casys-kaist/glet, `scheduler_incremental.cpp`). Strategy
//! `gpulets` is the simpler form to which the iGniter paper compares. L is a latency times 1.1 (the ratio in all
//! configurations of the original), and beside a neighbour also times 1.0818 (see [`super::gpulets`]); R and S are rate
//! and SLO:
//!
//! - partitions ("gpu-lets") are 20, 40, 50, 60, 80 or 100 % of a GPU, and a free GPU is divided into p and 100 − p;
//! - a gpu-let that one model keeps busy (*saturated*) needs 2 L(b) ≤ S. Any other has a duty cycle d, in which it
//!   executes one batch of each of its models, and needs L(b) + d ≤ S, with d = b / R;
//! - workloads are placed by rising R · S. Each is divided into pieces (see `pieces`), which are all placed by best
//!   fit: a whole free GPU is as good as an exact fit, and of equal gpu-lets the last is taken. A piece in a larger
//!   gpu-let uses all of it;
//! - where a piece finds no place, the workload fills the free gpu-lets, from the largest on; then its residual parts
//!   are merged if one gpu-let of their size serves them all;
//! - the rest of the rate shares the fullest possible gpu-let in time: all batches of its cycle must execute within the
//!   cycle, and cycle and batches within the SLO of each model (`share`);
//! - all this is tried for 1 GPU, then 2 and so on, until everything has a place.
//!
//! Adaptation: the whole rate is served, where the original drops up to 15 requests/s of each workload; rates and
//! cycles are not rounded to whole numbers. A batch of 1 waits for no other request, so at low rates its cycle is
//! S − L, or that of the gpu-let that it shares. A gpu-let is shared only where full batches of all its models serve their
//! rates. The regression of interference on L2 and DRAM use is reduced to its intercept. The rate that a workload loses
//! to a new neighbour (when it exceeds its SLO by more than 5 %) is placed again at the end. The search for the number
//! of GPUs begins at the least that could suffice, and above 200 GPUs it advances by 1 in 200. Kept: the original's
//! check of the neighbour, which requires that two of its cycles be shorter than its SLO. The scenario decides how long
//! a batch waits; in a shared gpu-let, a batch waits for its turn, not for its cycle. With [`Replicas::Forbidden`], a
//! workload is one piece, in the smallest gpu-let that serves it.
//!
//! Reproduced: gpu-lets, batches and duty cycles of the original's scheduler for linear latency tables (see the tests).
//! Not reproduced: the paper's throughput (61.7 % more than a temporal scheduler), because its latency tables are not
//! public.

mod pieces;
mod schedule;
mod share;
#[cfg(test)]
mod tests;

use crate::alone::SoloPredictor;
use crate::shares::{PendingWorkload, into_plan_with_turns};
use crate::sizing::{Demand, Sizer};
use crate::{PlanRequest, Replicas, Strategy};
use igniter_model::domain::Plan;
use igniter_model::units::BatchSize;
use pieces::GpuletLatencies;
use schedule::{GpuletWorkload, Schedule};
use std::collections::BTreeSet;

/// Sizes of gpu-lets, in percent of a GPU.
const PARTS: [u32; 6] = [20, 40, 50, 60, 80, 100];

/// Remaining rates below this are rounding errors.
const NO_RATE_RPS: f64 = 1e-6;

/// Up to this number of GPUs the search advances by 1, then in steps of one part in this number.
const FINE_GPUS: usize = 200;

/// Factors by which latencies are multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Factors {
    /// Applied always.
    ratio: f64,
    /// Applied beside a neighbour.
    beside: f64,
}

impl Default for Factors {
    fn default() -> Self {
        Self { ratio: 1.1, beside: super::gpulets::SLOWDOWN }
    }
}

/// The strategy `gpulets-atc`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GpuletsAtc {
    factors: Factors,
}

impl Strategy for GpuletsAtc {
    fn name(&self) -> &'static str {
        "gpulets-atc"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let demands: Vec<Demand> = request.workloads().iter().map(|w| request.demand(w)).collect();
        let mut sizer = Sizer::new(request);
        let latencies = GpuletLatencies::new(request, &demands, self.factors);
        let divide = request.options().replicas != Replicas::Forbidden;
        let mut left_out: BTreeSet<usize> = (0..demands.len())
            .filter(|&w| {
                let fits = sizer.fits_memory(demands[w].model);
                !fits || latencies.pieces(w, demands[w].rate_rps, divide).is_empty()
            })
            .collect();
        let gpus = loop {
            match fewest(request, &demands, &latencies, divide, &left_out) {
                Ok(gpus) => break gpus,
                Err(workload) => left_out.insert(workload),
            };
        };
        let why = "no gpu-let serves it: a saturated one must execute its batch within half of the SLO, 10 % longer \
                   than predicted";
        let refused =
            left_out.iter().map(|&w| sizer.refusal(&request.workloads()[w], &demands[w], why));
        let infeasible = refused.collect();
        let alone = SoloPredictor::new(request);
        let (mut seats, mut slots) = (Vec::new(), Vec::new());
        for gpu in gpus {
            let (mut of_gpu, mut slots_of_gpu): (Vec<PendingWorkload>, Vec<Option<u32>>) =
                Default::default();
            for (number, node) in (0..).zip(&gpu) {
                for GpuletWorkload { workload, batch, rate_rps, .. } in &node.members {
                    let demand = Demand { rate_rps: *rate_rps, ..demands[*workload] };
                    let batch = BatchSize::new(*batch).expect("a batch of one or more");
                    let share = alone.units(PARTS[node.part]);
                    of_gpu.push(SoloPredictor::seat(*workload, &demand, batch, share));
                    slots_of_gpu.push((node.members.len() > 1).then_some(number));
                }
            }
            seats.push(of_gpu);
            slots.push(slots_of_gpu);
        }
        into_plan_with_turns(self.name(), request, &seats, &slots, infeasible)
    }
}

/// Returns the schedule with the fewest GPUs, without empty ones, or the workload that finds no place on any number of
/// GPUs.
fn fewest(
    request: &PlanRequest<'_>,
    demands: &[Demand],
    latencies: &GpuletLatencies,
    divide: bool,
    left_out: &BTreeSet<usize>,
) -> Result<Vec<Vec<schedule::Gpulet>>, usize> {
    let mut order: Vec<usize> = (0..demands.len()).filter(|w| !left_out.contains(w)).collect();
    let weight = |w: usize| demands[w].rate_rps * demands[w].budget_ms;
    // Of equal weights, the last in the list comes first.
    order.sort_by(|&a, &b| weight(a).total_cmp(&weight(b)).then(b.cmp(&a)));
    let least: f64 =
        order.iter().map(|&w| demands[w].rate_rps / latencies.most_rps_of_gpu(w)).sum();
    let pieces: usize =
        order.iter().map(|&w| latencies.pieces(w, demands[w].rate_rps, divide).len()).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few GPUs")]
    let mut count = (least - 1e-9).ceil().max(0.0) as usize;
    loop {
        let mut schedule = Schedule::new(request, demands, latencies, divide, count);
        match schedule.place_all(&order) {
            Ok(()) => return Ok(schedule.into_gpus()),
            // Each piece could have a GPU of its own, and the rate that it loses to neighbours another.
            Err(workload) if count > 3 * pieces => return Err(workload),
            Err(_) => count += 1 + count / FINE_GPUS,
        }
    }
}
