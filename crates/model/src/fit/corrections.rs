//! Measured solo latencies as smooth corrections of the fitted curve.

use crate::domain::ModelId;
use crate::predictor::Member;
use crate::predictor::solo::{Correction, SoloModels, deviation_correlation};
use crate::profile::SoloTable;
use crate::units::{BatchSize, SmUnits};
use libm::log;
use nalgebra::{DMatrix, DVector};

/// Relative noise of the mean of a measured solo latency: means over hundreds of batches repeat to about
/// 0.1 to 0.3 % where the clock is not throttled.
const NOISE: f64 = 0.001;
/// Deviations from the curve are at least of this size, so that few points do not look certain.
const LEAST_DEVIATION: f64 = 0.01;

/// The corrections of one model: weights of a Gaussian process through ln(measured / curve).
///
/// `models` is without corrections. Latencies that the copies alone would exceed are left out.
pub(super) fn corrections(
    models: &SoloModels,
    model: ModelId,
    table: &SoloTable,
) -> Vec<Correction> {
    let name = &models.names()[model.index()];
    let mut points: Vec<((BatchSize, SmUnits), f64)> = Vec::new();
    for row in table.rows.iter().filter(|row| &row.model == name) {
        let member = Member { model, batch: row.batch, sm: row.sm };
        let place = (row.batch, models.granted(row.sm));
        if let Some(time) = models.time_from_latency(&member, row.latency.get())
            && points.iter().all(|(known, _)| *known != place)
        {
            points.push((place, log(time / models.term(&member).time_ms)));
        }
    }
    if points.is_empty() {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred points")]
    let mean_square = points.iter().map(|(_, y)| y * y).sum::<f64>() / points.len() as f64;
    let variance = mean_square.max(LEAST_DEVIATION * LEAST_DEVIATION);
    let noise = NOISE * NOISE / variance;
    let matrix = DMatrix::from_fn(points.len(), points.len(), |i, j| {
        let own = if i == j { noise } else { 0.0 };
        deviation_correlation(points[i].0, points[j].0) + own
    });
    let deviations = DVector::from_fn(points.len(), |i, _| points[i].1);
    let weights = matrix.cholesky().expect("a positive definite matrix").solve(&deviations);
    points
        .iter()
        .zip(weights.iter())
        .map(|(((batch, units), _), weight)| Correction {
            batch: *batch,
            units: *units,
            weight: *weight,
        })
        .collect()
}
