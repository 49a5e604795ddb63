//! Operations on rows of probabilities, several places at a time.

/// Number of places of a row that are processed at once, in registers: that is much faster than loading and storing
/// them for each weight. Distributions that are shifted have one zero fewer than this before and behind them.
pub(super) const LANES: usize = 8;

/// Returns the sum of `what` over a row. It runs several sums side by side, since each addition has to wait for the
/// one before it in the same sum.
pub(super) fn sum_of(row: &[f64], what: impl Fn(f64) -> f64) -> f64 {
    let (blocks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, p)| *sum += what(*p));
    }
    rest.iter().fold(sums.iter().sum(), |sum, p| sum + what(*p))
}

/// Returns `sums`, the places from `first` on, after adding a distribution that is shifted by 0, 1, 2, … places, in
/// this order, each time with its weight. Weights below `least` are skipped.
pub(super) fn added(
    mut sums: [f64; LANES],
    first: usize,
    (weights, least): (&[f64], f64),
    with_zeros: &[f64],
) -> [f64; LANES] {
    let length = with_zeros.len() - 2 * (LANES - 1);
    let shifts = (first + 1).saturating_sub(length)..weights.len().min(first + LANES);
    for shift in shifts {
        let weight = weights[shift];
        if weight >= least {
            let from = LANES - 1 + first - shift;
            let shifted = &with_zeros[from..from + LANES];
            sums.iter_mut().zip(shifted).for_each(|(sum, p)| *sum += weight * p);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_one_place_after_another() {
        let row: Vec<f64> = (0..30_u32).map(|i| f64::from(i * 7 % 11) - 4.0).collect();
        for length in 0..row.len() {
            let expected: f64 = row[..length].iter().map(|p| p.abs()).sum();
            assert!((sum_of(&row[..length], f64::abs) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_distribution_is_added_once_for_each_weight() {
        let weights: Vec<f64> = (0..13_u32).map(|i| f64::from(i * 5 % 7)).collect();
        for length in [1, 3, 8, 20] {
            let distribution: Vec<f64> = (1..=length).map(|i| 1.0 / f64::from(i)).collect();
            let mut with_zeros = vec![0.0; LANES - 1];
            with_zeros.extend(&distribution);
            with_zeros.resize(with_zeros.len() + LANES - 1, 0.0);
            let mut expected = vec![1.0; 5 * LANES];
            for (shift, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight >= 2.0)
            {
                for (place, p) in distribution.iter().enumerate() {
                    expected[shift + place] += weight * p;
                }
            }
            for (block, expected) in expected.chunks_exact(LANES).enumerate() {
                let found = added([1.0; LANES], block * LANES, (&weights, 2.0), &with_zeros);
                let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
                assert!(found.iter().zip(expected).all(near), "{length} {block}");
            }
        }
    }
}
