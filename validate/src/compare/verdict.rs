//! The verdict on whether measurement and simulation agree.

use super::tables::ComparedWorkload;
use serde::{Deserialize, Serialize};

/// The maximum differences between the arms, in percent of the measured values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Mean latency, simulated against measured.
    pub mean_pct: f64,
    /// P99 latency, simulated against measured.
    pub p99_pct: f64,
    /// Time of a full batch, predicted against measured.
    pub batch_pct: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { mean_pct: 5.0, p99_pct: 10.0, batch_pct: 10.0 }
    }
}

/// One comparison with its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictCheck {
    /// The quantity that was compared.
    pub what: String,
    /// The error in percent; `None` where there is nothing to compare.
    pub error_pct: Option<f64>,
    /// The allowed error in percent, in either direction.
    pub limit_pct: f64,
    /// Whether the error is within the limit.
    pub passed: bool,
}

impl VerdictCheck {
    fn new(what: String, error_pct: Option<f64>, limit_pct: f64) -> Self {
        let passed = error_pct.is_some_and(|error| error.abs() <= limit_pct);
        Self { what, error_pct, limit_pct, passed }
    }

    /// Returns all checks of the rows of a table.
    #[must_use]
    pub fn all(rows: &[ComparedWorkload], limits: &Limits) -> Vec<Self> {
        let mut checks = Vec::new();
        for row in rows {
            let name = &row.workload;
            checks.push(Self::new(
                format!("{name}: mean latency"),
                row.errors.mean_pct,
                limits.mean_pct,
            ));
            checks.push(Self::new(
                format!("{name}: P99 latency"),
                row.errors.p99_pct,
                limits.p99_pct,
            ));
            // Without full batches or without a trace there is nothing to check.
            if row.batch_error_pct.is_some() {
                let what = format!("{name}: time of a full batch");
                checks.push(Self::new(what, row.batch_error_pct, limits.batch_pct));
            }
        }
        checks
    }
}
