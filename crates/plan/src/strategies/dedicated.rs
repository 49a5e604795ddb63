//! One GPU per workload, as in clusters that do not share GPUs.
//!
//! Each workload gets a whole GPU and Theorem 1's batch size. Without co-location there is no
//! interference: the upper end of every cost comparison.

use crate::shares::{PendingWorkload, into_plan};
use crate::strategies::igniter::largest_first;
use crate::{PlanRequest, Strategy};
use igniter_model::domain::Plan;

/// The strategy `dedicated`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dedicated;

impl Strategy for Dedicated {
    fn name(&self) -> &'static str {
        "dedicated"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let (mut seats, infeasible) = largest_first(request);
        seats.sort_by_key(|seat| seat.workload);
        let whole = request.predictor().kind().units;
        let gpu = |seat: PendingWorkload| vec![PendingWorkload { share: whole, ..seat }];
        let gpus: Vec<Vec<PendingWorkload>> = seats.into_iter().map(gpu).collect();
        into_plan(self.name(), request, &gpus, infeasible)
    }
}
