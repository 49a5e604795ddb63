//! Arrivals that are counted while they are drained.

use super::{ArrivalProcess, ArrivalStatistics, ArrivalTally, TraceFault};
use igniter_model::units::Nanoseconds;
use std::sync::{Arc, OnceLock};

/// The statistics of arrivals, set once they are drained.
pub type ArrivalCount = Arc<OnceLock<ArrivalStatistics>>;

/// A process that passes on the arrivals of another process and counts them.
#[derive(Debug)]
pub struct CountedArrivals {
    process: Box<dyn ArrivalProcess>,
    duration: Nanoseconds,
    tally: ArrivalTally,
    count: ArrivalCount,
}

impl CountedArrivals {
    /// Counts the arrivals of a process that was built for `duration`.
    #[must_use]
    pub fn new(process: Box<dyn ArrivalProcess>, duration: Nanoseconds) -> Self {
        let (tally, count) = (ArrivalTally::default(), ArrivalCount::default());
        Self { process, duration, tally, count }
    }

    /// Returns the place where the statistics will be once the process is drained.
    #[must_use]
    pub fn count(&self) -> ArrivalCount {
        Arc::clone(&self.count)
    }

    fn end(&self) {
        self.count.get_or_init(|| self.tally.statistics(self.duration));
    }
}

impl ArrivalProcess for CountedArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let next = self.process.next_arrival();
        match next {
            Some(time) => self.tally.add(time),
            None => self.end(),
        }
        next
    }

    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        let before = times.len();
        self.process.fill(count, times);
        let new = times.get(before..).unwrap_or_default();
        new.iter().for_each(|time| self.tally.add(*time));
        if new.len() < count {
            self.end();
        }
    }

    fn faults(&self) -> Vec<TraceFault> {
        self.process.faults()
    }

    /// Returns a copy that does not count: only the original does.
    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        self.process.fork()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::ArrivalSpec;
    use igniter_model::domain::WorkloadName;
    use igniter_model::units::RequestsPerSecond;

    #[test]
    fn what_is_passed_on_is_counted() {
        let duration = Nanoseconds::new(10_000_000_000);
        let build = || {
            let (name, rate) = (WorkloadName::new("W1").unwrap(), RequestsPerSecond::new(500.0));
            ArrivalSpec::Gamma { cv: 2.0 }.build(&name, rate.unwrap(), duration, 1).unwrap()
        };
        let plain: Vec<Nanoseconds> = {
            let mut process = build();
            std::iter::from_fn(|| process.next_arrival()).collect()
        };
        for block in [1, 7, 255] {
            let mut process = CountedArrivals::new(build(), duration);
            let count = process.count();
            let mut times = vec![Nanoseconds::ZERO];
            while count.get().is_none() {
                // One by one and in blocks, in turn.
                times.extend(process.next_arrival());
                process.fill(block, &mut times);
            }
            assert!(times[1..] == plain);
            assert_eq!(*count.get().unwrap(), ArrivalStatistics::of(build().as_mut(), duration));
        }
    }
}
