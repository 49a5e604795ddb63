//! The interference model of gpu-lets (Choi et al., USENIX ATC 2022), as predictor `gpulets`.
//!
//! ```text
//! latency_i = solo_i (1 + c0 + c1 l2_i + c2 Σ_{j≠i} l2_j + c3 dram_i + c4 Σ_{j≠i} dram_j)      n > 1
//! ```
//! l2 and dram are the utilisations (in %) of a model alone with its batch size and share, from tables measured with a
//! profiler. Between measured configurations they are interpolated linearly in batch and share; beyond them the nearest
//! value is used. The paper's model is for pairs; for more members the utilisations of all co-runners are added up,
//! which has not been verified.
//!
//! A regression may have negative coefficients: unlike `contention`, this predictor need not be monotone.

use super::isolated::scaled;
use super::solo::SoloModels;
use super::{CoLocationPrediction, ErrorBounds, Member, Predictor, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes, SmUnits};
use serde::{Deserialize, Serialize};

/// The name by which users choose the predictor.
pub const NAME: &str = "gpulets";

/// Lower limit of the slowdown, against regressions that are extrapolated too far.
const LEAST_SLOWDOWN: f64 = 0.1;

/// Utilisation of a model alone in one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UtilisationPoint {
    pub batch: BatchSize,
    /// The granted share.
    pub units: SmUnits,
    /// L2 utilisation in percent.
    pub l2_pct: f64,
    /// DRAM utilisation in percent.
    pub dram_pct: f64,
}

/// All coefficients of the predictor besides the solo latencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuletsCoefficients {
    /// c0 … c4; c1 … c4 apply per % of utilisation.
    pub regression: [f64; 5],
    /// The measured utilisations of each model.
    pub utilisation: Vec<Vec<UtilisationPoint>>,
    /// The error bounds of predictions.
    pub bounds: ErrorBounds,
}

/// The predictor with its coefficients.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuletsPredictor {
    solo: SoloModels,
    coefficients: GpuletsCoefficients,
    tables: Vec<UtilisationTable>,
}

impl GpuletsPredictor {
    /// Creates a predictor from fitted numbers; `utilisation` has an entry for each model of `solo`.
    #[must_use]
    pub fn new(solo: SoloModels, coefficients: GpuletsCoefficients) -> Self {
        let tables = coefficients.utilisation.iter().map(|p| UtilisationTable::new(p)).collect();
        Self { solo, coefficients, tables }
    }

    /// Returns the fitted numbers.
    #[must_use]
    pub fn coefficients(&self) -> &GpuletsCoefficients {
        &self.coefficients
    }

    /// Returns the models alone.
    #[must_use]
    pub fn solo(&self) -> &SoloModels {
        &self.solo
    }

    /// Returns the features of one member: [1, own L2, others' L2, own DRAM, others' DRAM].
    pub(crate) fn features(&self, members: &[Member], of: usize) -> [f64; 5] {
        let mut features = [1.0, 0.0, 0.0, 0.0, 0.0];
        for (i, member) in members.iter().enumerate() {
            let units = self.solo.granted(member.sm);
            let [l2, dram] = self.tables[member.model.index()].at(member.batch, units);
            let offset = usize::from(i != of);
            features[1 + offset] += l2;
            features[3 + offset] += dram;
        }
        features
    }
}

impl Predictor for GpuletsPredictor {
    fn name(&self) -> &'static str {
        NAME
    }

    kind_and_models_of_solo!(self);

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        out.members.clear();
        let mut demand_w = self.solo.kind().idle_power.get();
        for (i, member) in members.iter().enumerate() {
            demand_w += self.solo.power_w(&self.solo.term(member));
            let slowdown = if members.len() > 1 {
                let features = self.features(members, i);
                let terms = self.coefficients.regression.iter().zip(features);
                1.0 + terms.map(|(c, x)| c * x).sum::<f64>()
            } else {
                1.0
            };
            out.members.push(scaled(&self.solo, member, slowdown.max(LEAST_SLOWDOWN)));
        }
        self.solo.set_power(demand_w, out);
    }

    fn uncertainty(&self, members: &[Member], _of: usize) -> Option<Uncertainty> {
        Some(
            self.coefficients
                .bounds
                .of(members, [1.0, 0.0], |member| self.solo.is_measured(member)),
        )
    }
}

