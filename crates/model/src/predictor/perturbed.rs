//! A predictor with random errors as large as its stated uncertainty, which shows how misprediction affects a plan.

use super::{CoLocationPrediction, Member, Predictor, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes};

/// The number of standard deviations within which 95 % of a normal distribution lies, on both sides together.
const TWO_SIDED_95: f64 = 1.959_964;
/// Lower limit of a latency, as a part of its prediction, for extreme draws.
const LEAST: f64 = 0.1;

/// The distribution from which the errors of a [`PerturbedPredictor`] are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErrorDraw {
    /// The predictor's own uncertainty.
    Uncertainty,
    /// A normal distribution with this standard deviation, in percent of the latency (≥ 0).
    StdPct(f64),
}

/// A wrapper around another predictor whose latencies are off by one random number for each model.
///
/// ```text
/// latency = predicted × (1 + z_model · h / 1.96),  h = two-sided 95 % half-width of the co-location,
///                                                  or 1.96 given standard deviations
/// ```
/// With z drawn from a standard normal distribution, the error stays within the half-width in 95 % of all draws. Power
/// and clock are those of the wrapped predictor.
#[derive(Debug)]
pub struct PerturbedPredictor {
    inner: Box<dyn Predictor>,
    draw: ErrorDraw,
    z: Vec<f64>,
}

impl PerturbedPredictor {
    /// Wraps a predictor; `z` has one number for each of its models.
    ///
    /// # Panics
    /// When there are more or fewer numbers than models.
    #[must_use]
    pub fn new(inner: Box<dyn Predictor>, draw: ErrorDraw, z: Vec<f64>) -> Self {
        assert_eq!(inner.models().len(), z.len(), "one number for each model");
        Self { inner, draw, z }
    }

    /// Returns the difference between a member's latency and its prediction, in percent; 0 where the predictor does not
    /// give an uncertainty.
    ///
    /// # Panics
    /// As [`Predictor::predict_into`].
    #[must_use]
    pub fn error_pct(&self, member: &Member, members: &[Member]) -> f64 {
        let place = members.iter().position(|m| m == member).unwrap_or(0);
        let half_width = self.half_width_pct(members, place).unwrap_or(0.0);
        100.0 * (self.factor(member, half_width) - 1.0)
    }

    fn half_width_pct(&self, members: &[Member], of: usize) -> Option<f64> {
        match self.draw {
            ErrorDraw::Uncertainty => self.inner.uncertainty(members, of).map(|u| u.two_sided_pct),
            ErrorDraw::StdPct(std) => Some(std * TWO_SIDED_95),
        }
    }

    fn factor(&self, member: &Member, half_width_pct: f64) -> f64 {
        (1.0 + self.z[member.model.index()] * half_width_pct / 100.0 / TWO_SIDED_95).max(LEAST)
    }
}

impl Predictor for PerturbedPredictor {
    as_inner_but_for_predictions!(self);

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        self.inner.predict_into(members, out);
        for (i, (member, prediction)) in members.iter().zip(&mut out.members).enumerate() {
            let Some(half_width) = self.half_width_pct(members, i) else { return };
            let factor = self.factor(member, half_width);
            prediction.load_ms *= factor;
            prediction.gpu_ms *= factor;
            prediction.feedback_ms *= factor;
            prediction.throughput_rps /= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::ErrorBounds;
    use crate::predictor::isolated::IsolatedPredictor;
    use crate::predictor::solo::tests::{close, member, toy_kind, toy_model};
    use crate::predictor::solo::{ClockLaw, SoloModels};

    fn toy(bounds: Option<ErrorBounds>) -> IsolatedPredictor {
        let clock = ClockLaw { kappa_per_w: 0.001 };
        let models = vec![toy_model("a"), toy_model("b")];
        IsolatedPredictor::new(SoloModels::new(toy_kind(), clock, models), None, bounds)
    }

    #[test]
    fn errors_by_hand() {
        // ±7.6 %: z = 1.959964 is +7.6 %, z = −0.979982 is −3.8 %. 19 ms alone at batch 4 and 25 %.
        let inner = toy(Some(ErrorBounds::DEFAULT));
        let perturbed = PerturbedPredictor::new(
            Box::new(inner),
            ErrorDraw::Uncertainty,
            vec![TWO_SIDED_95, -0.979_982],
        );
        let pair = [member(0, 4, 25.0), member(1, 4, 25.0)];
        let prediction = perturbed.predict(&pair);
        close(prediction.members[0].latency_ms(), 19.0 * 1.076);
        close(prediction.members[1].latency_ms(), 19.0 * 0.962);
        close(prediction.members[0].throughput_rps, 4000.0 / 16.75 / 1.076);
        close(perturbed.error_pct(&pair[1], &pair), -3.8);
        assert_eq!(prediction.power_w.to_bits(), 150.0_f64.to_bits());
    }

    #[test]
    fn a_predictor_that_cannot_say_is_left_alone() {
        let pair = [member(0, 4, 25.0), member(1, 4, 25.0)];
        let z = vec![3.0, -3.0];
        let perturbed =
            PerturbedPredictor::new(Box::new(toy(None)), ErrorDraw::Uncertainty, z.clone());
        assert_eq!(perturbed.predict(&pair), toy(None).predict(&pair));
        // Unless the error is given: 3 standard deviations of 5 % are 15 %.
        let perturbed = PerturbedPredictor::new(Box::new(toy(None)), ErrorDraw::StdPct(5.0), z);
        close(perturbed.error_pct(&pair[0], &pair), 15.0);
        close(perturbed.error_pct(&pair[1], &pair), -15.0);
    }
}
