//! The states of one GPU over time, averaged in bins of equal length.

use super::gpu_account::StateSums;
use igniter_model::domain::GpuInterval;
use igniter_model::units::Nanoseconds;
use serde::{Deserialize, Serialize};

/// The means over one bin of time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SeriesBin {
    /// The start of the bin, in seconds since the start of the run.
    pub start_s: f64,
    /// The end of the bin, in seconds.
    pub end_s: f64,
    /// Mean power, in W.
    pub power_w: f64,
    /// Share of the bin in which at least one batch executed, from 0 to 1.
    pub utilisation: f64,
    /// Mean of the summed SM shares of executing batches, in percent.
    pub sm_utilisation_pct: f64,
    /// Mean SM clock, in MHz.
    pub clock_mhz: f64,
}

/// The states of one GPU over the whole run, including the warm-up. Bins that no interval touched are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuSeries {
    /// The GPU's index in the plan.
    pub gpu: usize,
    /// The bins, in order of time.
    pub bins: Vec<SeriesBin>,
}

/// Bins under construction.
#[derive(Debug, Clone)]
pub(super) struct SeriesBuilder {
    duration_ns: u64,
    bins: Vec<StateSums>,
    /// The bin in which the last interval ended, with its edges.
    current: (usize, u64, u64),
}

impl SeriesBuilder {
    pub(super) fn new(duration: Nanoseconds, bins: usize) -> Self {
        let bins = vec![StateSums::default(); bins];
        Self { duration_ns: duration.get(), bins, current: (0, 0, 0) }
    }

    /// Returns the start of bin `index`. It is exact in integers, so neighbouring bins share their edge.
    fn edge(&self, index: usize) -> u64 {
        let edge = u128::from(self.duration_ns) * index as u128 / self.bins.len() as u128;
        u64::try_from(edge).expect("an edge lies within the run")
    }

    /// Returns the edges of the bin in which the last interval ended, which usually also contains the next interval.
    pub(super) fn bin(&self) -> (Nanoseconds, Nanoseconds) {
        let (_, from, to) = self.current;
        (Nanoseconds::new(from), Nanoseconds::new(to))
    }

    /// Adds sums over intervals that lie in [`SeriesBuilder::bin`].
    pub(super) fn add(&mut self, sums: &StateSums) {
        if let Some(bin) = self.bins.get_mut(self.current.0) {
            bin.merge(sums);
        }
    }

    /// Adds an interval, split at the edges of bins.
    pub(super) fn interval(&mut self, interval: &GpuInterval) {
        let (start, end) = (interval.start.get(), interval.end.get().min(self.duration_ns));
        if self.bins.is_empty() || start >= end {
            return;
        }
        let guess = u128::from(start) * self.bins.len() as u128 / u128::from(self.duration_ns);
        let mut index = usize::try_from(guess).expect("below the number of bins");
        while index + 1 < self.bins.len() && self.edge(index + 1) <= start {
            index += 1;
        }
        while index < self.bins.len() && self.edge(index) < end {
            let (from, to) = (self.edge(index), self.edge(index + 1));
            let inside = end.min(to).saturating_sub(start.max(from));
            self.bins[index].add(interval, Nanoseconds::new(inside));
            self.current = (index, from, to);
            index += 1;
        }
    }

    pub(super) fn finish(&self, gpu: usize) -> GpuSeries {
        let bins = self.bins.iter().enumerate().filter(|(_, sums)| sums.observed_ns > 0);
        let bins = bins.map(|(index, sums)| SeriesBin {
            start_s: self.edge(index) as f64 / 1e9,
            end_s: self.edge(index + 1) as f64 / 1e9,
            power_w: sums.mean(sums.power_w_ns),
            utilisation: sums.mean(sums.executing_ns as f64),
            sm_utilisation_pct: sums.mean(sums.busy_sm_pct_ns),
            clock_mhz: sums.mean(sums.clock_mhz_ns),
        });
        GpuSeries { gpu, bins: bins.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter_model::domain::GpuId;

    fn interval(start_s: u64, end_s: u64, running: u32, power_w: f64) -> GpuInterval {
        GpuInterval {
            gpu: GpuId::new(0),
            start: Nanoseconds::new(start_s * 1_000_000_000),
            end: Nanoseconds::new(end_s * 1_000_000_000),
            running,
            busy_sm_pct: 50.0 * f64::from(running),
            power_w,
            clock_mhz: 1500.0,
        }
    }

    #[test]
    fn an_interval_is_split_at_bin_edges() {
        // 10 s in 4 bins: edges 0 2.5 5 7.5 10. Busy [1, 6) at 200 W, idle else at 50 W, run past the end.
        let mut series = SeriesBuilder::new(Nanoseconds::new(10_000_000_000), 4);
        series.interval(&interval(0, 1, 0, 50.0));
        series.interval(&interval(1, 6, 1, 200.0));
        series.interval(&interval(6, 12, 0, 50.0));
        let bins = series.finish(3).bins;
        // bin 0: (1 × 50 + 1.5 × 200) / 2.5 = 140; bin 2: (1 × 200 + 1.5 × 50) / 2.5 = 110
        let powers: Vec<f64> = bins.iter().map(|bin| bin.power_w).collect();
        let expected = [140.0, 200.0, 110.0, 50.0];
        assert!(powers.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{powers:?}");
        assert!((bins[0].utilisation - 0.6).abs() < 1e-12);
        assert!((bins[0].sm_utilisation_pct - 30.0).abs() < 1e-12);
        assert!((bins[3].start_s - 7.5).abs() < 1e-12 && (bins[3].end_s - 10.0).abs() < 1e-12);
    }

    #[test]
    fn bins_without_data_are_left_out() {
        let mut series = SeriesBuilder::new(Nanoseconds::new(10_000_000_000), 5);
        series.interval(&interval(0, 2, 1, 100.0));
        series.interval(&interval(20, 30, 1, 100.0));
        assert_eq!(series.finish(0).bins.len(), 1);
        assert!(SeriesBuilder::new(Nanoseconds::new(5), 0).finish(0).bins.is_empty());
    }
}
