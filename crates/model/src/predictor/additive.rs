//! Predictors whose members feel each other only through sums.

use super::{Member, Predictor};
use crate::domain::ModelId;

/// What one member brings to a co-location, whoever its neighbours are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Presence {
    /// Active time of a batch alone at full clock, in ms (> 0).
    pub active_ms: f64,
    /// What neighbours feel of it, in the predictor's own unit (iGniter: % of L2).
    pub disturbance: f64,
    /// Power that it draws, in W.
    pub power_w: f64,
}

/// A predictor for which
///
/// ```text
/// t_gpu_i = (scheduling(model_i, n) + active_i (1 + sensitivity_i Σ_{j≠i} disturbance_j))
///           / clock_ratio(p_idle + Σ_j power_j)
/// ```
/// with n members, while a batch takes as long to copy whoever its neighbours are, and throughput is
/// b / (t_gpu + t_feedback). Planners then evaluate members one by one, and prove stronger bounds.
/// [`Predictor::predict_into`] says the same up to rounding.
pub trait Additive: Predictor {
    /// What a member brings along.
    ///
    /// # Panics
    /// As [`Predictor::predict_into`].
    fn presence(&self, member: &Member) -> Presence;

    /// Time that a batch of a model waits for its kernels to be launched among n members, in ms.
    fn scheduling_ms(&self, model: ModelId, members: usize) -> f64;

    /// By which part each unit of the others' disturbance prolongs the active time of a model.
    fn sensitivity(&self, model: ModelId) -> f64;

    /// The clock over its maximum at a power demand in W: 1 up to the kind's power cap, falling beyond it
    /// (0 < ratio ≤ 1).
    fn clock_ratio(&self, demand_w: f64) -> f64;
}
