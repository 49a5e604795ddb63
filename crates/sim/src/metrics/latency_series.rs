//! The latencies of one workload over time, in bins of equal length.

use igniter_model::domain::WorkloadName;
use igniter_model::units::Nanoseconds;
use serde::{Deserialize, Serialize};

/// The requests that were completed in one bin of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyBin {
    /// The start of the bin, in seconds since the start of the run.
    pub start_s: f64,
    /// The end of the bin, in seconds.
    pub end_s: f64,
    /// Number of requests completed in it.
    pub completed: u64,
    /// Their mean latency, in ms.
    pub mean_ms: f64,
    /// Their highest latency, in ms.
    pub max_ms: f64,
}

/// The latencies of one workload over the whole run, including the warm-up. Bins without completed requests are left
/// out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencySeries {
    pub workload: WorkloadName,
    /// The bins, in order of time.
    pub bins: Vec<LatencyBin>,
}

/// Number of requests of a workload that were executed in batches of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCount {
    /// The size of the batch, in requests.
    pub batch_size: u32,
    /// Number of requests of the window that were in such batches.
    pub requests: u64,
}

/// The sizes of the batches in which the requests of one workload were executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHistogram {
    pub workload: WorkloadName,
    /// The sizes that occurred, in order.
    pub counts: Vec<BatchCount>,
}

#[derive(Debug, Clone, Copy, Default)]
struct SeriesSums {
    completed: u64,
    latency_ns: u128,
    highest_ns: u64,
}

/// Bins under construction; none until the first completion.
#[derive(Debug, Clone)]
pub(super) struct LatencyBins {
    /// The final number of bins.
    count: usize,
    bins: Vec<SeriesSums>,
    /// The bin of the last completion, which is usually also that of the next.
    current: usize,
    /// The start and the end of the current bin.
    inside: (Nanoseconds, Nanoseconds),
}

impl LatencyBins {
    pub(super) fn new(count: usize) -> Self {
        let inside = (Nanoseconds::ZERO, Nanoseconds::ZERO);
        Self { count, bins: Vec::new(), current: 0, inside }
    }

    /// Returns the length of a bin in ns; the last bin also covers the remainder.
    fn width(&self, duration: Nanoseconds) -> u64 {
        (duration.get() / self.count as u64).max(1)
    }

    /// Adds requests that were completed together; `latency_ns` is the sum of their latencies.
    /// Completions after the end of the run count in the last bin.
    #[inline]
    pub(super) fn add(
        &mut self,
        done: Nanoseconds,
        duration: Nanoseconds,
        completed: u64,
        latency_ns: u128,
        highest: Nanoseconds,
    ) {
        let (from, to) = self.inside;
        if !(from <= done && done < to) {
            self.move_to(done, duration);
        }
        let bin = &mut self.bins[self.current];
        bin.completed += completed;
        bin.latency_ns += latency_ns;
        bin.highest_ns = bin.highest_ns.max(highest.get());
    }

    /// Moves to the bin of a completion.
    #[cold]
    fn move_to(&mut self, done: Nanoseconds, duration: Nanoseconds) {
        if self.bins.is_empty() {
            self.bins.resize(self.count, SeriesSums::default());
        }
        let (width, last) = (self.width(duration), self.count - 1);
        self.current = usize::try_from(done.get() / width).unwrap_or(last).min(last);
        let from = width.saturating_mul(self.current as u64);
        let to = if self.current < last { from.saturating_add(width) } else { u64::MAX };
        self.inside = (Nanoseconds::new(from), Nanoseconds::new(to));
    }

    pub(super) fn merge(&mut self, other: Self) {
        if self.bins.is_empty() {
            self.bins = other.bins;
            return;
        }
        for (sum, more) in self.bins.iter_mut().zip(&other.bins) {
            sum.completed += more.completed;
            sum.latency_ns += more.latency_ns;
            sum.highest_ns = sum.highest_ns.max(more.highest_ns);
        }
    }

    pub(super) fn finish(&self, duration: Nanoseconds) -> Vec<LatencyBin> {
        let edge = |index: usize| {
            let start = self.width(duration).saturating_mul(index as u64);
            if index == self.count { duration } else { Nanoseconds::new(start) }.as_seconds()
        };
        let bins = self.bins.iter().enumerate().filter(|(_, sums)| sums.completed > 0);
        bins.map(|(index, sums)| LatencyBin {
            start_s: edge(index),
            end_s: edge(index + 1),
            completed: sums.completed,
            mean_ms: sums.latency_ns as f64 / sums.completed as f64 / 1e6,
            max_ms: Nanoseconds::new(sums.highest_ns).as_ms(),
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_go_to_their_bin_and_late_ones_to_the_last() {
        // 120 s in 120 bins: one bin a second. Two requests at 2.5 s (5 and 15 ms), one after the end.
        let (ms, s) = (1_000_000_u64, 1_000_000_000_u64);
        let duration = Nanoseconds::new(120 * s);
        let mut bins = LatencyBins::new(120);
        bins.add(
            Nanoseconds::new(5 * s / 2),
            duration,
            1,
            u128::from(5 * ms),
            Nanoseconds::new(5 * ms),
        );
        bins.add(
            Nanoseconds::new(5 * s / 2),
            duration,
            1,
            u128::from(15 * ms),
            Nanoseconds::new(15 * ms),
        );
        let mut other = LatencyBins::new(120);
        other.add(Nanoseconds::new(130 * s), duration, 1, u128::from(ms), Nanoseconds::new(ms));
        bins.merge(other);
        let bins = bins.finish(duration);
        assert_eq!(bins.len(), 2);
        assert_eq!((bins[0].completed, bins[1].completed), (2, 1));
        assert!((bins[0].start_s - 2.0).abs() < 1e-12 && (bins[0].mean_ms - 10.0).abs() < 1e-12);
        assert!((bins[0].max_ms - 15.0).abs() < 1e-12 && (bins[1].end_s - 120.0).abs() < 1e-9);
    }
}
