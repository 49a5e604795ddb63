//! Conditions that may spoil a measurement, each with advice.

use igniter::domain::WorkloadName;
use serde::{Deserialize, Serialize};

/// A condition that makes a measurement doubtful. `docs/validation.md` has the background of some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    #[error(
        "{workload}: 1 % of the requests were sent {p99_ms:.2} ms late or later (tolerated: {limit_ms} ms){}",
        stolen(*.stolen_pct)
    )]
    LateSends {
        workload: WorkloadName,
        p99_ms: f64,
        limit_ms: f64,
        /// The part of the processors' time that the host of a virtual machine took for others meanwhile, in
        /// percent, where the system reports it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stolen_pct: Option<f64>,
    },
    #[error(
        "for {waiting_pct:.0} % of the run some process waited for a processor (tolerated: {limit_pct} %)"
    )]
    BusyMachine { waiting_pct: f64, limit_pct: f64 },
    #[error(
        "{workload}: all {limit} connections that the client may open were busy; 1 % of the requests were sent \
         {p99_ms:.2} ms late or later"
    )]
    ConnectionLimit { workload: WorkloadName, limit: u32, p99_ms: f64 },
    #[error("the program was ended before the run was")]
    Unfinished,
    #[error("{workload}: the server's times of requests are lost: {reason}")]
    TraceLost { workload: WorkloadName, reason: String },
    #[error("what the GPUs said is lost: {reason}")]
    SamplesLost { reason: String },
    #[error("did not end: {what}")]
    LeftBehind { what: String },
    #[error("GPU {gpu} is {found}, but the performance model is of {expected}")]
    OtherGpu { gpu: usize, found: String, expected: String },
    #[error("--mps {given}, but the performance model was measured with {expected}")]
    OtherSharing { given: String, expected: String },
    #[error("{workload}: {times} requests found no free connection")]
    PoolExhausted { workload: WorkloadName, times: u64 },
    #[error(
        "{workload}: mean latency varies by {spread_pct:.0} % over the run, {simulated_pct:.0} % in the simulation"
    )]
    Unstable { workload: WorkloadName, spread_pct: f64, simulated_pct: f64 },
    #[error("{workload}: max_queue_delay_ms = {max_queue_delay_ms} with fixed input sizes")]
    BatchRace { workload: WorkloadName, max_queue_delay_ms: f64 },
    #[error("the models ran on the CPU: no GPU ({reason})")]
    OnCpu { reason: String },
    #[error("{workload}: kernels are launched one by one ({reason})")]
    NoGraphs { workload: WorkloadName, reason: String },
    #[error("{workload}: a ready model does not say how many SMs it sees")]
    UnverifiedShare { workload: WorkloadName },
    #[error("GPU {gpu}: the clock was lowered ({reasons})")]
    ThrottledClock { gpu: usize, reasons: String },
    #[error("{workload}: answers hold empty tensors")]
    EmptyTensors { workload: WorkloadName },
    #[error("{workload}: {failed} of {requests} requests failed: {first}")]
    FailedRequests { workload: WorkloadName, failed: u64, requests: u64, first: String },
    #[error("{workload}: {requests} requests were never answered")]
    Unanswered { workload: WorkloadName, requests: u64 },
    #[error("{workload}: the server counted {server} requests, the client {client}")]
    CountsDiffer { workload: WorkloadName, server: u64, client: u64 },
    #[error("{workload}: no trace of the server")]
    NoTrace { workload: WorkloadName },
    #[error("only {sent} of {planned} requests were sent")]
    Incomplete { sent: u64, planned: u64 },
}

fn stolen(pct: Option<f64>) -> String {
    pct.map_or_else(String::new, |pct| {
        format!("; the machine's host took {pct:.1} % of the processors' time for others")
    })
}

impl Warning {
    /// Returns advice on what to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::LateSends { .. } => {
                "latencies count from the intended times and are too long by this; run on an idle machine or with lower rates"
            }
            Self::BusyMachine { .. } => {
                "client and servers had to wait for processors, which no arm predicts; end other programs, or use a machine with more cores"
            }
            Self::ConnectionLimit { .. } => {
                "this is a limit of the client, not of the machine: raise it with --most-connections (and `ulimit -n`), or lower the load; each request in flight has a connection of its own"
            }
            Self::Unfinished => {
                "the records are those that came until then; requests that were on their way are missing"
            }
            Self::TraceLost { .. } => {
                "batches and stages of this workload are unknown; see the server's log, and whether TMPDIR was full"
            }
            Self::SamplesLost { .. } => "power and clocks are unknown; see whether TMPDIR was full",
            Self::LeftBehind { .. } => "look for it with `ps`, and end it",
            Self::OtherGpu { .. } => {
                "predicted and simulated times are of another GPU: measure this one with `validate profile`, and give it with --profile"
            }
            Self::OtherSharing { .. } => {
                "predicted and simulated shares are not applied: leave --mps out to compare with them"
            }
            Self::PoolExhausted { .. } => {
                "the server fell behind; raise --connections if it should not have"
            }
            Self::Unstable { .. } => {
                "lengthen warmup_s and duration_s; if latency only grows, the server cannot keep up with the rate"
            }
            Self::BatchRace { .. } => {
                "with a queue delay and fixed input sizes two threads of Triton race for late requests; set max_queue_delay_ms = 0 to leave this out"
            }
            Self::OnCpu { .. } => {
                "the predictor is of a GPU; run `validate doctor` to see what the machine lacks"
            }
            Self::NoGraphs { .. } => {
                "small batches measure how fast Python launches kernels; use a PyTorch that can record CUDA graphs"
            }
            Self::UnverifiedShare { .. } => {
                "compare the time of a batch alone with and without --mps off; models of torchvision say what they see"
            }
            Self::ThrottledClock { .. } => {
                "the clock fell for heat or power; cool the GPU, lock its clock, or compare with the predictor's own clock"
            }
            Self::EmptyTensors { .. } => {
                "numpy 2 makes Triton 24.10's Python backend deliver nothing; install numpy below 2 where the server runs"
            }
            Self::FailedRequests { .. } => "read the server's log in the output folder",
            Self::Unanswered { .. } => "the server hangs or is far behind; read its log",
            Self::CountsDiffer { .. } => "somebody else uses the server, or answers were lost",
            Self::NoTrace { .. } => {
                "stages and full batches are means of what the server counted, where it did; for those of each request start it with --trace-config, as --launcher local does"
            }
            Self::Incomplete { .. } => {
                "what was recorded until then is kept; run again for all of it"
            }
        }
    }

    /// Returns whether the cause is the measuring machine rather than the measured system.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, Self::LateSends { .. } | Self::BusyMachine { .. })
    }

    /// Returns whether this makes agreement meaningless, because what was measured is not what was simulated.
    #[must_use]
    pub fn voids(&self) -> bool {
        self.is_fatal()
            || self.is_of_the_machine()
            || matches!(
                self,
                Self::ConnectionLimit { .. }
                    | Self::OtherGpu { .. }
                    | Self::OtherSharing { .. }
                    | Self::FailedRequests { .. }
                    | Self::CountsDiffer { .. }
                    | Self::Unstable { .. }
                    | Self::ThrottledClock { .. }
            )
    }

    /// Returns whether a measurement with this warning cannot be judged at all.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::EmptyTensors { .. }
                | Self::Incomplete { .. }
                | Self::Unanswered { .. }
                | Self::Unfinished
        )
    }
}
