//! Measured solo latencies as smooth corrections of the fitted curve.

use crate::domain::ModelId;
use crate::predictor::Member;
use crate::predictor::solo::{Correction, SoloModels, deviation_correlation};
use crate::profile::SoloTable;
use crate::units::{BatchSize, SmPercent, SmUnits};
use libm::log;
use nalgebra::{DMatrix, DVector};

/// Relative noise of the mean of a measured solo latency. Means over hundreds of batches are repeatable to about 0.1 to
/// 0.3 % where the clock is not throttled.
const NOISE: f64 = 0.001;
/// Lower limit of the typical deviation from the curve, so that few points do not look certain.
const LEAST_DEVIATION: f64 = 0.01;

/// Returns the corrections of one model: weights of a Gaussian process through ln(measured / curve).
///
/// `models` has no corrections yet. Latencies shorter than the time of the copies alone are left out.
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
        let latency_ms = table.latency_ms(name, row.batch, row.sm).unwrap_or(row.latency.get());
        if let Some(found) = models.term_from_latency(&member, latency_ms)
            && points.iter().all(|(known, _)| *known != place)
        {
            points.push((place, log(found.time_ms / models.term(&member).time_ms)));
        }
    }
    weights(&points, NOISE)
}

/// Relative noise of a measured utilisation.
const NOISE_OF_PRESSURE: f64 = 0.01;

/// Does the same for measured utilisations (batch size, share, fraction while a kernel runs), through ln(measured /
/// fitted pressure).
pub(super) fn pressure_corrections(
    models: &SoloModels,
    model: ModelId,
    measured: &[(BatchSize, SmPercent, f64)],
) -> Vec<Correction> {
    let curve = &models.coefficients()[model.index()].curve;
    let mut points: Vec<((BatchSize, SmUnits), f64)> = Vec::new();
    for (batch, sm, used) in measured {
        let member = Member { model, batch: *batch, sm: *sm };
        let units = models.granted(*sm);
        let share = f64::from(units.get()) * 100.0 / f64::from(models.kind().units.get());
        let (b, place) = (batch.as_f64(), (*batch, units));
        let busy = curve.time_ms(b, share) / curve.latency_ms(b, share);
        if points.iter().all(|(known, _)| *known != place) {
            points.push((place, log(used * busy / models.term(&member).pressure)));
        }
    }
    points.retain(|(_, y)| y.is_finite());
    weights(&points, NOISE_OF_PRESSURE)
}

/// Returns the weights of a Gaussian process through deviations with relative noise.
fn weights(points: &[((BatchSize, SmUnits), f64)], noise: f64) -> Vec<Correction> {
    if points.is_empty() {
        return Vec::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred points")]
    let mean_square = points.iter().map(|(_, y)| y * y).sum::<f64>() / points.len() as f64;
    let variance = mean_square.max(LEAST_DEVIATION * LEAST_DEVIATION);
    let noise = noise * noise / variance;
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
