//! What a planner costs, and how far it is from its bound, against the number of workloads.

use super::axis::Axis;
use super::canvas::{Frame, draw, symbol};
use super::panel::{Key, Legend, Panel, below, left_of};
use super::style::{MARGIN, ONE_COLUMN, colour, dashes};
use super::{Figure, PlotError, distinct, pages};

/// One plan of one planner.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPoint {
    /// Which planner, on which kind of workloads.
    pub series: String,
    /// How many workloads it planned (≥ 1).
    pub workloads: f64,
    /// How long that took, in seconds (> 0).
    pub seconds: f64,
    /// How many GPUs above the proven bound it is, in percent of that.
    pub gap_pct: Option<f64>,
}

/// Height of a panel in dots.
const HEIGHT: i32 = 400;

/// Time and gap, one below the other. `None` without a point.
///
/// # Errors
/// When it cannot be drawn.
pub fn scaling_figure(points: &[ScalingPoint]) -> Result<Option<Figure>, PlotError> {
    let shown: Vec<&ScalingPoint> =
        points.iter().filter(|p| p.workloads > 0.0 && p.seconds > 0.0).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let series = distinct(shown.iter().map(|point| &point.series));
    let range = |of: &dyn Fn(&ScalingPoint) -> f64| {
        let values = shown.iter().map(|p| of(p));
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (least, most) = range(&|p| p.workloads);
    let (quickest, slowest) = range(&|p| p.seconds);
    let highest = shown.iter().filter_map(|p| p.gap_pct).fold(1.0, f64::max);
    let x = Axis::log(least / 1.3, most * 1.3, 6);
    let time = Axis::log(quickest / 1.5, slowest * 1.5, 8).titled("Planning time (s)");
    let gap = Axis::from_zero(highest, 5).titled("Above the proven bound (%)");
    let mut legend = Legend::default();
    for (index, name) in series.iter().enumerate() {
        legend.add(Key::Symbol(colour(index), index), name);
    }
    let legend_height = legend.height(ONE_COLUMN - 2 * MARGIN);
    let left = MARGIN + left_of(&time).max(left_of(&gap));
    let width = ONE_COLUMN - left - MARGIN - 24;
    let titled = x.clone().titled("Workloads");
    let top = MARGIN + legend_height + 14;
    let second = top + HEIGHT + below(&x) + 30;
    let total = second + HEIGHT + below(&titled) + 12;
    let svg = draw((ONE_COLUMN, total), |area| {
        legend.draw(area, MARGIN, ONE_COLUMN)?;
        let frames = [(top, x, time), (second, titled, gap)];
        for (place, (y_at, x, y)) in frames.into_iter().enumerate() {
            let mut panel = Panel::open(area, Frame::new(left, y_at, width, HEIGHT), x, y)?;
            for (index, name) in series.iter().enumerate() {
                let own = shown.iter().filter(|p| p.series == **name);
                let value = |p: &&&ScalingPoint| {
                    let y = if place == 0 { Some(p.seconds) } else { p.gap_pct };
                    Some((p.workloads, y?))
                };
                let line: Vec<(f64, f64)> = own.filter_map(|p| value(&p)).collect();
                panel.line(&line, colour(index), dashes(index))?;
                for (x, y) in line {
                    symbol(area, panel.at(x, y), index, colour(index), 9)?;
                }
            }
        }
        Ok(())
    })?;
    let caption =
        "Planning time and gap to the proven lower bound against the number of workloads.";
    Ok(pages("planner-scaling", caption, vec![svg]).pop())
}
