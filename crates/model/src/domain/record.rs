//! The output of a run: one record for each request, one interval for each state of a GPU.
//!
//! Simulation and real measurement emit the same records into the same sinks, so a gap between them can never come from
//! two definitions of a percentile or of an SLO violation.

use super::{GpuId, WorkloadId};
use crate::units::Nanoseconds;

/// The timestamps of one completed request. All times are since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRecord {
    pub workload: WorkloadId,
    /// The GPU on which the request ran.
    pub gpu: GpuId,
    /// The index of the request's batch among the batches of its server, from 0.
    pub batch: u64,
    /// The number of requests in that batch.
    pub batch_size: u32,
    /// The arrival time (intended send time: queueing at the client counts as latency).
    pub arrival: Nanoseconds,
    /// The time at which the batch left the queue and the copy of its input to the GPU began.
    pub load_start: Nanoseconds,
    /// The time at which the copy to the GPU was complete.
    pub load_end: Nanoseconds,
    /// The time at which the batch began to execute.
    pub exec_start: Nanoseconds,
    /// The time at which execution ended and the copy of the result began.
    pub exec_end: Nanoseconds,
    /// The time at which the result was on the host.
    pub done: Nanoseconds,
}

impl RequestRecord {
    /// Returns the end-to-end latency.
    #[must_use]
    pub fn latency(&self) -> Nanoseconds {
        self.done - self.arrival
    }

    /// Returns the time spent waiting: for the batch to form, and, once loaded, for the previous batch to finish.
    #[must_use]
    pub fn queue(&self) -> Nanoseconds {
        (self.load_start - self.arrival) + (self.exec_start - self.load_end)
    }

    /// Returns the time of the copy to the GPU.
    #[must_use]
    pub fn load(&self) -> Nanoseconds {
        self.load_end - self.load_start
    }

    /// Returns the time of execution on the GPU.
    #[must_use]
    pub fn exec(&self) -> Nanoseconds {
        self.exec_end - self.exec_start
    }

    /// Returns the time of the copy back to the host.
    #[must_use]
    pub fn feedback(&self) -> Nanoseconds {
        self.done - self.exec_end
    }
}

/// The fields that all requests of one completed batch share: a [`RequestRecord`] without the arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRecord {
    /// The workload of the requests.
    pub workload: WorkloadId,
    /// The GPU on which the batch ran.
    pub gpu: GpuId,
    /// The index of the batch among the batches of its server, from 0.
    pub batch: u64,
    /// The time at which the batch left the queue and the copy of its input to the GPU began.
    pub load_start: Nanoseconds,
    /// The time at which the copy to the GPU was complete.
    pub load_end: Nanoseconds,
    /// The time at which the batch began to execute.
    pub exec_start: Nanoseconds,
    /// The time at which execution ended and the copy of the results began.
    pub exec_end: Nanoseconds,
    /// The time at which the results were on the host.
    pub done: Nanoseconds,
}

impl BatchRecord {
    /// Returns the record of one of the batch's `batch_size` requests.
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

/// The reason why a request was never completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The queue of its server was full when the request arrived (Triton: HTTP 503, "Exceeds maximum queue size").
    Rejected,
    /// The request waited longer than its queue policy allows (Triton: HTTP 503, "Request timeout expired").
    TimedOut,
    /// Its server or its GPU failed while the request was there, or was down when it arrived.
    Lost,
}

impl Failure {
    /// Returns the name used in files and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
        }
    }
}

/// The timestamps of one request that was never completed. All times are since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedRequest {
    pub workload: WorkloadId,
    /// The GPU on which the request would have run.
    pub gpu: GpuId,
    /// The arrival time.
    pub arrival: Nanoseconds,
    /// The time at which the request failed.
    pub at: Nanoseconds,
    pub failure: Failure,
}

/// An interval in which the state of a GPU does not change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GpuInterval {
    /// The GPU.
    pub gpu: GpuId,
    /// Start of the interval.
    pub start: Nanoseconds,
    /// End of the interval (exclusive).
    pub end: Nanoseconds,
    /// Number of executing batches.
    pub running: u32,
    /// Sum of the SM shares of the executing batches, in percent.
    pub busy_sm_pct: f64,
    /// Power drawn, in watts.
    pub power_w: f64,
    /// SM clock, in MHz.
    pub clock_mhz: f64,
}

/// A receiver of what a run emits. Metrics and per-request files implement it; the engine knows its outputs only
/// through this trait.
pub trait RecordSink {
    /// Receives a completed request. Records of one GPU arrive in order of completion.
    fn request(&mut self, record: &RequestRecord);

    /// Receives all requests of a completed batch, with their arrivals in order. Equivalent to calling
    /// [`RecordSink::request`] for each of them; sinks may override it to do the same at less cost.
    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        let size = u32::try_from(arrivals.len()).expect("a batch has fewer than 2^32 requests");
        for &arrival in arrivals {
            self.request(&batch.request(arrival, size));
        }
    }

    /// Receives a failed request. Every request of a run is reported once: here, or as completed.
    fn failed(&mut self, request: &FailedRequest);

    /// Receives an interval in which a GPU was in one state. Intervals of one GPU arrive in order and without gaps.
    fn gpu_interval(&mut self, interval: &GpuInterval);

    /// Ends the run of a GPU: nothing more is reported. A sink may then summarise what it holds; since GPUs end one by
    /// one, not all sinks hold all their data at the same time.
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
