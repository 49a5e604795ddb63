//! Request records and GPU intervals become summaries.
//!
//! One [`GpuCollector`] takes the records of one GPU; [`summarise`] merges the collectors in GPU order
//! into [`RunMetrics`]. The simulated and the real arm use the same code, so both mean the same thing
//! by a percentile, by the warm-up cut and by an SLO violation:
//!
//! - a request belongs to the [`Window`] in which it *arrived*;
//! - throughput counts the requests *done* inside the window, divided by its length;
//! - latencies are kept exactly, in nanoseconds, unless a histogram is asked for ([`Percentiles`]);
//!   percentiles are nearest-rank ([`percentile`](igniter_model::stats::percentile));
//! - a violation is a latency above the whole SLO, as a share of all requests of the window; a request
//!   that failed is one too.

mod collector;
mod detail;
mod gpu_account;
mod latencies;
mod latency_series;
mod series;
mod summary;
mod tally;
mod window;
mod windows;

pub use collector::{Collectors, GpuCollector, summarise};
pub use latencies::Percentiles;
pub use latency_series::{BatchCount, BatchHistogram, LatencyBin, LatencySeries};
pub use series::{GpuSeries, SeriesBin};
pub use summary::{
    CdfPoint, FailedCounts, GpuSummary, LatencyCdf, RunMetrics, Verdict, WorkloadSummary,
};
pub use window::{Window, WindowError};
pub use windows::{HandOver, RequestWindow, WindowCounter, hand_overs, request_windows};
