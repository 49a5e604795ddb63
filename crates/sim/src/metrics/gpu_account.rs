//! Time-weighted sums of one GPU's states.

use igniter_model::domain::GpuInterval;
use igniter_model::units::Nanoseconds;

/// The state of a GPU times how long it held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighted {
    pub(super) ns: Nanoseconds,
    pub(super) weight: f64,
    pub(super) executing: bool,
    pub(super) busy_sm_pct: f64,
    pub(super) power_w: f64,
    pub(super) clock_mhz: f64,
}

impl Weighted {
    /// A part of an interval.
    #[inline(always)]
    pub(super) fn new(interval: &GpuInterval, ns: Nanoseconds) -> Self {
        let weight = ns.as_f64();
        Self {
            ns,
            weight,
            executing: interval.running > 0,
            busy_sm_pct: interval.busy_sm_pct * weight,
            power_w: interval.power_w * weight,
            clock_mhz: interval.clock_mhz * weight,
        }
    }
}

/// Sums over the part of the window that intervals covered.
#[derive(Debug, Clone)]
pub(super) struct GpuAccount {
    observed_ns: u64,
    executing_ns: u64,
    busy_sm_pct_ns: f64,
    power_w_ns: f64,
    clock_mhz_ns: f64,
    peak_power_w: f64,
    min_clock_mhz: f64,
}

impl Default for GpuAccount {
    fn default() -> Self {
        Self {
            observed_ns: 0,
            executing_ns: 0,
            busy_sm_pct_ns: 0.0,
            power_w_ns: 0.0,
            clock_mhz_ns: 0.0,
            peak_power_w: 0.0,
            min_clock_mhz: f64::INFINITY,
        }
    }
}

impl GpuAccount {
    #[inline(always)]
    pub(super) fn add(&mut self, interval: &GpuInterval, weighted: &Weighted) {
        let ns = weighted.ns.get();
        self.observed_ns += ns;
        self.executing_ns += if weighted.executing { ns } else { 0 };
        self.busy_sm_pct_ns += weighted.busy_sm_pct;
        self.power_w_ns += weighted.power_w;
        self.clock_mhz_ns += weighted.clock_mhz;
        // Not f64::max and min: there is no NaN to care for.
        if interval.power_w > self.peak_power_w {
            self.peak_power_w = interval.power_w;
        }
        if interval.clock_mhz < self.min_clock_mhz {
            self.min_clock_mhz = interval.clock_mhz;
        }
    }

    pub(super) fn observed_s(&self) -> f64 {
        self.observed_ns as f64 / 1e9
    }

    pub(super) fn utilisation(&self) -> f64 {
        self.mean(self.executing_ns as f64)
    }

    pub(super) fn busy_sm_pct(&self) -> f64 {
        self.mean(self.busy_sm_pct_ns)
    }

    pub(super) fn power_w(&self) -> f64 {
        self.mean(self.power_w_ns)
    }

    pub(super) fn energy_j(&self) -> f64 {
        self.power_w_ns / 1e9
    }

    pub(super) fn clock_mhz(&self) -> f64 {
        self.mean(self.clock_mhz_ns)
    }

    pub(super) fn peak_power_w(&self) -> f64 {
        self.peak_power_w
    }

    pub(super) fn min_clock_mhz(&self) -> f64 {
        if self.observed_ns == 0 { 0.0 } else { self.min_clock_mhz }
    }

    fn mean(&self, sum_ns: f64) -> f64 {
        if self.observed_ns == 0 { 0.0 } else { sum_ns / self.observed_ns as f64 }
    }
}
