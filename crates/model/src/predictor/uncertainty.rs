//! How far predictions may be off: the contract, and the bounds that a fit attaches to a predictor.

use super::Member;
use crate::units::BatchSize;
use serde::{Deserialize, Serialize};

/// What a predictor says of its own error for one co-location.
///
/// With probability [`ErrorBounds::LEVEL`] the measured mean latency of a member lies within
/// `prediction × (1 ± two_sided_pct / 100)`, and with the same probability it does not exceed
/// `prediction × (1 + one_sided_pct / 100)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uncertainty {
    /// Half-width of the two-sided interval in percent of the prediction.
    pub two_sided_pct: f64,
    /// One-sided margin for planning in percent of the prediction, drift between sessions included.
    pub one_sided_pct: f64,
    /// Whether the co-location lies outside of what was measured: a batch size or share beyond the
    /// profile, more than a whole GPU in total, or more members than any measured co-location had.
    pub extrapolated: bool,
}

/// The measured range of a model; outside of it predictions are extrapolated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Smallest and largest batch size.
    pub batch: [BatchSize; 2],
    /// Smallest and largest SM share in percent.
    pub sm_pct: [f64; 2],
}

impl Validity {
    /// Whether batch size and share of a member lie in the measured range.
    #[must_use]
    pub fn contains(&self, member: &Member) -> bool {
        let share = member.sm.get();
        (self.batch[0]..=self.batch[1]).contains(&member.batch)
            && share >= self.sm_pct[0] - 1e-9
            && share <= self.sm_pct[1] + 1e-9
    }
}

/// Error bounds found by split-conformal calibration, or taken over from another GPU kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorBounds {
    /// Two-sided half-width in percent of the prediction.
    pub two_sided_pct: f64,
    /// One-sided upper margin in percent of the prediction, within one session.
    pub one_sided_pct: f64,
    /// Added to the one-sided margin: how much a GPU drifts from one session to the next, in percent.
    pub drift_pct: f64,
    /// How many measured latencies calibrated the bounds; 0 when they are defaults.
    pub calibrated_on: usize,
    /// The largest number of members of a co-location among them (or behind the defaults).
    pub largest_co_location: usize,
}

impl ErrorBounds {
    /// The probability that the bounds hold, on data like those of the calibration.
    pub const LEVEL: f64 = 0.95;

    /// Bounds for a predictor that no co-location of its own GPU kind calibrated. They were found for
    /// the form of `contention` with its constants of the GPU kind on 750 co-located pairs of a V100,
    /// and checked on pairs with other batch sizes: ±7.6 %, +4.8 %, and 1 % between two sessions.
    pub const DEFAULT: Self = Self {
        two_sided_pct: 7.6,
        one_sided_pct: 4.8,
        drift_pct: 1.0,
        calibrated_on: 0,
        largest_co_location: 2,
    };

    /// The bounds for a co-location of `members`, of which `inside` says whether each lies in its
    /// model's range.
    ///
    /// Beyond the largest measured co-location the bounds grow with the number of co-runners: each one
    /// adds its own interference, whose errors need not cancel. That is an assumption until such
    /// co-locations are measured, and flagged as extrapolation.
    pub(super) fn of(&self, members: &[Member], inside: impl Fn(&Member) -> bool) -> Uncertainty {
        let total_pct: f64 = members.iter().map(|member| member.sm.get()).sum();
        let known = self.largest_co_location.max(2);
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let growth = if members.len() > known {
            (members.len() - 1) as f64 / (known - 1) as f64
        } else {
            1.0
        };
        Uncertainty {
            two_sided_pct: self.two_sided_pct * growth,
            one_sided_pct: self.one_sided_pct * growth + self.drift_pct,
            extrapolated: members.len() > known
                || total_pct > 100.0 + 1e-6
                || !members.iter().all(inside),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ModelId;
    use crate::units::SmPercent;

    fn members(n: usize, sm: f64) -> Vec<Member> {
        let member = Member {
            model: ModelId::new(0),
            batch: BatchSize::new(4).unwrap(),
            sm: SmPercent::new(sm).unwrap(),
        };
        vec![member; n]
    }

    #[test]
    fn bounds_grow_with_unmeasured_co_runners() {
        // Pairs: ±7.6 %, +4.8 + 1 %. Four members have three co-runners: 3 × 7.6 and 3 × 4.8 + 1.
        let pair = ErrorBounds::DEFAULT.of(&members(2, 50.0), |_| true);
        assert!((pair.two_sided_pct - 7.6).abs() < 1e-12);
        assert!((pair.one_sided_pct - 5.8).abs() < 1e-12);
        assert!(!pair.extrapolated);
        let four = ErrorBounds::DEFAULT.of(&members(4, 20.0), |_| true);
        assert!((four.two_sided_pct - 22.8).abs() < 1e-9);
        assert!((four.one_sided_pct - 15.4).abs() < 1e-9);
        assert!(four.extrapolated);
    }

    #[test]
    fn what_was_not_measured_is_flagged() {
        assert!(ErrorBounds::DEFAULT.of(&members(2, 60.0), |_| true).extrapolated, "120 %");
        assert!(ErrorBounds::DEFAULT.of(&members(1, 50.0), |_| false).extrapolated);
        let validity = Validity {
            batch: [BatchSize::ONE, BatchSize::new(32).unwrap()],
            sm_pct: [10.0, 100.0],
        };
        assert!(validity.contains(&members(1, 10.0)[0]));
        assert!(!validity.contains(&members(1, 7.5)[0]));
    }
}
