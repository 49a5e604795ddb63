//! Per-request records in memory, column by column: the rows of `requests.parquet`.

use igniter_model::domain::{
    FailedRequest, Failure, GpuInterval, RecordSink, RequestRecord, Workload,
};
use igniter_model::units::Nanoseconds;

/// Requests per chunk. A table grows by whole chunks, so that it is never copied and little memory is unused.
const CHUNK: usize = 1 << 16;

/// At most 65,536 requests of one GPU, ordered by their end. All columns have the same length.
#[derive(Debug, Clone, Default)]
pub struct RequestChunk {
    /// Index of the workload in the scenario.
    pub workload: Vec<i32>,
    /// Arrival, in ns of simulated time, like all times here.
    pub arrival: Vec<i64>,
    /// Load start; 0 if the request failed, as are the following fields up to `exec_end`.
    pub load_start: Vec<i64>,
    /// Load end.
    pub load_end: Vec<i64>,
    /// Start of the execution.
    pub exec_start: Vec<i64>,
    /// End of the execution.
    pub exec_end: Vec<i64>,
    /// Time of completion or failure.
    pub done: Vec<i64>,
    /// Index of the batch among those of its server; 0 if the request failed.
    pub batch: Vec<i64>,
    /// Number of requests in the batch; 0 if the request failed.
    pub batch_size: Vec<i32>,
    /// Whether the request was completed within the SLO.
    pub ok: Vec<bool>,
    /// Outcome, as an index into [`RequestColumns::OUTCOMES`].
    pub outcome: Vec<i8>,
}

impl RequestChunk {
    fn with_capacity(rows: usize) -> Self {
        Self {
            workload: Vec::with_capacity(rows),
            arrival: Vec::with_capacity(rows),
            load_start: Vec::with_capacity(rows),
            load_end: Vec::with_capacity(rows),
            exec_start: Vec::with_capacity(rows),
            exec_end: Vec::with_capacity(rows),
            done: Vec::with_capacity(rows),
            batch: Vec::with_capacity(rows),
            batch_size: Vec::with_capacity(rows),
            ok: Vec::with_capacity(rows),
            outcome: Vec::with_capacity(rows),
        }
    }

    /// Returns the number of requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.arrival.len()
    }

    /// Whether the chunk is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.arrival.is_empty()
    }

    /// Whether a request of the chunk failed, so that its stages are absent.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.outcome.iter().any(|outcome| *outcome != 0)
    }
}

/// The sink of one GPU.
#[derive(Debug, Clone, Default)]
pub struct RequestColumns {
    slos: Vec<Nanoseconds>,
    chunks: Vec<RequestChunk>,
}

impl RequestColumns {
    /// Names of outcomes, in the order of their codes.
    pub const OUTCOMES: [&'static str; 4] = [
        "completed",
        Failure::Rejected.as_str(),
        Failure::TimedOut.as_str(),
        Failure::Lost.as_str(),
    ];

    /// Creates the sink of one GPU; the workloads are those of the scenario, in order.
    #[must_use]
    pub fn new(workloads: &[Workload]) -> Self {
        let slos = workloads.iter().map(|workload| workload.slo.to_nanoseconds()).collect();
        Self { slos, chunks: Vec::new() }
    }

    /// Returns the chunks.
    #[must_use]
    pub fn into_chunks(self) -> Vec<RequestChunk> {
        self.chunks
    }

    /// Returns the chunk for the next request.
    fn chunk(&mut self) -> &mut RequestChunk {
        match self.chunks.last() {
            // The first chunk grows as needed, so that a short run takes little memory.
            None => self.chunks.push(RequestChunk::default()),
            Some(last) if last.len() >= CHUNK => {
                self.chunks.push(RequestChunk::with_capacity(CHUNK))
            }
            Some(_) => {}
        }
        self.chunks.last_mut().expect("there is one now")
    }
}

/// Converts a time to `i64`. Simulated time is far below 2^63 ns, which are 292 years.
fn ns(time: Nanoseconds) -> i64 {
    i64::try_from(time.get()).unwrap_or(i64::MAX)
}

fn whole(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

impl RecordSink for RequestColumns {
    fn request(&mut self, record: &RequestRecord) {
        let ok = record.latency() <= self.slos[record.workload.index()];
        let chunk = self.chunk();
        chunk.workload.push(whole(record.workload.index()));
        chunk.arrival.push(ns(record.arrival));
        chunk.load_start.push(ns(record.load_start));
        chunk.load_end.push(ns(record.load_end));
        chunk.exec_start.push(ns(record.exec_start));
        chunk.exec_end.push(ns(record.exec_end));
        chunk.done.push(ns(record.done));
        chunk.batch.push(i64::try_from(record.batch).unwrap_or(i64::MAX));
        chunk.batch_size.push(i32::try_from(record.batch_size).unwrap_or(i32::MAX));
        chunk.ok.push(ok);
        chunk.outcome.push(0);
    }

    fn failed(&mut self, request: &FailedRequest) {
        let outcome = match request.failure {
            Failure::Rejected => 1,
            Failure::TimedOut => 2,
            Failure::Lost => 3,
        };
        let chunk = self.chunk();
        chunk.workload.push(whole(request.workload.index()));
        chunk.arrival.push(ns(request.arrival));
        for stage in [
            &mut chunk.load_start,
            &mut chunk.load_end,
            &mut chunk.exec_start,
            &mut chunk.exec_end,
            &mut chunk.batch,
        ] {
            stage.push(0);
        }
        chunk.done.push(ns(request.at));
        chunk.batch_size.push(0);
        chunk.ok.push(false);
        chunk.outcome.push(outcome);
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}
