//! Latin hypercube samples (McKay, Beckman and Conover, Technometrics 21, 1979): of n samples, each n-th part of every field's
//! range holds exactly one.

use sha2::{Digest, Sha256};

/// One coordinate of the samples: the part of its range in which each sample lies, and the position within that part.
///
/// Nothing is stored per sample: the order of the parts is a permutation that is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coordinate {
    samples: u64,
    keys: [u64; 4],
    jitter: u64,
}

impl Coordinate {
    /// Creates the coordinate with this number; another seed gives other samples.
    pub(super) fn new(samples: u64, seed: u64, number: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"igniter/latin/v1");
        for part in [seed, number] {
            hash.update(part.to_le_bytes());
        }
        let digest = hash.finalize();
        let word = |i: usize| {
            let bytes = digest[8 * i..8 * i + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        };
        let keys = [word(0), word(1), word(2), word(3)];
        Self { samples, keys, jitter: mixed(word(0) ^ word(3)) }
    }

    /// Returns the position of a sample, from 0 to below 1.
    pub(super) fn at(&self, sample: u64) -> f64 {
        let within = (mixed(self.jitter ^ sample) >> 11) as f64 / (1_u64 << 53) as f64;
        (self.part(sample) as f64 + within) / self.samples as f64
    }

    /// Computes a permutation of 0 … n − 1: a Feistel network over the next power of four, applied until the result is
    /// below n.
    fn part(&self, sample: u64) -> u64 {
        let bits = u64::BITS - self.samples.saturating_sub(1).leading_zeros();
        let half = bits.div_ceil(2).max(1);
        let mask = (1_u64 << half) - 1;
        let mut value = sample;
        loop {
            let (mut left, mut right) = (value >> half, value & mask);
            for key in self.keys {
                (left, right) = (right, left ^ (mixed(right ^ key) & mask));
            }
            value = left << half | right;
            if value < self.samples {
                return value;
            }
        }
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_every_range_is_hit_once() {
        for samples in [1_u64, 2, 3, 10, 64, 1000] {
            for number in 0..3 {
                let coordinate = Coordinate::new(samples, 7, number);
                let n = samples as f64;
                let mut parts: Vec<u64> = (0..samples)
                    .map(|i| coordinate.at(i))
                    .map(|x| {
                        #[expect(
                            clippy::cast_possible_truncation,
                            clippy::cast_sign_loss,
                            reason = "a coordinate is from 0 to 1"
                        )]
                        let part = (x * n).floor() as u64;
                        part
                    })
                    .collect();
                parts.sort_unstable();
                assert_eq!(parts, (0..samples).collect::<Vec<_>>(), "{samples} samples");
            }
        }
    }

    #[test]
    fn coordinates_are_unrelated() {
        // |r| of 1000 unrelated pairs is below 3.3/√1000 = 0.104 with probability 0.999.
        let (a, b) = (Coordinate::new(1000, 1, 0), Coordinate::new(1000, 1, 1));
        let mean_product: f64 =
            (0..1000).map(|i| (a.at(i) - 0.5) * (b.at(i) - 0.5)).sum::<f64>() / 1000.0;
        assert!((12.0 * mean_product).abs() < 0.104, "r = {}", 12.0 * mean_product);
        assert_ne!(a, Coordinate::new(1000, 2, 0));
    }
}
