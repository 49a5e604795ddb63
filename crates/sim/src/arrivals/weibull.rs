//! Weibull-distributed gaps.

use super::arrival::after_gap;
use super::{ArrivalProcess, Stream};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use rand_distr::{Distribution, Exp1};
use std::ops::RangeInclusive;

/// Independent Weibull gaps; the first arrival is one gap after the start. `cv = 1` is a Poisson process.
///
/// A gap is `scale · e^(1/shape)` for an exponential `e` with mean 1. Its mean is `scale · Γ(1 + 1/shape)`. Its
/// coefficient of variation is `sqrt(Γ(1 + 2/shape) / Γ(1 + 1/shape)² − 1)`, which is solved for the shape.
#[derive(Debug, Clone)]
pub struct WeibullArrivals {
    inverse_shape: f64,
    scale_ns: f64,
    end: Nanoseconds,
    last: Nanoseconds,
    random: Stream,
}

impl WeibullArrivals {
    /// The useful range of coefficients of variation (that of the simulator BLIS): beyond it, gaps are almost equal, or
    /// span more than ten orders of magnitude.
    pub const CV_RANGE: RangeInclusive<f64> = 0.01..=10.4;

    /// Creates arrivals at the mean `rate` before `end`; `None` if `cv` is outside [`WeibullArrivals::CV_RANGE`] or the
    /// rate is 0.
    #[must_use]
    pub fn new(rate: RequestsPerSecond, cv: f64, end: Nanoseconds, random: Stream) -> Option<Self> {
        if !Self::CV_RANGE.contains(&cv) || rate.get() <= 0.0 {
            return None;
        }
        let inverse_shape = inverse_shape(cv);
        let scale_ns = 1e9 / rate.get() / libm::tgamma(1.0 + inverse_shape);
        Some(Self { inverse_shape, scale_ns, end, last: Nanoseconds::ZERO, random })
    }
}

/// Returns the shape for a coefficient of variation, as `1/shape`, by bisection.
///
/// Bisection on doubles of this kind takes the same steps on every machine.
#[must_use]
pub fn inverse_shape(cv: f64) -> f64 {
    // 1/shape = 0.005 has a CV of 0.0064, and 1/shape = 6 one of 30.
    let (mut low, mut high) = (0.005, 6.0);
    let target = libm::log1p(cv * cv);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if libm::lgamma(1.0 + 2.0 * middle) - 2.0 * libm::lgamma(1.0 + middle) < target {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

impl ArrivalProcess for WeibullArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let unit: f64 = Exp1.sample(&mut self.random);
        let gap = self.scale_ns * libm::pow(unit, self.inverse_shape);
        after_gap(&mut self.last, gap, self.end)
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::inverse_shape;

    #[test]
    fn shapes_by_hand() {
        // Shape 1: Γ(3)/Γ(2)² − 1 = 2 − 1 = 1. Shape 1/2: Γ(5)/Γ(3)² − 1 = 24/4 − 1 = 5.
        // Shape 1/3: Γ(7)/Γ(4)² − 1 = 720/36 − 1 = 19.
        for (squared_cv, inverse) in [(1.0_f64, 1.0), (5.0, 2.0), (19.0, 3.0)] {
            assert!((inverse_shape(squared_cv.sqrt()) - inverse).abs() < 1e-9, "{squared_cv}");
        }
    }
}
