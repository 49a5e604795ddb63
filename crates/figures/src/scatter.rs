//! Scatter plots on equal logarithmic axes, with the line y = x and a band of ±10 %.

use super::PlotError;
use super::axis::Axis;
use super::panel::{Legend, LegendKey};
use super::panels::{Marks, Panels, Plot, ReferenceLine, Series};
use super::style::{GREY, INK, Look};

const BAND: (i32, i32) = (14, 8);

/// One point of a scatter.
pub(super) type ScatterPoint = (Look, (f64, f64));

/// Draws points; non-positive ones cannot be shown and are left out.
pub(super) fn scatter(
    points: &[ScatterPoint],
    legend: Legend,
    titles: (&str, &str),
) -> Result<String, PlotError> {
    let values = || points.iter().flat_map(|(_, (x, y))| [*x, *y]).filter(|v| *v > 0.0);
    let low = values().fold(f64::INFINITY, f64::min) / 1.1;
    let high = values().fold(0.0, f64::max) * 1.1;
    // The axis covers at least half a decade, so that even a single point has ticks beside it.
    let spread = (3.2 * low / high).max(1.0).sqrt();
    scatter_on(points, legend, titles, Axis::log(low / spread, high * spread, 6))
}

/// Like [`scatter`], with the given axis in both directions.
pub(super) fn scatter_on(
    points: &[ScatterPoint],
    mut legend: Legend,
    (x_title, y_title): (&str, &str),
    axis: Axis,
) -> Result<String, PlotError> {
    let (low, high) = (axis.low, axis.high);
    legend.end_line();
    legend.add(LegendKey::Line(INK, None), "y = x");
    legend.add(LegendKey::Line(GREY, Some(BAND)), "±10 %");
    let mut series: Vec<Series> = Vec::new();
    for (look, at) in points.iter().filter(|(_, (x, y))| *x > 0.0 && *y > 0.0) {
        match series.iter_mut().find(|series| series.look == *look) {
            Some(series) => series.points.push(*at),
            None => series.push(Series::new(*look, Marks::Symbols, vec![*at])),
        }
    }
    let mut chart = Plot::new(axis.clone(), axis, series);
    chart.rules.push(ReferenceLine::new((low, low), (high, high), INK));
    for factor in [0.9, 1.1_f64] {
        let (from, to) = (low.max(low / factor), high.min(high / factor));
        let ends = [from, to].map(|x| (x, factor * x));
        chart.rules.push(ReferenceLine::new(ends[0], ends[1], GREY).dashed(BAND));
    }
    Panels::single(legend, chart, None, (x_title, y_title)).page()
}
