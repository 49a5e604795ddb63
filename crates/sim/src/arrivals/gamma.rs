//! Gamma-distributed gaps: burstier (cv > 1) or smoother (cv < 1) than Poisson.

use super::arrival::after_gap;
use super::{ArrivalProcess, Stream};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use rand_distr::{Distribution, Gamma};
use std::ops::RangeInclusive;

/// Independent gamma gaps with shape `1/cv²` and scale `cv²/rate`, as AlpaServe and Vidur use; the
/// first arrival is one gap after the start. `cv = 1` is a Poisson process.
#[derive(Debug, Clone)]
pub struct GammaArrivals {
    gap_ns: Gamma<f64>,
    end: Nanoseconds,
    last: Nanoseconds,
    random: Stream,
}

impl GammaArrivals {
    /// The useful range of coefficients of variation: below it gaps are practically constant; above
    /// it nearly all gaps vanish, and the rate of a run of any length is a matter of chance.
    pub const CV_RANGE: RangeInclusive<f64> = 0.01..=100.0;

    /// Creates arrivals at the mean `rate` before `end`; `None` if `cv` is outside
    /// [`GammaArrivals::CV_RANGE`] or the rate is 0.
    #[must_use]
    pub fn new(rate: RequestsPerSecond, cv: f64, end: Nanoseconds, random: Stream) -> Option<Self> {
        if !Self::CV_RANGE.contains(&cv) {
            return None;
        }
        let squared = cv * cv;
        let gap_ns = Gamma::new(1.0 / squared, squared * 1e9 / rate.get()).ok()?;
        Some(Self { gap_ns, end, last: Nanoseconds::ZERO, random })
    }
}

impl ArrivalProcess for GammaArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let gap = self.gap_ns.sample(&mut self.random);
        after_gap(&mut self.last, gap, self.end)
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        Some(Box::new(self.clone()))
    }
}
