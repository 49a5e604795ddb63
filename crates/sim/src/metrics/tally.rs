//! The data kept for the requests of one workload.

use super::Window;
use super::latencies::{Latencies, Percentiles};
use super::latency_series::LatencyBins;
use super::summary::FailedCounts;
use igniter_model::domain::{BatchRecord, FailedRequest, RequestRecord};
use igniter_model::units::Nanoseconds;
use std::collections::BTreeMap;

/// Counts of requests by the size of their batch.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchSizes {
    /// Counts for usual sizes, indexed by size.
    usual: Vec<u64>,
    more: BTreeMap<u32, u64>,
}

impl BatchSizes {
    /// Larger sizes than this are unusual.
    const USUAL: usize = 256;

    #[inline]
    fn add(&mut self, size: usize, requests: u64) {
        match self.usual.get_mut(size) {
            Some(count) => *count += requests,
            None => self.add_first(size, requests),
        }
    }

    #[cold]
    fn add_first(&mut self, size: usize, requests: u64) {
        if size > Self::USUAL {
            let size = u32::try_from(size).expect("a batch has fewer than 2^32 requests");
            *self.more.entry(size).or_default() += requests;
        } else {
            self.usual.resize(size + 1, 0);
            self.usual[size] += requests;
        }
    }

    /// Returns the sizes that occurred, in order, with their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let usual = (0..).zip(self.usual.iter().copied()).filter(|&(_, requests)| requests > 0);
        usual.chain(self.more.iter().map(|(&size, &requests)| (size, requests)))
    }
}

/// Fewer than 2³² latencies below this value have a sum below 2⁶⁴ ns.
const SHORT: Nanoseconds = Nanoseconds::new(1 << 32);

/// Returns the durations of the load, the execution and the feedback of a batch.
#[inline(always)]
fn stages(record: &BatchRecord) -> [Nanoseconds; 3] {
    let load = record.load_end - record.load_start;
    let exec = record.exec_end - record.exec_start;
    [load, exec, record.done - record.exec_end]
}

/// Exact sums over the requests of one workload. Merging is associative and independent of order, except for the order
/// of the latencies.
#[derive(Debug, Clone)]
pub(super) struct RequestTally {
    /// Latencies of completed requests that arrived in the window, in ns.
    pub(super) latencies: Latencies,
    /// Sums over the same requests, in ns.
    pub(super) latency_ns: u128,
    pub(super) load_ns: u128,
    pub(super) exec_ns: u128,
    pub(super) feedback_ns: u128,
    /// Number of the same requests that were executed in batches of each size.
    pub(super) by_batch_size: BatchSizes,
    /// All completed requests, by the time of their completion.
    pub(super) over_time: LatencyBins,
    /// Number of requests that arrived in the window and were never completed.
    pub(super) unfinished: u64,
    /// Number of requests that arrived in the window and failed.
    pub(super) failed: FailedCounts,
    /// Number of requests of the window, completed or not, whose latency exceeds the SLO, and of those that failed.
    pub(super) violations: u64,
    /// Number of completions inside the window, whenever the request arrived.
    pub(super) done_in_window: u64,
}

impl RequestTally {
    pub(super) fn new(percentiles: Percentiles, latency_bins: usize) -> Self {
        Self {
            latencies: Latencies::new(percentiles),
            latency_ns: 0,
            load_ns: 0,
            exec_ns: 0,
            feedback_ns: 0,
            by_batch_size: BatchSizes::default(),
            over_time: LatencyBins::new(latency_bins),
            unfinished: 0,
            failed: FailedCounts::default(),
            violations: 0,
            done_in_window: 0,
        }
    }

    pub(super) fn request(&mut self, record: &RequestRecord, window: &Window, slo: Nanoseconds) {
        if window.contains(record.done) {
            self.done_in_window += 1;
        }
        let latency = record.latency();
        let sum = u128::from(latency.get());
        self.over_time.add(record.done, window.duration(), 1, sum, latency);
        if !window.contains(record.arrival) {
            return;
        }
        self.latencies.extend([latency.get()].into_iter());
        self.latency_ns += u128::from(latency.get());
        self.load_ns += u128::from(record.load().get());
        self.exec_ns += u128::from(record.exec().get());
        self.feedback_ns += u128::from(record.feedback().get());
        self.by_batch_size.add(record.batch_size as usize, 1);
        if latency > slo {
            self.violations += 1;
        }
    }

