//! The variation of the time of a batch, computed from the counters of a server.

/// Minimum number of differences for an estimate.
const LEAST_DIFFERENCES: usize = 8;
/// The ratio of the standard deviation of a normal x to the median of |x|.
const NORMAL: f64 = 1.4826;

/// Returns the coefficient of variation of the time of one batch. Each stretch of a run has the mean time of the
/// batches that ended in it, and their number.
///
/// The difference between the means of n and m batches of equal spread σ has the spread σ √(1/n + 1/m). Only
/// neighbouring stretches are compared, so that a slow change of the clock does not count as noise. The median over
/// all differences is used, so that a hiccup of the machine does not count either. `None` where too few stretches
/// have batches.
pub(super) fn noise_cv(stretches: &[(f64, u64)]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "few batches")]
    let stretches: Vec<(f64, f64)> =
        stretches.iter().filter(|(_, n)| *n > 0).map(|(mean, n)| (*mean, *n as f64)).collect();
    let mut spreads: Vec<f64> = stretches
        .windows(2)
        .map(|pair| {
            let [(before, n), (after, m)] = [pair[0], pair[1]];
            (after - before).abs() / (1.0 / n + 1.0 / m).sqrt()
        })
        .collect();
    if spreads.len() < LEAST_DIFFERENCES {
        return None;
    }
    let batches: f64 = stretches.iter().map(|(_, n)| n).sum();
    let mean = stretches.iter().map(|(mean, n)| mean * n).sum::<f64>() / batches;
    let cv = NORMAL * median(&mut spreads)? / mean;
    cv.is_finite().then_some(cv)
}

/// Returns the middle value, or the mean of the two middle ones.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let above = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(above);
    }
    Some(f64::midpoint(values[middle - 1], above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter::arrivals::{Purpose, stream};
    use igniter::domain::WorkloadName;
    use rand::RngExt;

    #[test]
    fn spreads_by_hand() {
        // Every difference is 2 ms between means of 2 batches: 2/√(1/2 + 1/2) = 2; the mean is 10 ms.
        let stretches: Vec<(f64, u64)> =
            (0..9).map(|i| (if i % 2 == 0 { 9.0 } else { 11.0 }, 2)).collect();
        // The mean of 5 × 9 and 4 × 11 is 89/9.
        let expected = 1.4826 * 2.0 / (89.0 / 9.0);
        assert!((noise_cv(&stretches).unwrap() - expected).abs() < 1e-12);
        assert_eq!(noise_cv(&stretches[..8]), None, "seven differences");
        // Stretches without batches say nothing.
        let mut with_gaps = stretches.clone();
        with_gaps.insert(3, (0.0, 0));
        assert_eq!(noise_cv(&with_gaps), noise_cv(&stretches));
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn neither_drift_nor_hiccups_count_and_the_spread_does() {
        let mut random = stream(7, &WorkloadName::new("W1").unwrap(), Purpose::Noise);
        for cv in [0.01, 0.05, 0.2] {
            // 2000 stretches of 1 to 9 batches around a mean that rises by 10 % over the run; in one of fifty
            // stretches a batch takes three times as long.
            let stretches: Vec<(f64, u64)> = (0..2000)
                .map(|i| {
                    let n = random.random_range(1..10_u64);
                    let mean_ms = 20.0 * (1.0 + 0.1 * f64::from(i) / 2000.0);
                    let sum: f64 = (0..n)
                        .map(|_| {
                            // A sum of twelve uniform numbers has variance 1.
                            let normal = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
                            mean_ms * (1.0 + cv * normal)
                        })
                        .sum();
                    let hiccup = if i % 50 == 0 { 2.0 * mean_ms } else { 0.0 };
                    #[expect(clippy::cast_precision_loss, reason = "a small number")]
                    let n_ms = n as f64;
                    ((sum + hiccup) / n_ms, n)
                })
                .collect();
            // The median of 2000 differences that depend on their neighbours: ± 3.5 %. Hiccups are in one of 25
            // differences, which makes the median of the others their 52nd percentile: + 5 %.
            let found = noise_cv(&stretches).unwrap();
            assert!((found / cv - 1.0).abs() < 0.15, "{cv}: {found}");
        }
    }
}
