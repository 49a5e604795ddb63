//! Predicted against simulated latency of a batch.

use super::panel::{Key, Legend};
use super::scatter::{Point, scatter};
use super::style::{INK, colour};
use super::text::shortened;
use super::{Figure, PlotError, distinct, pages};
use igniter_results::Comparison;

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let all = comparison.strategies.iter().flat_map(|result| &result.workloads);
    let models = distinct(all.map(|workload| &workload.model));
    let mut points = Vec::new();
    for (index, result) in comparison.strategies.iter().enumerate() {
        for workload in &result.workloads {
            let predicted = result.predicted_ms(&workload.workload);
            if let (Some(x), Some(y)) = (predicted, workload.service_ms()) {
                let model = models.iter().position(|model| **model == workload.model).unwrap_or(0);
                points.push(Point { x, y, colour: colour(model), symbol: index });
            }
        }
    }
    if points.is_empty() {
        return Ok(Vec::new());
    }
    let mut legend = Legend::default();
    for (index, model) in models.iter().enumerate() {
        legend.add(Key::Box(colour(index)), &shortened(model.as_str(), 18));
    }
    legend.end_line();
    for (index, result) in comparison.strategies.iter().enumerate() {
        legend.add(Key::Symbol(INK, index), &shortened(&result.strategy, 18));
    }
    let titles = ("Predicted batch latency (ms)", "Simulated batch latency (ms)");
    let svg = scatter(&points, legend, titles)?;
    let caption = "Predicted latency of a full batch against the simulated mean of load, execution \
                   and feedback; one point per workload and strategy.";
    Ok(pages("predicted_vs_simulated", caption, vec![svg]))
}
