//! The uncertainty of predictions: the interface, and the bounds that a fit attaches to a predictor.

use super::Member;
use super::solo::longer;
use crate::units::BatchSize;
use serde::{Deserialize, Serialize};

/// A predictor's statement about its own error for one co-location.
///
/// With probability [`ErrorBounds::LEVEL`] the measured mean latency of a member lies within
/// `prediction × (1 ± two_sided_pct / 100)`, and with the same probability it does not exceed
/// `prediction × (1 + one_sided_pct / 100)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uncertainty {
    /// Half-width of the two-sided interval, in percent of the prediction.
    pub two_sided_pct: f64,
    /// One-sided margin for planning, in percent of the prediction; includes drift between sessions.
    pub one_sided_pct: f64,
    /// Whether the co-location lies outside the measured range: a batch size or share beyond the profile, more than a
    /// whole GPU in total, or more members than any measured co-location had.
    pub extrapolated: bool,
    /// Whether the GPU time or the launch time is longer.
    pub lead: Lead,
    /// Whether the bounds were calibrated on co-locations on this GPU kind; if not, they are defaults.
    pub calibrated: bool,
}

/// The longer of the GPU time and the launch time of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lead {
    /// The work on the GPU.
    #[default]
    Gpu,
    /// The host, which launches kernels more slowly than the GPU runs them.
    Launch,
}

impl Lead {
    /// Returns the lead for a GPU time and a launch time.
    #[must_use]
    pub fn of([gpu_ms, launch_ms]: [f64; 2]) -> Self {
        if launch_ms > gpu_ms { Self::Launch } else { Self::Gpu }
    }
}

/// The measured range of a model; predictions outside it are extrapolated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Smallest and largest batch size.
    pub batch: [BatchSize; 2],
    /// Smallest and largest SM share in percent.
    pub sm_pct: [f64; 2],
}

impl Validity {
    /// Returns whether batch size and share of a member lie in the measured range.
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
    /// Two-sided half-width in percent of the prediction, where the GPU leads.
    pub two_sided_pct: f64,
    /// One-sided upper margin in percent of the prediction, within one session, where the GPU leads.
    pub one_sided_pct: f64,
    /// The bounds where launching leads.
    #[serde(default)]
    pub launch: LaunchBounds,
    /// Drift of a GPU from one session to the next, in percent; added to the one-sided margin.
    pub drift_pct: f64,
    /// Number of measured latencies on which the bounds were calibrated; 0 when they are defaults.
    pub calibrated_on: usize,
    /// The largest number of members of a co-location among these latencies (or behind the defaults).
    pub largest_co_location: usize,
}

/// Error bounds where launching leads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchBounds {
    /// Two-sided half-width in percent of the prediction.
    pub two_sided_pct: f64,
    /// One-sided upper margin in percent of the prediction, within one session.
    pub one_sided_pct: f64,
    /// Number of measured latencies on which the bounds were calibrated; 0 when they are defaults.
    pub calibrated_on: usize,
}

impl LaunchBounds {
    /// The bounds of one host with an A100 and eager kernels, where launching in company was measured.
    pub const DEFAULT: Self = Self { two_sided_pct: 33.0, one_sided_pct: 33.0, calibrated_on: 0 };
}

impl Default for LaunchBounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl ErrorBounds {
    /// The probability with which the bounds hold, on data like those of the calibration.
    pub const LEVEL: f64 = 0.95;

    /// Bounds for a predictor that was not calibrated on co-locations of its own GPU kind. They were found for the form
    /// of `contention`, with its constants of the GPU kind, on 750 co-located pairs of a V100, and checked on pairs
    /// with other batch sizes: ±7.6 %, +4.8 %, and 1 % between two sessions.
    pub const DEFAULT: Self = Self {
        two_sided_pct: 7.6,
        one_sided_pct: 4.8,
        launch: LaunchBounds::DEFAULT,
        drift_pct: 1.0,
        calibrated_on: 0,
        largest_co_location: 2,
    };

