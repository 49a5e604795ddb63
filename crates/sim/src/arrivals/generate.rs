//! All arrivals of a process at once, with their statistics.

use super::ArrivalProcess;
use igniter_model::units::Nanoseconds;

/// All arrivals of a run, for inspection, export and the load generator.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedArrivals {
    /// Arrival times since the start, in order.
    pub times: Vec<Nanoseconds>,
    /// The length of the run for which they were generated.
    pub duration: Nanoseconds,
}

impl GeneratedArrivals {
    /// Drains a process that was built for `duration`.
    pub fn collect(process: &mut dyn ArrivalProcess, duration: Nanoseconds) -> Self {
        Self { times: std::iter::from_fn(|| process.next_arrival()).collect(), duration }
    }

    /// Returns the achieved mean rate in requests/s; 0 for a run of length 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 requests")]
    pub fn rate(&self) -> f64 {
        if self.duration == Nanoseconds::ZERO {
            return 0.0;
        }
        self.times.len() as f64 / self.duration.as_seconds()
    }

    /// Returns the achieved coefficient of variation of the gaps between arrivals (standard deviation over mean, with
    /// n − 1); `None` with fewer than two gaps or when all requests arrive at once.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 requests")]
    pub fn gap_cv(&self) -> Option<f64> {
        let gaps = || self.times.windows(2).map(|pair| (pair[1] - pair[0]).as_f64());
        let n = self.times.len().checked_sub(1).filter(|gaps| *gaps >= 2)? as f64;
        let mean = gaps().sum::<f64>() / n;
        let variance = gaps().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / (n - 1.0);
        (mean > 0.0).then(|| variance.sqrt() / mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_cv_by_hand() {
        // Gaps 1, 3 ns: mean 2, variance ((−1)² + 1²)/1 = 2, cv = √2 / 2; 3 requests in 1 µs = 3e6/s.
        let arrivals = GeneratedArrivals {
            times: [0, 1, 4].map(Nanoseconds::new).to_vec(),
            duration: Nanoseconds::new(1_000),
        };
        assert!((arrivals.gap_cv().unwrap() - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!((arrivals.rate() - 3e6).abs() < 1e-6);
        let few = GeneratedArrivals { times: vec![Nanoseconds::ZERO], ..arrivals };
        assert_eq!(few.gap_cv(), None);
    }
}
