//! The batches that execute on one GPU, each at the speed of the current state.

use crate::ends::{moment, rescaled};
use igniter_model::units::Nanoseconds;

/// A batch that executes.
#[derive(Debug, Clone, Copy)]
struct FastExecution {
    /// The end in ns; before the first speed is set, the work as a multiple of `exec_ns`.
    end_ns: f64,
    /// The end, rounded to a moment.
    end: Nanoseconds,
    /// The time of the predicted work at the current speed; 0 before the first speed is set.
    exec_ns: f64,
    slot: usize,
}

/// The batches that execute, in order of their start.
#[derive(Debug, Default)]
pub(super) struct Executions {
    all: Vec<FastExecution>,
    /// The position in `all` of the batch that ends first.
    first: usize,
}

impl Executions {
    /// Starts a batch, with `work` as a multiple of the predicted time. It has no speed before [`Executions::rescale`].
    #[inline]
    pub(super) fn start(&mut self, slot: usize, work: f64) {
        self.all.push(FastExecution { end_ns: work, end: Nanoseconds::MAX, exec_ns: 0.0, slot });
    }

    /// Removes the batch that ends first; returns its slot.
    #[inline]
    pub(super) fn end_first(&mut self) -> usize {
        let behind = &mut self.all[self.first..];
        let slot = behind[0].slot;
        // Vec::remove would call memmove, usually for an empty range.
        for i in 1..behind.len() {
            behind[i - 1] = behind[i];
        }
        self.all.pop();
        slot
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Applies new speeds: the time of the predicted work of each slot, above 0. Work done so far is kept. Returns the
    /// end of the first execution to end, and its slot; `None` if nothing executes.
    #[inline(always)]
    pub(super) fn rescale(
        &mut self,
        now: Nanoseconds,
        exec_ns: &[f64],
    ) -> Option<(Nanoseconds, usize)> {
        let mut first = (Nanoseconds::MAX, usize::MAX);
        let now_ns = now.as_f64();
        for (i, execution) in self.all.iter_mut().enumerate() {
            let exec_ns = exec_ns[execution.slot];
            // If the speed is unchanged, so is the end. Bits are compared, so that any change counts.
            if exec_ns.to_bits() != execution.exec_ns.to_bits() {
                execution.end_ns = if execution.exec_ns > 0.0 {
                    rescaled(execution.end_ns, now_ns, execution.exec_ns, exec_ns)
                } else {
                    now_ns + execution.end_ns * exec_ns
                };
                execution.exec_ns = exec_ns;
                execution.end = moment(execution.end_ns, now);
            }
            // Among equals, the first in the order of the plan.
            let end = (execution.end, execution.slot);
            if end < first {
                (self.first, first) = (i, end);
            }
        }
        (!self.all.is_empty()).then_some(first)
    }
}
