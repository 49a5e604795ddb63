//! Per-request records in memory, column by column: the rows of `requests.parquet`.

use igniter_model::domain::{
    FailedRequest, Failure, GpuInterval, RecordSink, RequestRecord, Workload,
};
use igniter_model::units::Nanoseconds;

/// Requests of a chunk: a table grows by whole chunks, so it is never copied, and little memory lies idle.
const CHUNK: usize = 1 << 16;

/// Requests of one GPU, at most 65,536 of them, in order of their end. All columns have the same length.
#[derive(Debug, Clone, Default)]
pub struct RequestChunk {
    /// The workload's place in the scenario.
    pub workload: Vec<i32>,
    /// Arrival, in ns of simulated time, as all times are.
    pub arrival: Vec<i64>,
    /// Load start; 0 where the request failed, as all that follows up to `exec_end`.
    pub load_start: Vec<i64>,
    /// Load end.
    pub load_end: Vec<i64>,
    /// Start of the execution.
    pub exec_start: Vec<i64>,
    /// End of the execution.
    pub exec_end: Vec<i64>,
    /// When it was completed or failed.
    pub done: Vec<i64>,
    /// The number of its batch among those of its server; 0 where it failed.
    pub batch: Vec<i64>,
    /// The requests of its batch; 0 where it failed.
    pub batch_size: Vec<i32>,
    /// Whether it was completed within the SLO.
    pub ok: Vec<bool>,
    /// What became of it, as a place in [`RequestColumns::OUTCOMES`].
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

    /// How many requests it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.arrival.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.arrival.is_empty()
    }

    /// Whether a request of it failed, so that its stages are absent.
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
    /// The names of outcomes, in the order of their codes.
    pub const OUTCOMES: [&'static str; 4] = [
        "completed",
        Failure::Rejected.as_str(),
        Failure::TimedOut.as_str(),
        Failure::Lost.as_str(),
    ];

    /// The sink of one GPU; the workloads are those of the scenario, in order.
    #[must_use]
    pub fn new(workloads: &[Workload]) -> Self {
        let slos = workloads.iter().map(|workload| workload.slo.to_nanoseconds()).collect();
        Self { slos, chunks: Vec::new() }
    }

    /// What it holds.
    #[must_use]
    pub fn into_chunks(self) -> Vec<RequestChunk> {
        self.chunks
    }

    /// The chunk for the next request.
    fn chunk(&mut self) -> &mut RequestChunk {
        match self.chunks.last() {
            // The first one grows, so that a short run takes little.
            None => self.chunks.push(RequestChunk::default()),
            Some(last) if last.len() >= CHUNK => {
                self.chunks.push(RequestChunk::with_capacity(CHUNK))
            }
            Some(_) => {}
        }
        self.chunks.last_mut().expect("there is one now")
    }
}

/// Simulated time ends long before 2^63 ns, which are 292 years.
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
