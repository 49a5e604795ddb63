//! The checked options of a dynamic batcher.

use super::{BatchingSpec, TimeoutAction, TritonRelease};
use igniter_model::units::{BatchSize, Nanoseconds};

/// A contradiction in the options of a batcher. The message does not name the workload; callers that know it add it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchingError {
    /// A server has no instances.
    #[error("batching.instances must be at least 1, not 0")]
    NoInstance,
    /// A preferred size exceeds the maximum batch size (Triton refuses it as well).
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
    /// Number of threads that execute batches.
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
    /// Resolves the options of a server with the planned batch size `planned`. If there is no maximum, the planned
    /// batch size is used; if there is no preferred size, the maximum is used (as in Triton's `NormalizeModelConfig`).
    ///
    /// # Errors
    /// Fails if there is no instance, if a preferred size exceeds the maximum, or if the probability of the completion
    /// race is not from 0 to 1.
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

    /// Returns the same rules with another largest batch size, which becomes the only preferred size.
    pub(super) fn with_max_batch(&self, max: BatchSize) -> Self {
        let max = max.get() as usize;
        Self { max_batch: max, preferred: vec![max], ..self.clone() }
    }

    /// Returns whether the rules amount to greedy FIFO chunking: no delay, no preferred size other than the largest
    /// batch, no queue policy, and batches that grow until an instance takes them.
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

    /// Returns the smallest preferred size above `rows`, or the smallest of all if there is none.
    pub(super) fn next_preferred(&self, rows: usize) -> usize {
        self.preferred.iter().copied().find(|size| *size > rows).unwrap_or(self.preferred[0])
    }

    pub(super) fn max_queue_delay(&self) -> Nanoseconds {
        self.max_queue_delay
    }

    /// Returns the number of batches that execute at a time.
    pub(super) fn instances(&self) -> u32 {
        self.instances
    }

    /// Returns the number of payloads that may wait: two for each instance (`PayloadSlotAvailable`, prefetch mode).
    pub(super) fn payload_slots(&self) -> usize {
        self.payload_slots
    }

    pub(super) fn variable_shape(&self) -> bool {
        self.variable_shape
    }

    /// Returns whether there is a queue policy, under which requests may fail.
    pub(super) fn has_policy(&self) -> bool {
        self.max_queue_size.is_some() || self.timeout.is_some()
    }

    /// Returns whether batches are formed ahead of time (`support_prefetching`): they are, unless a queue policy must
    /// stay in force until a batch is taken. Releases that freeze batches do not have this exception.
    pub(super) fn prefetches(&self) -> bool {
        self.freezes || !self.has_policy()
    }

    /// Returns whether a batch takes no more requests once it waits for an instance.
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

    /// Returns the probability that the batcher wakes first when an instance becomes ready; `None` where it makes no
    /// difference.
    pub(super) fn completion_race(&self) -> Option<f64> {
        (self.completion_race > 0.0 && !self.is_greedy()).then_some(self.completion_race)
    }
}
