//! The checked options of a dynamic batcher.

use super::{BatchingSpec, TimeoutAction, TritonRelease};
use igniter_model::units::{BatchSize, Nanoseconds};

/// Options of a batcher that contradict each other. The message does not name the workload; whoever
/// knows it adds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchingError {
    /// A server without instances serves nobody.
    #[error("batching.instances must be at least 1, not 0")]
    NoInstance,
    /// A preferred size that no batch can have (Triton refuses it as well).
    #[error("batching.preferred must be at most the maximum batch size {max}, not {preferred}")]
    PreferredTooLarge { preferred: BatchSize, max: BatchSize },
    #[error("batching.completion_race must be from 0 to 1, not {0}")]
    NoProbability(String),
}

/// The checked options of a dynamic batcher.
#[derive(Debug, Clone, PartialEq)]
pub struct BatcherRules {
    max_batch: usize,
    /// Ascending; never empty.
    preferred: Vec<usize>,
    max_queue_delay: Nanoseconds,
    /// Threads that execute batches.
    instances: u32,
    payload_slots: usize,
    variable_shape: bool,
    max_queue_size: Option<usize>,
    timeout: Option<Nanoseconds>,
    timeout_action: TimeoutAction,
    completion_race: f64,
    freezes: bool,
}

impl BatcherRules {
    /// Resolves the options of a server whose plan says `planned`: no maximum stands for the planned
    /// batch size, no preferred size for the maximum (as Triton's `NormalizeModelConfig` does).
    ///
    /// # Errors
    /// When there is no instance, a preferred size exceeds the maximum, or the probability of the
    /// completion race is none.
    pub fn new(spec: &BatchingSpec, planned: BatchSize) -> Result<Self, BatchingError> {
        let max = spec.max_batch.unwrap_or(planned);
        if spec.instances == 0 {
            return Err(BatchingError::NoInstance);
        }
        if let Some(&preferred) = spec.preferred.iter().find(|preferred| **preferred > max) {
            return Err(BatchingError::PreferredTooLarge { preferred, max });
        }
        if !(0.0..=1.0).contains(&spec.completion_race) {
            return Err(BatchingError::NoProbability(spec.completion_race.to_string()));
        }
        let timeout = spec.timeout.to_nanoseconds();
        let as_rows = |size: &BatchSize| size.get() as usize;
        let mut preferred: Vec<usize> = spec.preferred.iter().map(as_rows).collect();
        preferred.sort_unstable();
        if preferred.is_empty() {
            preferred.push(as_rows(&max));
        }
        Ok(Self {
            max_batch: as_rows(&max),
            preferred,
            max_queue_delay: spec.max_queue_delay.to_nanoseconds(),
            instances: if spec.shared_thread { 1 } else { spec.instances },
            payload_slots: 2 * spec.instances as usize,
            variable_shape: spec.variable_shape,
            max_queue_size: (spec.max_queue_size > 0).then_some(spec.max_queue_size as usize),
            timeout: (timeout > Nanoseconds::ZERO).then_some(timeout),
            timeout_action: spec.timeout_action,
            completion_race: spec.completion_race,
            freezes: spec.release == TritonRelease::Frozen,
        })
    }

    /// The same rules with another largest batch, which becomes the only preferred size.
    pub(super) fn with_max_batch(&self, max: BatchSize) -> Self {
        let max = max.get() as usize;
        Self { max_batch: max, preferred: vec![max], ..self.clone() }
    }

    /// Whether the rules amount to greedy FIFO chunking: no delay, no preferred size but the largest batch,
    /// no queue policy, and batches that grow until an instance takes them.
    pub(super) fn is_greedy(&self) -> bool {
        !self.has_policy()
            && !self.freezes
            && self.max_queue_delay == Nanoseconds::ZERO
            && self.preferred.iter().all(|&size| size == self.max_batch)
    }

    pub(super) fn max_batch(&self) -> usize {
        self.max_batch
    }

    pub(super) fn max_preferred(&self) -> usize {
        self.preferred.last().copied().unwrap_or(self.max_batch)
    }

    pub(super) fn is_preferred(&self, rows: usize) -> bool {
        self.preferred.contains(&rows)
    }

    /// The smallest preferred size above `rows`, or else the smallest of all.
    pub(super) fn next_preferred(&self, rows: usize) -> usize {
        self.preferred.iter().copied().find(|size| *size > rows).unwrap_or(self.preferred[0])
    }

    pub(super) fn max_queue_delay(&self) -> Nanoseconds {
        self.max_queue_delay
    }

    /// How many batches execute at a time.
    pub(super) fn instances(&self) -> u32 {
        self.instances
    }

    /// How many payloads may wait: two for each instance (`PayloadSlotAvailable`, prefetch mode).
    pub(super) fn payload_slots(&self) -> usize {
        self.payload_slots
    }

    pub(super) fn variable_shape(&self) -> bool {
        self.variable_shape
    }

    /// Whether there is a queue policy: requests may fail.
    pub(super) fn has_policy(&self) -> bool {
        self.max_queue_size.is_some() || self.timeout.is_some()
    }

    /// `support_prefetching`: batches are formed ahead of time, unless a queue policy must stay in force
    /// until the moment at which a batch is taken. Releases that freeze batches do not know the exception.
    pub(super) fn prefetches(&self) -> bool {
        self.freezes || !self.has_policy()
    }

    /// Whether a batch takes no more requests once it waits for an instance.
    pub(super) fn freezes(&self) -> bool {
        self.freezes
    }

    pub(super) fn max_queue_size(&self) -> Option<usize> {
        self.max_queue_size
    }

    pub(super) fn timeout(&self) -> Option<Nanoseconds> {
        self.timeout
    }

    pub(super) fn timeout_action(&self) -> TimeoutAction {
        self.timeout_action
    }

    /// How likely the batcher wakes first when an instance becomes ready; `None` where it makes no
    /// difference.
    pub(super) fn completion_race(&self) -> Option<f64> {
        (self.completion_race > 0.0 && !self.is_greedy()).then_some(self.completion_race)
    }
}
