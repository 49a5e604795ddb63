//! The interface between predictors and the stages that use them.

use super::{Additive, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes, SmPercent};
use std::fmt::Debug;

/// One member of a co-location, as a predictor sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The model: an index into [`Predictor::models`].
    pub model: ModelId,
    /// The batch size.
    pub batch: BatchSize,
    /// The SM share.
    pub sm: SmPercent,
}

/// The prediction for one member. Plain numbers in ms, for the inner loops of planner and engine; finite and ≥ 0 for
/// every member inside the predictor's range of validity.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MemberPrediction {
    /// Copy of the batch to the GPU, in ms.
    pub load_ms: f64,
    /// Execution on the GPU, slowed by the other members, in ms.
    pub gpu_ms: f64,
    /// Copy of the results back, in ms.
    pub feedback_ms: f64,
    /// Throughput in requests/s with back-to-back full batches, where loading overlaps with execution.
    pub throughput_rps: f64,
}

impl MemberPrediction {
    /// Returns the latency of one batch: load, execution and feedback, in ms (the paper's t_inf).
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        self.load_ms + self.gpu_ms + self.feedback_ms
    }
}

/// The prediction for a whole co-location.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoLocationPrediction {
    /// The predictions of the members, in their order.
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
    /// Returns the name by which users choose the predictor.
    fn name(&self) -> &'static str;

    /// Returns the GPU kind for which the predictor was fitted.
    fn kind(&self) -> &GpuKind;

    /// Returns the known models, in the order of [`ModelId`].
    fn models(&self) -> &[ModelName];

    /// Returns the largest batch size measured for a model; predictions beyond it are extrapolated.
    fn max_batch(&self, model: ModelId) -> BatchSize;

    /// Returns the device memory of one server process of a model, where known.
    fn memory(&self, model: ModelId) -> Option<Bytes>;

    /// Predicts all members of one co-location, overwriting `out` (whose buffer is reused).
    ///
    /// An empty co-location gives the prediction for an idle GPU.
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

    /// Returns how far the measured latency of the member at index `of` may lie from its prediction, or `None` where
    /// the predictor does not estimate it.
    ///
    /// # Panics
    /// As [`Predictor::predict_into`], and when `of` is not an index into `members`.
    fn uncertainty(&self, members: &[Member], of: usize) -> Option<Uncertainty> {
        let _ = (members, of);
        None
    }

    /// Returns the assumptions behind predictions of co-locations that were not measured on this GPU kind.
    fn assumed(&self) -> &[String] {
        &[]
    }

    /// Returns the predictor as an [`Additive`] one, where members affect each other only through sums. Planners are
    /// faster and prove stronger bounds with such predictors.
    fn additive(&self) -> Option<&dyn Additive> {
        None
    }

    /// Returns whether no member ever gains from a co-runner or from a co-runner's higher power: its latency never
    /// falls and its throughput never rises. Bounds on plans are proven only where this holds. Predictors that are
    /// [`Additive`] are checked by their tables instead.
    fn neighbours_never_help(&self) -> bool {
        false
    }

    /// Looks up a model by name.
    fn model_id(&self, name: &ModelName) -> Option<ModelId> {
        self.models().iter().position(|known| known == name).map(ModelId::new)
    }
}
