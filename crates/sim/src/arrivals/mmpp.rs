//! A Markov-modulated Poisson process.

use super::{ArrivalProcess, MmppState, Stream};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use rand::RngExt;
use rand_distr::{Distribution, Exp1};

/// A Poisson process whose rate changes with a hidden state.
///
/// The process starts in the first state. A state lasts an exponential time with its own mean; then another state
/// follows, each of the others with the same probability. Because jumps are uniform, all states are entered equally
/// often, so the mean rate of a long run is `Σ mean·rate / Σ mean`; the rates are scaled so that this is the workload's
/// rate.
#[derive(Debug, Clone)]
pub struct MmppArrivals {
    /// Mean gap and mean stay of each state, in ns.
    states: Vec<(f64, f64)>,
    state: usize,
    until: Nanoseconds,
    last: Nanoseconds,
    end: Nanoseconds,
    random: Stream,
}

impl MmppArrivals {
    /// Creates arrivals at the mean `rate` before `end`. `None` with fewer than two states, with a stay of no time, or
    /// with rates that are negative or all 0.
    #[must_use]
    pub fn new(
        states: &[MmppState],
        rate: RequestsPerSecond,
        end: Nanoseconds,
        mut random: Stream,
    ) -> Option<Self> {
        let sound = |state: &MmppState| {
            state.rate >= 0.0 && state.rate.is_finite() && state.mean > Nanoseconds::ZERO
        };
        if states.len() < 2 || !states.iter().all(sound) {
            return None;
        }
        let time: f64 = states.iter().map(|state| state.mean.as_f64()).sum();
        let work: f64 = states.iter().map(|state| state.mean.as_f64() * state.rate).sum();
        let scale = rate.get() / (work / time);
        if !scale.is_finite() || scale <= 0.0 {
            return None;
        }
        let states: Vec<(f64, f64)> =
            states.iter().map(|s| (1e9 / (s.rate * scale), s.mean.as_f64())).collect();
        let stay: f64 = Exp1.sample(&mut random);
        let until = Nanoseconds::from_f64(stay * states[0].1);
        Some(Self { states, state: 0, until, last: Nanoseconds::ZERO, end, random })
    }

    fn jump(&mut self) {
        let other = self.random.random_range(1..self.states.len());
        self.state = (self.state + other) % self.states.len();
        let stay: f64 = Exp1.sample(&mut self.random);
        let stay = Nanoseconds::from_f64(stay * self.states[self.state].1);
        // A stay of length 0 would be possible, but would never end.
        self.until = self.until.saturating_add(stay.max(Nanoseconds::new(1)));
    }
}

impl ArrivalProcess for MmppArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        while self.last < self.end {
            let gap: f64 = Exp1.sample(&mut self.random);
            // Infinite in a state without arrivals, which saturates.
            let gap = gap * self.states[self.state].0;
            // 0 · ∞ is NaN.
            let gap = if gap.is_nan() { f64::INFINITY } else { gap };
            let next = self.last.saturating_add(Nanoseconds::from_f64(gap));
            if next < self.until {
                self.last = next;
                return (next < self.end).then_some(next);
            }
            // Exponential gaps have no memory, so a new gap begins in the new state.
            self.last = self.until;
            self.jump();
        }
        None
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        Some(Box::new(self.clone()))
    }
}
