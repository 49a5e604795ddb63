//! A Poisson process: independent exponential gaps.

use super::arrival::after_gap;
use super::{ArrivalProcess, Stream};
use crate::units::{Nanoseconds, RequestsPerSecond};
use rand_distr::{Distribution, Exp1};

/// Exponential gaps with mean `1 / rate`; the first arrival is one gap after the start.
#[derive(Debug, Clone)]
pub struct PoissonArrivals {
    mean_gap_ns: f64,
    end: Nanoseconds,
    last: Nanoseconds,
    random: Stream,
}

impl PoissonArrivals {
    /// Arrivals at the mean `rate` before `end`; none at all for a rate of 0.
    #[must_use]
    pub fn new(rate: RequestsPerSecond, end: Nanoseconds, random: Stream) -> Self {
        Self { mean_gap_ns: 1e9 / rate.get(), end, last: Nanoseconds::ZERO, random }
    }
}

impl ArrivalProcess for PoissonArrivals {
    #[inline]
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let gap: f64 = Exp1.sample(&mut self.random);
        after_gap(&mut self.last, gap * self.mean_gap_ns, self.end)
    }

    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        let start = times.len();
        times.resize(start + count, Nanoseconds::ZERO);
        // On a copy, so that the state of the generator stays in registers.
        let mut process = self.clone();
        let mut filled = start;
        for place in &mut times[start..] {
            let Some(time) = process.next_arrival() else { break };
            *place = time;
            filled += 1;
        }
        times.truncate(filled);
        *self = process;
    }
}
