//! Numbers of Poisson arrivals.

/// Probabilities below this are left out at the upper end of a distribution.
const NEGLIGIBLE: f64 = 1e-10;

/// The probabilities of 0, 1, 2, … arrivals where `mean` are expected, up to where they become negligible.
pub(super) fn probabilities(mean: f64, out: &mut Vec<f64>) {
    out.clear();
    let mut probability = libm::exp(-mean);
    let mut count = 0.0;
    loop {
        out.push(probability);
        count += 1.0;
        probability *= mean / count;
        if count > mean && probability < NEGLIGIBLE {
            return;
        }
    }
}

/// The probability of fewer than `count` arrivals where `mean` are expected.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(super) fn fewer(count: usize, mean: f64) -> f64 {
    let mut probability = libm::exp(-mean);
    let mut sum: f64 = 0.0;
    for j in 1..=count {
        sum += probability;
        probability *= mean / j as f64;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut all = Vec::new();
        probabilities(2.0, &mut all);
        let e = libm::exp(-2.0);
        for (given, expected) in all.iter().zip([e, 2.0 * e, 2.0 * e, 4.0 / 3.0 * e]) {
            assert!((given - expected).abs() < 1e-15);
        }
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!((fewer(3, 2.0) - 5.0 * e).abs() < 1e-15 && fewer(0, 2.0) <= 0.0);
        probabilities(0.0, &mut all);
        assert!((all[0] - 1.0).abs() < 1e-15 && all.len() == 1);
    }
}
