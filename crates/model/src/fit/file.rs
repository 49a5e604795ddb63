//! The coefficients file: fitted numbers with their residuals, range of validity and origin.

use super::FitError;
use super::FitReport;
use super::ranges::out_of_range;
use crate::domain::{GpuKind, GpuKindName, ModelName, SmSharing};
use crate::predictor::contention::{ContentionCoefficients, ContentionPredictor};
use crate::predictor::gpulets::{GpuletsCoefficients, GpuletsPredictor};
use crate::predictor::igniter::{HardwareCoefficients, IgniterPredictor, ModelCoefficients};
use crate::predictor::isolated::IsolatedPredictor;
use crate::predictor::solo::{ClockLaw, SoloCoefficients, SoloModels};
use crate::predictor::{ErrorBounds, Predictor, Validity};
use crate::profile::Profile;
use crate::stats;
use crate::units::{Bytes, Dollars, Megahertz, SmUnits, Watts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The maximum length of a coefficients file, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The relative errors of a fitted curve on the points to which it was fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidualSummary {
    /// Number of points.
    pub points: usize,
    /// Mean absolute relative error in percent.
    pub mape_pct: f64,
    /// Mean relative error in percent; positive when fitted times are too long.
    pub bias_pct: f64,
    /// Largest absolute relative error in percent.
    pub max_pct: f64,
}

impl ResidualSummary {
    /// Compares a fitted curve with its points. Both slices must have the same length, not be empty, and be positive.
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

/// A fitted predictor as a JSON document; the key `predictor` names the predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "predictor", rename_all = "snake_case")]
pub enum CoefficientsFile {
    /// iGniter's predictor.
    Igniter(IgniterFile),
    /// The contention predictor.
    Contention(ContentionFile),
    /// gpu-lets' regression.
    Gpulets(GpuletsFile),
    /// Solo latency.
    Solo(IsolatedFile),
    /// Solo latency times a constant.
    SoloScaled(IsolatedFile),
}

/// The coefficients of iGniter's predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgniterFile {
    /// The GPU kind.
    pub kind: KindFile,
    /// The source of the measurements.
    pub source: String,
    /// Numbers of the GPU kind.
    pub hardware: HardwareCoefficients,
    /// Numbers of each model.
    pub models: Vec<ModelFile>,
}

/// The coefficients of the contention predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentionFile {
    /// The GPU kind.
    pub kind: KindFile,
    /// The source of the measurements.
    pub source: String,
    /// The fitted numbers.
    pub coefficients: ContentionCoefficients,
    /// The report of the fit.
    pub report: FitReport,
}

/// The coefficients of gpu-lets' regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuletsFile {
    /// The GPU kind.
    pub kind: KindFile,
    /// The source of the measurements.
    pub source: String,
    /// The clock under the power cap.
    pub clock: ClockLaw,
    /// The models alone.
    pub models: Vec<SoloCoefficients>,
    /// The regression.
    pub coefficients: GpuletsCoefficients,
    /// The report of the fit.
    pub report: FitReport,
}

/// The coefficients of a predictor of solo latencies, multiplied by a constant where `factor` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolatedFile {
    /// The GPU kind.
    pub kind: KindFile,
    /// The source of the measurements.
    pub source: String,
    /// The clock under the power cap.
    pub clock: ClockLaw,
    /// The models alone.
    pub models: Vec<SoloCoefficients>,
    /// The constant factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Error bounds, where they were calibrated on co-located runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<ErrorBounds>,
    /// The report of the fit.
    pub report: FitReport,
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
    /// The coefficients of variation of the models' execution times, where measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    noise_cv: BTreeMap<ModelName, f64>,
    /// The mechanism by which shares were applied in the measurement.
    #[serde(default, skip_serializing_if = "SmSharing::is_default")]
    mps: SmSharing,
}

/// The coefficients of one model for iGniter's predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The fitted numbers.
    pub coefficients: ModelCoefficients,
    /// The errors of the active-time curve on its own points.
    pub active_time_residuals: ResidualSummary,
    /// The measured range.
    pub validity: Validity,
}

impl KindFile {
    pub(super) fn new(kind: &GpuKind) -> Self {
        Self {
            name: kind.name.clone(),
            units: kind.units,
            max_clock_mhz: kind.max_clock,
            power_cap_w: kind.power_cap,
            idle_power_w: kind.idle_power,
            pcie_bytes_per_ms: kind.pcie_bytes_per_ms,
            memory_bytes: kind.memory,
            price_per_hour: kind.price_per_hour,
            noise_cv: kind.noise_cv.clone(),
            mps: kind.mps,
        }
    }

    pub(super) fn units(&self) -> SmUnits {
        self.units
    }

