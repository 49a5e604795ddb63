//! Time limits of a search, for users who would rather wait a given time than for a given plan.
#![expect(
    clippy::disallowed_types,
    reason = "only a search with a time limit reads the clock, and such a plan says so"
)]

use std::time::{Duration, Instant};

/// The limit of a part of a search: a number of rounds, and optionally a time after which it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub rounds: u64,
    end: Option<Instant>,
}

impl Limit {
    /// Makes a limit of a number of rounds.
    pub(crate) const fn rounds(rounds: u64) -> Self {
        Self { rounds, end: None }
    }

    /// Returns whether there is a time after which the search ends, and it has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}

/// The time limit of a whole search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SearchClock {
    end: Option<Instant>,
}

impl SearchClock {
    /// Starts the clock, for `seconds` seconds; with `None`, for as long as the rounds take.
    pub(crate) fn start(seconds: Option<f64>) -> Self {
        Self { end: seconds.map(|s| Instant::now() + Duration::from_secs_f64(s)) }
    }

    /// Returns a limit for the next part of the search: a part of the time that is left, or `rounds` rounds without a
    /// time limit.
    pub(crate) fn limit(&self, part_of_time: f64, rounds: u64) -> Limit {
        match self.end {
            None => Limit::rounds(rounds),
            Some(end) => {
                let now = Instant::now();
                let left = end.saturating_duration_since(now);
                Limit {
                    rounds: u64::MAX,
                    end: Some(now + left.mul_f64(part_of_time.clamp(0.0, 1.0))),
                }
            }
        }
    }

    /// Returns whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}
