//! The contract between predictors and the stages that use them.

use super::{Additive, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes, SmPercent};
use std::fmt::Debug;

/// One member of a co-location, as a predictor sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// Which model; an index into [`Predictor::models`].
    pub model: ModelId,
    /// How many requests it executes together.
    pub batch: BatchSize,
    /// Its SM share.
    pub sm: SmPercent,
}

/// What a predictor says of one member. Bare numbers in ms, for the inner loops of planner and
/// engine; finite and ≥ 0 for every member inside the predictor's range of validity.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MemberPrediction {
    /// Copy of the batch to the GPU, in ms.
    pub load_ms: f64,
    /// Execution on the GPU, slowed by the other members, in ms.
    pub gpu_ms: f64,
    /// Copy of the results back, in ms.
    pub feedback_ms: f64,
    /// Requests/s with back-to-back full batches, loading overlapped with execution.
    pub throughput_rps: f64,
}

impl MemberPrediction {
    /// Load, execution and feedback of one batch, in ms (the paper's t_inf).
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        self.load_ms + self.gpu_ms + self.feedback_ms
    }
}

/// What a predictor says of a whole co-location.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoLocationPrediction {
    /// One entry for each member, in their order.
    pub members: Vec<MemberPrediction>,
    /// Power that the members would draw without the cap, in W.
    pub power_demand_w: f64,
    /// Power drawn: the demand, limited by the cap, in W.
    pub power_w: f64,
    /// SM clock, in MHz.
    pub clock_mhz: f64,
}

/// A fitted performance model of one GPU kind.
pub trait Predictor: Debug + Send + Sync {
    /// The name by which users choose it.
    fn name(&self) -> &'static str;

    /// The GPU kind that it was fitted for.
    fn kind(&self) -> &GpuKind;

    /// The models that it knows, in the order of [`ModelId`].
    fn models(&self) -> &[ModelName];

    /// The largest batch size that was measured for a model; beyond it every number is extrapolated.
    fn max_batch(&self, model: ModelId) -> BatchSize;

    /// Device memory of one server process of a model, where known.
    fn memory(&self, model: ModelId) -> Option<Bytes>;

    /// Predicts all members of one co-location, overwriting `out` (whose buffer is re-used).
    ///
    /// An empty co-location gives the idle GPU.
    ///
    /// # Panics
    /// When a member's model is not one of [`Predictor::models`].
    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction);

    /// Predicts all members of one co-location.
    fn predict(&self, members: &[Member]) -> CoLocationPrediction {
        let mut out = CoLocationPrediction::default();
        self.predict_into(members, &mut out);
        out
    }

    /// How far the measured latency of a member may lie from its prediction, or `None` for a predictor
    /// that cannot say.
    ///
    /// # Panics
    /// As [`Predictor::predict_into`].
    fn uncertainty(&self, members: &[Member]) -> Option<Uncertainty> {
        let _ = members;
        None
    }

    /// The predictor as one whose members feel each other only through sums, where it is one. Planners
    /// are faster and prove stronger bounds where that is so.
    fn additive(&self) -> Option<&dyn Additive> {
        None
    }

    /// Looks a model up by name.
    fn model_id(&self, name: &ModelName) -> Option<ModelId> {
        self.models().iter().position(|known| known == name).map(ModelId::new)
    }
}
