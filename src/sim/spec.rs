//! What a user can ask of the engine. The `Default` impls are the only source of defaults.

use crate::units::{BatchSize, Milliseconds};

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

/// Options of the whole engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineSpec {
    /// How batches slow each other.
    pub interference: Interference,
    /// Whether loading overlaps execution.
    pub overlap: LoadOverlap,
    /// The distribution of execution times.
    pub service: ServiceTime,
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
    /// Whether the model has variable-size inputs (a −1 dimension), which changes when Triton's
    /// batcher wakes.
    pub variable_shape: bool,
}

impl Default for BatchingSpec {
    fn default() -> Self {
        Self {
            max_queue_delay: Milliseconds::ZERO,
            max_batch: None,
            preferred: Vec::new(),
            instances: 1,
            variable_shape: false,
        }
    }
}
