//! Reads the predicted, simulated and measured latencies that `validate` wrote.

use crate::metrics::WorkloadSummary;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::Path;

/// The two arms, in the order in which they are shown.
pub(super) const ARMS: [&str; 2] = ["simulated", "measured"];

/// The parts of `comparison.json` that a page shows, and the files beside it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Validation {
    /// The scenario.
    pub scenario: String,
    /// The strategy that planned.
    pub(super) strategy: String,
    /// The predictor.
    pub(super) predictor: String,
    /// The launcher that started the servers.
    pub(super) launcher: String,
    /// The kind of models that they served.
    pub(super) models: String,
    /// Name and version of the server.
    pub(super) server: Option<String>,
    /// The measured window, in seconds since the start.
    pub(super) window_s: (f64, f64),
    /// The workloads that were served.
    pub(super) rows: Vec<ValidationRow>,
    pub(super) agreement: Vec<AgreementRecord>,
    pub(super) warnings: Vec<Value>,
    pub(super) checks: Vec<Check>,
    pub(super) passed: bool,
    /// Why the measurement is not valid; empty where it is valid, and in folders of older versions.
    #[serde(default)]
    pub(super) invalid: Vec<String>,
    /// `cdf.csv`.
    #[serde(skip)]
    pub(super) cdf: Vec<CdfRow>,
    /// `latency_series.csv`.
    #[serde(skip)]
    pub(super) series: Vec<LatencyRow>,
    /// `gpus.csv`: NVML samples taken during the run.
    #[serde(skip)]
    pub(super) samples: Vec<LatencySample>,
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ValidationRow {
    pub(super) workload: String,
    pub(super) model: String,
    pub(super) gpu: usize,
    pub(super) batch: u32,
    pub(super) sm_pct: f64,
    pub(super) slo_ms: f64,
    pub(super) predicted_batch_ms: f64,
    pub(super) hosted_batch_ms: f64,
    pub(super) measured_batch_ms: Option<f64>,
    pub(super) batch_error_pct: Option<f64>,
    pub(super) simulated: WorkloadSummary,
    pub(super) measured: WorkloadSummary,
    pub(super) errors: ErrorsRecord,
    pub(super) late_p99_ms: f64,
}

/// Simulated minus measured, in percent of measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ErrorsRecord {
    pub(super) mean_pct: Option<f64>,
    pub(super) p99_pct: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct AgreementRecord {
    pub(super) what: String,
    pub(super) mape_pct: Option<f64>,
    pub(super) bias_pct: Option<f64>,
    pub(super) correlation: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Check {
    pub(super) what: String,
    pub(super) error_pct: Option<f64>,
    pub(super) limit_pct: f64,
    pub(super) passed: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct CdfRow {
    pub(super) strategy: String,
    pub(super) workload: String,
    pub(super) fraction: f64,
    pub(super) latency_ms: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct LatencyRow {
    pub(super) strategy: String,
    pub(super) workload: String,
    pub(super) start_s: f64,
    pub(super) end_s: f64,
    pub(super) mean_ms: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct LatencySample {
    pub(super) time_s: f64,
    pub(super) gpu: u32,
    pub(super) power_w: Option<f64>,
    pub(super) sm_clock_mhz: Option<f64>,
    pub(super) busy_pct: Option<f64>,
    pub(super) temperature_c: Option<f64>,
}

impl Validation {
    /// Reads the comparison of a folder; `None` where it holds none.
    ///
    /// # Errors
    /// When a table beside it is damaged.
    pub(in crate::page) fn read(dir: &Path) -> io::Result<Option<Self>> {
        let Ok(text) = std::fs::read(dir.join("comparison.json")) else { return Ok(None) };
        let Ok(mut found) = serde_json::from_slice::<Self>(&text) else { return Ok(None) };
        found.cdf = rows(&dir.join("cdf.csv"))?;
        found.series = rows(&dir.join("latency_series.csv"))?;
        found.samples = rows(&dir.join("gpus.csv"))?;
        Ok(Some(found))
    }
}

/// Reads the rows of a table; empty where there is no such file, as in folders of older versions.
fn rows<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let rows: Result<Vec<T>, csv::Error> = csv::Reader::from_path(path)?.deserialize().collect();
    Ok(rows?)
}
