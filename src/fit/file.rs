//! The coefficients file: fitted numbers with their residuals, range of validity and origin.

use super::FitError;
use crate::domain::{GpuKind, GpuKindName, ModelName};
use crate::predictor::igniter::{HardwareCoefficients, IgniterPredictor, ModelCoefficients};
use crate::profile::Profile;
use crate::stats;
use crate::units::{BatchSize, Bytes, Dollars, Megahertz, SmUnits, Watts};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Relative errors of a fitted curve on the points it was fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidualSummary {
    /// How many points.
    pub points: usize,
    /// Mean absolute relative error in percent.
    pub mape_pct: f64,
    /// Mean relative error in percent; positive when the fit is too slow.
    pub bias_pct: f64,
    /// Largest absolute relative error in percent.
    pub max_pct: f64,
}

impl ResidualSummary {
    /// Compares a fitted curve with its points; both slices are equally long, not empty and positive.
    pub(super) fn new(fitted: &[f64], measured: &[f64]) -> Self {
        let largest = fitted.iter().zip(measured).map(|(f, m)| (f / m - 1.0).abs() * 100.0);
        Self {
            points: measured.len(),
            mape_pct: stats::mape_pct(fitted, measured).expect("there are positive points"),
            bias_pct: stats::bias_pct(fitted, measured).expect("there are positive points"),
            max_pct: largest.fold(0.0, f64::max),
        }
    }
}

/// The measured range; outside of it predictions are extrapolated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Smallest and largest batch size.
    pub batch: [BatchSize; 2],
    /// Smallest and largest SM share in percent.
    pub sm_pct: [f64; 2],
}

/// A fitted predictor as a JSON document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoefficientsFile {
    /// The predictor whose coefficients these are.
    pub predictor: String,
    /// The GPU kind.
    pub kind: KindFile,
    /// Where the measurements come from.
    pub source: String,
    /// Numbers of the GPU kind.
    pub hardware: HardwareCoefficients,
    /// Numbers of each model.
    pub models: Vec<ModelFile>,
}

/// The constants of the GPU kind, as in `profile.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindFile {
    name: GpuKindName,
    units: SmUnits,
    max_clock_mhz: Megahertz,
    power_cap_w: Watts,
    idle_power_w: Watts,
    pcie_bytes_per_ms: f64,
    memory_bytes: Option<Bytes>,
    price_per_hour: Dollars,
}

/// One model of a coefficients file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The fitted numbers.
    pub coefficients: ModelCoefficients,
    /// Errors of the active-time curve on its own points.
    pub active_time_residuals: ResidualSummary,
    /// The measured range.
    pub validity: Validity,
}

impl CoefficientsFile {
    /// Describes a fitted predictor. `residuals` has one entry for each model of the profile.
    #[must_use]
    pub(super) fn new(
        predictor: &IgniterPredictor,
        profile: &Profile,
        residuals: Vec<ResidualSummary>,
    ) -> Self {
        let kind = &profile.kind;
        Self {
            predictor: "igniter".to_owned(),
            kind: KindFile {
                name: kind.name.clone(),
                units: kind.units,
                max_clock_mhz: kind.max_clock,
                power_cap_w: kind.power_cap,
                idle_power_w: kind.idle_power,
                pcie_bytes_per_ms: kind.pcie_bytes_per_ms,
                memory_bytes: kind.memory,
                price_per_hour: kind.price_per_hour,
            },
            source: profile.source.clone(),
            hardware: *predictor.hardware(),
            models: predictor
                .coefficients()
                .iter()
                .zip(&profile.models)
                .zip(residuals)
                .map(|((coefficients, model), active_time_residuals)| ModelFile {
                    coefficients: coefficients.clone(),
                    active_time_residuals,
                    validity: Validity::of(model),
                })
                .collect(),
        }
    }

    /// Replaces the price of the GPU kind.
    pub fn set_price(&mut self, price: Dollars) {
        self.kind.price_per_hour = price;
    }

    /// The range in which a model was measured.
    #[must_use]
    pub fn validity(&self, model: &ModelName) -> Option<&Validity> {
        self.models.iter().find(|m| &m.coefficients.name == model).map(|m| &m.validity)
    }

    /// The JSON text, ending in a line break.
    ///
    /// # Panics
    /// Never: the numbers of a fit are finite.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a fit has only finite numbers and text") + "\n"
    }

    /// Reads a file that [`CoefficientsFile::to_json`] wrote.
    ///
    /// # Errors
    /// When it cannot be read, is no such document, or is for another predictor.
    pub fn read(path: &Path) -> Result<Self, FitError> {
        let error = |message: String| FitError::File { path: path.to_owned(), message };
        let text = std::fs::read_to_string(path).map_err(|e| error(e.to_string()))?;
        let file: Self = serde_json::from_str(&text)
            .map_err(|e| error(format!("is no coefficients file of `igniter fit`: {e}")))?;
        if file.predictor != "igniter" {
            return Err(error(format!("predictor = {:?}: must be \"igniter\"", file.predictor)));
        }
        if file.models.is_empty() {
            return Err(error("lists no models".to_owned()));
        }
        if !(file.kind.pcie_bytes_per_ms.is_finite() && file.kind.pcie_bytes_per_ms > 0.0) {
            return Err(error("kind.pcie_bytes_per_ms must be finite and > 0".to_owned()));
        }
        if file.kind.units.get() == 0 {
            return Err(error("kind.units must be at least 1".to_owned()));
        }
        Ok(file)
    }

    /// The predictor that the file describes.
    #[must_use]
    pub fn predictor(&self) -> IgniterPredictor {
        let kind = GpuKind {
            name: self.kind.name.clone(),
            units: self.kind.units,
            max_clock: self.kind.max_clock_mhz,
            power_cap: self.kind.power_cap_w,
            idle_power: self.kind.idle_power_w,
            pcie_bytes_per_ms: self.kind.pcie_bytes_per_ms,
            memory: self.kind.memory_bytes,
            price_per_hour: self.kind.price_per_hour,
        };
        let models = self.models.iter().map(|m| m.coefficients.clone()).collect();
        IgniterPredictor::new(kind, self.hardware, models)
    }
}
