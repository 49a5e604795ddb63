//! A predictor all of whose execution times are longer by one factor.

use super::{CoLocationPrediction, Member, Predictor, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes};

/// Another predictor, with execution times multiplied by a factor: a server as its neighbours make it, without
/// the neighbours.
#[derive(Debug, Clone, Copy)]
pub struct SlowedPredictor<'p> {
    inner: &'p dyn Predictor,
    factor: f64,
}

impl<'p> SlowedPredictor<'p> {
    /// `factor` is at least 1.
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
