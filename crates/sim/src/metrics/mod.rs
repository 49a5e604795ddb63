//! Summaries of request records and GPU intervals.
//!
//! One [`GpuCollector`] takes the records of one GPU; [`summarise`] merges the collectors in GPU order into
//! [`RunMetrics`]. Simulations and measurements of real servers use the same code, so percentiles, the warm-up cut and
//! SLO violations mean the same in both:
//!
//! - a request belongs to the [`Window`] in which it *arrived*;
//! - throughput counts the requests *done* inside the window, divided by its length;
//! - latencies are kept exactly, in nanoseconds, unless a histogram is requested ([`Percentiles`]); percentiles are
//!   nearest-rank ([`percentile`](igniter_model::stats::percentile));
//! - a violation is a latency above the whole SLO, or a failed request; violations are given as a share of all requests
//!   of the window.

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
