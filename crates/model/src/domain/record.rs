//! What a run leaves behind: one record for each request, one interval for each state of a GPU.
//!
//! The simulated and the real arm emit the same records into the same sinks, so a gap between them
//! can never come from two definitions of a percentile or of an SLO violation.

use super::{GpuId, WorkloadId};
use crate::units::Nanoseconds;

/// The life of one completed request. All times are since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRecord {
    pub workload: WorkloadId,
    /// Where it ran.
    pub gpu: GpuId,
    /// The number of its batch among the batches of its server, from 0.
    pub batch: u64,
    /// How many requests that batch held.
    pub batch_size: u32,
    /// When it arrived (intended send time: queueing at the client counts as latency).
    pub arrival: Nanoseconds,
    /// When its batch left the queue and its input began to be copied to the GPU.
    pub load_start: Nanoseconds,
    /// When the copy was complete.
    pub load_end: Nanoseconds,
    /// When its batch began to execute.
    pub exec_start: Nanoseconds,
    /// When execution ended and the result began to be copied back.
    pub exec_end: Nanoseconds,
    /// When the result was on the host.
    pub done: Nanoseconds,
}

impl RequestRecord {
    /// End-to-end latency.
    #[must_use]
    pub fn latency(&self) -> Nanoseconds {
        self.done - self.arrival
    }

    /// Time spent waiting: for its batch, and, once loaded, for the batch before it to finish.
    #[must_use]
    pub fn queue(&self) -> Nanoseconds {
        (self.load_start - self.arrival) + (self.exec_start - self.load_end)
    }

    /// Time of the copy to the GPU.
    #[must_use]
    pub fn load(&self) -> Nanoseconds {
        self.load_end - self.load_start
    }

    /// Time of execution on the GPU.
    #[must_use]
    pub fn exec(&self) -> Nanoseconds {
        self.exec_end - self.exec_start
    }

    /// Time of the copy back.
    #[must_use]
    pub fn feedback(&self) -> Nanoseconds {
        self.done - self.exec_end
    }
}

/// What all requests of one completed batch share: a [`RequestRecord`] without the arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRecord {
    /// Whose requests they are.
    pub workload: WorkloadId,
    /// Where they ran.
    pub gpu: GpuId,
    /// The number of the batch among those of its server, from 0.
    pub batch: u64,
    /// When it left the queue and its input began to be copied to the GPU.
    pub load_start: Nanoseconds,
    /// When the copy was complete.
    pub load_end: Nanoseconds,
    /// When it began to execute.
    pub exec_start: Nanoseconds,
    /// When execution ended and the results began to be copied back.
    pub exec_end: Nanoseconds,
    /// When the results were on the host.
    pub done: Nanoseconds,
}

impl BatchRecord {
    /// The record of one of its `batch_size` requests.
    #[must_use]
    pub const fn request(&self, arrival: Nanoseconds, batch_size: u32) -> RequestRecord {
        let Self { workload, gpu, batch, load_start, load_end, exec_start, exec_end, done } = *self;
        RequestRecord {
            workload,
            gpu,
            batch,
            batch_size,
            arrival,
            load_start,
            load_end,
            exec_start,
            exec_end,
            done,
        }
    }
}

/// Why a request was never completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The queue of its server was full when it arrived (Triton: HTTP 503, "Exceeds maximum queue size").
    Rejected,
    /// It waited longer than its queue policy allows (Triton: HTTP 503, "Request timeout expired").
    TimedOut,
    /// Its server or its GPU failed while it was there, or was down when it arrived.
    Lost,
}

impl Failure {
    /// The name in files and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
        }
    }
}

/// The life of one request that was never completed. All times are since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedRequest {
    pub workload: WorkloadId,
    /// Where it would have run.
    pub gpu: GpuId,
    /// When it arrived.
    pub arrival: Nanoseconds,
    /// When it failed.
    pub at: Nanoseconds,
    pub failure: Failure,
}

/// An interval in which the state of a GPU does not change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GpuInterval {
    /// Which GPU.
    pub gpu: GpuId,
    /// From.
    pub start: Nanoseconds,
    /// To (exclusive).
    pub end: Nanoseconds,
    /// How many batches execute.
    pub running: u32,
    /// The sum of their SM shares in percent.
    pub busy_sm_pct: f64,
    /// Power drawn, in watts.
    pub power_w: f64,
    /// SM clock, in MHz.
    pub clock_mhz: f64,
}

/// Takes what a run emits. Metrics and per-request files implement it; the engine knows nothing else
/// of its outputs.
pub trait RecordSink {
    /// A request was completed. Records of one GPU come in order of completion.
    fn request(&mut self, record: &RequestRecord);

    /// All requests of a batch were completed; their arrivals are in order. The same as
    /// [`RecordSink::request`] for each of them, for sinks that can do it at less cost.
    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        let size = u32::try_from(arrivals.len()).expect("a batch has fewer than 2^32 requests");
        for &arrival in arrivals {
            self.request(&batch.request(arrival, size));
        }
    }

    /// A request failed. Every request of a run is reported once: here, or as completed.
    fn failed(&mut self, request: &FailedRequest);

    /// A GPU was in one state for a while. Intervals of one GPU come in order and without gaps.
    fn gpu_interval(&mut self, interval: &GpuInterval);

    /// The GPU's run is over: nothing more is reported. A sink may sum up what it holds; GPUs end one by one, so that
    /// not all of them hold all at once.
    fn end(&mut self) {}
}

impl<A: RecordSink, B: RecordSink> RecordSink for (A, B) {
    fn request(&mut self, record: &RequestRecord) {
        self.0.request(record);
        self.1.request(record);
    }

    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        self.0.batch(batch, arrivals);
        self.1.batch(batch, arrivals);
    }

    fn failed(&mut self, request: &FailedRequest) {
        self.0.failed(request);
        self.1.failed(request);
    }

    fn gpu_interval(&mut self, interval: &GpuInterval) {
        self.0.gpu_interval(interval);
        self.1.gpu_interval(interval);
    }

    fn end(&mut self) {
        self.0.end();
        self.1.end();
    }
}

impl<S: RecordSink> RecordSink for Option<S> {
    fn request(&mut self, record: &RequestRecord) {
        if let Some(sink) = self {
            sink.request(record);
        }
    }

    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        if let Some(sink) = self {
            sink.batch(batch, arrivals);
        }
    }

    fn failed(&mut self, request: &FailedRequest) {
        if let Some(sink) = self {
            sink.failed(request);
        }
    }

    fn gpu_interval(&mut self, interval: &GpuInterval) {
        if let Some(sink) = self {
            sink.gpu_interval(interval);
        }
    }

    fn end(&mut self) {
        if let Some(sink) = self {
            sink.end();
        }
    }
}
