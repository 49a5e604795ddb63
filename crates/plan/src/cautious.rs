//! Predictions made pessimistic by the margin of error that the predictor states.

use super::{Margin, PlanOptions};
use igniter_model::domain::ModelId;
use igniter_model::predictor::{CoLocationPrediction, Member, Predictor};
use igniter_model::units::{BatchSize, SmPercent};

/// Predicts a co-location, with the predictor's margin where the options ask for it. A margin in
/// percent lowers the budget instead (`PlanOptions::guarded_budget_ms`).
pub(super) fn predict_into(
    predictor: &dyn Predictor,
    options: &PlanOptions,
    members: &[Member],
    out: &mut CoLocationPrediction,
) {
    predictor.predict_into(members, out);
    if options.margin != Margin::Predictor || members.is_empty() {
        return;
    }
    for (i, member) in out.members.iter_mut().enumerate() {
        let Some(uncertainty) = predictor.uncertainty(members, i) else { return };
        let factor = 1.0 + uncertainty.one_sided_pct / 100.0;
        member.load_ms *= factor;
        member.gpu_ms *= factor;
        member.feedback_ms *= factor;
        member.throughput_rps /= factor;
    }
}

/// Returns whether a predictor states its margin of error.
pub(super) fn is_known(predictor: &dyn Predictor) -> bool {
    let Ok(sm) = SmPercent::new(50.0) else { return false };
    let member = Member { model: ModelId::new(0), batch: BatchSize::ONE, sm };
    !predictor.models().is_empty() && predictor.uncertainty(&[member], 0).is_some()
}
