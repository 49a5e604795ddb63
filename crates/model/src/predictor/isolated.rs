//! Predictors without interference: `solo` and `solo_scaled`, the null models that any other predictor has to beat.
//!
//! `solo` gives every member the latency that it has alone on the GPU. `solo_scaled` multiplies this latency by one
//! constant wherever two or more members share a GPU.

use super::solo::SoloModels;
use super::{CoLocationPrediction, ErrorBounds, Member, MemberPrediction, Predictor, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes};

/// A predictor that gives solo latencies, multiplied by a constant in company.
#[derive(Debug, Clone, PartialEq)]
pub struct IsolatedPredictor {
    solo: SoloModels,
    factor: Option<f64>,
    bounds: Option<ErrorBounds>,
}

impl IsolatedPredictor {
    /// Creates the predictor `solo`, or `solo_scaled` where a factor is given.
    #[must_use]
    pub fn new(solo: SoloModels, factor: Option<f64>, bounds: Option<ErrorBounds>) -> Self {
        Self { solo, factor, bounds }
    }

    /// Returns the models alone.
    #[must_use]
    pub fn solo(&self) -> &SoloModels {
        &self.solo
    }

    /// Returns the constant of `solo_scaled`.
    #[must_use]
    pub fn factor(&self) -> Option<f64> {
        self.factor
    }
}

impl IsolatedPredictor {
    /// Returns the error bounds, where they were calibrated.
    #[must_use]
    pub fn bounds(&self) -> Option<ErrorBounds> {
        self.bounds
    }
}

impl Predictor for IsolatedPredictor {
    fn name(&self) -> &'static str {
        if self.factor.is_some() { "solo_scaled" } else { "solo" }
    }

    kind_and_models_of_solo!(self);

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        out.members.clear();
        let factor = self.factor.filter(|_| members.len() > 1).unwrap_or(1.0);
        let mut demand_w = self.solo.kind().idle_power.get();
        for member in members {
            demand_w += self.solo.power_w(&self.solo.term(member));
            out.members.push(scaled(&self.solo, member, factor));
        }
        self.solo.set_power(demand_w, out);
    }

    fn neighbours_never_help(&self) -> bool {
        self.factor.is_none_or(|factor| factor >= 1.0)
    }

    fn uncertainty(&self, members: &[Member], _of: usize) -> Option<Uncertainty> {
        let bounds = self.bounds.as_ref()?;
        Some(bounds.of(members, [1.0, 0.0], |member| self.solo.is_measured(member)))
    }
}

/// Returns the prediction of a member alone, with GPU time and copies multiplied by a factor.
pub(super) fn scaled(solo: &SoloModels, member: &Member, factor: f64) -> MemberPrediction {
    let model = &solo.coefficients()[member.model.index()];
    let copies = model.transfer(member.batch) * factor;
    let gpu_ms = solo.alone_ms(member) * factor;
    let load_ms = copies * model.load_part;
    let feedback_ms = copies - load_ms;
    let throughput_rps = member.batch.as_f64() / (gpu_ms + feedback_ms) * 1000.0;
    MemberPrediction { load_ms, gpu_ms, feedback_ms, throughput_rps }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::solo::ClockLaw;
    use crate::predictor::solo::tests::{close, member, toy_kind, toy_model};

    fn toy(factor: Option<f64>) -> IsolatedPredictor {
        let clock = ClockLaw { kappa_per_w: 0.001 };
        let solo = SoloModels::new(toy_kind(), clock, vec![toy_model("m")]);
        IsolatedPredictor::new(solo, factor, None)
    }

    #[test]
    fn by_hand() {
        // Batch 4 at 25 %: 16 ms and copies 3 ms, of which 0.75 ms come back; 50 W.
        let pair = [member(0, 4, 25.0); 2];
        let solo = toy(None).predict(&pair);
        close(solo.members[1].latency_ms(), 19.0);
        close(solo.members[1].throughput_rps, 4000.0 / 16.75);
        close(solo.power_w, 150.0);
        close(toy(Some(1.1)).predict(&pair).members[0].latency_ms(), 20.9);
        close(toy(Some(1.1)).predict(&pair[..1]).members[0].latency_ms(), 19.0);
    }

    #[test]
    fn names_tell_them_apart() {
        assert_eq!(toy(None).name(), "solo");
        assert_eq!(toy(Some(1.1)).name(), "solo_scaled");
    }
}
