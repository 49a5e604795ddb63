//! MPS without partitions: every process may use all SMs, and the hardware divides them.
//!
//! This is co-location under NVIDIA MPS without `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`. Workloads go to GPUs
//! as in `ffd` (first fit by falling least share), because the default has no placement of its own.
//!
//! Adaptation: the predictors model partitions, and two kernels that both may use all SMs do not both get
//! them. The share of a member in the plan is therefore what it gets when all are busy: the equal part of
//! the GPU to which time slicing among equals tends, rounded down to whole units. Such a plan is legal (no
//! GPU above 100 %), but members with more than an equal part of the work are slow, and the check reports
//! them.

use crate::shares::into_plan;
use crate::strategies::ffd::first_fit;
use crate::{PlanRequest, Strategy};
use igniter_model::domain::Plan;
use igniter_model::units::SmUnits;

/// The strategy `mps-default`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MpsDefault;

impl Strategy for MpsDefault {
    fn name(&self) -> &'static str {
        "mps-default"
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let (mut gpus, infeasible) = first_fit(request);
        let whole = request.predictor().kind().units.get();
        for gpu in &mut gpus {
            let members = u32::try_from(gpu.len()).unwrap_or(u32::MAX);
            // There are at most as many members as units, because each has a least share of at least one
            // unit.
            let equal = SmUnits::new((whole / members).max(1));
            gpu.iter_mut().for_each(|seat| seat.share = equal);
        }
        into_plan(self.name(), request, &gpus, infeasible)
    }
}
