//! Latency distributions: one panel per workload, one line per strategy, the SLO as a line.

use super::axis::Axis;
use super::canvas::{Align, Area, Drawn, Frame, Text, draw, text};
use super::panel::{Key, Legend, Panel, below, left_of};
use super::style::{
    INK, LABEL, MARGIN, ONE_COLUMN, TICK, TWO_COLUMNS, colour, count, dashes, dots, inches,
};
use super::text::{BOLD, shortened, titled};
use super::{Figure, PlotError, pages};
use igniter_results::Comparison;
use igniter_sim::metrics::CdfPoint;

const COLUMNS: usize = 4;
const ROWS_PER_PAGE: usize = 5;
const TITLE: i32 = 44;

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let n = comparison.strategies[0].workloads.len();
    let workloads: Vec<usize> = (0..n).collect();
    let mut svgs = Vec::new();
    for page in workloads.chunks(COLUMNS * ROWS_PER_PAGE) {
        svgs.push(draw_page(comparison, page, n)?);
    }
    let caption =
        "The distribution of latency per workload and strategy; the vertical line is the SLO.";
    Ok(pages("latency_cdf", caption, svgs))
}

fn draw_page(comparison: &Comparison, page: &[usize], n: usize) -> Result<String, PlotError> {
    let columns = n.min(COLUMNS);
    let figure_width = if columns == 1 { ONE_COLUMN } else { TWO_COLUMNS };
    let mut legend = Legend::default();
    for (index, result) in comparison.strategies.iter().enumerate() {
        legend.add(Key::Line(colour(index), dashes(index)), &shortened(&result.strategy, 24));
    }
    legend.add(Key::Line(INK, Some((6, 6))), "SLO");
    let legend_height = legend.height(figure_width - 2 * MARGIN);
    let y = Axis::from_zero(1.0, 4);
    let left = left_of(&y);
    let y_title = dots(1.5 * LABEL);
    let cell = (figure_width - 2 * MARGIN - y_title) / count(columns);
    let inner_width = cell - left - 22;
    let height = inches(if columns == 1 { 1.6 } else { 1.0 });
    let under = below(&Axis::from_zero(1.0, 4));
    let row_height = TITLE + height + under + 16;
    let rows = page.len().div_ceil(columns);
    let rows_end = MARGIN + legend_height + count(rows) * row_height;
    let total = rows_end + dots(LABEL);
    draw((figure_width, total), |area| {
        legend.draw(area, MARGIN, figure_width)?;
        let middle = MARGIN + legend_height + count(rows) * row_height / 2;
        let look = Text::new(LABEL, Align::Centre);
        text(area, (MARGIN + dots(0.5 * LABEL), middle), look.upright(), "Share of requests")?;
        let at = (figure_width / 2, rows_end + dots(0.2 * LABEL));
        text(area, at, look, "Latency (ms)")?;
        for (slot, workload) in page.iter().enumerate() {
            let (row, column) = (count(slot / columns), count(slot % columns));
            let x = MARGIN + y_title + column * cell + left;
            let top = MARGIN + legend_height + row * row_height + TITLE;
            let inner = Frame::new(x, top, inner_width, height);
            draw_panel(area, comparison, *workload, inner, &y)?;
        }
        Ok(())
    })
}

fn draw_panel(
    area: &Area<'_>,
    comparison: &Comparison,
    workload: usize,
    inner: Frame,
    y: &Axis,
) -> Drawn {
    let summary = &comparison.strategies[0].workloads[workload];
    let slo = summary.slo_ms;
    let points = || {
        let all = comparison.strategies.iter().filter_map(|result| result.cdf.get(workload));
        all.flat_map(|cdf| &cdf.points)
    };
    // A single straggler must not squeeze the rest: the last 0.1 % may lie outside.
    let high = points().filter(|p| p.fraction <= 0.999).map(|p| p.latency_ms).fold(slo, f64::max);
    let low = points().map(|p| p.latency_ms).fold(slo, f64::min);
    let x = if high > 8.0 * slo {
        Axis::log(low, high, 4)
    } else {
        Axis::exactly(1.06 * high.max(1.1 * slo), 4)
    };
    let model = shortened(summary.model.as_str(), 12);
    let title = titled(summary.workload.as_str(), &model, TICK, f64::from(inner.w) / BOLD);
    let at = (inner.x + inner.w / 2, inner.y - 24);
    text(area, at, Text::new(TICK, Align::Centre).bold(), &title)?;
    let (low, high) = (x.low, x.high);
    let mut panel = Panel::open(area, inner, x, y.clone())?;
    panel.up(slo, INK, (6, 6))?;
    for (index, result) in comparison.strategies.iter().enumerate() {
        if let Some(cdf) = result.cdf.get(workload) {
            panel.line(&steps(&cdf.points, low, high), colour(index), dashes(index))?;
        }
    }
    Ok(())
}

/// The line of a distribution between the ends of the axis: it rises from zero and, when every point
/// lies inside, stays at one.
fn steps(points: &[CdfPoint], low: f64, high: f64) -> Vec<(f64, f64)> {
    let Some(first) = points.first() else { return Vec::new() };
    let mut line = vec![(low, 0.0), (first.latency_ms.clamp(low, high), 0.0)];
    let inside = points.iter().take_while(|point| point.latency_ms <= high);
    line.extend(inside.map(|point| (point.latency_ms, point.fraction)));
    let reached = line.last().map_or(0.0, |last| last.1);
    line.push((high, reached));
    line
}
