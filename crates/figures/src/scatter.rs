//! One number against another on equal logarithmic axes, with y = x and a band of ±10 %.

use super::PlotError;
use super::axis::Axis;
use super::canvas::{Frame, draw, line, symbol};
use super::panel::{Key, Legend, Panel, below, left_of};
use super::style::{GREY, INK, MARGIN, ONE_COLUMN};
use plotters::style::RGBColor;

/// One point of a scatter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) colour: RGBColor,
    pub(super) symbol: usize,
}

/// Draws points; those that are not positive cannot be shown and are left out.
pub(super) fn scatter(
    points: &[Point],
    legend: Legend,
    titles: (&str, &str),
) -> Result<String, PlotError> {
    let values = || points.iter().flat_map(|point| [point.x, point.y]).filter(|v| *v > 0.0);
    let low = values().fold(f64::INFINITY, f64::min) / 1.1;
    let high = values().fold(0.0, f64::max) * 1.1;
    // At least half a decade, so that a single point has an axis to be read against.
    let spread = (3.2 * low / high).max(1.0).sqrt();
    scatter_on(points, legend, titles, Axis::log(low / spread, high * spread, 6))
}

/// As [`scatter`], with this axis in both directions.
pub(super) fn scatter_on(
    points: &[Point],
    mut legend: Legend,
    (x_title, y_title): (&str, &str),
    axis: Axis,
) -> Result<String, PlotError> {
    let shown: Vec<&Point> = points.iter().filter(|p| p.x > 0.0 && p.y > 0.0).collect();
    let (x, y) = (axis.clone().titled(x_title), axis.titled(y_title));
    legend.end_line();
    legend.add(Key::Line(INK, None), "y = x");
    legend.add(Key::Line(GREY, Some((14, 8))), "±10 %");
    let legend_height = legend.height(ONE_COLUMN - 2 * MARGIN);
    let left = MARGIN + left_of(&y);
    let side = ONE_COLUMN - left - MARGIN - 24;
    let total = MARGIN + legend_height + 14 + side + below(&x) + 12;
    let radius = if shown.len() > 300 { 6 } else { 10 };
    draw((ONE_COLUMN, total), |area| {
        legend.draw(area, MARGIN, ONE_COLUMN)?;
        let inner = Frame::new(left, MARGIN + legend_height + 14, side, side);
        let (low, high) = (x.low, x.high);
        let panel = Panel::open(area, inner, x, y)?;
        line(area, &[panel.at(low, low), panel.at(high, high)], INK, 3, None)?;
        for factor in [0.9, 1.1_f64] {
            let (from, to) = (low.max(low / factor), high.min(high / factor));
            let ends = [panel.at(from, factor * from), panel.at(to, factor * to)];
            line(area, &ends, GREY, 3, Some((14, 8)))?;
        }
        for point in shown {
            symbol(area, panel.at(point.x, point.y), point.symbol, point.colour, radius)?;
        }
        Ok(())
    })
}