    /// Bounds for a GPU kind on which no two models were ever measured together. The constants of the V100 and of the
    /// A100 differ by a factor of 1.8; with the default, which lies between them, 95 % of the measured pairs of an A100
    /// stayed below +8.5 %.
    pub const ELSEWHERE: Self = Self { two_sided_pct: 9.0, one_sided_pct: 8.5, ..Self::DEFAULT };

    /// Returns the bounds for a member of a co-location, given its GPU time and launch time in ms; `inside` tells
    /// whether a member lies in its model's range.
    ///
    /// The half-width is that of the longer of the two times. For the one-sided margin, each time is increased by its
    /// own margin and the smooth maximum of the results counts. The margin therefore changes smoothly from where
    /// launching leads to where the GPU does, and a latency with its margin, on which planners rely, never falls when
    /// one of the times rises.
    ///
    /// Beyond the largest measured co-location the bounds grow with the number of co-runners: each co-runner adds its
    /// own interference, whose errors need not cancel. This is an assumption until such co-locations are measured, and
    /// is flagged as extrapolation.
    pub(super) fn of(
        &self,
        members: &[Member],
        times: [f64; 2],
        inside: impl Fn(&Member) -> bool,
    ) -> Uncertainty {
        let [gpu_ms, launch_ms] = times;
        let both = |gpu_pct: f64, launch_pct: f64| {
            if launch_ms <= 0.0 {
                return gpu_pct;
            }
            let slower = [gpu_ms * (1.0 + gpu_pct / 100.0), launch_ms * (1.0 + launch_pct / 100.0)];
            100.0 * (longer(slower[0], slower[1]) / longer(gpu_ms, launch_ms) - 1.0)
        };
        let total_pct: f64 = members.iter().map(|member| member.sm.get()).sum();
        let known = self.largest_co_location.max(2);
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let growth = if members.len() > known {
            (members.len() - 1) as f64 / (known - 1) as f64
        } else {
            1.0
        };
        Uncertainty {
            two_sided_pct: growth
                * match Lead::of(times) {
                    Lead::Gpu => self.two_sided_pct,
                    Lead::Launch => self.launch.two_sided_pct,
                },
            one_sided_pct: both(self.one_sided_pct, self.launch.one_sided_pct) * growth
                + self.drift_pct,
            extrapolated: members.len() > known
                || total_pct > 100.0 + 1e-6
                || !members.iter().all(inside),
            lead: Lead::of(times),
            calibrated: match Lead::of(times) {
                Lead::Gpu => self.calibrated_on > 0,
                Lead::Launch => self.launch.calibrated_on > 0,
            },
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
        let pair = ErrorBounds::DEFAULT.of(&members(2, 50.0), [1.0, 0.0], |_| true);
        assert!((pair.two_sided_pct - 7.6).abs() < 1e-12);
        assert!((pair.one_sided_pct - 5.8).abs() < 1e-12);
        assert!(!pair.extrapolated);
        let four = ErrorBounds::DEFAULT.of(&members(4, 20.0), [1.0, 0.0], |_| true);
        assert!((four.two_sided_pct - 22.8).abs() < 1e-9);
        assert!((four.one_sided_pct - 15.4).abs() < 1e-9);
        assert!(four.extrapolated);
    }

    #[test]
    fn what_was_not_measured_is_flagged() {
        assert!(
            ErrorBounds::DEFAULT.of(&members(2, 60.0), [1.0, 0.0], |_| true).extrapolated,
            "120 %"
        );
        assert!(ErrorBounds::DEFAULT.of(&members(1, 50.0), [1.0, 0.0], |_| false).extrapolated);
        let validity = Validity {
            batch: [BatchSize::ONE, BatchSize::new(32).unwrap()],
            sm_pct: [10.0, 100.0],
        };
        assert!(validity.contains(&members(1, 10.0)[0]));
        assert!(!validity.contains(&members(1, 7.5)[0]));
    }
}
