//! MPS without partitions: every process may use all SMs, and the hardware shares them out.
//!
//! This is what co-location under NVIDIA MPS is when nobody sets `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`.
//! Workloads go to GPUs as in `ffd` (first fit by falling least share), because the default has no
//! placement of its own.
//!
//! Adaptation: the predictors speak of partitions, and two kernels that both may use all SMs do not both
//! get them. A plan therefore says what each member gets when all are busy, the equal part of the GPU that
//! time slicing among equals tends to, rounded down to whole units: such a plan is legal (no GPU above
//! 100 %), but members with more than an equal part of the work are slow, and the check says so.

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
            // As many members as units at most: each of them has a least share of one unit or more.
            let equal = SmUnits::new((whole / members).max(1));
            gpu.iter_mut().for_each(|seat| seat.share = equal);
        }
        into_plan(self.name(), request, &gpus, infeasible)
    }
}
