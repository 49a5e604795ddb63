//! The batches that execute on one GPU, each at the speed of the present state.

use igniter_model::units::Nanoseconds;

/// A batch that executes.
#[derive(Debug, Clone, Copy)]
struct Execution {
    end: Nanoseconds,
    since: Nanoseconds,
    /// What was left at `since`, as a multiple of `exec_ns`.
    remaining: f64,
    /// The time of the predicted work at the present speed; infinite before there was one.
    exec_ns: f64,
    slot: usize,
}

/// The batches that execute, in order of their start.
#[derive(Debug, Default)]
pub(super) struct Executions {
    all: Vec<Execution>,
    /// Which of them ends first.
    first: usize,
}

impl Executions {
    /// A batch begins, with `work` as a multiple of the predicted time. It has no speed before
    /// [`Executions::rescale`].
    #[inline]
    pub(super) fn start(&mut self, slot: usize, work: f64, now: Nanoseconds) {
        let exec_ns = f64::INFINITY;
        self.all.push(Execution { end: now, since: now, remaining: work, exec_ns, slot });
    }

    /// Takes out the one that ends first; returns its slot.
    #[inline]
    pub(super) fn end_first(&mut self) -> usize {
        let behind = &mut self.all[self.first..];
        let slot = behind[0].slot;
        // Vec::remove would call memmove for what is most often nothing.
        for i in 1..behind.len() {
            behind[i - 1] = behind[i];
        }
        self.all.pop();
        slot
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Applies new speeds: the time of the predicted work of each slot, above 0. Work done so far is kept.
    /// Returns when the first one ends; `None` if nothing executes.
    #[inline(always)]
    pub(super) fn rescale(&mut self, now: Nanoseconds, exec_ns: &[f64]) -> Option<Nanoseconds> {
        let (mut first, mut first_end) = (0, Nanoseconds::MAX);
        for (i, execution) in self.all.iter_mut().enumerate() {
            let exec_ns = exec_ns[execution.slot];
            // An unchanged speed keeps the end to the nanosecond. The check is on bits: any change
            // counts.
            if exec_ns.to_bits() != execution.exec_ns.to_bits() {
                let passed = (now - execution.since).as_f64() / execution.exec_ns;
                let left = execution.remaining - passed;
                // Not f64::max: there is no NaN to care for.
                let left = if left > 0.0 { left } else { 0.0 };
                execution.remaining = left;
                execution.exec_ns = exec_ns;
                execution.since = now;
                execution.end = now.saturating_add(Nanoseconds::from_f64(left * exec_ns));
            }
            // Among equals, the one that started first.
            if execution.end < first_end {
                (first, first_end) = (i, execution.end);
            }
        }
        self.first = first;
        (!self.all.is_empty()).then_some(first_end)
    }
}
