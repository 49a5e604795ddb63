//! The figures that summarise a run.

use super::{BatchHistogram, GpuSeries, LatencySeries};
use igniter_model::domain::{Failure, GpuKindName, ModelName, WorkloadName};
use serde::{Deserialize, Serialize};

/// Whether a workload met its SLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At most 1 % of its requests took longer than its SLO. If every request was completed, this is the same as P99 ≤
    /// SLO.
    Met,
    /// More than 1 % of its requests took longer.
    Missed,
    /// The plan does not place the workload.
    NotServed,
    /// No request arrived in the window, so there is no verdict.
    NoRequests,
}

impl Verdict {
    /// Returns whether the workload counts as one that misses its SLO.
    #[must_use]
    pub const fn is_miss(self) -> bool {
        matches!(self, Self::Missed | Self::NotServed)
    }

    /// Returns the verdict in one or two words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NotServed => "not served",
            Self::NoRequests => "no requests",
        }
    }
}

/// Number of failed requests, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailedCounts {
    /// Rejected because the queue was full.
    pub rejected: u64,
    /// Timed out: waited longer than the queue policy allows.
    pub timed_out: u64,
    /// Lost: the server or the GPU failed while the requests were in it, or was down when they arrived.
    pub lost: u64,
}

impl FailedCounts {
    pub(super) fn add(&mut self, failure: Failure) {
        *match failure {
            Failure::Rejected => &mut self.rejected,
            Failure::TimedOut => &mut self.timed_out,
            Failure::Lost => &mut self.lost,
        } += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.rejected += other.rejected;
        self.timed_out += other.timed_out;
        self.lost += other.lost;
    }

    /// Returns the number of all failed requests.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.rejected + self.timed_out + self.lost
    }
}

/// The results of the requests of one workload. Means and percentiles are over completed requests that arrived in the
/// window, and absent when there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSummary {
    pub workload: WorkloadName,
    pub model: ModelName,
    /// The GPU that serves the workload (the first one, when it is split over several).
    pub gpu: Option<usize>,
    /// Whether the plan places the workload at all.
    pub served: bool,
    /// The bound on the latency (SLO), in ms.
    pub slo_ms: f64,
    /// The mean arrival rate that the scenario states, in requests/s.
    pub rate_rps: f64,
    /// Number of requests that arrived in the window.
    pub requests: u64,
    /// Number of these requests that were completed.
    pub completed: u64,
    /// Number of these requests that failed; absent when none did. In CSV, a table of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedCounts>,
    /// Number of requests done inside the window divided by the length of the window, in requests/s.
    pub throughput_rps: f64,
    /// Mean latency, in ms.
    pub mean_ms: Option<f64>,
    /// Median latency, in ms.
    pub p50_ms: Option<f64>,
    /// 90th percentile of latency, in ms.
    pub p90_ms: Option<f64>,
    /// 95th percentile of latency, in ms.
    pub p95_ms: Option<f64>,
    /// 99th percentile of latency, in ms.
    pub p99_ms: Option<f64>,
    /// 99.9th percentile of latency, in ms.
    pub p999_ms: Option<f64>,
    /// The highest latency, in ms.
    pub max_ms: Option<f64>,
    /// Share of the window's requests that took longer than the SLO, in percent. Requests that were never completed
    /// count once they are older than the SLO, and failed requests count at once.
    pub slo_violation_pct: Option<f64>,
    /// Mean waiting time, in ms.
    pub queue_ms: Option<f64>,
    /// Mean time of the copy to the GPU, in ms.
    pub load_ms: Option<f64>,
    /// Mean execution time, in ms.
    pub exec_ms: Option<f64>,
    /// Mean time of the copy back, in ms.
    pub feedback_ms: Option<f64>,
    /// Mean number of requests per executed batch.
    pub mean_batch: Option<f64>,
    /// Whether the workload met its SLO.
    pub verdict: Verdict,
}

impl WorkloadSummary {
    /// Returns the mean time of load, execution and feedback together, in ms, which is what a predictor predicts.
    #[must_use]
    pub fn service_ms(&self) -> Option<f64> {
        Some(self.load_ms? + self.exec_ms? + self.feedback_ms?)
    }
}

/// The activity of one GPU in the window. Every mean is over the `observed_s` seconds for which the state of the GPU is
/// known; when `observed_s` is zero, the means are zero too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuSummary {
    /// The index of the GPU in the plan.
    pub gpu: usize,
    pub kind: GpuKindName,
    /// Number of its placements.
    pub placements: usize,
    /// The part of the window for which the state is known, in seconds.
    pub observed_s: f64,
    /// Share of the time with at least one batch executing, from 0 to 1.
    pub utilisation: f64,
    /// Mean of the summed SM shares of the executing batches, in percent.
    pub sm_utilisation_pct: f64,
    /// Mean power, in W.
    pub power_w: f64,
    /// Highest power, in W.
    pub peak_power_w: f64,
    /// Energy used in the window, in J.
    pub energy_j: f64,
    /// Mean SM clock, in MHz.
    pub clock_mhz: f64,
    /// Lowest SM clock, in MHz.
    pub min_clock_mhz: f64,
}

/// One point of a latency distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CdfPoint {
    /// Share of requests that took at most `latency_ms`, from 0 to 1.
    pub fraction: f64,
    /// The latency, in ms.
    pub latency_ms: f64,
}

/// The latency distribution of one workload, thinned to evenly spaced quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyCdf {
    pub workload: WorkloadName,
    /// The points, from the fastest request to the slowest; empty when no request was completed.
    pub points: Vec<CdfPoint>,
}

/// The complete summary of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunMetrics {
    /// One entry for each workload, in the order of the scenario.
    pub workloads: Vec<WorkloadSummary>,
    /// One entry for each GPU, in the order of the plan.
    pub gpus: Vec<GpuSummary>,
    /// One entry for each GPU, in the order of the plan.
    pub series: Vec<GpuSeries>,
    /// One entry for each workload, in the order of the scenario.
    pub cdf: Vec<LatencyCdf>,
    /// One entry for each workload, in the order of the scenario.
    pub latency_series: Vec<LatencySeries>,
    /// One entry for each workload, in the order of the scenario.
    pub batches: Vec<BatchHistogram>,
}
