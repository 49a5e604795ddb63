//! Latency distributions: one chart for each workload, one line for each strategy, the SLO as a line.

use super::axis::Axis;
use super::panel::LegendKey;
use super::panels::{GridPlace, Marks, Panels, Plot, Series};
use super::sheet::shown;
use super::style::{INK, Looks, TICK};
use super::text::{shortened, titled};
use super::{Figure, PlotError, pages};
use igniter_results::{Comparison, LineChart};

/// Maximum number of points per line.
const POINTS: usize = 1000;
const SLO: (i32, i32) = (6, 6);

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let looks = Looks::strategies(comparison);
    let mut legend = looks.lines();
    legend.add(LegendKey::Line(INK, Some(SLO)), "SLO");
    let described: Vec<Option<LineChart>> =
        (0..comparison.workloads().len()).map(|i| comparison.cdf_lines(i, POINTS)).collect();
    // A single straggler must not compress the rest, so the last 0.1 % may lie outside the axis.
    let high = |lines: &LineChart, slo: f64| {
        let points = lines.series.iter().flat_map(|(_, points)| points);
        points.filter(|p| p.1 <= 0.999).map(|p| p.0).fold(slo, f64::max)
    };
    // All charts use the same kind of axis.
    let workloads = || comparison.workloads().iter().zip(&described);
    let log = workloads().any(|(w, lines)| {
        lines.as_ref().is_some_and(|lines| high(lines, w.slo_ms) > 8.0 * w.slo_ms)
    });
    let cells = workloads().map(|(w, lines)| {
        let (slo, empty) = (w.slo_ms, LineChart::default());
        let lines = lines.as_ref().unwrap_or(&empty);
        let high = high(lines, slo).max(1.1 * slo);
        let low =
            lines.series.iter().flat_map(|(_, points)| points).map(|p| p.0).fold(slo, f64::min);
        let x = if log { Axis::log(low, high, 4) } else { Axis::exactly(1.06 * high, 4) };
        let series = lines.series.iter().map(|(name, points)| {
            Series::new(looks.of(name), Marks::Line, steps(points, x.low, x.high))
        });
        let series = series.collect();
        // An empty chart states the reason.
        let model = match lines.series.iter().all(|(_, points)| points.is_empty()) {
            true => "no requests".to_owned(),
            false => shortened(&shown(w.model.as_str()), 12),
        };
        GridPlace {
            title: titled(&shown(w.workload.as_str()), &model, TICK, 390.0),
            charts: vec![Plot::new(x, Axis::from_zero(1.0, 4), series).up(slo, INK, SLO)],
        }
    });
    let grid = Panels {
        legend,
        cells: cells.collect(),
        columns: 4,
        rows: 5,
        heights: vec![if comparison.workloads().len() == 1 { 1.6 } else { 1.0 }],
        x_title: "Latency (ms)".to_owned(),
        y_titles: vec!["Share of requests".to_owned()],
    };
    let caption =
        "The distribution of latency per workload and strategy; the vertical line is the SLO.";
    Ok(pages("latency_cdf", caption, grid.pages()?))
}

/// Returns the line of a distribution between the ends of the axis. It rises from zero and, if every point is within
/// the axis, stays at one.
fn steps(points: &[(f64, f64)], low: f64, high: f64) -> Vec<(f64, f64)> {
    let Some(first) = points.first() else { return Vec::new() };
    let mut line = vec![(low, 0.0), (first.0.clamp(low, high), 0.0)];
    line.extend(points.iter().take_while(|point| point.0 <= high));
    let reached = line.last().map_or(0.0, |last| last.1);
    line.push((high, reached));
    line
}
