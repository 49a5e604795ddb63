//! Tests how many solo runs the latency curve of a model needs: each model of a solo table is fitted to a few of its
//! rows and scored on the others.

use crate::domain::{GpuKind, ModelName};
use crate::fit::fit_latency_curve;
use crate::predictor::solo::{SoloCurve, granted_units};
use crate::profile::{SoloRow, SoloTable};
use crate::stats::{mean, percentile};
use serde::Serialize;

/// The errors of the curves of all models with one choice of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveRow {
    /// The name of the choice of runs.
    pub runs: &'static str,
    /// Number of models that have these runs.
    pub models: usize,
    /// Number of scored latencies: those that were not fitted, or all where all were fitted.
    pub n: usize,
    /// Mean absolute error in percent.
    pub mape_pct: f64,
    /// 95th percentile of the absolute error.
    pub p95_pct: f64,
    /// Mean absolute error of the worst model.
    pub worst_pct: f64,
    /// Number of models with a launch floor.
    pub launch_bound: usize,
}

/// Ratio of a latency to the least one near which the GPU begins to lead.
const KNEE: f64 = 1.2;

/// The rows of a model that are fitted, as (part of the range of batch sizes, share): 0 is the smallest batch, 1 the
/// largest, and ½ the one near the knee, where the latency is nearest to [`KNEE`] times the least.
const CHOICES: [(&str, &[(f64, f64)]); 4] = [
    ("3: ends", &[(0.0, 100.0), (1.0, 0.0), (1.0, 100.0)]),
    ("4: ends and knee", &[(0.0, 100.0), (1.0, 0.0), (1.0, 100.0), (0.5, 50.0)]),
    (
        "6: smallest and largest batch, three shares",
        &[(0.0, 0.0), (0.0, 50.0), (0.0, 100.0), (1.0, 0.0), (1.0, 50.0), (1.0, 100.0)],
    ),
    ("all", &[]),
];

/// Fits the curve of every model of a solo table with each choice of runs. Models with fewer than eight rows are left
/// out.
#[must_use]
pub fn solo_curves(table: &SoloTable, kind: &GpuKind) -> Vec<CurveRow> {
    let mut names: Vec<&ModelName> = Vec::new();
    for row in &table.rows {
        if !names.contains(&&row.model) {
            names.push(&row.model);
        }
    }
    let rows = CHOICES.iter().filter_map(|(label, choice)| {
        let (mut errors, mut models, mut worst, mut launch_bound) = (Vec::new(), 0, 0.0_f64, 0);
        for name in &names {
            let rows: Vec<&SoloRow> = table.rows.iter().filter(|r| &&r.model == name).collect();
            if rows.len() < 8 {
                continue;
            }
            let fitted = chosen(&rows, choice);
            let points: Vec<(f64, f64, f64)> =
                fitted.iter().map(|i| point(rows[*i], kind)).collect();
            let Some(curve) = fit_latency_curve(&points) else { continue };
            let all = fitted.len() == rows.len();
            let scored = (0..rows.len()).filter(|i| all || !fitted.contains(i));
            let own: Vec<f64> = scored.map(|i| error_pct(&curve, point(rows[i], kind))).collect();
            worst = worst.max(mean(&own).unwrap_or(0.0));
            launch_bound += usize::from(curve.launch_ms > 0.0);
            models += 1;
            errors.extend(own);
        }
        errors.sort_by(f64::total_cmp);
        Some(CurveRow {
            runs: label,
            models,
            n: errors.len(),
            mape_pct: mean(&errors)?,
            p95_pct: percentile(&errors, 0.95)?,
            worst_pct: worst,
            launch_bound,
        })
    });
    rows.collect()
}

fn point(row: &SoloRow, kind: &GpuKind) -> (f64, f64, f64) {
    let units = granted_units(kind, row.sm).get();
    let share = f64::from(units) * 100.0 / f64::from(kind.units.get());
    (row.batch.as_f64(), share, row.latency.get())
}

fn error_pct(curve: &SoloCurve, (batch, share, measured): (f64, f64, f64)) -> f64 {
    100.0 * (curve.latency_ms(batch, share) / measured - 1.0).abs()
}

/// Returns the indices of the chosen rows; all of them for an empty choice.
fn chosen(rows: &[&SoloRow], choice: &[(f64, f64)]) -> Vec<usize> {
    if choice.is_empty() {
        return (0..rows.len()).collect();
    }
    let batches = || rows.iter().map(|r| r.batch);
    let (smallest, largest) = (batches().min(), batches().max());
    let least = rows.iter().map(|r| r.latency.get()).fold(f64::INFINITY, f64::min);
    let lowest = rows.iter().map(|r| r.sm.get()).fold(f64::INFINITY, f64::min);
    let mut found: Vec<usize> = Vec::new();
    for (batch, share) in choice {
        let share = share.max(lowest);
        let distance = |i: &usize| {
            let row = rows[*i];
            let far = (row.sm.get() - share).abs();
            let wrong = if *batch <= 0.0 {
                f64::from(u8::from(Some(row.batch) != smallest))
            } else if *batch >= 1.0 {
                f64::from(u8::from(Some(row.batch) != largest))
            } else {
                return far * 1e3 + (row.latency.get() / (KNEE * least) - 1.0).abs();
            };
            wrong * 1e3 + far
        };
        let best = (0..rows.len())
            .filter(|i| !found.contains(i))
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        found.extend(best);
    }
    found
}
