//! Groups requests by the batch in which a server executed them.

use super::MeasuredRequest;
use std::collections::BTreeMap;

/// A batch as the server's trace shows it; times in ns since the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedBatch {
    /// The server that executed it.
    pub server: u8,
    /// Its requests, as indices into the rows.
    pub rows: Vec<usize>,
    /// The time at which the first of them reached the scheduler.
    pub queued_ns: u64,
    /// The time at which an instance began it.
    pub start_ns: u64,
    /// The time at which the inputs were ready for the model.
    pub input_end_ns: u64,
    /// The time at which the outputs were ready.
    pub output_start_ns: u64,
    /// The time at which the last answer was handed over.
    pub end_ns: u64,
}

impl ServedBatch {
    /// Returns the number of requests.
    #[must_use]
    pub fn size(&self) -> usize {
        self.rows.len()
    }

    /// Returns the time for which it occupied its instance, in ms.
    #[must_use]
    pub fn service_ms(&self) -> f64 {
        (self.end_ns - self.start_ns) as f64 / 1e6
    }
}

/// Returns the batches of one workload's rows, by server and start. All requests of a batch have
/// the same COMPUTE_START; rows without timestamps are left out.
#[must_use]
pub fn batches(rows: &[MeasuredRequest]) -> Vec<ServedBatch> {
    let mut batches: BTreeMap<(u8, u64), ServedBatch> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        let (Some(queued_ns), Some(start_ns), Some(end_ns)) =
            (row.queued_ns, row.start_ns, row.end_ns)
        else {
            continue;
        };
        let batch = batches.entry((row.server, start_ns)).or_insert_with(|| ServedBatch {
            server: row.server,
            rows: Vec::new(),
            queued_ns,
            start_ns,
            input_end_ns: start_ns,
            output_start_ns: end_ns,
            end_ns,
        });
        batch.rows.push(i);
        batch.queued_ns = batch.queued_ns.min(queued_ns);
        batch.input_end_ns = batch.input_end_ns.max(row.input_end_ns.unwrap_or(start_ns));
        batch.output_start_ns = batch.output_start_ns.min(row.output_start_ns.unwrap_or(end_ns));
        batch.end_ns = batch.end_ns.max(end_ns);
    }
    batches.into_values().collect()
}
