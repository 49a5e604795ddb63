//! The rules by which GSLICE tunes batch size and share.
//!
//! Dhakal et al., "GSLICE: controlled spatial sharing of GPUs for a scalable inference platform" (SoCC
//! 2020), with the steps of the iGniter artifact (`gslice.py`):
//!
//! ```text
//! SLAB   s = (S − t)/S:  keep b if 0 < s < 10 %, else b ← ⌈b ± b |S − t|/t⌉ in 1 … most, + if s ≥ 0
//! UTIL   f = max(|S − t|/t, |h − R|/h):  keep r if both slacks lie in 0 … 10 %,
//!        r ← r (1 + f) if either is missed, else r (1 − f), in 1 … 100 %
//! ```
//! S budget, t latency of a batch, h throughput, R rate. The artifact's slip that a slack of exactly zero
//! gives 1 % is not copied.

use crate::units::BatchSize;

/// The initial share of every workload, in percent.
pub const START_PCT: f64 = 30.0;

/// The maximum number of batch-size steps before the share is tuned.
pub const TURNS: u32 = 5;

/// A slack between 0 and this fraction is accepted.
const SLACK: f64 = 0.1;

/// The observation of a workload in a trial run or a time window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GsliceObservation {
    /// The time that a batch may take, in ms (> 0).
    pub budget_ms: f64,
    /// The time that a batch takes, in ms (> 0).
    pub latency_ms: f64,
    /// The arrival rate, in requests/s.
    pub rate_rps: f64,
    /// The rate that could be served, in requests/s (> 0).
    pub throughput_rps: f64,
}

/// SLAB: returns the next batch size, from 1 to `most`.
///
/// # Panics
/// Never: the size is at least 1.
#[must_use]
pub fn tuned_batch(batch: BatchSize, most: BatchSize, seen: GsliceObservation) -> BatchSize {
    let GsliceObservation { budget_ms: budget, latency_ms: latency, .. } = seen;
    let slack = (budget - latency) / budget;
    if 0.0 < slack && slack < SLACK {
        return batch;
    }
    let size = batch.as_f64() + batch.as_f64() * (budget - latency) / latency;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to most")]
    let size = size.clamp(1.0, most.as_f64()).ceil() as u32;
    BatchSize::new(size).expect("it is at least 1")
}

/// Reduces shares, in whole units, until they fit on a GPU of `whole` units: rounding tiny shares up to one unit can
/// make the sum too large. The largest share loses one unit at a time; no share falls below one unit.
pub fn give_way(shares: &mut [u32], whole: u32) {
    let mut excess = shares.iter().sum::<u32>().saturating_sub(whole);
    while excess > 0
        && let Some(largest) = shares.iter_mut().max().filter(|share| **share > 1)
    {
        *largest -= 1;
        excess -= 1;
    }
}

/// UTIL: returns the next share in percent, from 1 to 100.
#[must_use]
pub fn tuned_share(share: f64, seen: GsliceObservation) -> f64 {
    let latency = (seen.budget_ms - seen.latency_ms) / seen.latency_ms;
    let throughput = (seen.throughput_rps - seen.rate_rps) / seen.throughput_rps;
    let kept = |slack: f64| (0.0..SLACK).contains(&slack);
    if kept(latency) && kept(throughput) {
        return share;
    }
    let factor = latency.abs().max(throughput.abs());
    let missed = latency < 0.0 || throughput < 0.0;
    (if missed { share * (1.0 + factor) } else { share * (1.0 - factor) }).clamp(1.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_script() {
        let seen = |latency_ms, throughput_rps| GsliceObservation {
            budget_ms: 10.0,
            latency_ms,
            rate_rps: 100.0,
            throughput_rps,
        };
        let size = |b| BatchSize::new(b).unwrap();
        let batch = |latency_ms| tuned_batch(size(4), size(32), seen(latency_ms, 100.0)).get();
        // 4 + 4 · 5/5; kept, as 5 % are left; 4 − 4 · 10/20; 4 + 4 · 99, of which 32 are the most. The script gives 1 for a
        // latency of exactly 10.
        assert_eq!([5.0, 9.5, 20.0, 0.1, 10.0].map(batch), [8, 4, 2, 32, 4]);
        let share =
            |latency_ms, throughput_rps| tuned_share(30.0, seen(latency_ms, throughput_rps));
        // Slacks 25 % and 50 %: half of it. −20 % and 50 %: half more. Both within 10 %: kept.
        assert!((share(8.0, 200.0) - 15.0).abs() < 1e-12);
        assert!((share(12.5, 200.0) - 45.0).abs() < 1e-12);
        assert!((share(9.5, 105.0) - 30.0).abs() < 1e-12);
        // Never above the whole GPU: 30 % · (1 + 9).
        assert!((share(9.5, 10.0) - 100.0).abs() < 1e-12);
    }

    #[test]
    fn the_largest_give_way() {
        let given = |mut shares: Vec<u32>, whole| {
            give_way(&mut shares, whole);
            shares
        };
        assert_eq!(given(vec![39, 1, 1], 40), [38, 1, 1]);
        // Among equals the last.
        assert_eq!(given(vec![20, 20, 1], 40), [20, 19, 1]);
        assert_eq!(given(vec![20, 19, 1], 40), [20, 19, 1]);
        assert_eq!(given(vec![1, 2, 1], 2), [1, 1, 1], "nobody is left with nothing");
    }
}
