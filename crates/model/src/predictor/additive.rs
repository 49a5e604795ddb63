//! Predictors whose members affect each other only through sums.

use super::{Member, Predictor};
use crate::domain::ModelId;

/// The contribution of one member to a co-location, which does not depend on its co-runners.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Presence {
    /// Active time of a batch, alone at full clock, in ms (> 0).
    pub active_ms: f64,
    /// The disturbance that co-runners are exposed to, in the predictor's own unit (iGniter: % of L2).
    pub disturbance: f64,
    /// Power draw, in W.
    pub power_w: f64,
}

/// A predictor for which
///
/// ```text
/// t_gpu_i = (scheduling(model_i, n) + active_i (1 + sensitivity_i Σ_{j≠i} disturbance_j))
///           / clock_ratio(p_idle + Σ_j power_j)
/// ```
/// with n members. The time to copy a batch does not depend on the co-runners, and throughput is b / (t_gpu +
/// t_feedback). Planners can therefore evaluate members one by one, and prove stronger bounds.
/// [`Predictor::predict_into`] gives the same values up to rounding.
pub trait Additive: Predictor {
    /// Returns the contribution of a member.
    ///
    /// # Panics
    /// As [`Predictor::predict_into`].
    fn presence(&self, member: &Member) -> Presence;

    /// Returns the time that a batch of a model waits for its kernels to be launched among n members, in ms.
    fn scheduling_ms(&self, model: ModelId, members: usize) -> f64;

    /// Returns the relative increase of a model's active time for each unit of the others' disturbance.
    fn sensitivity(&self, model: ModelId) -> f64;

    /// Returns the ratio of the clock to its maximum at a power demand in W: 1 up to the kind's power cap, falling
    /// beyond it (0 < ratio ≤ 1).
    fn clock_ratio(&self, demand_w: f64) -> f64;
}
