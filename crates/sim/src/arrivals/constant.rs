//! Evenly spaced arrivals, as the iGniter paper's evaluation uses.

use super::ArrivalProcess;
use igniter_model::units::{Nanoseconds, RequestsPerSecond};

/// Request i arrives at `i / rate`, from 0, as long as that is before the end.
///
/// Each time is computed from `i` itself (not by adding gaps), so rounding never builds up: a whole
/// `rate · duration` gives exactly that many requests.
#[derive(Debug, Clone)]
pub struct ConstantArrivals {
    rate: f64,
    end: Nanoseconds,
    index: u64,
}

impl ConstantArrivals {
    /// Creates arrivals at `rate` before `end`; none at all for a rate of 0.
    #[must_use]
    pub fn new(rate: RequestsPerSecond, end: Nanoseconds) -> Self {
        Self { rate: rate.get(), end, index: 0 }
    }
}

impl ArrivalProcess for ConstantArrivals {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 requests")]
    fn next_arrival(&mut self) -> Option<Nanoseconds> {
        if self.rate <= 0.0 {
            return None;
        }
        let time = Nanoseconds::from_f64(self.index as f64 * 1e9 / self.rate);
        self.index += 1;
        (time < self.end).then_some(time)
    }

    fn fork(&self) -> Option<Box<dyn ArrivalProcess>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rate: f64, seconds: f64) -> Vec<u64> {
        let end = Nanoseconds::from_seconds(seconds).unwrap();
        let mut process = ConstantArrivals::new(RequestsPerSecond::new(rate).unwrap(), end);
        std::iter::from_fn(|| process.next_arrival()).map(Nanoseconds::get).collect()
    }

    #[test]
    fn three_a_second() {
        // 0, 1/3 s, 2/3 s, and again one second later without drift.
        let expected = [0, 333_333_333, 666_666_667, 1_000_000_000, 1_333_333_333, 1_666_666_667];
        assert_eq!(times(3.0, 2.0), expected);
    }

    #[test]
    fn a_whole_product_of_rate_and_duration_gives_exactly_that_many() {
        for (rate, expected) in
            [(1.0, 100), (3.0, 300), (7.0, 700), (1200.0, 120_000), (599.4, 59_940)]
        {
            assert_eq!(times(rate, 100.0).len(), expected, "{rate}");
        }
    }
}
