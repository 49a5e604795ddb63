//! What may spoil a measurement, each with what to do about it.

use igniter::domain::WorkloadName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that makes a measurement doubtful. `docs/validation.md` explains each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// The client sent requests late.
    LateSends {
        workload: WorkloadName,
        /// By how much, at the 99th percentile, in ms.
        p99_ms: f64,
        /// What is tolerated, in ms.
        limit_ms: f64,
        /// How much of the processors' time the host of a virtual machine took for others meanwhile, in percent,
        /// where the system says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stolen_pct: Option<f64>,
    },
    /// The machine had too few processors for all that wanted to run.
    BusyMachine {
        /// For how much of the run some process waited for a processor, in percent.
        waiting_pct: f64,
        /// What is tolerated, in percent.
        limit_pct: f64,
    },
    /// The client opened as many connections as it may, and requests had to wait for one.
    ConnectionLimit {
        workload: WorkloadName,
        /// How many it may open to the servers of one workload.
        limit: u32,
        /// How late requests were sent because of that and all else, at the 99th percentile, in ms.
        p99_ms: f64,
    },
    /// The program was ended before it had finished the run.
    Unfinished,
    /// A server's times of requests are lost.
    TraceLost { workload: WorkloadName, reason: String },
    /// What the GPUs said meanwhile is lost.
    SamplesLost { reason: String },
    /// Something that was started did not end.
    LeftBehind { what: String },
    /// The performance model is of another kind of GPU than the one that served.
    OtherGpu {
        /// Which, in the plan.
        gpu: usize,
        found: String,
        /// What the performance model is of.
        expected: String,
    },
    /// No connection was free when a request was due.
    PoolExhausted {
        workload: WorkloadName,
        /// How often.
        times: u64,
    },
    /// Latency changed over the run by more than the simulated run's did.
    Unstable {
        workload: WorkloadName,
        /// By how many percent the slowest third of the window is above the fastest.
        spread_pct: f64,
        /// The same in the simulation of the same arrivals.
        simulated_pct: f64,
    },
    /// Triton's batches depend on a race.
    BatchRace {
        workload: WorkloadName,
        /// The delay that makes it so, in ms.
        max_queue_delay_ms: f64,
    },
    /// Models that could use a GPU ran on the CPU, which no arm predicts.
    OnCpu { reason: String },
    /// Kernels were launched one by one.
    NoGraphs {
        workload: WorkloadName,
        /// What the model says.
        reason: String,
    },
    /// Nobody says whether the share of a ready model was in force.
    UnverifiedShare { workload: WorkloadName },
    /// The GPU ran slower than its clock allows.
    ThrottledClock {
        /// Which, in the plan.
        gpu: usize,
        /// What the driver says.
        reasons: String,
    },
    /// Answers without data.
    EmptyTensors { workload: WorkloadName },
    /// Requests that failed.
    FailedRequests {
        workload: WorkloadName,
        failed: u64,
        requests: u64,
        /// What the first one said.
        first: String,
    },
    /// Requests without an answer.
    Unanswered { workload: WorkloadName, requests: u64 },
    /// The server counted another number of requests than the client.
    CountsDiffer {
        workload: WorkloadName,
        /// What the server counted.
        server: u64,
        /// What the client counted.
        client: u64,
    },
    /// No trace says what happened on the server.
    NoTrace { workload: WorkloadName },
    /// The run ended before all requests were sent.
    Incomplete {
        /// How many were sent.
        sent: u64,
        planned: u64,
    },
}

impl Warning {
    /// What to do about it.
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
                "batches and stages are unknown; start the server with --trace-config, as --launcher local does"
            }
            Self::Incomplete { .. } => {
                "what was recorded until then is kept; run again for all of it"
            }
        }
    }

    /// Whether the machine that measured was the trouble, and not what was measured.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, Self::LateSends { .. } | Self::BusyMachine { .. })
    }

    /// Whether a measurement with this cannot be judged at all.
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

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LateSends { workload, p99_ms, limit_ms, stolen_pct } => {
                write!(
                    f,
                    "{workload}: 1 % of the requests were sent {p99_ms:.2} ms late or later (tolerated: {limit_ms} ms)"
                )?;
                match stolen_pct {
                    Some(pct) => {
                        write!(
                            f,
                            "; the machine's host took {pct:.1} % of the processors' time for others"
                        )
                    }
                    None => Ok(()),
                }
            }
            Self::BusyMachine { waiting_pct, limit_pct } => write!(
                f,
                "for {waiting_pct:.0} % of the run some process waited for a processor (tolerated: {limit_pct} %)"
            ),
            Self::ConnectionLimit { workload, limit, p99_ms } => write!(
                f,
                "{workload}: all {limit} connections that the client may open were busy; 1 % of the requests were sent \
                 {p99_ms:.2} ms late or later"
            ),
            Self::Unfinished => write!(f, "the program was ended before the run was"),
            Self::TraceLost { workload, reason } => {
                write!(f, "{workload}: the server's times of requests are lost: {reason}")
            }
            Self::SamplesLost { reason } => write!(f, "what the GPUs said is lost: {reason}"),
            Self::LeftBehind { what } => write!(f, "did not end: {what}"),
            Self::OtherGpu { gpu, found, expected } => {
                write!(f, "GPU {gpu} is {found}, but the performance model is of {expected}")
            }
            Self::PoolExhausted { workload, times } => {
                write!(f, "{workload}: {times} requests found no free connection")
            }
            Self::Unstable { workload, spread_pct, simulated_pct } => write!(
                f,
                "{workload}: mean latency varies by {spread_pct:.0} % over the run, {simulated_pct:.0} % in the simulation"
            ),
            Self::BatchRace { workload, max_queue_delay_ms } => {
                write!(
                    f,
                    "{workload}: max_queue_delay_ms = {max_queue_delay_ms} with fixed input sizes"
                )
            }
            Self::NoGraphs { workload, reason } => {
                write!(f, "{workload}: kernels are launched one by one ({reason})")
            }
            Self::UnverifiedShare { workload } => {
                write!(f, "{workload}: a ready model does not say how many SMs it sees")
            }
            Self::OnCpu { reason } => write!(f, "the models ran on the CPU: no GPU ({reason})"),
            Self::ThrottledClock { gpu, reasons } => {
                write!(f, "GPU {gpu}: the clock was lowered ({reasons})")
            }
            Self::EmptyTensors { workload } => write!(f, "{workload}: answers hold empty tensors"),
            Self::FailedRequests { workload, failed, requests, first } => {
                write!(f, "{workload}: {failed} of {requests} requests failed: {first}")
            }
            Self::Unanswered { workload, requests } => {
                write!(f, "{workload}: {requests} requests were never answered")
            }
            Self::CountsDiffer { workload, server, client } => {
                write!(f, "{workload}: the server counted {server} requests, the client {client}")
            }
            Self::NoTrace { workload } => write!(f, "{workload}: no trace of the server"),
            Self::Incomplete { sent, planned } => {
                write!(f, "only {sent} of {planned} requests were sent")
            }
        }
    }
}