    /// Turns the kind into that of a slice with `units` units; `shared` returns its power cap, idle power and price.
    pub(super) fn in_slice<E>(
        &mut self,
        slice: &crate::profile::Slice,
        units: SmUnits,
        shared: impl Fn(&GpuKind) -> Result<(Watts, Watts, Dollars), E>,
    ) -> Result<(), E> {
        let (power_cap, idle_power, price) = shared(&self.gpu_kind())?;
        self.units = units;
        (self.power_cap_w, self.idle_power_w, self.price_per_hour) = (power_cap, idle_power, price);
        self.memory_bytes = slice.memory_bytes.or(self.memory_bytes);
        if let Some(name) = &slice.kind {
            self.name = name.clone();
        }
        Ok(())
    }

    fn gpu_kind(&self) -> GpuKind {
        GpuKind {
            name: self.name.clone(),
            units: self.units,
            max_clock: self.max_clock_mhz,
            power_cap: self.power_cap_w,
            idle_power: self.idle_power_w,
            pcie_bytes_per_ms: self.pcie_bytes_per_ms,
            memory: self.memory_bytes,
            price_per_hour: self.price_per_hour,
            noise_cv: self.noise_cv.clone(),
            mps: self.mps,
        }
    }
}

impl CoefficientsFile {
    /// Creates the file of iGniter's predictor. `residuals` has one entry for each model of the profile.
    #[must_use]
    pub(super) fn igniter(
        predictor: &IgniterPredictor,
        profile: &Profile,
        residuals: Vec<ResidualSummary>,
    ) -> Self {
        let models = predictor.coefficients().iter().zip(&profile.models).zip(residuals);
        Self::Igniter(IgniterFile {
            kind: KindFile::new(&profile.kind),
            source: profile.source.clone(),
            hardware: *predictor.hardware(),
            models: models
                .map(|((coefficients, model), active_time_residuals)| ModelFile {
                    coefficients: coefficients.clone(),
                    active_time_residuals,
                    validity: super::solo::validity(model),
                })
                .collect(),
        })
    }