/// (units, [L2, DRAM] in percent), in ascending order.
type UtilisationRow = Vec<(f64, [f64; 2])>;

/// Measured utilisations by batch size, each with its shares in ascending order.
#[derive(Debug, Clone, PartialEq)]
struct UtilisationTable {
    rows: Vec<(f64, UtilisationRow)>,
}

impl UtilisationTable {
    fn new(points: &[UtilisationPoint]) -> Self {
        let mut sorted = points.to_vec();
        sorted.sort_by_key(|p| (p.batch, p.units));
        let mut rows: Vec<(f64, UtilisationRow)> = Vec::new();
        for point in sorted {
            let batch = point.batch.as_f64();
            if rows.last().is_none_or(|(last, _)| *last < batch) {
                rows.push((batch, Vec::new()));
            }
            let row = &mut rows.last_mut().expect("one was just made sure of").1;
            row.push((f64::from(point.units.get()), [point.l2_pct, point.dram_pct]));
        }
        Self { rows }
    }

    /// Returns [L2, DRAM] in percent; zeros where a model has no table.
    fn at(&self, batch: BatchSize, units: SmUnits) -> [f64; 2] {
        let units = f64::from(units.get());
        interpolate(&self.rows, batch.as_f64(), |row| {
            interpolate(row, units, |utilisation| *utilisation)
        })
    }
}

/// Interpolates linearly in a list sorted by key; beyond its ends the first or last value is used.
fn interpolate<T>(list: &[(f64, T)], at: f64, value: impl Fn(&T) -> [f64; 2]) -> [f64; 2] {
    let above = list.partition_point(|(key, _)| *key < at);
    match (above.checked_sub(1).map(|i| &list[i]), list.get(above)) {
        (Some((x0, low)), Some((x1, high))) => {
            let part = (at - x0) / (x1 - x0);
            let (low, high) = (value(low), value(high));
            [0, 1].map(|i| low[i] + part * (high[i] - low[i]))
        }
        (Some((_, only)), None) | (None, Some((_, only))) => value(only),
        (None, None) => [0.0; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::solo::ClockLaw;
    use crate::predictor::solo::tests::{close, member, toy_kind, toy_model};

    fn point(batch: u32, units: u32, l2_pct: f64, dram_pct: f64) -> UtilisationPoint {
        let (batch, units) = (BatchSize::new(batch).unwrap(), SmUnits::new(units));
        UtilisationPoint { batch, units, l2_pct, dram_pct }
    }

    fn toy() -> GpuletsPredictor {
        let clock = ClockLaw { kappa_per_w: 0.001 };
        let solo = SoloModels::new(toy_kind(), clock, vec![toy_model("m")]);
        let points =
            [(2, 10, 4.0, 8.0), (2, 20, 8.0, 16.0), (6, 10, 8.0, 16.0), (6, 20, 12.0, 24.0)];
        let coefficients = GpuletsCoefficients {
            regression: [0.01, 0.002, 0.004, 0.001, 0.003],
            utilisation: vec![points.map(|(b, u, l2, dram)| point(b, u, l2, dram)).to_vec()],
            bounds: ErrorBounds::DEFAULT,
        };
        GpuletsPredictor::new(solo, coefficients)
    }

    #[test]
    fn utilisation_is_interpolated() {
        // Batch 4 lies halfway between 2 and 6, 15 units halfway between 10 and 20: (4+8+8+12)/4 = 8.
        let table = &toy().tables[0];
        let at = |b, u| table.at(BatchSize::new(b).unwrap(), SmUnits::new(u));
        close(at(4, 15)[0], 8.0);
        close(at(4, 15)[1], 16.0);
        close(at(1, 40)[0], 8.0);
        close(at(6, 20)[0], 12.0);
    }

    #[test]
    fn slowdown_by_hand() {
        // A: batch 2 at 25 % (10 units): L2 4, DRAM 8; alone 8 + 2 = 10 ms.
        // B: batch 6 at 50 %: L2 12, DRAM 24.
        // A: 1 + 0.01 + 0.002·4 + 0.004·12 + 0.001·8 + 0.003·24 = 1.146 → 11.46 ms.
        let out = toy().predict(&[member(0, 2, 25.0), member(0, 6, 50.0)]);
        close(out.members[0].latency_ms(), 11.46);
        close(toy().predict(&[member(0, 2, 25.0)]).members[0].latency_ms(), 10.0);
    }
}