    /// Does the same as [`RequestTally::request`] for each request of a batch.
    #[inline(always)]
    pub(super) fn batch(
        &mut self,
        record: &BatchRecord,
        arrivals: &[Nanoseconds],
        window: &Window,
        slo: Nanoseconds,
    ) {
        let Some(&first) = arrivals.first() else { return };
        let done = record.done;
        let longest = done - first;
        // Most batches lie entirely in the window. Without very long latencies, the sums over such a batch fit into 64
        // bits.
        if window.start() <= first && done < window.end() && longest < SHORT {
            self.batch_inside(record, arrivals, longest, window, slo);
        } else {
            self.batch_at_an_edge(record, arrivals, window, slo);
        }
    }

    #[inline(always)]
    fn batch_inside(
        &mut self,
        record: &BatchRecord,
        arrivals: &[Nanoseconds],
        longest: Nanoseconds,
        window: &Window,
        slo: Nanoseconds,
    ) {
        let (done, requests) = (record.done, arrivals.len() as u64);
        let sum = self.latencies.add_batch(done, arrivals);
        // The requests that arrived first waited longest.
        if arrivals.last().is_some_and(|&last| done - last > slo) {
            self.violations += requests;
        } else if longest > slo {
            let late = arrivals.iter().take_while(|&&arrival| done - arrival > slo);
            self.violations += late.count() as u64;
        }
        self.done_in_window += requests;
        self.over_time.add(done, window.duration(), requests, u128::from(sum), longest);
        let [load, exec, feedback] = stages(record).map(|stage| requests * stage.get());
        self.latency_ns += u128::from(sum);
        self.load_ns += u128::from(load);
        self.exec_ns += u128::from(exec);
        self.feedback_ns += u128::from(feedback);
        self.by_batch_size.add(arrivals.len(), requests);
    }

    #[inline(never)]
    fn batch_at_an_edge(
        &mut self,
        record: &BatchRecord,
        arrivals: &[Nanoseconds],
        window: &Window,
        slo: Nanoseconds,
    ) {
        let done = record.done;
        if window.contains(done) {
            self.done_in_window += arrivals.len() as u64;
        }
        let inside = window.of_sorted(arrivals);
        let outside: u128 = if inside.len() == arrivals.len() {
            0
        } else {
            let before = arrivals.partition_point(|&arrival| arrival < window.start());
            let after = &arrivals[before + inside.len()..];
            arrivals[..before].iter().chain(after).map(|&a| u128::from((done - a).get())).sum()
        };
        let (mut sum, mut late) = (0_u128, 0);
        self.latencies.extend(inside.iter().map(|&arrival| {
            let latency = done - arrival;
            sum += u128::from(latency.get());
            late += u64::from(latency > slo);
            latency.get()
        }));
        if let Some(&first) = arrivals.first() {
            let (n, duration) = (arrivals.len() as u64, window.duration());
            self.over_time.add(done, duration, n, sum + outside, done - first);
        }
        if inside.is_empty() {
            return;
        }
        let requests = inside.len() as u128;
        let [load, exec, feedback] = stages(record).map(|stage| requests * u128::from(stage.get()));
        self.latency_ns += sum;
        self.load_ns += load;
        self.exec_ns += exec;
        self.feedback_ns += feedback;
        self.violations += late;
        self.by_batch_size.add(arrivals.len(), inside.len() as u64);
    }

    pub(super) fn failed(&mut self, request: &FailedRequest, window: &Window) {
        if window.contains(request.arrival) {
            self.failed.add(request.failure);
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
        self.latencies.merge(other.latencies);
        self.latency_ns += other.latency_ns;
        self.load_ns += other.load_ns;
        self.exec_ns += other.exec_ns;
        self.feedback_ns += other.feedback_ns;
        for (size, requests) in other.by_batch_size.iter() {
            self.by_batch_size.add(size as usize, requests);
        }
        self.over_time.merge(other.over_time);
        self.unfinished += other.unfinished;
        self.failed.merge(other.failed);
        self.violations += other.violations;
        self.done_in_window += other.done_in_window;
    }

    /// Returns the total waiting time of the requests, in ns: their latencies without the other stages.
    pub(super) fn queue_ns(&self) -> u128 {
        self.latency_ns - (self.load_ns + self.exec_ns + self.feedback_ns)
    }

    /// Returns the requests per executed batch: a batch of size s contributes 1/s for each of its requests.
    pub(super) fn mean_batch(&self) -> Option<f64> {
        let requests: u64 = self.by_batch_size.iter().map(|(_, requests)| requests).sum();
        let batches = self.by_batch_size.iter().map(|(size, n)| n as f64 / f64::from(size.max(1)));
        let batches: f64 = batches.sum();
        (requests > 0).then(|| requests as f64 / batches)
    }
}
