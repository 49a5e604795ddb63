//! The checked options of a dynamic batcher.

use super::BatchingSpec;
use crate::units::{BatchSize, Nanoseconds};

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
    PreferredTooLarge {
        /// The preferred size.
        preferred: BatchSize,
        /// The maximum batch size.
        max: BatchSize,
    },
}

/// The checked options of a dynamic batcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatcherRules {
    max_batch: usize,
    /// Ascending; never empty.
    preferred: Vec<usize>,
    max_queue_delay: Nanoseconds,
    instances: u32,
    variable_shape: bool,
}

impl BatcherRules {
    /// Resolves the options of a server whose plan says `planned`: no maximum stands for the planned
    /// batch size, no preferred size for the maximum (as Triton's `NormalizeModelConfig` does).
    ///
    /// # Errors
    /// When there is no instance, or a preferred size exceeds the maximum.
    pub fn new(spec: &BatchingSpec, planned: BatchSize) -> Result<Self, BatchingError> {
        let max = spec.max_batch.unwrap_or(planned);
        if spec.instances == 0 {
            return Err(BatchingError::NoInstance);
        }
        if let Some(&preferred) = spec.preferred.iter().find(|preferred| **preferred > max) {
            return Err(BatchingError::PreferredTooLarge { preferred, max });
        }
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
            instances: spec.instances,
            variable_shape: spec.variable_shape,
        })
    }

    /// Whether the rules amount to greedy FIFO chunking: no delay, and no preferred size but the largest
    /// batch.
    pub(super) fn is_greedy(&self) -> bool {
        self.max_queue_delay == Nanoseconds::ZERO
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

    pub(super) fn instances(&self) -> u32 {
        self.instances
    }

    /// How many payloads may wait: two for each instance (`PayloadSlotAvailable`, prefetch mode).
    pub(super) fn payload_slots(&self) -> usize {
        2 * self.instances as usize
    }

    pub(super) fn variable_shape(&self) -> bool {
        self.variable_shape
    }
}
