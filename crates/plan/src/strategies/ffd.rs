//! FFD+, the interference-blind baseline of the iGniter paper: first fit decreasing.
//!
//! Batch sizes and least shares are those of `igniter`. In order of falling share, each workload goes
//! to the first GPU that has that much left. Latencies are not checked again, so co-located workloads
//! can miss their SLOs.

use crate::shares::{PendingWorkload, ShareFitter, into_plan, total};
use crate::strategies::igniter::largest_first;
use crate::{PlanRequest, Strategy};
use igniter_model::domain::{Infeasible, Plan};

/// The strategy `ffd`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ffd;

impl Strategy for Ffd {
    fn name(&self) -> &'static str {
        "ffd"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let (gpus, infeasible) = first_fit(request);
        into_plan(self.name(), request, &gpus, infeasible)
    }
}

/// Returns the placement: each workload with Theorem 1's batch and its least share alone.
pub(crate) fn first_fit(request: &PlanRequest<'_>) -> (Vec<Vec<PendingWorkload>>, Vec<Infeasible>) {
    let (seats, infeasible) = largest_first(request);
    let whole = request.predictor().kind().units;
    let fitter = ShareFitter::new(request);
    let mut gpus: Vec<Vec<PendingWorkload>> = Vec::new();
    for seat in seats {
        let fits = |gpu: &Vec<PendingWorkload>| {
            total(gpu) + seat.share <= whole && fitter.has_room_for(gpu, &seat)
        };
        match gpus.iter().position(fits) {
            Some(index) => gpus[index].push(seat),
            None => gpus.push(vec![seat]),
        }
    }
    (gpus, infeasible)
}
