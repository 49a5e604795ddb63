//! Forecasts of the rates of the next epoch, from counts of arrivals only.

use super::spec::{ForecastKind, ForecastSpec, Statistic};

/// Limits on the ratio of a day to the previous day in a seasonal forecast.
const LEAST_LEVEL: f64 = 0.5;
const MOST_LEVEL: f64 = 2.0;

/// Counts of arrivals of each workload, by window.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalCounts {
    /// The length of a window, in s.
    pub window_s: f64,
    /// The length of the run, in s. The last window may be shorter.
    pub duration_s: f64,
    /// Counts, indexed by workload, then by window.
    pub arrivals: Vec<Vec<u64>>,
}

impl ArrivalCounts {
    /// Returns the rate of a workload in a window, in requests/s.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of windows and of arrivals")]
    pub fn rate(&self, workload: usize, window: usize) -> f64 {
        let start = window as f64 * self.window_s;
        let length = (self.duration_s - start).min(self.window_s);
        let count = self.arrivals[workload].get(window).copied().unwrap_or(0);
        if length > 0.0 { count as f64 / length } else { 0.0 }
    }

    /// Returns the number of windows.
    #[must_use]
    pub fn windows(&self) -> usize {
        self.arrivals.first().map_or(0, Vec::len)
    }

    /// Returns the windows that begin in an interval, in s.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub(super) fn within(&self, from_s: f64, to_s: f64) -> std::ops::Range<usize> {
        let window = |at: f64| ((at / self.window_s - 1e-9).ceil().max(0.0)) as usize;
        let (from, to) = (window(from_s), window(to_s).min(self.windows()));
        from.min(to)..to
    }

    /// Returns the rate of each workload in an interval given in s, in requests/s.
    #[must_use]
    pub fn rates(&self, statistic: Statistic, from_s: f64, to_s: f64) -> Vec<f64> {
        let windows = self.within(from_s, to_s);
        let of = |workload: usize| {
            let rates = windows.clone().map(|window| self.rate(workload, window));
            match statistic {
                Statistic::Max => rates.fold(0.0, f64::max),
                #[expect(clippy::cast_precision_loss, reason = "a count of windows")]
                Statistic::Mean => rates.sum::<f64>() / windows.len().max(1) as f64,
            }
        };
        (0..self.arrivals.len()).map(of).collect()
    }
}

/// Returns the rates to plan for in the epoch that begins at `from_s` and lasts `period_s`, headroom included.
///
/// An epoch without a predecessor (the first one) is planned with its own rates, like a deployment whose load is known
/// in advance.
pub(super) fn forecast(
    counts: &ArrivalCounts,
    spec: &ForecastSpec,
    from_s: f64,
    period_s: f64,
) -> Vec<f64> {
    let rates = |from_s: f64| counts.rates(spec.statistic, from_s, from_s + period_s);
    let own = || rates(from_s);
    let mut rates: Vec<f64> = match spec.kind {
        _ if from_s < period_s - 1e-9 => own(),
        ForecastKind::Oracle => own(),
        ForecastKind::Last => rates(from_s - period_s),
        ForecastKind::Peak { epochs } => {
            let before = (1..=epochs).map(|n| from_s - f64::from(n) * period_s);
            let before = before.filter(|from_s| *from_s >= -1e-9).map(rates);
            before
                .reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a.max(*b)).collect())
                .unwrap_or_default()
        }
        ForecastKind::Season { period_s: day_s } => {
            let last = rates(from_s - period_s);
            if from_s - day_s - period_s < -1e-9 {
                last
            } else {
                let (then, before) = (rates(from_s - day_s), rates(from_s - day_s - period_s));
                let scaled = |workload: usize| {
                    let level = last[workload] / before[workload].max(1e-3);
                    then[workload] * level.clamp(LEAST_LEVEL, MOST_LEVEL)
                };
                (0..last.len()).map(scaled).collect()
            }
        }
    };
    rates.iter_mut().for_each(|rate| *rate *= 1.0 + spec.headroom_pct / 100.0);
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> ArrivalCounts {
        // Two workloads, windows of 10 s, epochs of 20 s.
        ArrivalCounts {
            window_s: 10.0,
            duration_s: 85.0,
            arrivals: vec![
                vec![10, 20, 30, 40, 50, 60, 70, 80, 45],
                vec![100, 100, 0, 0, 100, 300, 100, 100, 0],
            ],
        }
    }

    fn spec(kind: ForecastKind, statistic: Statistic) -> ForecastSpec {
        ForecastSpec { kind, statistic, headroom_pct: 0.0, window_s: 10.0 }
    }

    #[test]
    fn by_hand() {
        let of =
            |kind, statistic, from_s| forecast(&counts(), &spec(kind, statistic), from_s, 20.0);
        let peak = ForecastKind::Peak { epochs: 2 };
        let season = ForecastKind::Season { period_s: 40.0 };
        // The first epoch knows its own rates only.
        for kind in [ForecastKind::Oracle, ForecastKind::Last, peak, season] {
            assert_eq!(of(kind, Statistic::Max, 0.0), [2.0, 10.0]);
            assert_eq!(of(kind, Statistic::Mean, 0.0), [1.5, 10.0]);
        }
        assert_eq!(of(ForecastKind::Oracle, Statistic::Max, 40.0), [6.0, 30.0]);
        assert_eq!(of(ForecastKind::Last, Statistic::Max, 40.0), [4.0, 0.0]);
        assert_eq!(of(ForecastKind::Last, Statistic::Mean, 60.0), [5.5, 20.0]);
        assert_eq!(of(peak, Statistic::Max, 20.0), [2.0, 10.0]);
        assert_eq!(of(peak, Statistic::Max, 60.0), [6.0, 30.0]);
        // No day before: the last epoch.
        assert_eq!(of(season, Statistic::Max, 40.0), [4.0, 0.0]);
        // At 60 s: 20 to 40 s of the day before, times how 40 to 60 s compares with 0 to 20 s: 3 and 3 times, at most 2.
        assert_eq!(of(season, Statistic::Max, 60.0), [8.0, 0.0]);
        // The last window is shorter.
        assert_eq!(of(ForecastKind::Oracle, Statistic::Max, 80.0), [9.0, 0.0]);
    }

    #[test]
    fn headroom_is_on_top() {
        let last = ForecastSpec { headroom_pct: 50.0, ..spec(ForecastKind::Last, Statistic::Max) };
        assert_eq!(forecast(&counts(), &last, 40.0, 20.0), [6.0, 0.0]);
    }

    #[test]
    fn nothing_of_the_future_is_seen() {
        for kind in [
            ForecastKind::Last,
            ForecastKind::Peak { epochs: 3 },
            ForecastKind::Season { period_s: 20.0 },
        ] {
            for statistic in [Statistic::Max, Statistic::Mean] {
                let mut other = counts();
                for arrivals in &mut other.arrivals {
                    arrivals[6..].iter_mut().for_each(|count| *count = 999);
                }
                let of = |counts| forecast(counts, &spec(kind, statistic), 60.0, 20.0);
                assert_eq!(of(&counts()), of(&other));
            }
        }
    }
}
