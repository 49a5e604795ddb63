//! How long each state of a GPU held.

use igniter_model::domain::GpuInterval;
use igniter_model::units::Nanoseconds;

/// The states that held since the last edge of a bin, in the order in which they first did. Times are whole numbers,
/// so only few products are rounded.
#[derive(Debug, Clone, Default)]
pub(super) struct Dwell {
    held: Vec<Held>,
    /// 1 + the position among `held` of the state with a number, or 0.
    position: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    ns: u64,
    state: GpuInterval,
}

impl Dwell {
    /// Adds an interval of a state that has already held. Returns whether it was one.
    #[inline(always)]
    pub(super) fn add(&mut self, interval: &GpuInterval) -> bool {
        let position = self.position.get(interval.state as usize).copied().unwrap_or(0) as usize;
        // Position 0 is that of nobody: one less is beyond the end.
        let Some(held) = self.held.get_mut(position.wrapping_sub(1)) else { return false };
        if !is_alike(&held.state, interval) {
            return false;
        }
        held.ns += (interval.end - interval.start).get();
        true
    }

    /// Adds the first interval of a state.
    pub(super) fn add_first(&mut self, interval: &GpuInterval) {
        let state = interval.state as usize;
        if self.position.len() <= state {
            self.position.resize(state + 1, 0);
        }
        self.held.push(Held { ns: (interval.end - interval.start).get(), state: *interval });
        self.position[state] = u32::try_from(self.held.len()).expect("fewer than 2^32 states");
    }

    /// Hands over each state with how long it held, and forgets them.
    pub(super) fn settle(&mut self, mut account: impl FnMut(&GpuInterval, Nanoseconds)) {
        for Held { ns, state } in self.held.drain(..) {
            self.position[state.state as usize] = 0;
            account(&state, Nanoseconds::new(ns));
        }
    }

    /// Gives its memory back.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }
}

/// Whether two intervals with the same number are of the same state: numbers may come again.
#[inline(always)]
fn is_alike(a: &GpuInterval, b: &GpuInterval) -> bool {
    a.power_w.to_bits() == b.power_w.to_bits()
        && a.clock_mhz.to_bits() == b.clock_mhz.to_bits()
        && a.busy_sm_pct.to_bits() == b.busy_sm_pct.to_bits()
        && a.running == b.running
}
