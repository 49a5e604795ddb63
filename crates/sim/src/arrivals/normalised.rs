//! Exponential gaps that fill the run exactly.

use super::{ArrivalProcess, Stream};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use rand_distr::{Distribution, Exp1};

/// `n = rate · duration` exponential gaps, stretched or compressed so that they span exactly the duration.
///
/// The load generator inference-perf does this, so that the achieved rate equals the requested one. A request arrives
/// at the start of each gap, the first at 0. Gaps are not kept in memory: they are drawn twice, first for their sum.
#[derive(Debug, Clone)]
pub struct NormalisedArrivals {
    left: u64,
    /// Sum of the gaps so far, before scaling; their mean is 1.
    passed: f64,
    ns_per_gap: f64,
    last: Nanoseconds,
    end: Nanoseconds,
    random: Stream,
}

impl NormalisedArrivals {
    /// Creates exactly `rate · end` arrivals, rounded to the nearest number, before `end`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub fn new(rate: RequestsPerSecond, end: Nanoseconds, random: Stream) -> Self {
        let count = (rate.get() * end.as_seconds()).round() as u64;
        let mut first_pass = random.clone();
        let sum: f64 = (0..count).map(|_| -> f64 { Exp1.sample(&mut first_pass) }).sum();
        let ns_per_gap = end.as_f64() / sum;
        Self { left: count, passed: 0.0, ns_per_gap, last: Nanoseconds::ZERO, end, random }
    }
}

impl ArrivalProcess for NormalisedArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        self.left = self.left.checked_sub(1)?;
        let time = Nanoseconds::from_f64(self.passed * self.ns_per_gap);
        let gap: f64 = Exp1.sample(&mut self.random);
        self.passed += gap;
        // The last gap can be so short that its start rounds to the end.
        self.last = time.max(self.last).min(self.end.saturating_sub(Nanoseconds::new(1)));
        Some(self.last)
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        Some(Box::new(self.clone()))
    }
}
