//! What a user can ask of the engine. The `Default` impls are the only source of defaults.

use igniter_model::domain::{GpuKind, ModelName};
use igniter_model::units::{BatchSize, Milliseconds, Nanoseconds};

/// How the members of a co-location slow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interference {
    /// The speed of every running batch follows the predictor for the set of batches that run at
    /// that moment; re-computed whenever one starts or ends, remaining work is kept.
    #[default]
    Dynamic,
    /// The paper's static worst case: every batch runs as if all members of its co-location always
    /// ran with their planned batch sizes.
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

/// Who else uses the PCIe link while a batch is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PcieLink {
    /// Nobody: each copy takes its predicted time.
    #[default]
    Private,
    /// All copies of a GPU that go in the same direction at the same time: each of k gets 1/k of the
    /// bandwidth. The two directions do not disturb each other.
    Shared,
}

/// Options of the whole engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineSpec {
    /// How batches slow each other.
    pub interference: Interference,
    /// Whether loading overlaps execution.
    pub overlap: LoadOverlap,
    /// The distribution of execution times.
    pub service: ServiceTime,
    /// Whether concurrent copies slow each other.
    pub pcie: PcieLink,
}

/// How much the execution times of a server vary around the predicted ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// With this coefficient of variation; 0: not at all.
    Cv(f64),
    /// As much as was measured for the model on the GPU kind of the placement ([`GpuKind::noise_cv`]).
    ///
    /// [`GpuKind::noise_cv`]: igniter_model::domain::GpuKind::noise_cv
    Profile,
}

impl Noise {
    /// Every execution takes exactly the predicted time.
    pub const NONE: Self = Self::Cv(0.0);

    /// The coefficient of variation for a model on a GPU kind; `None` where it is to be the measured one and none
    /// was measured.
    #[must_use]
    pub fn cv(self, kind: &GpuKind, model: &ModelName) -> Option<f64> {
        match self {
            Self::Cv(cv) => Some(cv),
            Self::Profile => kind.noise_cv.get(model).copied(),
        }
    }
}

/// What a workload's server costs beside what the predictor says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerSpec {
    /// A log-normal factor of mean 1 on each execution time.
    pub noise: Noise,
    /// Host time for each batch, on the instance, before its input is copied.
    pub batch_overhead: Milliseconds,
    /// The same for each request of the batch.
    pub row_overhead: Milliseconds,
    /// Host time for each request, outside of the instance (protocol, queue hand-over, answer): it adds to
    /// the latency and keeps nobody else waiting.
    pub request_overhead: Milliseconds,
    /// Time for which each request keeps the one path between clients and server busy (network, protocol): requests of
    /// a server pass it one after the other, so whoever comes together waits for the others.
    pub request_serial: Milliseconds,
    /// How much the host time on the instance varies from batch to batch: the coefficient of variation of a
    /// log-normal factor of mean 1; 0: not at all.
    pub batch_overhead_cv: f64,
    /// The same for the host time outside of it, drawn for each request.
    pub request_overhead_cv: f64,
    /// How many times as long a batch takes while another instance of its server executes too: they take turns
    /// on the SMs of the server, 2 if that costs nothing. With k of them, 1 + (k − 1) · (this − 1) times.
    /// `None`: they divide the SMs among them, and the predictor says what that means.
    pub instance_slowdown: Option<f64>,
    /// When its instances accept work; requests that arrive before wait in its queue.
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

/// What becomes of a request whose queue timeout has passed, when the batcher meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeoutAction {
    /// It fails.
    #[default]
    Reject,
    /// It is served after all requests that are still in time.
    Delay,
}

/// Whose dynamic batcher a server has: Triton's changed between releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TritonRelease {
    /// That of today's releases, compared with 24.10: a batch that waits for an instance may grow.
    #[default]
    Current,
    /// That of 21.09 to 21.12: a batch is final as soon as it is formed, and two for each instance are formed
    /// ahead of time, whatever the queue policy.
    Frozen,
}

/// Options of one workload's dynamic batcher, in Triton's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchingSpec {
    /// `max_queue_delay_microseconds`, here in ms: how long a request may wait for its batch to fill.
    /// Zero sends what is there as soon as an instance is free.
    pub max_queue_delay: Milliseconds,
    /// Triton's `max_batch_size`; `None` is the planned batch size.
    pub max_batch: Option<BatchSize>,
    /// Triton's `preferred_batch_size`; empty stands for the maximum batch size alone.
    pub preferred: Vec<BatchSize>,
    /// Model instances of the server; each executes one batch at a time.
    pub instances: u32,
    /// Whether one thread serves all instances, as in Triton's TensorRT backend (`DEVICE_BLOCKING`): one batch of them
    /// executes at a time, but batches are formed ahead for each.
    pub shared_thread: bool,
    /// Whether the model has variable-size inputs (a −1 dimension), which changes when Triton's
    /// batcher wakes.
    pub variable_shape: bool,
    /// Triton's `max_queue_size`: how many requests may wait outside of a batch; further ones are
    /// rejected. 0: any number.
    pub max_queue_size: u32,
    /// Triton's `default_timeout_microseconds`, here in ms: how long a request may wait outside of a
    /// batch. Zero: as long as it takes.
    pub timeout: Milliseconds,
    /// What becomes of it then.
    pub timeout_action: TimeoutAction,
    /// How likely the batcher thread wakes before the instance that has just become free takes its next
    /// batch, 0 to 1.
    pub completion_race: f64,
    /// Whose rules the batcher follows.
    pub release: TritonRelease,
}

impl BatchingSpec {
    /// Whether its queue policy lets a server refuse requests, rather than delay them.
    #[must_use]
    pub fn may_refuse(&self) -> bool {
        self.max_queue_size > 0
            || (self.timeout > Milliseconds::ZERO && self.timeout_action == TimeoutAction::Reject)
    }

    /// Whether there is a queue policy: requests may fail.
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
