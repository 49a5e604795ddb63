//! The options of the engine. The `Default` impls are the only source of defaults.

use igniter_model::domain::{GpuKind, ModelName};
use igniter_model::units::{BatchSize, Milliseconds, Nanoseconds};

/// How the members of a co-location slow each other down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interference {
    /// The speed of every running batch follows the prediction for the set of batches that run at that moment. Speeds
    /// are re-computed whenever a batch starts or ends; the remaining work is kept.
    #[default]
    Dynamic,
    /// The static worst case of the paper: every batch runs as if all members of its co-location were always running
    /// with their planned batch sizes.
    Static,
    /// Every batch runs as if it were alone on the GPU with its own SM share.
    None,
}

/// Whether the input of the next batch is copied while the current one executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoadOverlap {
    /// As in the iGniter paper (and Triton's TensorRT backend): the next batch is dequeued and
    /// copied as soon as the current one begins to execute.
    #[default]
    Overlapped,
    /// As Triton's Python and ONNX backends do: load, execute and feedback follow one another.
    Serial,
}

/// The distribution of execution times around the predicted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceTime {
    /// Exactly the predicted time.
    #[default]
    Deterministic,
    /// Exponential with the predicted time as its mean (for comparison with queueing theory).
    Exponential,
}

/// How concurrent copies share the PCIe link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PcieLink {
    /// They do not: each copy takes its predicted time.
    #[default]
    Private,
    /// All concurrent copies of a GPU in the same direction share the bandwidth: each of k copies gets 1/k of it. The
    /// two directions do not disturb each other.
    Shared,
}

/// Options of the whole engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineSpec {
    /// How batches slow each other down.
    pub interference: Interference,
    /// Whether loading overlaps execution.
    pub overlap: LoadOverlap,
    /// The distribution of execution times.
    pub service: ServiceTime,
    /// Whether concurrent copies slow each other.
    pub pcie: PcieLink,
}

/// How much the execution times of a server vary around the predicted times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// The given coefficient of variation; 0 for no variation.
    Cv(f64),
    /// The variation that was measured for the model on the GPU kind of the placement ([`GpuKind::noise_cv`]).
    ///
    /// [`GpuKind::noise_cv`]: igniter_model::domain::GpuKind::noise_cv
    Profile,
}

impl Noise {
    /// Every execution takes exactly the predicted time.
    pub const NONE: Self = Self::Cv(0.0);

    /// Returns the coefficient of variation for a model on a GPU kind; `None` if the measured value is to be used and
    /// none was measured.
    #[must_use]
    pub fn cv(self, kind: &GpuKind, model: &ModelName) -> Option<f64> {
        match self {
            Self::Cv(cv) => Some(cv),
            Self::Profile => kind.noise_cv.get(model).copied(),
        }
    }
}

/// Costs of a workload's server beyond those that the predictor gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerSpec {
    /// The noise of the execution times: a log-normal factor of mean 1.
    pub noise: Noise,
    /// Host time for each batch, on the instance, before its input is copied.
    pub batch_overhead: Milliseconds,
    /// Host time for each request of the batch, in addition to `batch_overhead`.
    pub row_overhead: Milliseconds,
    /// Host time for each request, outside of the instance (protocol, queue hand-over, answer): it adds to the latency
    /// of the request and does not delay others.
    pub request_overhead: Milliseconds,
    /// Time for which each request occupies the single path between clients and server (network, protocol). The
    /// requests of a server pass it one after another, so simultaneous requests wait for each other.
    pub request_serial: Milliseconds,
    /// How much the host time on the instance varies from batch to batch: the coefficient of variation of a log-normal
    /// factor of mean 1; 0 for no variation.
    pub batch_overhead_cv: f64,
    /// The same for the host time outside of the instance, drawn for each request.
    pub request_overhead_cv: f64,
    /// The factor by which a batch takes longer while another instance of its server executes too: the instances take
    /// turns on the SMs of the server, and the factor is 2 if switching costs nothing. With k instances, the factor is
    /// 1 + (k − 1) · (this − 1). `None`: the instances divide the SMs among them, and the predictor gives the effect.
    pub instance_slowdown: Option<f64>,
    /// The time at which its instances start to accept work; earlier requests wait in its queue.
    pub startup: Nanoseconds,
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            noise: Noise::NONE,
            batch_overhead: Milliseconds::ZERO,
            row_overhead: Milliseconds::ZERO,
            request_overhead: Milliseconds::ZERO,
            request_serial: Milliseconds::ZERO,
            batch_overhead_cv: 0.0,
            request_overhead_cv: 0.0,
            instance_slowdown: None,
            startup: Nanoseconds::ZERO,
        }
    }
}

