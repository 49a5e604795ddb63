//! iGniter's provisioning strategy (Xu et al., TPDS 2022, Theorem 1 and Algorithms 1-2).
//!
//! Each workload gets Theorem 1's batch size and the least SM share r_lower that meets half of its SLO
//! alone. In order of falling r_lower, each goes to the GPU where the shares of all members have to grow
//! least in sum until all demands are met again (`alloc_gpus`), or to a new GPU where none has room.
//!
//! Where the paper's public code misbehaves, this implementation follows the paper:
//! - a workload that no whole GPU can serve is reported, not placed with a negative share or above 100 %;
//! - where Theorem 1's batch needs more than one GPU, smaller batches are tried before giving up;
//! - the batch is capped at the largest measured one, and throughput is then checked on its own;
//! - the first workload of a GPU gets the share that it needs there, power throttling included;
//! - shares are whole allocation units, so no rounding errors accumulate.

use crate::shares::{PendingWorkload, ShareFitter, into_plan, total};
use crate::sizing::Sizer;
use crate::{PlanRequest, Strategy};
use igniter_model::domain::{Infeasible, Plan};

/// The strategy `igniter`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Igniter;

impl Strategy for Igniter {
    fn name(&self) -> &'static str {
        "igniter"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let (seats, infeasible) = largest_first(request);
        let whole = request.predictor().kind().units.get();
        let mut fitter = ShareFitter::new(request);
        let mut gpus: Vec<Vec<PendingWorkload>> = Vec::new();
        let (mut trial, mut best) = (Vec::new(), Vec::new());
        for seat in seats {
            let mut chosen: Option<(u32, usize)> = None;
            for (index, gpu) in gpus.iter().enumerate() {
                let before = total(gpu).get() + seat.share.get();
                // Only a smaller growth than the least so far can still win; of equals, the first GPU
                // wins.
                let most = match chosen {
                    Some((0, _)) => break,
                    Some((least, _)) => whole.min(before + least - 1),
                    None => whole,
                };
                if before > most {
                    continue;
                }
                trial.clone_from(gpu);
                trial.push(seat);
                if fitter.grow_to(&mut trial, most) {
                    chosen = Some((total(&trial).get() - before, index));
                    std::mem::swap(&mut trial, &mut best);
                }
            }
            match chosen {
                Some((_, index)) => gpus[index].clone_from(&best),
                None => gpus.push(vec![seat]),
            }
        }
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

/// Returns all workloads that one GPU can serve, by falling least share (equals in the scenario's order),
/// and the others with the reason.
pub(crate) fn largest_first(request: &PlanRequest<'_>) -> (Vec<PendingWorkload>, Vec<Infeasible>) {
    let mut sizer = Sizer::new(request);
    let mut seats = Vec::new();
    let mut infeasible = Vec::new();
    for (index, workload) in request.workloads().iter().enumerate() {
        let demand = request.demand(workload);
        match sizer.size(&demand) {
            Some(sized) => {
                seats.push(PendingWorkload { workload: index, sized, share: sized.least })
            }
            None => infeasible.push(sizer.explain(workload, &demand)),
        }
    }
    seats.sort_by_key(|seat| std::cmp::Reverse(seat.share));
    (seats, infeasible)
}
