//! A Poisson process: independent exponential gaps.

use super::arrival::after_gap;
use super::exponential::Exponential;
use super::{ArrivalProcess, Stream};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
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
    /// Creates arrivals at the mean `rate` before `end`; none at all for a rate of 0.
    #[must_use]
    pub fn new(rate: RequestsPerSecond, end: Nanoseconds, random: Stream) -> Self {
        Self { mean_gap_ns: 1e9 / rate.get(), end, last: Nanoseconds::ZERO, random }
    }
}

impl ArrivalProcess for PoissonArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let gap: f64 = Exp1.sample(&mut self.random);
        after_gap(&mut self.last, gap * self.mean_gap_ns, self.end)
    }

    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        let start = times.len();
        times.resize(start + count, Nanoseconds::ZERO);
        let (mut last, mut gaps) = (self.last, [0.0; CHUNK]);
        let exponential = Exponential::get();
        let mut drawn = start;
        for chunk in times[start..].chunks_mut(CHUNK) {
            if last >= self.end {
                break;
            }
            drawn += chunk.len();
            let gaps = &mut gaps[..chunk.len()];
            exponential.fill(&mut self.random, gaps);
            let small = self.mean_gap_ns < LONGEST_MEAN;
            if small {
                for (time, gap) in chunk.iter_mut().zip(&*gaps) {
                    *time = Nanoseconds::from_small_f64(gap * self.mean_gap_ns);
                }
            } else {
                for (time, gap) in chunk.iter_mut().zip(&*gaps) {
                    *time = Nanoseconds::from_f64(gap * self.mean_gap_ns);
                }
            }
            if small && last < FAR {
                for time in chunk {
                    last += *time;
                    *time = last;
                }
            } else {
                for time in chunk {
                    last = last.saturating_add(*time);
                    *time = last;
                }
            }
        }
        self.last = last;
        times.truncate(drawn);
        if last >= self.end {
            let before = times[start..].partition_point(|&time| time < self.end);
            times.truncate(start + before);
        }
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        Some(Box::new(self.clone()))
    }
}

/// The number of gaps that are drawn before they are added up, which is done for several at once.
const CHUNK: usize = 64;

/// Below this mean, in ns, no gap reaches 2⁵² ns: a draw is an infinity, or below 7.7 + 53 ln 2 = 44.5.
const LONGEST_MEAN: f64 = 1e14;

/// Below this time, a chunk of such gaps can be added without overflow, with two infinities among them.
const FAR: Nanoseconds = Nanoseconds::new(1 << 62);