    /// Returns the name of the predictor.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Igniter(_) => "igniter",
            Self::Contention(_) => "contention",
            Self::Gpulets(_) => "gpulets",
            Self::Solo(_) => "solo",
            Self::SoloScaled(_) => "solo_scaled",
        }
    }

    /// Replaces the price of the GPU kind.
    pub fn set_price(&mut self, price: Dollars) {
        let kind = match self {
            Self::Igniter(file) => &mut file.kind,
            Self::Contention(file) => &mut file.kind,
            Self::Gpulets(file) => &mut file.kind,
            Self::Solo(file) | Self::SoloScaled(file) => &mut file.kind,
        };
        kind.price_per_hour = price;
    }

    /// Returns the range in which a model was measured.
    #[must_use]
    pub fn validity(&self, model: &ModelName) -> Option<&Validity> {
        let solo = |models: &'_ [SoloCoefficients]| models.iter().position(|m| &m.name == model);
        match self {
            Self::Igniter(file) => {
                file.models.iter().find(|m| &m.coefficients.name == model).map(|m| &m.validity)
            }
            Self::Contention(file) => {
                let mut models = file.coefficients.models.iter();
                models.find(|m| &m.solo.name == model).map(|m| &m.solo.validity)
            }
            Self::Gpulets(file) => solo(&file.models).map(|i| &file.models[i].validity),
            Self::Solo(file) | Self::SoloScaled(file) => {
                solo(&file.models).map(|i| &file.models[i].validity)
            }
        }
    }

    /// Returns the report of the fit; iGniter's file has residuals for each model instead.
    #[must_use]
    pub fn report(&self) -> Option<&FitReport> {
        match self {
            Self::Igniter(_) => None,
            Self::Contention(file) => Some(&file.report),
            Self::Gpulets(file) => Some(&file.report),
            Self::Solo(file) | Self::SoloScaled(file) => Some(&file.report),
        }
    }

    /// Returns the JSON text, which ends with a line break.
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
    /// When the file cannot be read, is not such a document, or holds numbers that no fit gives.
    pub fn read(path: &Path) -> Result<Self, FitError> {
        Ok(Self::read_text(path)?.0)
    }

    /// Does the same as [`CoefficientsFile::read`], and also returns the text of the file.
    ///
    /// # Errors
    /// As [`CoefficientsFile::read`].
    pub fn read_text(path: &Path) -> Result<(Self, String), FitError> {
        let error = |message: String| FitError::File { path: path.to_owned(), message };
        let text = crate::input::read_text(path, LONGEST).map_err(|e| error(e.to_string()))?;
        Ok((Self::parse(&text).map_err(error)?, text))
    }

    /// Reads the text of a file that [`CoefficientsFile::to_json`] wrote.
    ///
    /// # Errors
    /// When the text is not such a document, or holds numbers that no fit gives; the message lists these numbers.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no_file = |e| format!("is no coefficients file of `igniter fit`: {e}");
        let document: serde_json::Value = serde_json::from_str(text).map_err(no_file)?;
        if let Some(wrong) = out_of_range(&document) {
            return Err(wrong);
        }
        let file: Self = serde_json::from_str(text).map_err(no_file)?;
        file.check()?;
        Ok(file)
    }

    fn kind(&self) -> &KindFile {
        match self {
            Self::Igniter(file) => &file.kind,
            Self::Contention(file) => &file.kind,
            Self::Gpulets(file) => &file.kind,
            Self::Solo(file) | Self::SoloScaled(file) => &file.kind,
        }
    }

    /// Rejects values with which a predictor would panic or give no finite numbers.
    fn check(&self) -> Result<(), String> {
        let kind = self.kind();
        if !(kind.pcie_bytes_per_ms.is_finite() && kind.pcie_bytes_per_ms > 0.0) {
            return Err("kind.pcie_bytes_per_ms must be finite and > 0".to_owned());
        }
        if let Some((model, cv)) = kind.noise_cv.iter().find(|(_, cv)| !(0.0..=10.0).contains(*cv))
        {
            return Err(format!("kind.noise_cv.{model} = {cv}: must be from 0 to 10"));
        }
        if kind.units.get() == 0 {
            return Err("kind.units must be at least 1".to_owned());
        }
        let models: Vec<&SoloCoefficients> = match self {
            Self::Igniter(file) if file.models.is_empty() => {
                return Err("lists no models".to_owned());
            }
            Self::Igniter(_) => return Ok(()),
            Self::Contention(file) => file.coefficients.models.iter().map(|m| &m.solo).collect(),
            Self::Gpulets(file) => {
                if file.coefficients.utilisation.len() != file.models.len() {
                    return Err("coefficients.utilisation must have one list for each model".into());
                }
                file.models.iter().collect()
            }
            Self::Solo(file) | Self::SoloScaled(file) => file.models.iter().collect(),
        };
        if models.is_empty() {
            return Err("lists no models".to_owned());
        }
        models.into_iter().try_for_each(check_solo)
    }

    /// Creates the predictor that the file describes.
    #[must_use]
    pub fn predictor(&self) -> Box<dyn Predictor> {
        let kind = self.kind().gpu_kind();
        match self {
            Self::Igniter(file) => {
                let models = file.models.iter().map(|m| m.coefficients.clone()).collect();
                Box::new(IgniterPredictor::new(kind, file.hardware, models))
            }
            Self::Contention(file) => {
                Box::new(ContentionPredictor::new(kind, file.coefficients.clone()))
            }
            Self::Gpulets(file) => {
                let solo = SoloModels::new(kind, file.clock, file.models.clone());
                Box::new(GpuletsPredictor::new(solo, file.coefficients.clone()))
            }
            Self::Solo(file) => {
                let solo = SoloModels::new(kind, file.clock, file.models.clone());
                Box::new(IsolatedPredictor::new(solo, None, file.bounds))
            }
            Self::SoloScaled(file) => {
                let solo = SoloModels::new(kind, file.clock, file.models.clone());
                let factor = Some(file.factor.unwrap_or(1.0));
                Box::new(IsolatedPredictor::new(solo, factor, file.bounds))
            }
        }
    }
}

fn check_solo(model: &SoloCoefficients) -> Result<(), String> {
    let name = &model.name;
    let curve = &model.curve;
    let positive = [curve.a_ms, curve.w_ms_pct, curve.g_ms_pct, curve.d_ms];
    if positive.iter().any(|v| *v < 0.0) || curve.w_ms_pct <= 0.0 {
        return Err(format!("model {name}: curve must have w > 0 and nothing negative"));
    }
    let batch = model.validity.batch[1].get();
    if batch > 1024 {
        return Err(format!("model {name}: validity.batch = {batch}: must be at most 1024"));
    }
    if let Some(waves) = &model.waves {
        let bad = |k: &crate::predictor::solo::WaveKernel| {
            k.blocks == 0
                || k.blocks > 1 << 24
                || k.blocks_per_sm == 0
                || k.requests_per_block == Some(0)
        };
        if waves.batch == 0 || waves.sms == 0 || waves.kernels.iter().any(bad) {
            return Err(format!(
                "model {name}: waves must have whole numbers from 1 (blocks: to 2^24)"
            ));
        }
    }
    Ok(())
}
