//! Statistics of one sample and of two paired samples.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Returns the arithmetic mean; `None` when there is no data.
#[must_use]
pub fn mean(data: &[f64]) -> Option<f64> {
    (!data.is_empty()).then(|| data.iter().sum::<f64>() / data.len() as f64)
}

/// Returns the sample standard deviation (divisor n − 1); `None` for fewer than two values.
#[must_use]
pub fn standard_deviation(data: &[f64]) -> Option<f64> {
    let centre = mean(data)?;
    let squares: f64 = data.iter().map(|value| (value - centre).powi(2)).sum();
    (data.len() > 1).then(|| (squares / (data.len() - 1) as f64).sqrt())
}

/// Returns Pearson's correlation of paired values, from −1 to 1.
///
/// `None` for fewer than two pairs, for slices of unequal length, and when either side is constant.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    let (mean_x, mean_y) = (mean(x)?, mean(y)?);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xy += (x - mean_x) * (y - mean_y);
        xx += (x - mean_x) * (x - mean_x);
        yy += (y - mean_y) * (y - mean_y);
    }
    let scale = (xx * yy).sqrt();
    (scale > 0.0).then(|| (xy / scale).clamp(-1.0, 1.0))
}

/// A mean with the half-width of its confidence interval, in the unit of the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceInterval {
    /// The sample mean.
    pub mean: f64,
    /// Half the width of the interval, which is `mean ± half_width`.
    pub half_width: f64,
}

/// Returns the two-sided Student-t confidence interval of the mean.
///
/// ```text
/// mean ± t(1 − (1 − level)/2, n − 1) · s / √n
/// ```
///
/// `None` for fewer than two values, and when `level` does not lie strictly between 0 and 1.
#[must_use]
pub fn confidence_interval(data: &[f64], level: f64) -> Option<ConfidenceInterval> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let deviation = standard_deviation(data)?;
    let n = data.len() as f64;
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.5 + level / 2.0);
    // The last digits depend on the system's logarithm, which differs from machine to machine.
    let t = (t * 1e11).round() / 1e11;
    Some(ConfidenceInterval { mean: mean(data)?, half_width: t * deviation / n.sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(actual: Option<f64>, expected: f64, tolerance: f64) {
        let actual = actual.expect("defined");
        assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
    }

    #[test]
    fn mean_and_deviation_by_hand() {
        // (2 + 4 + 9) / 3 = 5; squares 9 + 1 + 16 = 26; √(26 / 2) = √13
        close(mean(&[2.0, 4.0, 9.0]), 5.0, 1e-12);
        close(standard_deviation(&[2.0, 4.0, 9.0]), 13_f64.sqrt(), 1e-12);
        assert_eq!(mean(&[]), None);
        assert_eq!(standard_deviation(&[1.0]), None);
    }

    #[test]
    fn pearson_by_hand() {
        // x̄ = 2, ȳ = 3; deviations (−1, 0, 1) and (−2, 1, 1): Σxy = 3, Σxx = 2, Σyy = 6; 3/√12 = √3/2
        close(pearson(&[1.0, 2.0, 3.0], &[1.0, 4.0, 4.0]), 3_f64.sqrt() / 2.0, 1e-12);
        close(pearson(&[1.0, 2.0], &[5.0, 1.0]), -1.0, 1e-12);
        assert_eq!(pearson(&[1.0, 2.0], &[5.0, 5.0]), None, "a constant has no correlation");
        assert_eq!(pearson(&[1.0], &[1.0]), None);
        assert_eq!(pearson(&[1.0, 2.0], &[1.0]), None);
    }

    #[test]
    fn confidence_interval_from_the_t_table() {
        // n = 4, values 1 2 3 4: mean 2.5, s = √(5/3) = 1.29099; t(0.975, 3) = 3.182446;
        // 3.182446 × 1.29099 / 2 = 2.054254
        let interval = confidence_interval(&[1.0, 2.0, 3.0, 4.0], 0.95).unwrap();
        close(Some(interval.mean), 2.5, 1e-12);
        close(Some(interval.half_width), 2.054_254, 1e-5);
        assert_eq!(confidence_interval(&[1.0], 0.95), None);
        assert_eq!(confidence_interval(&[1.0, 2.0], 1.0), None);
    }
}
