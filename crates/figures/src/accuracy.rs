//! Predicted against measured latency.

use super::panel::{Key, Legend};
use super::scatter::{Point, scatter};
use super::style::colour;
use super::text::shortened;
use super::{Figure, PlotError, distinct, pages};
use igniter_model::domain::ModelName;

/// One measured latency and what a predictor says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyPoint {
    /// The model.
    pub model: ModelName,
    /// The predicted latency, in ms.
    pub predicted_ms: f64,
    /// The measured latency, in ms.
    pub measured_ms: f64,
}

/// Predicted against measured latency, coloured by model. `None` without a positive pair.
///
/// # Errors
/// When it cannot be drawn.
pub fn accuracy_figure(points: &[AccuracyPoint]) -> Result<Option<Figure>, PlotError> {
    let models = distinct(points.iter().map(|point| &point.model));
    let shown: Vec<Point> = points
        .iter()
        .filter(|point| point.predicted_ms > 0.0 && point.measured_ms > 0.0)
        .map(|point| {
            let model = models.iter().position(|model| **model == point.model).unwrap_or(0);
            Point {
                x: point.measured_ms,
                y: point.predicted_ms,
                colour: colour(model),
                symbol: model,
            }
        })
        .collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let mut legend = Legend::default();
    for (index, model) in models.iter().enumerate() {
        legend.add(Key::Symbol(colour(index), index), &shortened(model.as_str(), 18));
    }
    let svg = scatter(&shown, legend, ("Measured latency (ms)", "Predicted latency (ms)"))?;
    let caption = "Predicted against measured latency, by model.";
    Ok(pages("accuracy", caption, vec![svg]).pop())
}
