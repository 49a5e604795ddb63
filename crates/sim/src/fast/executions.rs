//! The batches that execute on one GPU, each at the speed of the present state.

use igniter_model::units::Nanoseconds;

/// A batch that executes.
#[derive(Debug, Clone, Copy)]
struct Execution {
    /// When it ends, in ns; before it has a speed, its work as a multiple of `exec_ns`.
    end: f64,
    /// The time of the predicted work at the present speed; 0 before there was one.
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
    pub(super) fn start(&mut self, slot: usize, work: f64) {
        self.all.push(Execution { end: work, exec_ns: 0.0, slot });
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
        let (mut first, mut first_end) = (0, f64::INFINITY);
        let now_ns = now.as_f64();
        for (i, execution) in self.all.iter_mut().enumerate() {
            let exec_ns = exec_ns[execution.slot];
            // An unchanged speed keeps the end. The check is on bits: any change counts.
            if exec_ns.to_bits() != execution.exec_ns.to_bits() {
                let left = match execution.exec_ns {
                    0.0 => execution.end,
                    before => left(execution.end, now_ns, before),
                };
                execution.exec_ns = exec_ns;
                execution.end = now_ns + left * exec_ns;
            }
            // Among equals, the one that started first.
            if execution.end < first_end {
                (first, first_end) = (i, execution.end);
            }
        }
        self.first = first;
        (!self.all.is_empty()).then(|| end_time(first_end, now))
    }
}

/// What is left of an execution, as a multiple of the time of all of it: its end and the time now in ns.
#[inline(always)]
pub(crate) fn left(end_ns: f64, now_ns: f64, exec_ns: f64) -> f64 {
    let left = (end_ns - now_ns) / exec_ns;
    // An end may be a fraction of a nanosecond before the moment that is its own. Not f64::max: there is no NaN to
    // care for.
    if left > 0.0 { left } else { 0.0 }
}

/// The moment of an end in ns, which has not passed.
#[inline(always)]
pub(crate) fn end_time(end_ns: f64, now: Nanoseconds) -> Nanoseconds {
    Nanoseconds::from_f64(end_ns).max(now)
}
