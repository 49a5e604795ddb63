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
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn kind(&self) -> &GpuKind {
        self.inner.kind()
    }

    fn models(&self) -> &[ModelName] {
        self.inner.models()
    }

    fn max_batch(&self, model: ModelId) -> BatchSize {
        self.inner.max_batch(model)
    }

    fn memory(&self, model: ModelId) -> Option<Bytes> {
        self.inner.memory(model)
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        self.inner.predict_into(members, out);
        for (member, predicted) in members.iter().zip(&mut out.members) {
            predicted.gpu_ms *= self.factor;
            let busy_ms = predicted.gpu_ms + predicted.feedback_ms;
            predicted.throughput_rps = member.batch.as_f64() / busy_ms * 1000.0;
        }
    }

    fn uncertainty(&self, members: &[Member], of: usize) -> Option<Uncertainty> {
        self.inner.uncertainty(members, of)
    }
}
