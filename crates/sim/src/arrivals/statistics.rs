//! Statistics of arrivals, computed as they occur.

use super::ArrivalProcess;
use igniter_model::units::Nanoseconds;
use serde::Serialize;

/// The length of a window in which arrivals are counted, in ns.
const WINDOW: u64 = 1_000_000_000;

/// The rate and burstiness of arrivals, computed in memory that does not depend on their number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ArrivalStatistics {
    /// Number of requests.
    pub requests: u64,
    /// The length of the run in which they arrive, in seconds.
    pub duration_s: f64,
    /// Requests per second of the run.
    pub rate_rps: f64,
    /// The coefficient of variation of the gaps between arrivals: their standard deviation (with n − 1) over their
    /// mean. `None` with fewer than two gaps, or when all requests arrive at once.
    pub gap_cv: Option<f64>,
    /// The longest gap in seconds; `None` with fewer than two arrivals.
    pub longest_gap_s: Option<f64>,
    /// The largest number of arrivals in one second; seconds are counted from the start of the run.
    pub peak_rps: u64,
    /// The variance of the number of arrivals in a second over its mean: 0 for even arrivals, 1 for Poisson arrivals,
    /// and more where rates change. `None` in runs of less than two whole seconds, or without arrivals.
    pub dispersion: Option<f64>,
    /// Number of requests that arrive at the same time as the previous request.
    #[serde(skip)]
    pub together: u64,
}

/// Mean and variance of a stream of numbers (Welford's method).
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.n += 1.0;
        let off = x - self.mean;
        self.mean += off / self.n;
        self.squares += off * (x - self.mean);
    }

    fn variance(&self) -> Option<f64> {
        (self.n >= 2.0).then(|| self.squares / (self.n - 1.0))
    }
}

/// Exact sums of a stream of whole numbers.
#[derive(Debug, Clone, Copy, Default)]
struct CountMoments {
    n: u64,
    sum: u64,
    squares: u128,
}

impl CountMoments {
    /// Adds the number `x`, and the number 0 `zeros` times.
    fn add(&mut self, x: u64, zeros: u64) {
        self.n += 1 + zeros;
        self.sum += x;
        self.squares += u128::from(x) * u128::from(x);
    }

    /// Returns the variance over the mean.
    #[expect(clippy::cast_precision_loss, reason = "rounded once, at the end")]
    fn dispersion(&self) -> Option<f64> {
        if self.n < 2 || self.sum == 0 {
            return None;
        }
        let (n, sum) = (u128::from(self.n), u128::from(self.sum));
        // Sum of squared distances from the mean, times n; it is at least 0 by the Cauchy-Schwarz inequality.
        let spread = (n.saturating_mul(self.squares)).saturating_sub(sum.saturating_mul(sum));
        Some(spread as f64 / (n - 1) as f64 / sum as f64)
    }
}

impl ArrivalStatistics {
    /// Computes the statistics of a process that was built for `duration`, which is drained.
    pub fn of(process: &mut dyn ArrivalProcess, duration: Nanoseconds) -> Self {
        Self::of_times(std::iter::from_fn(|| process.next_arrival()), duration)
    }

    /// Computes the statistics of times in order, for a run of the given length; later times are left out.
    pub fn of_times(times: impl Iterator<Item = Nanoseconds>, duration: Nanoseconds) -> Self {
        let mut tally = ArrivalTally::default();
        times.take_while(|time| *time < duration).for_each(|time| tally.add(time));
        tally.statistics(duration)
    }
}

/// A running count of arrivals.
#[derive(Debug, Clone, Default)]
pub struct ArrivalTally {
    gaps: Moments,
    counts: CountMoments,
    requests: u64,
    together: u64,
    longest: Option<Nanoseconds>,
    last: Option<Nanoseconds>,
    /// The current window, and the number of arrivals in it so far.
    window: u64,
    in_window: u64,
    peak: u64,
}

