//! How GSLICE tunes a batch size and a share.
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

/// The share that every workload starts with, in percent.
pub const START_PCT: f64 = 30.0;

/// The most batch-size steps before the share is tuned.
pub const TURNS: u32 = 5;

/// A slack from 0 to this part is accepted.
const SLACK: f64 = 0.1;

/// What a trial run or a window of time says of a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// What a batch may take, in ms (> 0).
    pub budget_ms: f64,
    /// What a batch takes, in ms (> 0).
    pub latency_ms: f64,
    /// Requests/s that arrive.
    pub rate_rps: f64,
    /// Requests/s that could be served (> 0).
    pub throughput_rps: f64,
}

/// SLAB: the next batch size, from 1 to `most`.
///
/// # Panics
/// Never: the size is at least 1.
#[must_use]
pub fn tuned_batch(batch: BatchSize, most: BatchSize, seen: Seen) -> BatchSize {
    let Seen { budget_ms: budget, latency_ms: latency, .. } = seen;
    let slack = (budget - latency) / budget;
    if 0.0 < slack && slack < SLACK {
        return batch;
    }
    let size = batch.as_f64() + batch.as_f64() * (budget - latency) / latency;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to most")]
    let size = size.clamp(1.0, most.as_f64()).ceil() as u32;
    BatchSize::new(size).expect("it is at least 1")
}

/// Shares in whole units, of which rounding tiny ones up to one unit made more than the `whole` GPU: the largest
/// give way, one unit at a time, down to one each.
pub fn give_way(shares: &mut [u32], whole: u32) {
    let mut excess = shares.iter().sum::<u32>().saturating_sub(whole);
    while excess > 0
        && let Some(largest) = shares.iter_mut().max().filter(|share| **share > 1)
    {
        *largest -= 1;
        excess -= 1;
    }
}

/// UTIL: the next share in percent, from 1 to 100.
#[must_use]
pub fn tuned_share(share: f64, seen: Seen) -> f64 {
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
