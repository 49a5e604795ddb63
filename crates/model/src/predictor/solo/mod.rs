//! A model alone on the GPU: GPU time, power and host copies. Shared by all predictors but `igniter`.
//!
//! ```text
//! r   = the requested share, rounded up to allocation units and limited to the whole GPU
//! t   = smooth(b, r) · waves(b, r) · measured(b, r)       GPU time of a batch at full clock, ms
//! l                                                       launch time of a batch, ms; 0 where the GPU leads
//! N(x, y) = (x⁸ + y⁸)^(1/8)                               smooth maximum
//! U   = (e0 + e1 b) / N(smooth(b, r), l)                  pressure on the GPU, averaged over time
//! tr  = c0 + c1 b                                         copies to the GPU and back, ms
//! phi = f / F = 1 − κ max(0, P_idle + Σ P − P_cap)        clock under the power cap
//! latency alone = tr + N(t / phi, l)
//! ```
//! `smooth` and l are [`SoloCurve`], `waves` is 1 without a kernel list ([`Waves`]), and `measured` is 1 without
//! measured solo latencies ([`Correction`]). U is the dynamic power P in W where power was measured, and a substitute
//! for it otherwise ([`PressureUnit`]). It is computed from the smooth time; otherwise latency would not be monotone in
//! the batch size of a co-runner.
//!
//! [`SoloModels`] tabulates t, l and U for every batch size and unit, so that a lookup takes a few ns.

mod curve;
mod models;
mod table;
mod waves;

pub use curve::{P_NORM, SoloCurve, longer};
pub use models::{SoloModels, granted_units};
pub use table::SoloTerm;
pub use waves::{WaveKernel, Waves};

use super::Validity;
use crate::domain::ModelName;
use crate::units::{BatchSize, Bytes, Milliseconds, SmUnits};
use serde::{Deserialize, Serialize};

/// The correlation length, in ln(batch), of measured deviations from the curve. Deviations are mostly steps of whole
/// waves, so only close neighbours share them: 16 and 17 requests share most of a deviation, 8 and 12 nothing.
const CORRELATION_OF_BATCH: f64 = 0.12;

/// The correlation length in ln(share): 50 and 52.5 % share most of a deviation, 50 and 60 % half of it.
const CORRELATION_OF_SHARE: f64 = 0.15;

/// Returns the correlation of the deviations from the curve at two configurations, from 0 to 1.
#[must_use]
pub fn deviation_correlation(a: (BatchSize, SmUnits), b: (BatchSize, SmUnits)) -> f64 {
    table::nearness(a.0.get(), b.0.get(), CORRELATION_OF_BATCH)
        * table::nearness(a.1.get(), b.1.get(), CORRELATION_OF_SHARE)
}

/// One term of the correction by measured solo latencies:
///
/// ```text
/// ln measured(b, u) = Σ weight · exp(−½ (ln(b/b_i) / 0.12)² − ½ (ln(u/u_i) / 0.15)²)
/// ```
/// The weights are those of a Gaussian process through the measured deviations from the curve: exact up
/// to noise where solo latencies were measured, and fading out (ratio 1) away from there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// b_i: the measured batch size.
    pub batch: BatchSize,
    /// u_i: the measured share in units.
    pub units: SmUnits,
    /// The weight (dimensionless).
    pub weight: f64,
}

/// The quantity that represents a model's use of the memory system. All models of a GPU kind use the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PressureUnit {
    /// Dynamic power in W.
    #[default]
    Power,
    /// The mean of L2 and DRAM utilisation while a kernel runs, as a fraction, times the fraction of time in which a
    /// kernel runs.
    Utilisation,
    /// Requests per second, relative to the maximum that the model reaches alone.
    Throughput,
    /// The part of the time of all SMs that the model's work takes.
    Share,
}

impl PressureUnit {
    /// Returns the unit of e0 and e1 in reports.
    #[must_use]
    pub fn of_load(self) -> &'static str {
        if self == Self::Power { "mJ" } else { "ms" }
    }

    /// Returns the unit of γ in reports.
    #[must_use]
    pub fn of_gamma(self) -> &'static str {
        if self == Self::Power { "1/W" } else { "1" }
    }

    /// Returns a description of the quantity, for messages.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Utilisation => "L2 and DRAM utilisation",
            Self::Throughput => "requests per second",
            Self::Share => "SM share",
        }
    }
}

/// The fitted numbers of one model alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoloCoefficients {
    pub name: ModelName,
    /// GPU time and launch time.
    pub curve: SoloCurve,
    /// The unit of `load`.
    #[serde(default)]
    pub pressure_unit: PressureUnit,
    /// e0 for each batch and e1 for each request: pressure times time, in mJ above the idle power where pressure is
    /// power, else in ms.
    #[serde(alias = "energy_mj")]
    pub load: [f64; 2],
    /// c0 for each batch and c1 for each request, in ms.
    pub transfer_ms: [f64; 2],
    /// The part of the copy time that goes to the GPU, from 0 to 1; the rest goes back to the host.
    pub load_part: f64,
    /// n_k: number of kernels that one batch launches.
    pub kernels: u32,
    /// Time within a batch in which none of its kernels runs.
    pub idle_ms: Milliseconds,
    /// Device memory of one server process, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    /// The measured range.
    pub validity: Validity,
    /// The steps due to whole waves of thread blocks, where a kernel list is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waves: Option<Waves>,
    /// Measured deviations from the curve, where solo latencies are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<Correction>,
    /// Measured deviations of the pressure from (e0 + e1 b) / L, where utilisation is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pressure_corrections: Vec<Correction>,
}

impl SoloCoefficients {
    /// Returns pressure times time of a batch: its energy above the idle power in mJ, where pressure is power.
    #[must_use]
    pub fn load(&self, batch: u32) -> f64 {
        self.load[0] + self.load[1] * f64::from(batch)
    }

    /// Returns the time of the copies of a batch to the GPU and back, in ms.
    #[must_use]
    pub fn transfer(&self, batch: BatchSize) -> f64 {
        self.transfer_ms[0] + self.transfer_ms[1] * batch.as_f64()
    }
}

/// The clock under the power cap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockLaw {
    /// κ: relative loss of clock for each W of demand above the cap.
    pub kappa_per_w: f64,
}

impl ClockLaw {
    /// The relative loss up to which the clock is linear in the demand, as measured. Beyond it the law continues as a
    /// hyperbola of the same value and slope, so that the clock stays positive and latency monotone for any demand.
    const LINEAR_UP_TO: f64 = 0.25;

    /// Returns f / F at a demand of `excess_w` above the cap (negative: below it).
    #[must_use]
    #[inline]
    pub fn ratio(&self, excess_w: f64) -> f64 {
        let loss = self.kappa_per_w * excess_w.max(0.0);
        if loss <= Self::LINEAR_UP_TO {
            1.0 - loss
        } else {
            let kept = 1.0 - Self::LINEAR_UP_TO;
            kept * kept / (kept + loss - Self::LINEAR_UP_TO)
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
