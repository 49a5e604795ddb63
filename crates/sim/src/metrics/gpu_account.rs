//! Time-weighted sums of one GPU's states.

use igniter_model::domain::GpuInterval;
use igniter_model::units::Nanoseconds;

/// Sums over some time: each value is multiplied by the time for which it held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StateSums {
    pub(super) observed_ns: u64,
    pub(super) executing_ns: u64,
    pub(super) busy_sm_pct_ns: f64,
    pub(super) power_w_ns: f64,
    pub(super) clock_mhz_ns: f64,
}

impl StateSums {
    /// Adds `ns` of an interval.
    #[inline(always)]
    pub(super) fn add(&mut self, interval: &GpuInterval, ns: Nanoseconds) {
        let weight = ns.as_f64();
        self.observed_ns += ns.get();
        if interval.running > 0 {
            self.executing_ns += ns.get();
        }
        self.busy_sm_pct_ns += interval.busy_sm_pct * weight;
        self.power_w_ns += interval.power_w * weight;
        self.clock_mhz_ns += interval.clock_mhz * weight;
    }

    pub(super) fn merge(&mut self, more: &Self) {
        self.observed_ns += more.observed_ns;
        self.executing_ns += more.executing_ns;
        self.busy_sm_pct_ns += more.busy_sm_pct_ns;
        self.power_w_ns += more.power_w_ns;
        self.clock_mhz_ns += more.clock_mhz_ns;
    }

    /// Returns the time-weighted mean of a value with this sum.
    pub(super) fn mean(&self, sum_ns: f64) -> f64 {
        if self.observed_ns == 0 { 0.0 } else { sum_ns / self.observed_ns as f64 }
    }
}

/// The states of a GPU over the part of the window that intervals covered.
#[derive(Debug, Clone)]
pub(super) struct GpuAccount {
    pub(super) sums: StateSums,
    peak_power_w: f64,
    min_clock_mhz: f64,
}

impl Default for GpuAccount {
    fn default() -> Self {
        Self { sums: StateSums::default(), peak_power_w: 0.0, min_clock_mhz: f64::INFINITY }
    }
}

impl GpuAccount {
    /// Records the extremes of an interval, whose sums are added elsewhere.
    #[inline(always)]
    pub(super) fn extremes(&mut self, interval: &GpuInterval) {
        // f64::max and min are not used, since there is no NaN to handle.
        if interval.power_w > self.peak_power_w {
            self.peak_power_w = interval.power_w;
        }
        if interval.clock_mhz < self.min_clock_mhz {
            self.min_clock_mhz = interval.clock_mhz;
        }
    }

    pub(super) fn observed_s(&self) -> f64 {
        self.sums.observed_ns as f64 / 1e9
    }

    pub(super) fn utilisation(&self) -> f64 {
        self.sums.mean(self.sums.executing_ns as f64)
    }

    pub(super) fn busy_sm_pct(&self) -> f64 {
        self.sums.mean(self.sums.busy_sm_pct_ns)
    }

    pub(super) fn power_w(&self) -> f64 {
        self.sums.mean(self.sums.power_w_ns)
    }

    pub(super) fn energy_j(&self) -> f64 {
        self.sums.power_w_ns / 1e9
    }

    pub(super) fn clock_mhz(&self) -> f64 {
        self.sums.mean(self.sums.clock_mhz_ns)
    }

    pub(super) fn peak_power_w(&self) -> f64 {
        self.peak_power_w
    }

    pub(super) fn min_clock_mhz(&self) -> f64 {
        if self.sums.observed_ns == 0 { 0.0 } else { self.min_clock_mhz }
    }
}
