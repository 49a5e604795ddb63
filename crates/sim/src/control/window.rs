//! Observations of one server since the last tick.

use super::CompletedBatch;
use igniter_model::stats::nearest_rank;
use igniter_model::units::Nanoseconds;

/// Sums over the batches of one window.
#[derive(Debug, Clone, Default)]
pub(crate) struct ControlWindow {
    latencies: Vec<Nanoseconds>,
    batches: u64,
    service_ns: u128,
    occupied_ns: u128,
}

impl ControlWindow {
    pub(crate) fn add(&mut self, batch: CompletedBatch<'_>) {
        self.latencies.extend_from_slice(batch.latencies);
        self.batches += 1;
        self.service_ns += u128::from(batch.service.get());
        self.occupied_ns += u128::from(batch.occupied.get());
    }

    pub(crate) fn completed(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// Returns the 99th percentile of the latencies, by nearest rank.
    pub(crate) fn p99(&mut self) -> Option<Nanoseconds> {
        let rank = nearest_rank(self.latencies.len(), 0.99)?;
        Some(*self.latencies.select_nth_unstable(rank).1)
    }

    /// Returns the mean time of a batch from the copy to the GPU to the copy back, in ms.
    pub(super) fn service_ms(&self) -> Option<f64> {
        (self.batches > 0).then(|| as_f64(self.service_ns) / self.batches as f64 / 1e6)
    }

    /// Returns how many requests per second one instance could serve in such batches, one after another.
    pub(super) fn capacity_rps(&self) -> Option<f64> {
        let occupied = as_f64(self.occupied_ns);
        (occupied > 0.0).then(|| self.latencies.len() as f64 * 1e9 / occupied)
    }

    pub(crate) fn clear(&mut self) {
        self.latencies.clear();
        *self = Self { latencies: std::mem::take(&mut self.latencies), ..Self::default() };
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean needs no more than 53 bits")]
fn as_f64(sum: u128) -> f64 {
    sum as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_by_hand() {
        // 100 requests in batches of 50: latencies 1 … 100 ns, P99 = the 99th. Service 4 and 6 ms: mean
        // 5 ms. Occupied 2 · 10 ms for 100 requests: 100 / 20 ms = 5000 requests/s.
        let latencies: Vec<Nanoseconds> = (1..=100).rev().map(Nanoseconds::new).collect();
        let ms = |ms: u64| Nanoseconds::new(ms * 1_000_000);
        let mut window = ControlWindow::default();
        for (half, service) in latencies.chunks(50).zip([4, 6]) {
            window.add(CompletedBatch { latencies: half, service: ms(service), occupied: ms(10) });
        }
        assert_eq!((window.completed(), window.p99()), (100, Some(Nanoseconds::new(99))));
        assert!((window.service_ms().unwrap() - 5.0).abs() < 1e-12);
        assert!((window.capacity_rps().unwrap() - 5000.0).abs() < 1e-9);
        window.clear();
        assert_eq!((window.completed(), window.p99()), (0, None));
        assert_eq!((window.service_ms(), window.capacity_rps()), (None, None));
    }
}
