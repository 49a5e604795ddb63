//! The overhead that a server and its client add to the execution times of a model.

use super::{MeasuredRequest, ServedBatch, batches};
use igniter::stats::{mean, percentile};
use igniter::units::Nanoseconds;
use serde::{Deserialize, Serialize};

/// The overhead of the host, in ms. It is measured in a separate phase before the run, under the same load with other
/// arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HostOverhead {
    /// Additional time for which each batch occupies its instance …
    pub per_batch_ms: f64,
    /// … and additional time for each of its requests.
    pub per_row_ms: f64,
    /// Time that each request spends outside of the instance, on its way in and out.
    pub per_request_ms: f64,
}

/// The batching configuration of the servers of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerBatching {
    /// The largest batch of each server.
    pub largest: Vec<u32>,
    /// Maximum time that a request may wait for its batch to fill.
    pub delay: Nanoseconds,
    /// Model instances of each server.
    pub instances: u32,
    /// Whether the server has a queue policy. Triton then sometimes pauses before it forms a batch (up to 500 ms).
    /// Such pauses belong to its scheduler; only shorter ones count as overhead of the host.
    pub policy: bool,
}

impl ServerBatching {
    /// Returns whether a batch waited only for the end of the previous one. With a queue delay it may wait to fill;
    /// with several instances the previous one may be on another instance.
    fn waited_for(
        &self,
        later: &ServedBatch,
        former: &ServedBatch,
        rows: &[MeasuredRequest],
    ) -> bool {
        if self.instances > 1 || later.server != former.server || later.queued_ns >= former.end_ns {
            return false;
        }
        let largest = self.largest.get(usize::from(later.server));
        let full = largest.is_some_and(|&largest| later.size() >= largest as usize);
        let complete = || {
            later.rows.iter().all(|&row| rows[row].queued_ns.is_some_and(|at| at < former.end_ns))
        };
        self.delay == Nanoseconds::ZERO
            || later.queued_ns.saturating_add(self.delay.get()) <= former.end_ns
            || (full && complete())
    }
}

impl HostOverhead {
    /// Returns the additional time for which a batch occupies its instance, in ms.
    #[must_use]
    pub fn of_batch_ms(&self, rows: usize) -> f64 {
        (self.per_batch_ms + self.per_row_ms * rows as f64).max(0.0)
    }

    /// Computes the overhead from the rows of a calibration; `None` where they have no timestamps.
    ///
    /// `times_ms` are the execution times of the model on each server, by batch size from 1, where they are known
    /// exactly, as for an emulated model. Then all time that a batch takes beyond them counts. For any other model
    /// (`times_ms` is empty) only the time between two batches and the time outside of the instance count.
    #[must_use]
    pub fn calibrate(
        rows: &[MeasuredRequest],
        times_ms: &[Vec<f64>],
        batcher: &ServerBatching,
    ) -> Option<Self> {
        let batches = batches(rows);
        // The time from the end of a batch to the start of the one that waited for it.
        let waited = batches.windows(2).filter(|pair| batcher.waited_for(&pair[1], &pair[0], rows));
        let gaps = waited.map(|pair| pair[1].start_ns.saturating_sub(pair[0].end_ns) as f64 / 1e6);
        let mut gaps: Vec<f64> = gaps.collect();
        let gap = if batcher.policy {
            gaps.sort_by(f64::total_cmp);
            percentile(&gaps, 0.25)
        } else {
            trimmed_mean(gaps)
        };
        let gap = gap.unwrap_or(0.0);
        let excess: Vec<(f64, f64)> = batches
            .iter()
            .filter_map(|batch| {
                let table = times_ms.get(usize::from(batch.server))?.get(batch.size() - 1)?;
                Some((batch.size() as f64, batch.service_ms() - table))
            })
            .collect();
        let (per_batch, per_row_ms) = line(without_hiccups(excess, |point| point.1));
        let outside = rows.iter().filter(|row| row.error.is_none()).filter_map(|row| {
            let served = row.end_ns?.saturating_sub(row.queued_ns?);
            Some((row.done_ns.saturating_sub(row.sent_ns).saturating_sub(served)) as f64 / 1e6)
        });
        let per_request_ms = trimmed_mean(outside.collect())?;
        Some(Self { per_batch_ms: per_batch + gap, per_row_ms, per_request_ms })
    }
}

/// Fits a least-squares line through points; returns its value at 0 and its slope. The line is flat where x hardly
/// varies.
fn line(points: Vec<(f64, f64)>) -> (f64, f64) {
    let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    let (Some(mean_x), Some(mean_y)) = (mean(&x), mean(&y)) else { return (0.0, 0.0) };
    let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    let spread = product(&x, mean_x, &x, mean_x);
    if spread < 0.05 * x.len() as f64 {
        return (mean_y, 0.0);
    }
    let slope = product(&x, mean_x, &y, mean_y) / spread;
    (mean_y - slope * mean_x, slope)
}

fn trimmed_mean(values: Vec<f64>) -> Option<f64> {
    mean(&without_hiccups(values, |value| *value))
}

