//! Predicted, simulated and measured: what a run on real servers is judged by.

use super::axis::Axis;
use super::canvas::{Align, Area, Drawn, Frame, Text, draw, shade, text};
use super::panel::{Key, Legend, Panel, below, left_of};
use super::scatter::{Point, scatter};
use super::style::{
    INK, LABEL, MARGIN, ONE_COLUMN, TICK, TWO_COLUMNS, colour, count, dashes, dots, inches,
};
use super::text::{BOLD, shortened, titled};
use super::{Figure, PlotError, bars, cdf, distinct, pages};
use igniter_results::Comparison;

const COLUMNS: usize = 3;
const ROWS_PER_PAGE: usize = 5;
const TITLE: i32 = 44;

/// What is shown of one workload besides its summaries.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationWorkload {
    /// What the predictor says of a full batch, in ms.
    pub predicted_batch_ms: f64,
    /// How long full batches took, in ms.
    pub measured_batch_ms: Option<f64>,
    /// For each arm, mean latency over time: seconds since the start, and ms.
    pub series: Vec<Vec<(f64, f64)>>,
}

/// The figures of a validation. The strategies of `arms` are the arms: first what was simulated, then what was
/// measured; `workloads` are in the order of its workloads.
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

/// Every pair of numbers against each other, with the band of ±10 %.
fn agreement(
    arms: &Comparison,
    workloads: &[ValidationWorkload],
) -> Result<Vec<Figure>, PlotError> {
    let [simulated, measured] = [0, 1].map(|arm| &arms.strategies[arm].workloads);
    let models = distinct(measured.iter().map(|workload| &workload.model));
    let kinds = ["predicted batch", "simulated mean", "simulated P99"];
    let mut points = Vec::new();
    for (index, (simulated, measured)) in simulated.iter().zip(measured).enumerate() {
        let model = models.iter().position(|model| **model == measured.model).unwrap_or(0);
        let batch = workloads.get(index).map(|w| (w.measured_batch_ms, Some(w.predicted_batch_ms)));
        let pairs = [
            batch.unwrap_or_default(),
            (measured.mean_ms, simulated.mean_ms),
            (measured.p99_ms, simulated.p99_ms),
        ];
        for (symbol, (x, y)) in pairs.into_iter().enumerate() {
            if let (Some(x), Some(y)) = (x, y) {
                points.push(Point { x, y, colour: colour(model), symbol });
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
    for (index, kind) in kinds.iter().enumerate() {
        legend.add(Key::Symbol(INK, index), kind);
    }
    let svg = scatter(&points, legend, ("Measured (ms)", "Predicted or simulated (ms)"))?;
    let caption = "Predicted time of a full batch, simulated mean and simulated P99 latency, each against what was \
                   measured; one point of each per workload.";
    Ok(pages("agreement", caption, vec![svg]))
}

/// Mean latency over time, one panel per workload.
fn series(arms: &Comparison, workloads: &[ValidationWorkload]) -> Result<Vec<Figure>, PlotError> {
    let n = workloads.len().min(arms.strategies[0].workloads.len());
    let all: Vec<usize> = (0..n).collect();
    let mut svgs = Vec::new();
    for page in all.chunks(COLUMNS * ROWS_PER_PAGE) {
        svgs.push(series_page(arms, workloads, page, n)?);
    }
    let caption = "Mean latency over the run by intended time of sending; grey is outside the measured window.";
    Ok(pages("series", caption, svgs))
}

fn series_page(
    arms: &Comparison,
    workloads: &[ValidationWorkload],
    page: &[usize],
    n: usize,
) -> Result<String, PlotError> {
    let columns = n.min(COLUMNS);
    let figure_width = if columns == 1 { ONE_COLUMN } else { TWO_COLUMNS };
    let mut legend = Legend::default();
    for (index, arm) in arms.strategies.iter().enumerate() {
        legend.add(Key::Line(colour(index), dashes(index)), &shortened(&arm.strategy, 24));
    }
    let legend_height = legend.height(figure_width - 2 * MARGIN);
    let highest = page
        .iter()
        .flat_map(|&workload| workloads[workload].series.iter().flatten())
        .fold(0.0_f64, |high, (_, ms)| high.max(*ms));
    let left = left_of(&Axis::from_zero(highest.max(1.0), 4));
    let y_title = dots(1.5 * LABEL);
    let cell = (figure_width - 2 * MARGIN - y_title) / count(columns);
    let inner_width = cell - left - 22;
    let height = inches(1.0);
    let row_height = TITLE + height + below(&Axis::from_zero(1.0, 4)) + 16;
    let rows_end = MARGIN + legend_height + count(page.len().div_ceil(columns)) * row_height;
    draw((figure_width, rows_end + dots(LABEL)), |area| {
        legend.draw(area, MARGIN, figure_width)?;
        let middle = (MARGIN + legend_height + rows_end) / 2;
        let look = Text::new(LABEL, Align::Centre);
        text(area, (MARGIN + dots(0.5 * LABEL), middle), look.upright(), "Mean latency (ms)")?;
        let at = (figure_width / 2, rows_end + dots(0.2 * LABEL));
        text(area, at, look, "Time since the start (s)")?;
        for (slot, &workload) in page.iter().enumerate() {
            let (row, column) = (count(slot / columns), count(slot % columns));
            let x = MARGIN + y_title + column * cell + left;
            let top = MARGIN + legend_height + row * row_height + TITLE;
            let inner = Frame::new(x, top, inner_width, height);
            series_panel(area, arms, workload, &workloads[workload], inner)?;
        }
        Ok(())
    })
}

fn series_panel(
    area: &Area<'_>,
    arms: &Comparison,
    workload: usize,
    shown: &ValidationWorkload,
    inner: Frame,
) -> Drawn {
    let summary = &arms.strategies[0].workloads[workload];
    let high = shown.series.iter().flatten().fold(0.0_f64, |high, (_, ms)| high.max(*ms));
    let model = shortened(summary.model.as_str(), 12);
    let title = titled(summary.workload.as_str(), &model, TICK, f64::from(inner.w) / BOLD);
    let at = (inner.x + inner.w / 2, inner.y - 24);
    text(area, at, Text::new(TICK, Align::Centre).bold(), &title)?;
    let x = Axis::exactly(arms.simulated_s, 5);
    let y = Axis::from_zero(1.05 * high.max(0.01), 4);
    let at = |s: f64| inner.x + dots(f64::from(inner.w) * s / x.high);
    let (start, end) = (at(arms.window_start_s), at(arms.window_end_s));
    shade(area, Frame { w: start - inner.x, ..inner })?;
    shade(area, Frame { x: end, w: inner.right() - end, ..inner })?;
    let mut panel = Panel::open(area, inner, x, y)?;
    for (index, points) in shown.series.iter().enumerate() {
        panel.line(points, colour(index), dashes(index))?;
    }
    Ok(())
}
