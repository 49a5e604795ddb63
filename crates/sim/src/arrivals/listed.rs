//! Arrivals at times that the caller has in memory.

use super::ArrivalProcess;
use igniter_model::units::Nanoseconds;
use std::sync::Arc;

/// Arrivals at given times, as long as they are before the end.
#[derive(Debug, Clone)]
pub struct ListedArrivals {
    times: Arc<[Nanoseconds]>,
    next: usize,
    end: Nanoseconds,
}

impl ListedArrivals {
    /// Creates arrivals at `times`, which must ascend, before `end`.
    #[must_use]
    pub fn new(times: Arc<[Nanoseconds]>, end: Nanoseconds) -> Self {
        Self { times, next: 0, end }
    }
}

impl ArrivalProcess for ListedArrivals {
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        let time = *self.times.get(self.next)?;
        self.next += 1;
        (time < self.end).then_some(time)
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::ArrivalSpec;
    use igniter_model::domain::WorkloadName;
    use igniter_model::units::RequestsPerSecond;

    #[test]
    fn the_times_themselves_arrive_up_to_the_end() {
        let times: Vec<Nanoseconds> = [3, 3, 7, 10, 12].map(Nanoseconds::new).to_vec();
        let spec = ArrivalSpec::Times(times.into());
        let (name, rate) = (WorkloadName::new("w").unwrap(), RequestsPerSecond::new(1.0).unwrap());
        let mut process = spec.build(&name, rate, Nanoseconds::new(10), 7).unwrap();
        let drawn: Vec<u64> =
            std::iter::from_fn(|| process.next_arrival()).map(Nanoseconds::get).collect();
        assert_eq!(drawn, [3, 3, 7]);
        assert!((spec.expected(rate, Nanoseconds::new(10)) - 3.0).abs() < 1e-12);
    }
}
