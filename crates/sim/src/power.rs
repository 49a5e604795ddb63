//! The times in which a GPU is on.

use igniter_model::units::Nanoseconds;

/// Tracks whether a GPU is on: it is while it is rented, and as long as a server is on it.
#[derive(Debug)]
pub(super) struct Power {
    rented: bool,
    /// The time since which it has been on; `None` while it is off.
    since: Option<Nanoseconds>,
    was_on: Vec<(Nanoseconds, Nanoseconds)>,
}

impl Power {
    /// Creates the state at the start of a run.
    pub(super) fn new(rented: bool) -> Self {
        Self { rented, since: rented.then_some(Nanoseconds::ZERO), was_on: Vec::new() }
    }

    /// Returns whether the GPU is on.
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// Begins or ends a rental.
    pub(super) fn rent(&mut self, rented: bool) {
        self.rented = rented;
    }

    /// Switches the GPU on or off, given whether a server is on it.
    pub(super) fn switch(&mut self, now: Nanoseconds, served: bool) {
        match self.since {
            None if self.rented || served => self.since = Some(now),
            Some(since) if !self.rented && !served => {
                self.was_on.push((since, now));
                self.since = None;
            }
            _ => {}
        }
    }

    /// Returns the times in which the GPU was on, in a run that ends at `end`.
    pub(super) fn finish(mut self, end: Nanoseconds) -> Vec<(Nanoseconds, Nanoseconds)> {
        self.was_on.extend(self.since.map(|since| (since, end)));
        self.was_on
    }
}
