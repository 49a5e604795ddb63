//! A predictor whose execution times are all multiplied by one factor.

use super::{CoLocationPrediction, Member, Predictor, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes};

/// A wrapper that multiplies another predictor's execution times by a factor: a server slowed down as if by co-runners,
/// without the co-runners themselves.
#[derive(Debug, Clone, Copy)]
pub struct SlowedPredictor<'p> {
    inner: &'p dyn Predictor,
    factor: f64,
}

impl<'p> SlowedPredictor<'p> {
    /// Wraps a predictor; `factor` is at least 1.
    #[must_use]
    pub fn new(inner: &'p dyn Predictor, factor: f64) -> Self {
        Self { inner, factor }
    }
}

impl Predictor for SlowedPredictor<'_> {
    as_inner_but_for_predictions!(self);

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        self.inner.predict_into(members, out);
        for (member, predicted) in members.iter().zip(&mut out.members) {
            predicted.gpu_ms *= self.factor;
            let busy_ms = predicted.gpu_ms + predicted.feedback_ms;
            predicted.throughput_rps = member.batch.as_f64() / busy_ms * 1000.0;
        }
    }
}
