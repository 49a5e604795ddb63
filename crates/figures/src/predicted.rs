//! Predicted batch latency against simulated and against measured latency.

use super::panel::LegendKey;
use super::scatter::{ScatterPoint, scatter};
use super::style::{INK, Look, Looks};
use super::{Figure, PlotError, pages};
use igniter_model::domain::ModelName;
use igniter_results::Comparison;

/// Batches count as full from this fraction of the largest batch.
const FULL: f64 = 0.95;

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let all = comparison.strategies.iter().flat_map(|result| &result.workloads);
    let models = Looks::models(all.map(|workload| &workload.model));
    let strategies = Looks::strategies(comparison);
    let (mut points, mut partly): (Vec<ScatterPoint>, usize) = (Vec::new(), 0);
    for row in igniter_results::WorkloadRow::all(comparison) {
        let (Some(x), Some(y)) = (row.predicted_ms(), row.summary.service_ms()) else { continue };
        // Predictions are for full batches; smaller ones are faster.
        let full = |batch: f64| row.placements.iter().all(|p| batch >= FULL * f64::from(p.batch));
        if !row.summary.mean_batch.is_some_and(full) {
            partly += 1;
            continue;
        }
        let symbol = strategies.of(&row.result.strategy).symbol;
        let look = Look { symbol, ..models.of(row.summary.model.as_str()) };
        points.push((look, (x, y)));
    }
    if points.is_empty() {
        return Ok(Vec::new());
    }
    let mut legend = models.legend(|look| LegendKey::Box(look.colour));
    legend.end_line();
    for name in strategies.names() {
        legend.add(LegendKey::Symbol(INK, strategies.of(name).symbol), name);
    }
    let titles = ("Predicted batch latency (ms)", "Simulated batch latency (ms)");
    let svg = scatter(&points, legend, titles)?;
    let left_out = match partly {
        0 => String::new(),
        1 => " One workload, whose batches are seldom full, is left out.".to_owned(),
        n => format!(" {n} whose batches are seldom full are left out."),
    };
    let caption = format!(
        "Predicted latency of a full batch against the simulated mean of load, execution and feedback; one point \
         per workload and strategy.{left_out}"
    );
    Ok(pages("predicted_vs_simulated", &caption, vec![svg]))
}

/// A measured latency and its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedPoint {
    pub model: ModelName,
    /// The predicted latency, in ms.
    pub predicted_ms: f64,
    /// The measured latency, in ms.
    pub measured_ms: f64,
}

/// Draws predicted against measured latency, by model. Returns `None` without a pair of positive values.
///
/// # Errors
/// When it cannot be drawn.
pub fn accuracy_figure(points: &[PredictedPoint]) -> Result<Option<Figure>, PlotError> {
    let models = Looks::models(points.iter().map(|point| &point.model));
    let positive = |p: &&PredictedPoint| p.predicted_ms > 0.0 && p.measured_ms > 0.0;
    let mark = |p: &PredictedPoint| (models.of(p.model.as_str()), (p.measured_ms, p.predicted_ms));
    let shown: Vec<ScatterPoint> = points.iter().filter(positive).map(mark).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let titles = ("Measured latency (ms)", "Predicted latency (ms)");
    let svg = scatter(&shown, models.symbols(), titles)?;
    let caption = "Predicted against measured latency, by model.";
    Ok(pages("accuracy", caption, vec![svg]).pop())
}