/// Drops the largest twentieth: hiccups of the machine are not part of the server's overhead.
fn without_hiccups<T>(mut data: Vec<T>, value: impl Fn(&T) -> f64) -> Vec<T> {
    data.sort_by(|a, b| value(a).total_cmp(&value(b)));
    data.truncate(data.len() - data.len() / 20);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter::domain::WorkloadName;

    /// A request that takes 1 ms more than its server had it.
    fn row(request: u32, [queued, start, end]: [u64; 3]) -> MeasuredRequest {
        const MS: u64 = 1_000_000;
        MeasuredRequest {
            workload: WorkloadName::new("W1").unwrap(),
            request,
            server: 0,
            intended_ns: queued * MS - MS / 2,
            sent_ns: queued * MS - MS / 2,
            written_ns: queued * MS,
            first_byte_ns: end * MS,
            done_ns: end * MS + MS / 2,
            connection: 0,
            output_bytes: Some(4),
            error: None,
            queued_ns: Some(queued * MS),
            start_ns: Some(start * MS),
            input_end_ns: Some(start * MS),
            output_start_ns: Some(end * MS),
            end_ns: Some(end * MS),
        }
    }

    #[test]
    fn overheads_by_hand() {
        // Table 10, 14 ms. Batches: {0} 12 ms; {1, 2} 17 ms, 2 ms after the first, for which it waited; {3}
        // 12 ms, long after. Excess 2 and 3 ms: 1 ms a batch and 1 ms a row; and the gap of 2 ms.
        let rows = [
            row(0, [1, 10, 22]),
            row(1, [11, 24, 41]),
            row(2, [12, 24, 41]),
            row(3, [90, 100, 112]),
        ];
        let overhead = HostOverhead::calibrate(&rows, &[vec![10.0, 14.0]], &batcher(0, 1)).unwrap();
        let expected = HostOverhead { per_batch_ms: 3.0, per_row_ms: 1.0, per_request_ms: 1.0 };
        for (got, expected) in [
            (overhead.per_batch_ms, expected.per_batch_ms),
            (overhead.per_row_ms, expected.per_row_ms),
            (overhead.per_request_ms, expected.per_request_ms),
            (overhead.of_batch_ms(2), 5.0),
        ] {
            assert!((got - expected).abs() < 1e-9, "{overhead:?}");
        }
        // On a second server twice as slow, whose first batch would not have waited for the last of the other,
        // nothing changes but that.
        let other = |mut row: MeasuredRequest| {
            row.server = 1;
            row
        };
        let two = [rows.to_vec(), vec![other(row(4, [111, 112, 134]))]].concat();
        let tables = [vec![10.0, 14.0], vec![20.0, 28.0]];
        let overhead = HostOverhead::calibrate(&two, &tables, &batcher(0, 1)).unwrap();
        assert!((overhead.per_batch_ms - 3.0).abs() < 1e-9, "{overhead:?}");
        // Of a model whose own times are not known, only what is not execution counts.
        let unknown = HostOverhead::calibrate(&rows, &[], &batcher(0, 1)).unwrap();
        assert!((unknown.per_batch_ms - 2.0).abs() < 1e-9 && unknown.per_row_ms == 0.0);
        assert_eq!(HostOverhead::calibrate(&[], &[], &batcher(0, 1)), None);
    }

    /// Servers with batches of two.
    fn batcher(delay_ms: u64, instances: u32) -> ServerBatching {
        let delay = Nanoseconds::new(delay_ms * 1_000_000);
        ServerBatching { largest: vec![2, 2], delay, instances, policy: false }
    }

    #[test]
    fn rests_of_a_queue_policy_are_not_the_hosts() {
        // Requests that wait for the batch before; the next begins 1 ms after it, or after a rest of 300 ms.
        let mut rows = Vec::new();
        let mut at = 1;
        for (i, rest) in [1, 300, 1, 1, 300, 1, 300, 1].into_iter().enumerate() {
            rows.push(row(u32::try_from(i).unwrap(), [at.max(2) - 1, at, at + 10]));
            at += 10 + rest;
        }
        // Each is queued while the one before executes.
        for i in 1..rows.len() {
            rows[i].queued_ns = rows[i - 1].end_ns.map(|end| end - 1_000_000);
        }
        let gap = |policy| {
            let batcher = ServerBatching { policy, ..batcher(0, 1) };
            HostOverhead::calibrate(&rows, &[], &batcher).unwrap().per_batch_ms
        };
        assert!((gap(true) - 1.0).abs() < 1e-9, "{}", gap(true));
        assert!(gap(false) > 50.0);
    }

    #[test]
    fn a_batch_that_waits_to_fill_is_no_overhead_of_the_host() {
        let per_batch = |rows: &[MeasuredRequest], batcher: &ServerBatching| {
            HostOverhead::calibrate(rows, &[], batcher).unwrap().per_batch_ms
        };
        // One request is there when the batch before ends at 22 ms, and waits for 8 ms or for a second one.
        let waits = [row(0, [1, 10, 22]), row(1, [20, 28, 41])];
        assert!((per_batch(&waits, &batcher(8, 1)) - 0.0).abs() < 1e-9);
        assert!((per_batch(&waits, &batcher(0, 1)) - 6.0).abs() < 1e-9);
        let filled = [row(0, [1, 10, 22]), row(1, [20, 26, 41]), row(2, [26, 26, 41])];
        assert!((per_batch(&filled, &batcher(8, 1)) - 0.0).abs() < 1e-9);
        // Full already, or waiting for longer: only the instance was missing.
        let full = [row(0, [1, 10, 22]), row(1, [20, 23, 41]), row(2, [21, 23, 41])];
        assert!((per_batch(&full, &batcher(8, 1)) - 1.0).abs() < 1e-9);
        let old = [row(0, [1, 10, 22]), row(1, [14, 24, 41])];
        assert!((per_batch(&old, &batcher(8, 1)) - 2.0).abs() < 1e-9);
        // Of several instances nobody knows which became free.
        assert!((per_batch(&old, &batcher(0, 2)) - 0.0).abs() < 1e-9);
    }
}