/// What the batcher does with a request whose queue timeout has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeoutAction {
    /// The request fails.
    #[default]
    Reject,
    /// The request is served after all requests whose timeout has not passed.
    Delay,
}

/// The Triton release whose dynamic batcher a server has; Triton's batcher changed between releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TritonRelease {
    /// The batcher of current releases, compared with 24.10: a batch that waits for an instance may grow.
    #[default]
    Current,
    /// The batcher of 21.09 to 21.12: a batch is final as soon as it is formed, and two batches for each instance are
    /// formed ahead of time, whatever the queue policy.
    Frozen,
}

/// Options of one workload's dynamic batcher, in Triton's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchingSpec {
    /// `max_queue_delay_microseconds`, here in ms: how long a request may wait for its batch to fill. Zero: as soon as
    /// an instance is free, the waiting requests are sent.
    pub max_queue_delay: Milliseconds,
    /// Triton's `max_batch_size`; `None` for the planned batch size.
    pub max_batch: Option<BatchSize>,
    /// Triton's `preferred_batch_size`; empty for the maximum batch size alone.
    pub preferred: Vec<BatchSize>,
    /// Model instances of the server; each executes one batch at a time.
    pub instances: u32,
    /// Whether one thread serves all instances, as in Triton's TensorRT backend (`DEVICE_BLOCKING`): only one batch
    /// executes at a time, but batches are formed ahead for each instance.
    pub shared_thread: bool,
    /// Whether the model has variable-size inputs (a −1 dimension), which changes when Triton's
    /// batcher wakes.
    pub variable_shape: bool,
    /// Triton's `max_queue_size`: how many requests may wait outside of a batch; further requests are rejected. 0: no
    /// limit.
    pub max_queue_size: u32,
    /// Triton's `default_timeout_microseconds`, here in ms: how long a request may wait outside of a batch. Zero: no
    /// limit.
    pub timeout: Milliseconds,
    /// What happens to a request whose timeout has passed.
    pub timeout_action: TimeoutAction,
    /// The probability that the batcher thread wakes before the instance that has just become free takes its next
    /// batch, 0 to 1.
    pub completion_race: f64,
    /// The Triton release whose rules the batcher follows.
    pub release: TritonRelease,
}

impl BatchingSpec {
    /// Returns whether the queue policy lets the server refuse requests, rather than delay them.
    #[must_use]
    pub fn may_refuse(&self) -> bool {
        self.max_queue_size > 0
            || (self.timeout > Milliseconds::ZERO && self.timeout_action == TimeoutAction::Reject)
    }

    /// Returns whether there is a queue policy, under which requests may fail.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.max_queue_size > 0 || self.timeout > Milliseconds::ZERO
    }
}

impl Default for BatchingSpec {
    fn default() -> Self {
        Self {
            max_queue_delay: Milliseconds::ZERO,
            max_batch: None,
            preferred: Vec::new(),
            instances: 1,
            shared_thread: false,
            variable_shape: false,
            max_queue_size: 0,
            timeout: Milliseconds::ZERO,
            timeout_action: TimeoutAction::Reject,
            completion_race: 0.0,
            release: TritonRelease::Current,
        }
    }
}
