//! Errors of predictions relative to measurements.

/// Returns the mean absolute percentage error of predictions, in percent of the measured values.
///
/// `None` without data, for slices of unequal length, and when a measured value is zero.
#[must_use]
pub fn mape_pct(predicted: &[f64], measured: &[f64]) -> Option<f64> {
    mean_relative_error(predicted, measured, f64::abs)
}

/// Returns the mean signed percentage error, in percent of the measured values; positive when predictions are too high.
/// `None` in the same cases as [`mape_pct`].
#[must_use]
pub fn bias_pct(predicted: &[f64], measured: &[f64]) -> Option<f64> {
    mean_relative_error(predicted, measured, |error| error)
}

fn mean_relative_error(
    predicted: &[f64],
    measured: &[f64],
    of: impl Fn(f64) -> f64,
) -> Option<f64> {
    let zero = measured.iter().any(|value| value.abs() <= 0.0);
    if predicted.len() != measured.len() || measured.is_empty() || zero {
        return None;
    }
    let sum: f64 = predicted.iter().zip(measured).map(|(p, m)| of((p - m) / m)).sum();
    Some(100.0 * sum / measured.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_by_hand() {
        // 11 against 10: +10 %; 15 against 20: −25 %. MAPE (10 + 25)/2 = 17.5, bias (10 − 25)/2 = −7.5
        let (predicted, measured) = ([11.0, 15.0], [10.0, 20.0]);
        assert!((mape_pct(&predicted, &measured).unwrap() - 17.5).abs() < 1e-12);
        assert!((bias_pct(&predicted, &measured).unwrap() + 7.5).abs() < 1e-12);
    }

    #[test]
    fn undefined_errors_are_absent() {
        assert_eq!(mape_pct(&[], &[]), None);
        assert_eq!(mape_pct(&[1.0], &[0.0]), None);
        assert_eq!(bias_pct(&[1.0], &[1.0, 2.0]), None);
    }
}
