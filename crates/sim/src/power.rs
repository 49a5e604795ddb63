//! When a GPU is there.

use igniter_model::units::Nanoseconds;

/// Whether a GPU is on, and when it was: while it is rented, and as long as a server is on it.
#[derive(Debug)]
pub(super) struct Power {
    rented: bool,
    /// Since when it is on.
    since: Option<Nanoseconds>,
    was_on: Vec<(Nanoseconds, Nanoseconds)>,
}

impl Power {
    /// At the start of a run.
    pub(super) fn new(rented: bool) -> Self {
        Self { rented, since: rented.then_some(Nanoseconds::ZERO), was_on: Vec::new() }
    }

    /// Whether it is on.
    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// A rent begins or ends.
    pub(super) fn rent(&mut self, rented: bool) {
        self.rented = rented;
    }

    /// Goes on or off, given whether a server is there.
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

    /// When it was on, in a run that ends then.
    pub(super) fn finish(mut self, end: Nanoseconds) -> Vec<(Nanoseconds, Nanoseconds)> {
        self.was_on.extend(self.since.map(|since| (since, end)));
        self.was_on
    }
}
