//! The attainment to plan for, so that a run of some length reaches the target with a given confidence.

use super::super::PlanRequest;
use super::super::traffic::Luck;
use super::class::{ArrivalKnowledge, Class};

/// The target attainment, with the confidence to reach it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AttainmentTarget {
    /// The part of the requests that must be in time, from 0 to 1.
    pub attained: f64,
    /// The confidence, as a number of standard deviations from the mean.
    pub deviations: f64,
}

impl AttainmentTarget {
    /// Makes a target from percentages, each above 0 and below 100. A confidence below 50 % counts as 50 %.
    pub(super) fn new(attainment_pct: f64, confidence_pct: f64) -> Self {
        let deviations = normal_quantile(confidence_pct / 100.0).max(0.0);
        Self { attained: attainment_pct / 100.0, deviations }
    }

    /// Returns the long-run attainment with which a run of `requests` requests reaches the target with the
    /// confidence.
    ///
    /// The number of late requests among n has about the mean n q and the variance D n q, where D is the index of
    /// dispersion: late requests cluster. So the part q that may be late in the long run is given by
    ///
    /// ```text
    /// q + z √(D q / n) = 1 − target
    /// ```
    pub(super) fn goal(&self, dispersion: f64, requests: f64) -> f64 {
        let late = 1.0 - self.attained;
        let spread = self.deviations * (dispersion / requests.max(1.0)).sqrt();
        let root = ((spread * spread + 4.0 * late).sqrt() - spread) / 2.0;
        1.0 - root * root
    }

    /// Returns how far the attainment of such a run may lie below and above its mean. Both tails together have twice
    /// the tail probability of the confidence: it is the two-sided interval that belongs to the one-sided confidence.
    pub(super) fn spread(&self, attained: f64, dispersion: f64, requests: f64) -> f64 {
        let late = (1.0 - attained).max(1.0 / requests.max(1.0));
        self.deviations * (dispersion * late / requests.max(1.0)).sqrt()
    }

    /// Returns the number of requests needed to tell the target from one with half as many late requests again.
    pub(super) fn requests_needed(&self, dispersion: f64) -> f64 {
        4.0 * self.deviations * self.deviations * dispersion / (1.0 - self.attained)
    }
}

/// Returns the attainment target of the request.
pub(super) fn target(request: &PlanRequest<'_>) -> AttainmentTarget {
    AttainmentTarget::new(request.options().attainment_pct, request.options().confidence_pct)
}

/// Returns the attainment to plan a class for.
pub(super) fn goal(target: AttainmentTarget, class: &Class, dispersion: f64) -> f64 {
    match &class.source {
        ArrivalKnowledge::Chain => target.goal(dispersion, class.requests),
        ArrivalKnowledge::Draws(draws, Luck::Varies) => {
            // Results from draws have a random error of their own as well.
            let drawn: usize = draws.iter().map(|draw| draw.counted()).sum();
            #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
            let drawn = (drawn as f64).max(1.0);
            target.goal(dispersion, 1.0 / (1.0 / class.requests.max(1.0) + 1.0 / drawn))
        }
        ArrivalKnowledge::Draws(_, Luck::None | Luck::Recorded) | ArrivalKnowledge::Simulated => {
            target.attained
        }
    }
}

/// Returns the quantile of the standard normal distribution for a probability (0 to 1), by bisection of the
/// distribution function.
fn normal_quantile(probability: f64) -> f64 {
    let below = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if below(middle) < probability { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_tables() {
        for (probability, expected) in [(0.5, 0.0), (0.95, 1.644_854), (0.99, 2.326_348)] {
            assert!((normal_quantile(probability) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_run_at_the_goal_reaches_the_target_so_often() {
        let target = AttainmentTarget::new(99.0, 95.0);
        for (dispersion, requests) in [(1.0, 2e3), (5.0, 1e4), (50.0, 1e6)] {
            let late = 1.0 - target.goal(dispersion, requests);
            let deviation = (dispersion * late / requests).sqrt();
            assert!((late + 1.644_854 * deviation - 0.01).abs() < 1e-7);
            assert!(late > 0.0 && late < 0.01);
        }
        let sure = AttainmentTarget::new(99.0, 50.0);
        assert!((sure.goal(50.0, 100.0) - 0.99).abs() < 1e-9);
    }
}