impl ArrivalTally {
    /// Counts an arrival, which must not be before the previous one.
    pub fn add(&mut self, time: Nanoseconds) {
        self.requests += 1;
        if let Some(last) = self.last {
            let gap = time.saturating_sub(last);
            self.gaps.add(gap.as_f64());
            self.longest = self.longest.max(Some(gap));
            self.together += u64::from(gap == Nanoseconds::ZERO);
        }
        self.last = Some(time);
        self.close(time.get() / WINDOW, u64::MAX);
        self.in_window += 1;
    }

    /// Closes the windows before `until`, in one step however many of them are empty. Only the first `whole` windows
    /// are compared: the last one may be cut short by the end of the run.
    fn close(&mut self, until: u64, whole: u64) {
        self.peak = self.peak.max(self.in_window);
        if self.window >= until {
            return;
        }
        if self.window < whole {
            let empty = until.min(whole) - self.window - 1;
            self.counts.add(self.in_window, empty);
        }
        (self.window, self.in_window) = (until, 0);
    }

    /// Returns the statistics for a run of the given length, which must end after the last arrival.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 requests")]
    pub fn statistics(&self, duration: Nanoseconds) -> ArrivalStatistics {
        let (mut closed, whole) = (self.clone(), duration.get() / WINDOW);
        closed.close(whole.max(self.window + 1), whole);
        let Self { gaps, counts, requests, together, longest, peak, .. } = closed;
        let duration_s = duration.as_seconds();
        let gap_cv = gaps.variance().filter(|_| gaps.mean > 0.0).map(|v| v.sqrt() / gaps.mean);
        ArrivalStatistics {
            requests,
            duration_s,
            rate_rps: if duration_s > 0.0 { requests as f64 / duration_s } else { 0.0 },
            gap_cv,
            longest_gap_s: longest.map(Nanoseconds::as_seconds),
            peak_rps: peak,
            dispersion: counts.dispersion(),
            together,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: &[f64], duration: f64) -> ArrivalStatistics {
        let ns = |s: &f64| Nanoseconds::from_seconds(*s).unwrap();
        ArrivalStatistics::of_times(seconds.iter().map(ns), ns(&duration))
    }

    #[test]
    fn statistics_by_hand() {
        // Gaps 1, 3, 0.5 s: mean 1.5, variance (0.25 + 2.25 + 1)/2 = 1.75.
        // A second each: 1, 1, 0, 0, 2: mean 0.8, variance (2·0.04 + 2·0.64 + 1.44)/4 = 0.7.
        let found = of(&[0.5, 1.5, 4.5, 4.999], 5.0);
        assert_eq!((found.requests, found.rate_rps, found.peak_rps), (4, 0.8, 2));
        let found = of(&[0.5, 1.5, 4.5, 5.0], 5.5);
        assert!((found.gap_cv.unwrap() - 1.75_f64.sqrt() / 1.5).abs() < 1e-9);
        assert_eq!(found.longest_gap_s, Some(3.0));
        // Only whole seconds are compared: 1, 1, 0, 0, 1: mean 0.6, variance 1.2/4 = 0.3.
        assert!((found.dispersion.unwrap() - 0.5).abs() < 1e-12);
        let even = of(&[0.0, 1.0, 2.0, 3.0], 4.0);
        assert_eq!((even.gap_cv, even.dispersion), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn long_pauses_take_no_time() {
        // A request in the first and in the last of 4·10⁹ seconds: mean 2/n, variance about that.
        let found = of(&[0.0, 3_999_999_999.0], 4e9);
        assert_eq!(
            (found.requests, found.peak_rps, found.longest_gap_s),
            (2, 1, Some(3_999_999_999.0))
        );
        assert!((found.dispersion.unwrap() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn little_can_be_said_of_few() {
        let none = of(&[], 5.0);
        assert_eq!((none.requests, none.gap_cv, none.dispersion), (0, None, None));
        assert_eq!((none.peak_rps, none.longest_gap_s), (0, None));
        assert_eq!(of(&[1.0, 2.0], 5.0).gap_cv, None);
        assert_eq!(of(&[1.0, 1.0, 1.0], 5.0).gap_cv, None);
        assert_eq!(of(&[1.0, 7.0], 5.0).requests, 1, "what is after the end does not count");
    }
}
