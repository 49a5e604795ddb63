//! Fits a constant and a slope to the durations of copies: `ms = c0 + c1 · bytes`.

use super::Transfer;

/// The fitted duration of copies of one kind.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TransferFit {
    /// `to_device` or `to_host`.
    pub direction: String,
    /// `pinned` or `pageable`.
    pub memory: String,
    /// The constant, in ms.
    pub constant_ms: f64,
    /// The number of bytes copied in each further ms.
    pub bytes_per_ms: f64,
    /// The largest deviation of a measurement from the line, in % of the measurement.
    pub worst_pct: f64,
}

/// Fits a line to each kind of copy, by least squares of relative errors, so that small copies matter as much
/// as large ones.
#[must_use]
pub fn fit_transfers(transfers: &[Transfer]) -> Vec<TransferFit> {
    let mut kinds: Vec<(&str, &str)> =
        transfers.iter().map(|t| (t.direction.as_str(), t.memory.as_str())).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.iter().filter_map(|&(direction, memory)| fit_one(transfers, direction, memory)).collect()
}

fn fit_one(transfers: &[Transfer], direction: &str, memory: &str) -> Option<TransferFit> {
    #[expect(clippy::cast_precision_loss, reason = "sizes of copies are exact")]
    let points: Vec<(f64, f64)> = transfers
        .iter()
        .filter(|t| t.direction == direction && t.memory == memory && t.ms > 0.0)
        .map(|t| (t.bytes as f64, t.ms))
        .collect();
    if points.len() < 2 {
        return None;
    }
    // Weighted with 1/ms²: the sums of the normal equations of c0 + c1 x = y.
    let sum = |value: fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|&(x, y)| value(x, y) / (y * y)).sum()
    };
    let (w, wx, wy) = (sum(|_, _| 1.0), sum(|x, _| x), sum(|_, y| y));
    let (wxx, wxy) = (sum(|x, _| x * x), sum(|x, y| x * y));
    let determinant = w * wxx - wx * wx;
    if determinant <= 0.0 {
        return None;
    }
    let constant_ms = (wy * wxx - wx * wxy) / determinant;
    let slope = (w * wxy - wx * wy) / determinant;
    let worst_pct = points
        .iter()
        .map(|&(x, y)| ((constant_ms + slope * x - y) / y * 100.0).abs())
        .fold(0.0, f64::max);
    Some(TransferFit {
        direction: direction.to_owned(),
        memory: memory.to_owned(),
        constant_ms,
        bytes_per_ms: 1.0 / slope,
        worst_pct,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        // 10 µs and 20 GB/s = 2·10⁷ bytes/ms
        let transfers: Vec<Transfer> = [100_000_u32, 1_000_000, 40_000_000]
            .map(|bytes| Transfer {
                direction: "to_device".into(),
                memory: "pinned".into(),
                bytes: bytes.into(),
                ms: 0.01 + f64::from(bytes) / 2e7,
            })
            .into();
        let fits = fit_transfers(&transfers);
        assert_eq!(fits.len(), 1);
        assert!((fits[0].constant_ms - 0.01).abs() < 1e-9, "{fits:?}");
        assert!((fits[0].bytes_per_ms / 2e7 - 1.0).abs() < 1e-9);
        assert!(fits[0].worst_pct < 1e-6);
        assert!(fit_transfers(&transfers[..1]).is_empty());
    }
}
