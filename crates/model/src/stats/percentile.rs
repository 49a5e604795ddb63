//! The definition of a percentile that all code shares.

/// Returns the nearest-rank percentile of sorted data: the smallest value with at least `q·n` of the `n` observations
/// less than or equal to it. `None` when there is no data.
///
/// The result is always one of the observations, never an interpolation, so a reported P99 is a latency that some
/// request really had. `q` is a share from 0 to 1; outside this range the minimum or maximum is returned. The product
/// `q·n` is rounded to the nearest integer when it lies within 10⁻⁹ of one, so that 0.07 × 100 = 7.000000000000001
/// means rank 7, not 8.
///
/// ```
/// use igniter_model::stats::percentile;
/// let latencies = [3, 5, 8, 13];
/// assert_eq!(percentile(&latencies, 0.5), Some(5)); // 2 of 4 are ≤ 5
/// assert_eq!(percentile(&latencies, 0.51), Some(8));
/// ```
#[must_use]
pub fn percentile<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    nearest_rank(sorted.len(), q).map(|position| sorted[position])
}

/// Returns the index of the [`percentile`] among `n` sorted observations.
#[must_use]
pub fn nearest_rank(n: usize, q: f64) -> Option<usize> {
    let last = n.checked_sub(1)?;
    let exact = q * n as f64;
    let nearest = exact.round();
    let rank =
        if (exact - nearest).abs() <= 1e-9 * exact.max(1.0) { nearest } else { exact.ceil() };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and the index is limited to the last one"
    )]
    let position = (rank as usize).saturating_sub(1).min(last);
    Some(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nearest_rank_by_hand() {
        // The classic example: 15 20 35 40 50. P30 → ⌈1.5⌉ = 2nd = 20; P40 → 2nd = 20; P50 → ⌈2.5⌉ = 3rd.
        let data = [15, 20, 35, 40, 50];
        assert_eq!(percentile(&data, 0.05), Some(15));
        assert_eq!(percentile(&data, 0.30), Some(20));
        assert_eq!(percentile(&data, 0.40), Some(20));
        assert_eq!(percentile(&data, 0.50), Some(35));
        assert_eq!(percentile(&data, 1.0), Some(50));
        assert_eq!(percentile(&data, 0.0), Some(15));
    }

    #[test]
    fn rounding_noise_does_not_move_the_rank() {
        // 0.07 × 100 and 0.29 × 100 are not exact in binary; the ranks are 7 and 29.
        let data: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&data, 0.07), Some(7));
        assert_eq!(percentile(&data, 0.29), Some(29));
        assert_eq!(percentile(&data, 0.99), Some(99));
        assert_eq!(percentile(&(1..=1000).collect::<Vec<u32>>(), 0.999), Some(999));
    }

    #[test]
    fn no_data_has_no_percentile_and_one_value_is_every_percentile() {
        assert_eq!(percentile::<u64>(&[], 0.99), None);
        assert_eq!(percentile(&[4_u64], 0.0), Some(4));
        assert_eq!(percentile(&[4_u64], 0.999), Some(4));
    }

    proptest! {
        #[test]
        fn at_least_the_share_lies_at_or_below_and_no_smaller_value_does(
            mut data in prop::collection::vec(0_u32..50, 1..200),
            per_mille in 1_usize..=1000,
        ) {
            data.sort_unstable();
            let n = data.len();
            let value = percentile(&data, per_mille as f64 / 1000.0).unwrap();
            let at_or_below = data.iter().filter(|v| **v <= value).count();
            let below = data.iter().filter(|v| **v < value).count();
            prop_assert!(at_or_below * 1000 >= per_mille * n);
            prop_assert!(below * 1000 < per_mille * n);
        }
    }
}
