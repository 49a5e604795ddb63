//! Figures of a validation: predicted, simulated and measured values, to judge a run on real servers.

use super::axis::Axis;
use super::panel::LegendKey;
use super::panels::{GridPlace, Marks, Panels, Plot, Series};
use super::scatter::scatter;
use super::style::{INK, Look, Looks, TICK};
use super::text::{shortened, titled};
use super::{Figure, PlotError, bars, cdf, pages};
use igniter_results::Comparison;

/// Data of one workload that its summaries do not contain.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationWorkload {
    /// Predicted latency of a full batch, in ms.
    pub predicted_batch_ms: f64,
    /// Measured latency of full batches, in ms.
    pub measured_batch_ms: Option<f64>,
    /// Mean latency over time for each arm, as (seconds since the start, ms).
    pub series: Vec<Vec<(f64, f64)>>,
}

/// Draws the figures of a validation. The strategies of `arms` are the arms: simulated ones first, then measured ones.
/// `workloads` has the order of the workloads of `arms`.
///
/// # Errors
/// When one cannot be drawn.
///
/// # Panics
/// When `arms` has fewer than two strategies.
pub fn validation_figures(
    arms: &Comparison,
    workloads: &[ValidationWorkload],
) -> Result<Vec<Figure>, PlotError> {
    let mut figures = agreement(arms, workloads)?;
    figures.extend(recaptioned(
        cdf::figures(arms)?,
        "The distribution of latency per workload, simulated and measured; the vertical line is the SLO.",
    ));
    figures.extend(recaptioned(
        bars::p99_figures(arms)?,
        "The 99th percentile of latency per workload, simulated and measured, against the SLO.",
    ));
    figures.extend(recaptioned(
        bars::violation_figures(arms)?,
        "The share of requests that took longer than the SLO, simulated and measured (no bar: none).",
    ));
    figures.extend(series(arms, workloads)?);
    Ok(figures)
}

fn recaptioned(figures: Vec<Figure>, caption: &str) -> Vec<Figure> {
    let renamed = |figure: Figure| Figure { caption: caption.to_owned(), ..figure };
    figures.into_iter().map(renamed).collect()
}

/// Draws every pair of values against each other, with the band of ±10 %.
fn agreement(
    arms: &Comparison,
    workloads: &[ValidationWorkload],
) -> Result<Vec<Figure>, PlotError> {
    let [simulated, measured] = [0, 1].map(|arm| &arms.strategies[arm].workloads);
    let models = Looks::models(measured.iter().map(|workload| &workload.model));
    let kinds = ["predicted batch", "simulated mean", "simulated P99"];
    let mut points = Vec::new();
    for (index, (simulated, measured)) in simulated.iter().zip(measured).enumerate() {
        let look = models.of(measured.model.as_str());
        let batch = workloads.get(index).map(|w| (w.measured_batch_ms, Some(w.predicted_batch_ms)));
        let pairs = [
            batch.unwrap_or_default(),
            (measured.mean_ms, simulated.mean_ms),
            (measured.p99_ms, simulated.p99_ms),
        ];
        for (symbol, (x, y)) in pairs.into_iter().enumerate() {
            if let (Some(x), Some(y)) = (x, y) {
                points.push((Look { symbol, ..look }, (x, y)));
            }
        }
    }
    if points.is_empty() {
        return Ok(Vec::new());
    }
    let mut legend = models.legend(|look| LegendKey::Box(look.colour));
    legend.end_line();
    for (index, kind) in kinds.iter().enumerate() {
        legend.add(LegendKey::Symbol(INK, index), kind);
    }
    let svg = scatter(&points, legend, ("Measured (ms)", "Predicted or simulated (ms)"))?;
    let caption = "Predicted time of a full batch, simulated mean and simulated P99 latency, each against what was \
                   measured; one point of each per workload.";
    Ok(pages("agreement", caption, vec![svg]))
}

/// Draws mean latency over time, with one chart per workload.
fn series(arms: &Comparison, workloads: &[ValidationWorkload]) -> Result<Vec<Figure>, PlotError> {
    let looks = Looks::strategies(arms);
    let cells = arms.workloads().iter().zip(workloads).map(|(summary, shown)| {
        let model = shortened(summary.model.as_str(), 12);
        let high = shown.series.iter().flatten().fold(0.0_f64, |high, (_, ms)| high.max(*ms));
        let series =
            arms.strategies.iter().zip(&shown.series).map(|(arm, points)| {
                Series::new(looks.of(&arm.strategy), Marks::Line, points.clone())
            });
        let time = Axis::exactly(arms.simulated_s, 5);
        let y = Axis::from_zero(1.05 * high.max(0.01), 4);
        GridPlace {
            title: titled(summary.workload.as_str(), &model, TICK, 550.0),
            charts: vec![Plot {
                shaded: vec![(0.0, arms.window_start_s), (arms.window_end_s, arms.simulated_s)],
                ..Plot::new(time, y, series.collect())
            }],
        }
    });
    let grid = Panels {
        legend: looks.lines(),
        cells: cells.collect(),
        columns: 3,
        rows: 5,
        heights: vec![1.0],
        x_title: "Time since the start (s)".to_owned(),
        y_titles: vec!["Mean latency (ms)".to_owned()],
    };
    let caption = "Mean latency over the run by intended time of sending; grey is outside the measured window.";
    Ok(pages("series", caption, grid.pages()?))
}
