//! What is remembered of the requests of one workload.

use super::Window;
use crate::domain::RequestRecord;
use crate::units::Nanoseconds;
use std::collections::BTreeMap;

/// Exact sums over the requests of one workload. Merging is associative and order-free but for the
/// order of the latencies, which are sorted before use.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Latencies of completed requests that arrived in the window, in ns.
    pub(super) latencies: Vec<u64>,
    /// Sums over the same requests, in ns.
    pub(super) latency_ns: u128,
    pub(super) queue_ns: u128,
    pub(super) load_ns: u128,
    pub(super) exec_ns: u128,
    pub(super) feedback_ns: u128,
    /// How many of them were executed in batches of each size.
    pub(super) by_batch_size: BTreeMap<u32, u64>,
    /// Requests that arrived in the window and were never completed.
    pub(super) unfinished: u64,
    /// Requests of the window, completed or not, whose latency exceeds the SLO.
    pub(super) violations: u64,
    /// Completions inside the window, whenever the request arrived.
    pub(super) done_in_window: u64,
}

impl Tally {
    pub(super) fn request(&mut self, record: &RequestRecord, window: &Window, slo: Nanoseconds) {
        if window.contains(record.done) {
            self.done_in_window += 1;
        }
        if !window.contains(record.arrival) {
            return;
        }
        let latency = record.latency();
        self.latencies.push(latency.get());
        self.latency_ns += u128::from(latency.get());
        self.queue_ns += u128::from(record.queue().get());
        self.load_ns += u128::from(record.load().get());
        self.exec_ns += u128::from(record.exec().get());
        self.feedback_ns += u128::from(record.feedback().get());
        *self.by_batch_size.entry(record.batch_size).or_default() += 1;
        if latency > slo {
            self.violations += 1;
        }
    }

    pub(super) fn unfinished(
        &mut self,
        arrival: Nanoseconds,
        stopped: Nanoseconds,
        window: &Window,
        slo: Nanoseconds,
    ) {
        if window.contains(arrival) {
            self.unfinished += 1;
            if stopped.saturating_sub(arrival) > slo {
                self.violations += 1;
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.latency_ns += other.latency_ns;
        self.queue_ns += other.queue_ns;
        self.load_ns += other.load_ns;
        self.exec_ns += other.exec_ns;
        self.feedback_ns += other.feedback_ns;
        for (size, requests) in other.by_batch_size {
            *self.by_batch_size.entry(size).or_default() += requests;
        }
        self.unfinished += other.unfinished;
        self.violations += other.violations;
        self.done_in_window += other.done_in_window;
    }

    /// Requests per executed batch: a batch of size s contributes 1/s for each of its requests.
    pub(super) fn mean_batch(&self) -> Option<f64> {
        let requests: u64 = self.by_batch_size.values().sum();
        let batches: f64 =
            self.by_batch_size.iter().map(|(size, n)| *n as f64 / f64::from((*size).max(1))).sum();
        (requests > 0).then(|| requests as f64 / batches)
    }
}
